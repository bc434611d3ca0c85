"""Put a model where the app looks for it. Versions are immutable; the champion is one small blob, switched at last."""

from __future__ import annotations

from datetime import datetime

from shared.adapters.codec import decode_json, encode_json
from shared.contracts.model_card import Champion, ModelCard
from shared.core.errors import ConflictError, ModelError
from shared.core.ids import digest
from shared.ports import BlobStore

CONTAINER = "models"


def publish(blobs: BlobStore, onnx: bytes, card: ModelCard, *, promoted_at: datetime) -> None:
    """Write `{name}/{version}/model.onnx` and `card.json`, then make the version champion.

    Publishing the same version again is no error and leaves what stands there. The champion is switched last and under
    its ETag, so that whoever looks in between finds a whole model.

    Raises
    ------
    ModelError
        If the bytes are not those of the card, or the version exists with other bytes.
    ConflictError
        If somebody else switched the champion at the same time.
    """
    if digest(onnx) != card.sha256:
        raise ModelError(f"{card.name}/{card.version}: sha256 must be {card.sha256}, got {digest(onnx)}")
    folder = f"{card.name}/{card.version}"
    if not blobs.insert(CONTAINER, f"{folder}/model.onnx", onnx):
        stored = blobs.get(CONTAINER, f"{folder}/model.onnx")
        if stored is None or digest(stored.value) != card.sha256:
            raise ModelError(f"{folder} exists already with other bytes; versions are immutable")
    blobs.insert(CONTAINER, f"{folder}/card.json", encode_json(card))
    promote(blobs, card.name, card.version, promoted_at=promoted_at)


def promote(blobs: BlobStore, name: str, version: str, *, promoted_at: datetime) -> None:
    """Make a published version the champion.

    Raises
    ------
    ModelError
        If the version has not been published.
    ConflictError
        If somebody else switched the champion at the same time.
    """
    if blobs.get(CONTAINER, f"{name}/{version}/card.json") is None:
        raise ModelError(f"{name}/{version} has no card in container {CONTAINER}")
    path = f"{name}/champion.json"
    champion = Champion(name=name, version=version, promoted_at=promoted_at)
    stored = blobs.get(CONTAINER, path)
    if stored is None:
        if not blobs.insert(CONTAINER, path, encode_json(champion)):
            raise ConflictError(f"{CONTAINER}/{path} appeared while {version} was being promoted")
        return
    if decode_json(Champion, stored.value).version != version:
        blobs.replace(CONTAINER, path, encode_json(champion), stored.etag)
