"""Published models, verified before use: onnxruntime over what `models/` holds.

A model is believed only after its bytes, its card, the features it wants, its inputs and outputs and its recorded
answers have been checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.adapters.champions import Champions, CheckedKind
from shared.adapters.onnx_files import opened, reason
from shared.contracts.model_card import MODEL_FILE, OUTPUTS, PROBABILISTIC, ModelCard
from shared.core.errors import ModelError
from shared.core.features.catalogue import ALL_FEATURE_NAMES, FEATURE_NAMES
from shared.core.market import FloatArray
from shared.core.values import require
from shared.ports import BlobStore, Clock, ModelState

INPUT, OUTPUT = "features", "scores"
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
        self._champions = Champions(blobs, clock, _KIND, accept_synthetic=accept_synthetic)

    def current(self, name: str) -> ModelState:
        """Return the newest champion that can be trusted, and what is wrong with a newer one (`Champions.current`)."""
        state = self._champions.current(name)
        return ModelState(predictor=state.model, fault=state.fault)


def verified(card: ModelCard, data: bytes) -> OnnxPredictor:
    """Check a model's bytes against its card, and against this code.

    Raises
    ------
    ModelError
        Naming the model, what was expected and what was found.
    """
    where = f"{card.name}/{card.version}"
    session = opened(where, data, card.sha256)
    _require_signature(where, card, session)
    columns = _columns(where, card)
    predictor = OnnxPredictor(card, session, columns)
    _require_recorded_answers(where, card, predictor)
    return predictor


_KIND = CheckedKind(
    card=ModelCard, files=lambda card: (MODEL_FILE,), check=lambda card, files: verified(card, files[MODEL_FILE])
)


def _columns(where: str, card: ModelCard) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    known = {name: k for k, name in enumerate(ALL_FEATURE_NAMES)}
    if unknown := [name for name in card.feature_names if name not in known]:
        raise ModelError(f"{where}: features must be known to this code, got {', '.join(unknown[:5])}")
    if card.feature_names == FEATURE_NAMES:
        return None
    return np.array([known[name] for name in card.feature_names], np.int64)


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
    except Exception as error:  # as in onnx_files
        raise ModelError(f"{where}: model.onnx cannot be run: {reason(error)}") from error
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
