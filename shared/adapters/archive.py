"""Every published version of a model, for who looks back at what it once said."""

from __future__ import annotations

from functools import lru_cache

from shared.adapters.champions import CONTAINER
from shared.adapters.codec import decode_json
from shared.adapters.scorer import OnnxPredictor, verified
from shared.contracts.model_card import ModelCard
from shared.core.errors import ModelError
from shared.ports import BlobStore
from shared.strategies.protocol import Predictor

KEPT = 8
"""Versions kept in memory: a day has few."""


class OnnxArchive:
    """`ModelArchive` on blobs. A version is immutable, so what was read once is kept."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._read = lru_cache(maxsize=KEPT)(self._load)

    def version(self, name: str, version: str) -> Predictor:
        """Return a version, checked against its card, expired or not. Raises ModelError where it cannot be had."""
        return self._read(name, version)

    def _load(self, name: str, version: str) -> OnnxPredictor:
        folder = f"{name}/{version}"
        card, model = (self._blobs.get(CONTAINER, f"{folder}/{part}") for part in ("card.json", "model.onnx"))
        if card is None or model is None:
            raise ModelError(f"{CONTAINER}/{folder} is gone")
        return verified(decode_json(ModelCard, card.value), model.value)
