"""From fitted models to what is published: export, parity, and a card that says everything of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from shared.contracts.model_card import (
    MOVE_MODEL,
    OUTPUTS,
    REGIME_MODEL,
    SIGNAL_MODEL,
    Calibration,
    Importance,
    ModelCard,
    RecordedPair,
)
from shared.core.drift import FeatureReference, reference_of
from shared.core.features import FEATURE_NAMES
from shared.core.ids import digest
from shared.core.market import FloatArray
from shared.core.regime import REGIME_FEATURES, Regime
from training import calibrate, export, fit, regimes
from training.calibrate import Calibrator
from training.dataset import Dataset
from training.labels import UP

_PAIRS = 32
STRETCH_SESSIONS = 5
"""Sessions that live features are looked at together: references know what so many usually differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that has passed its parity check, with its card."""

    onnx: bytes
    card: ModelCard


type CardDraft = partial[ModelCard]
"""A card with what is known of it so far; called with the rest, it is one."""


def packed_trees(
    draft: CardDraft,
    metrics: dict[str, float],
    model: XGBClassifier | XGBRegressor,
    calibrator: Calibrator,
    *,
    judge: Dataset,
    seed: int,
) -> TrainedModel:
    """Export boosted trees with their calibrator, checked against the original.

    Raises
    ------
    ModelError
        If the export does not answer as the original does.
    """
    data = export.to_onnx(model, len(FEATURE_NAMES), calibrator)
    rows = export.parity_rows(judge.features, seed)
    expected = calibrator(fit.predict(model, rows))
    # Every so many rows of all kinds, and the last six: the ranges' edges, zeros, nothing at all, and absurd values.
    chosen = np.unique(np.r_[np.linspace(0, len(rows) - 7, _PAIRS).astype(np.int64), len(rows) - 6 : len(rows)])
    name = SIGNAL_MODEL if isinstance(model, XGBClassifier) else MOVE_MODEL
    answers = _Answers(data=data, rows=rows, expected=expected, recorded=chosen)
    named = partial(draft, name=name, feature_names=FEATURE_NAMES, output_names=OUTPUTS[name])
    return _packed(named, metrics, answers)


def packed_regimes(
    draft: CardDraft, metrics: dict[str, float], mixture: regimes.RegimeMixture, rows: FloatArray, seed: int
) -> TrainedModel:
    """Export the regime mixture, checked against the original; the pairs are rows that it answers."""
    tried = regimes.parity_rows(rows, seed)
    expected = mixture(tried.astype(np.float64))
    answered = np.flatnonzero(np.isfinite(expected).all(axis=1))
    chosen = answered[np.unique(np.linspace(0, answered.size - 1, _PAIRS).astype(np.int64))]
    answers = _Answers(data=regimes.to_onnx(mixture), rows=tried, expected=expected, recorded=chosen)
    named = partial(draft, name=REGIME_MODEL, feature_names=REGIME_FEATURES, output_names=OUTPUTS[REGIME_MODEL])
    return _packed(named, metrics, answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """ONNX bytes, rows that they are compared on, the original's answers, and which of them go into the card."""

    data: bytes
    rows: NDArray[np.float32]
    expected: FloatArray
    recorded: NDArray[np.int64]


def _packed(draft: CardDraft, metrics: dict[str, float], answers: _Answers) -> TrainedModel:
    worst = export.require_parity(answers.data, answers.rows, answers.expected)
    card = draft(
        sha256=digest(answers.data),
        metrics=metrics | {"parity_max_difference": worst, "parity_rows": float(len(answers.rows))},
        pairs=tuple(_pair(answers.rows[k], answers.expected[k]) for k in answers.recorded),
        tolerance=export.TOLERANCE,
    )
    return TrainedModel(onnx=answers.data, card=card)


def _pair(row: NDArray[np.float32], output: FloatArray) -> RecordedPair:
    features = tuple(None if np.isnan(value) else float(value) for value in row)
    return RecordedPair(features=features, output=tuple(float(value) for value in output))


def calibration_of(
    raw: FloatArray, calibrated: FloatArray, judge: Dataset, method: str, brier_by_method: dict[str, float]
) -> Calibration:
    """What calibration did to probabilities of the judged rows, shape (n, 3) each."""
    went_up = judge.outcome == UP
    return Calibration(
        method=method,
        brier_by_method=brier_by_method,
        brier_before=calibrate.brier(raw, judge.outcome),
        brier_after=calibrate.brier(calibrated, judge.outcome),
        reliability_before=calibrate.reliability(raw[:, UP], went_up),
        reliability=calibrate.reliability(calibrated[:, UP], went_up),
    )


def references_of(learn: Dataset, columns: tuple[str, ...] = FEATURE_NAMES) -> tuple[FeatureReference, ...]:
    """How each feature was distributed in the training window, and how far a stretch of its sessions lies from it."""
    days = np.unique(learn.day)
    edges = np.searchsorted(learn.day, days[::STRETCH_SESSIONS])[1:]  # rows lie session by session
    found = []
    for name in columns:
        values = learn.features[:, FEATURE_NAMES.index(name)].astype(np.float64)
        stretches = [part for part in np.split(values, edges) if 2 * part.size >= values.size / max(len(edges), 1)]
        found.append(reference_of(name, values, stretches if len(stretches) > 1 else ()))
    return tuple(found)


def importances_of(
    model: XGBClassifier | XGBRegressor, calibrator: Calibrator, judge: Dataset, *, rows: int, seed: int
) -> tuple[Importance, ...]:
    """Gain of each feature in training, and what the loss on judged rows loses without it; the largest gain first.

    The loss is the log loss of the classifier and the squared error (in squared basis points) of the regressor.
    """
    gains = model.get_booster().get_score(importance_type="total_gain")
    by_feature = np.array([float(np.sum(gains.get(f"f{k}", 0.0))) for k in range(len(FEATURE_NAMES))])
    by_feature /= max(float(by_feature.sum()), 1e-300)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(judge), min(rows, len(judge)), replace=False))
    features, loss = judge.features[chosen], _loss(model, calibrator, judge, chosen)
    base = loss(features)
    found = []
    for k, name in enumerate(FEATURE_NAMES):
        shuffled = features.copy()
        shuffled[:, k] = rng.permutation(shuffled[:, k])
        worse = loss(shuffled) - base if by_feature[k] > 0 else 0.0
        found.append(Importance(name=name, gain=float(by_feature[k]), permutation=worse))
    return tuple(sorted(found, key=lambda importance: -importance.gain))


def _loss(
    model: XGBClassifier | XGBRegressor, calibrator: Calibrator, judge: Dataset, chosen: NDArray[np.int64]
) -> Callable[[NDArray[np.float32]], float]:
    if isinstance(model, XGBClassifier):
        outcome = judge.outcome[chosen]
        return lambda features: calibrate.cross_entropy(calibrator(fit.predict(model, features)), outcome)
    move = judge.move[chosen]
    return lambda features: float(1e8 * np.mean((fit.predict(model, features)[:, 0] - move) ** 2))


def regime_metrics(mixture: regimes.RegimeMixture, learned: FloatArray, judged: FloatArray) -> dict[str, float]:
    """Share of sessions and mean daily volatility of each regime, and how often it changes from session to session."""
    metrics = {"train_sessions": float(len(learned)), "test_sessions": float(len(judged))}
    for window, rows in (("", learned), ("test_", judged)):
        if not len(rows):
            continue
        best = mixture(rows).argmax(axis=1)
        for k, regime in enumerate(Regime):
            metrics[f"{window}share_{regime.value}"] = float((best == k).mean())
            if window == "" and (best == k).any():
                metrics[f"volatility_{regime.value}"] = float(rows[best == k, 0].mean())
        metrics[f"{window}changes"] = float(np.count_nonzero(np.diff(best)))
    return metrics
