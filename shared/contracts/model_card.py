"""What a model says of itself. The app believes none of it before it has checked it against the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from shared.core.drift import FeatureReference
from shared.core.regime import REGIME_NAMES
from shared.core.values import require, require_at_least, require_utc

MODEL_FILE = "model.onnx"
MAX_MODEL_BYTES = 64 * 1024 * 1024
SIGNAL_MODEL = "signal"
MOVE_MODEL = "move"
REGIME_MODEL = "regime"
MODELS = (SIGNAL_MODEL, MOVE_MODEL, REGIME_MODEL)
SIGNAL_CLASSES = ("down", "none", "up")
OUTPUTS = {SIGNAL_MODEL: SIGNAL_CLASSES, MOVE_MODEL: ("expected_move",), REGIME_MODEL: REGIME_NAMES}
"""What each model must answer, in order; a model of another name is free."""
PROBABILISTIC = frozenset({SIGNAL_MODEL, REGIME_MODEL})
"""Models whose answers are probabilities that add up to 1."""
MAX_PAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPair:
    """One input row and what the trainer's own model answered; None stands for NaN (a missing feature)."""

    features: tuple[float | None, ...]
    output: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What one feature does for a model.

    `gain` is its share of the loss that the trees' splits on it take away; `permutation` is how much worse the loss
    gets out of sample where the feature's values are shuffled among the rows.
    """

    name: str
    gain: float
    permutation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows whose p_up is alike: its mean, and how often up came."""

    p_mean: float
    frequency: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How probabilities were made honest.

    Attributes
    ----------
    method : str
        "none", "isotonic" or "beta".
    brier_by_method : dict of str to float
        On inner folds, each method fitted on the other folds: the least one was chosen of those that made none worse.
    brier_before, brier_after : float
        Out of sample, without and with it; sums over classes.
    reliability_before, reliability : tuple of ReliabilityBin
        The curve of p_up out of sample, in bins of equal count by rising p_up, without and with it.
    """

    method: str
    brier_by_method: dict[str, float]
    brier_before: float
    brier_after: float
    reliability_before: tuple[ReliabilityBin, ...]
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """One split of the training window, with the model of the same parameters judged on sessions it did not see.

    `kind` is "walk-forward" (learned from what lies before) or "combinatorial" (learned from what lies on both sides).
    """

    kind: str
    train_sessions: int
    tested_from: date
    tested_to: date
    test_sessions: int
    metrics: dict[str, float]


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
    judged_from, judged_to : date or None
        Session dates that the metrics come from; the model has not learned from them.
    parameters : dict of str to float
        Of the fit, as tuned.
    trials : int
        Parameter sets that were tried before these were chosen: with enough of them one looks good by chance.
    calibration : Calibration or None
        Of a classifier.
    folds : tuple of FoldResult
        The spread of results inside the training window.
    reference : tuple of FeatureReference
        How each feature was distributed in the training window.
    importances : tuple of Importance
        The largest gain first.
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
    judged_from: date | None = None
    judged_to: date | None = None
    parameters: dict[str, float] = field(default_factory=dict)
    trials: int = 0
    calibration: Calibration | None = None
    folds: tuple[FoldResult, ...] = ()
    reference: tuple[FeatureReference, ...] = ()
    importances: tuple[Importance, ...] = ()

    def __post_init__(self) -> None:
        require(self.schema_id == "model-card.v1", "schema_id", self.schema_id, "model-card.v1")
        require(len(self.sha256) == 64, "sha256", self.sha256, "64 hex digits")
        require(
            len(set(self.feature_names)) == len(self.feature_names) > 0, "feature_names", self.feature_names, "unique"
        )
        require(len(self.pairs) >= 1, "pairs", len(self.pairs), "at least one recorded pair")
        require_at_least("trials", self.trials, 0)
        require_utc("created_at", self.created_at)
        for pair in self.pairs:
            require(len(pair.features) == len(self.feature_names), "pairs", len(pair.features), "one value per feature")
            require(len(pair.output) == len(self.output_names), "pairs", len(pair.output), "one value per output")


class PublishedCard(Protocol):
    """What every kind of card says."""

    @property
    def name(self) -> str:
        """The model's."""

    @property
    def version(self) -> str:
        """The model's."""

    @property
    def expires_on(self) -> date:
        """Session date after which it is no longer trusted."""

    @property
    def is_synthetic(self) -> bool:
        """Whether it has learned from an invented market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A champion that was. `fault` says why it may not come back; it is empty where a better one replaced it."""

    version: str
    promoted_at: datetime
    ended_at: datetime
    fault: str = ""

    def __post_init__(self) -> None:
        require_utc("promoted_at", self.promoted_at)
        require_utc("ended_at", self.ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """`{model}/champion.json`: which version the app should use, and which it used before.

    `past` holds the last `MAX_PAST` reigns, the latest last. `suspended` is empty, or says why the version must not be
    used although there is no other to go back to.
    """

    name: str
    version: str
    promoted_at: datetime
    reason: str = ""
    suspended: str = ""
    past: tuple[Reign, ...] = ()

    def __post_init__(self) -> None:
        require_utc("promoted_at", self.promoted_at)
        require(len(self.past) <= MAX_PAST, "past", len(self.past), f"at most {MAX_PAST} reigns")

    @property
    def sound_past(self) -> tuple[str, ...]:
        """Earlier versions, the latest first, that were never taken off for a fault: what a rollback may go back to."""
        barred = {self.version, *(reign.version for reign in self.past if reign.fault)}
        return tuple(dict.fromkeys(r.version for r in reversed(self.past) if r.version not in barred))

    def sound_before(self, card_of: Callable[[str], PublishedCard | None], on: date) -> str | None:
        """The version that a rollback brings back, None where there is none.

        Parameters
        ----------
        card_of : callable
            Given a version, its card; None where it is gone or cannot be read.
        on : date
            First session date that it is to serve on: one that has expired by then is passed over.
        """
        cards = ((version, card_of(version)) for version in self.sound_past)
        return next((version for version, card in cards if card is not None and card.expires_on >= on), None)

    def followed_by(self, version: str, *, at: datetime, reason: str, fault: str = "") -> Champion:
        """The champion that takes over; this one's reign ends, for a fault or for a better one."""
        ended = Reign(version=self.version, promoted_at=self.promoted_at, ended_at=at, fault=fault)
        past = (*self.past, ended)[-MAX_PAST:]
        return Champion(name=self.name, version=version, promoted_at=at, reason=reason, past=past)
