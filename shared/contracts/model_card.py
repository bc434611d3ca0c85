"""What a model says of itself. The app believes none of it before it has checked it against the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from shared.core.values import require, require_utc

MAX_MODEL_BYTES = 64 * 1024 * 1024
SIGNAL_MODEL = "signal"
MOVE_MODEL = "move"
SIGNAL_CLASSES = ("down", "none", "up")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPair:
    """One input row and what the trainer's own model answered; None stands for NaN (a missing feature)."""

    features: tuple[float | None, ...]
    output: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Published beside `model.onnx`.

    Attributes
    ----------
    name, version : str
        `{name}/{version}` is the blob folder. A version is immutable.
    sha256 : str
        Of the ONNX bytes.
    feature_names : tuple of str
        Columns of the input, in order: float32, shape (n, len(feature_names)).
    output_names : tuple of str
        Columns of the output, in order (`SIGNAL_CLASSES` for the classifier, ("expected_move",) for the regressor).
    label : str
        What is predicted, in words, with horizon and barriers.
    trained_from, trained_to : date
        Session dates of the training window, both inside.
    expires_on : date
        Session date after which the app no longer trusts the model.
    metrics : dict of str to float
        Out of sample.
    pairs : tuple of RecordedPair
        Inputs with the original model's outputs, re-computed by the app before it trusts the file.
    tolerance : float
        Largest allowed absolute difference of the re-computed outputs.
    is_synthetic : bool
        Whether it has learned from an invented market.
    """

    schema_id: str = "model-card.v1"
    name: str
    version: str
    sha256: str
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    label: str
    trained_from: date
    trained_to: date
    created_at: datetime
    expires_on: date
    code_revision: str
    metrics: dict[str, float]
    pairs: tuple[RecordedPair, ...]
    tolerance: float = 1e-5
    is_synthetic: bool = False

    def __post_init__(self) -> None:
        require(self.schema_id == "model-card.v1", "schema_id", self.schema_id, "model-card.v1")
        require(len(self.sha256) == 64, "sha256", self.sha256, "64 hex digits")
        require(
            len(set(self.feature_names)) == len(self.feature_names) > 0, "feature_names", self.feature_names, "unique"
        )
        require(len(self.pairs) >= 1, "pairs", len(self.pairs), "at least one recorded pair")
        require_utc("created_at", self.created_at)
        for pair in self.pairs:
            require(len(pair.features) == len(self.feature_names), "pairs", len(pair.features), "one value per feature")
            require(len(pair.output) == len(self.output_names), "pairs", len(pair.output), "one value per output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """`{model}/champion.json`: which version the app should use."""

    name: str
    version: str
    promoted_at: datetime

    def __post_init__(self) -> None:
        require_utc("promoted_at", self.promoted_at)
