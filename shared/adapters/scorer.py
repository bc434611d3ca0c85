"""Published models, verified before use: onnxruntime over what `models/` holds.

A model is believed only after its bytes, its card, the features it wants, its inputs and outputs and its recorded
answers have been checked. A new champion is picked up within a minute; one that fails its checks is named in the
state's fault, and the last good one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import numpy as np

from shared.adapters.codec import decode_json
from shared.contracts.model_card import (
    MAX_MODEL_BYTES,
    OUTPUTS,
    PROBABILISTIC,
    Champion,
    ModelCard,
)
from shared.core.errors import ContractError, ModelError, TransientError
from shared.core.features.catalogue import ALL_FEATURE_NAMES, FEATURE_NAMES
from shared.core.ids import digest
from shared.core.market import FloatArray
from shared.core.sessions import NEW_YORK
from shared.core.values import require
from shared.ports import BlobStore, Clock, ModelState
from shared.strategies.protocol import Predictor

CONTAINER = "models"
LOOK_EVERY = timedelta(minutes=1)
INPUT, OUTPUT = "features", "scores"
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operator domains of the ONNX standard; anything else could be code of somebody's own."""
_VECTOR_ROWS = 16
"""As many float32 values as the widest vector of a CPU holds."""
MAX_TOLERANCE = 1e-4
"""No card may ask for less exactness than this."""


class OnnxPredictor:
    """A checked model.

    Parameters
    ----------
    card : ModelCard
    session : onnxruntime.InferenceSession
    columns : int array of shape (n_model_features,) or None
        Where the model's features stand among `ALL_FEATURE_NAMES`; None where it takes `FEATURE_NAMES` in order.
    """

    def __init__(self, card: ModelCard, session: Any, columns: np.ndarray[Any, np.dtype[np.int64]] | None) -> None:
        self._card = card
        self._session = session
        self._columns = columns

    @property
    def card(self) -> ModelCard:
        """The card the model was checked against."""
        return self._card

    def predict(self, features: FloatArray) -> FloatArray:
        """Score rows whose columns are `FEATURE_NAMES`, or `ALL_FEATURE_NAMES` where news is read.

        Parameters
        ----------
        features : float64 of shape (n, len(FEATURE_NAMES)) or (n, len(ALL_FEATURE_NAMES))
            NaN for missing. A model that looks at text gets NaN where there is none.

        Returns
        -------
        float64 of shape (n, n_outputs)

        Raises
        ------
        ValueError
            If the shape is another.
        """
        bars, everything = len(FEATURE_NAMES), len(ALL_FEATURE_NAMES)
        require(
            features.ndim == 2 and features.shape[1] in {bars, everything},
            "features",
            features.shape,
            f"of shape (n, {bars}) or (n, {everything})",
        )
        if not features.shape[0]:
            return np.empty((0, len(self._card.output_names)))
        if self._columns is None:
            chosen = features[:, :bars]
        else:
            missing = everything - features.shape[1]
            chosen = np.pad(features, ((0, 0), (0, missing)), constant_values=np.nan)[:, self._columns]
        return self.score(chosen.astype(np.float32))

    def score(self, rows: np.ndarray[Any, np.dtype[np.float32]]) -> FloatArray:
        """Score rows in the model's own columns.

        A calibrator's logarithm and sigmoid are computed in vectors of rows, and one by one for what is left over, with
        another last bit. Rows are filled up to whole vectors, so that a row has the same bits alone and among others.
        """
        count = rows.shape[0]
        if missing := -count % _VECTOR_ROWS:
            rows = np.concatenate([rows, np.zeros((missing, rows.shape[1]), np.float32)])
        return np.asarray(self._session.run([OUTPUT], {INPUT: rows})[0][:count], np.float64)


@dataclass(slots=True)
class _Slot:
    """What is known of one model."""

    looked_at: datetime | None = None
    version: str = ""
    predictor: OnnxPredictor | None = None
    fault: str = "no champion has been published"


class OnnxModels:
    """`Models` over a blob store.

    Parameters
    ----------
    blobs : BlobStore
    clock : Clock
        Decides when to look again, and whether a model has expired.
    accept_synthetic : bool
        Whether a model that learned from an invented market may be used: in the sandbox only.
    """

    def __init__(self, blobs: BlobStore, clock: Clock, *, accept_synthetic: bool = False) -> None:
        self._blobs = blobs
        self._clock = clock
        self._accept_synthetic = accept_synthetic
        self._slots: dict[str, _Slot] = {}
        self._lock = Lock()

    def current(self, name: str) -> ModelState:
        """Return the newest champion that can be trusted, and what is wrong with a newer one.

        An expired model is not returned, since no check can make it good again. A store that does not answer is a
        fault of its own and leaves the model in use.
        """
        # Functions run in threads: who comes while another loads waits for it, and does not find an empty slot.
        with self._lock:
            return self._current(self._slots.setdefault(name, _Slot()), name)

    def _current(self, slot: _Slot, name: str) -> ModelState:
        now = self._clock.now()
        if slot.looked_at is None or not timedelta(0) <= now - slot.looked_at < LOOK_EVERY:
            slot.looked_at = now
            self._look(name, slot, now)
        predictor: Predictor | None = slot.predictor
        if slot.predictor is not None and _is_expired(slot.predictor.card, now):
            card = slot.predictor.card
            expired = f"{name}/{card.version} expired on {card.expires_on}"
            return ModelState(predictor=None, fault=f"{slot.fault}; {expired}" if slot.fault else expired)
        return ModelState(predictor=predictor, fault=slot.fault)

    def _look(self, name: str, slot: _Slot, now: datetime) -> None:
        """Read the champion, and load it where it is another than the one in use."""
        try:
            champion = self._champion(name)
            if champion.suspended:
                slot.predictor, slot.version = None, ""
                raise ModelError(f"{name}/{champion.version} is suspended: {champion.suspended}")
            if champion.version != slot.version or slot.fault:
                slot.predictor = self._load(name, champion.version, now)
                slot.version = champion.version
            slot.fault = ""
        except (ModelError, ContractError) as error:
            slot.fault = str(error)
        except TransientError as error:
            slot.fault = f"models cannot be read: {error}"

    def _champion(self, name: str) -> Champion:
        stored = self._blobs.get(CONTAINER, f"{name}/champion.json")
        if stored is None:
            raise ModelError(f"{CONTAINER}/{name}/champion.json is missing: no champion has been published")
        champion = decode_json(Champion, stored.value)
        if champion.name != name:
            raise ModelError(f"{name}/champion.json names model {champion.name!r}")
        if not champion.version or "/" in champion.version:
            raise ModelError(f"{name}/champion.json: version must be one path segment, got {champion.version!r}")
        return champion

    def _load(self, name: str, version: str, now: datetime) -> OnnxPredictor:
        folder = f"{name}/{version}"
        card_blob = self._blobs.get(CONTAINER, f"{folder}/card.json")
        model_blob = self._blobs.get(CONTAINER, f"{folder}/model.onnx")
        if card_blob is None or model_blob is None:
            missing = "card.json" if card_blob is None else "model.onnx"
            raise ModelError(f"{folder}/{missing} is missing")
        try:
            card = decode_json(ModelCard, card_blob.value)
        except ContractError as error:
            raise ModelError(f"{folder}/card.json: {error}") from error
        if (card.name, card.version) != (name, version):
            raise ModelError(f"{folder}/card.json is the card of {card.name}/{card.version}")
        if _is_expired(card, now):
            raise ModelError(f"{folder} expired on {card.expires_on}")
        if card.is_synthetic and not self._accept_synthetic:
            raise ModelError(f"{folder} has learned from an invented market: it may score in the sandbox only")
        return verified(card, model_blob.value)


def verified(card: ModelCard, data: bytes) -> OnnxPredictor:
    """Check a model's bytes against its card, and against this code.

    Raises
    ------
    ModelError
        Naming the model, what was expected and what was found.
    """
    where = f"{card.name}/{card.version}"
    _require_bytes(where, card, data)
    _require_domains(where, data)
    session = _open_session(where, data)
    _require_signature(where, card, session)
    columns = _columns(where, card)
    predictor = OnnxPredictor(card, session, columns)
    _require_recorded_answers(where, card, predictor)
    return predictor


def _is_expired(card: ModelCard, now: datetime) -> bool:
    return now.astimezone(NEW_YORK).date() > card.expires_on


def _require_bytes(where: str, card: ModelCard, data: bytes) -> None:
    if not 0 < len(data) <= MAX_MODEL_BYTES:
        raise ModelError(f"{where}: model.onnx must have 1 to {MAX_MODEL_BYTES} bytes, got {len(data)}")
    if (found := digest(data)) != card.sha256:
        raise ModelError(f"{where}: sha256 of model.onnx must be {card.sha256}, got {found}")


def _columns(where: str, card: ModelCard) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    known = {name: k for k, name in enumerate(ALL_FEATURE_NAMES)}
    if unknown := [name for name in card.feature_names if name not in known]:
        raise ModelError(f"{where}: features must be known to this code, got {', '.join(unknown[:5])}")
    if card.feature_names == FEATURE_NAMES:
        return None
    return np.array([known[name] for name in card.feature_names], np.int64)


def _open_session(where: str, data: bytes) -> Any:
    """Open an onnxruntime session of one thread, on bytes alone: files beside the model cannot be reached."""
    import onnxruntime  # noqa: PLC0415 - 0.2 s, paid where something is scored

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no common root but this one
        reason = str(error).splitlines()[0][:200]
        raise ModelError(f"{where}: model.onnx cannot be loaded: {reason}") from error


def _require_domains(where: str, data: bytes) -> None:
    try:
        foreign = set(operator_domains(data)) - DOMAINS
    except (IndexError, ValueError) as error:
        raise ModelError(f"{where}: model.onnx is no ONNX file: {error}") from error
    if foreign:
        raise ModelError(f"{where}: operators must be of the ONNX standard, got domains {sorted(foreign)}")


def operator_domains(data: bytes) -> list[str]:
    """Domains that an ONNX model imports operators from, read off the protobuf's outermost fields.

    The deployed app has onnxruntime but not the onnx package, and the runtime brings operators of its own domains.
    In `ModelProto` field 8 is `opset_import`, of which field 1 is the domain (absent: the default domain).

    Raises
    ------
    ValueError, IndexError
        If the bytes are no protobuf.
    """
    return [
        next((value.decode() for field, value in _fields(entry) if field == 1), "")
        for number, entry in _fields(data)
        if number == 8
    ]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (field number, bytes) of the length-delimited fields of one protobuf message; others are skipped."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _, at = _varint(data, at)
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"field {number} ends at byte {at + size} of {len(data)}")
        if kind == 2:
            yield number, data[at : at + size]
        at += size


_FIXED = {1: 8, 5: 4}
"""Sizes of protobuf's fixed-width wire types."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _require_signature(where: str, card: ModelCard, session: Any) -> None:
    expected = OUTPUTS.get(card.name, card.output_names)
    if card.output_names != expected:
        raise ModelError(f"{where}: outputs must be {expected}, got {card.output_names}")
    for kind, found, name, width in (
        ("input", session.get_inputs(), INPUT, len(card.feature_names)),
        ("output", session.get_outputs(), OUTPUT, len(card.output_names)),
    ):
        shown = [(item.name, item.type, item.shape) for item in found]
        fits = len(found) == 1 and found[0].name == name and found[0].type == "tensor(float)"
        fits = fits and len(found[0].shape) == 2 and found[0].shape[1] == width
        if not fits:
            raise ModelError(f"{where}: {kind} must be {name}, tensor(float) of shape (n, {width}), got {shown}")


def _require_recorded_answers(where: str, card: ModelCard, predictor: OnnxPredictor) -> None:
    rows = np.array([[np.nan if v is None else v for v in pair.features] for pair in card.pairs], np.float32)
    expected = np.array([pair.output for pair in card.pairs], np.float64)
    try:
        found = predictor.score(rows)
    except Exception as error:  # as in _open_session
        raise ModelError(f"{where}: model.onnx cannot be run: {str(error).splitlines()[0][:200]}") from error
    if found.shape != expected.shape:
        raise ModelError(f"{where}: answers must have shape {expected.shape}, got {found.shape}")
    worst = float(np.max(np.abs(found - expected)))
    tolerance = min(card.tolerance, MAX_TOLERANCE)
    if not worst <= tolerance:
        raise ModelError(
            f"{where}: recorded answers must be met within {tolerance:g}, differ by {worst:.3g} "
            f"on {len(card.pairs)} pairs"
        )
    if card.name in PROBABILISTIC and not np.allclose(found.sum(axis=1), 1, atol=1e-3):
        raise ModelError(f"{where}: probabilities must add up to 1, got {found.sum(axis=1)[:3]}")
