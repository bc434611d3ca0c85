"""From history to two models that may be published: dataset, split, fit, judge, export, check, card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard, RecordedPair
from shared.core.features import FEATURE_NAMES
from shared.core.ids import canonical_json, digest
from shared.core.values import Symbol, require_at_least
from training import evaluate, export, fit
from training.dataset import Dataset, Progress, SamplingRule, build_dataset
from training.folds import Fold, walk_forward
from training.labels import BarrierRule
from training.source import HistorySource

_RECIPE = 1
"""Part of every version: raise it when a change of code changes the fitted model."""
_PAIRS = 32
_MARKET = (Symbol("SPY"), Symbol("QQQ"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRule:
    """Everything that decides what comes out, besides the data and the seed.

    The last `test_sessions` are kept for judgement and the published model never learns from them: its card's metrics
    are its own. `valid_days` after the last known session the app stops trusting it.
    """

    sampling: SamplingRule = field(default_factory=SamplingRule)
    barrier: BarrierRule = field(default_factory=BarrierRule)
    fitting: fit.FitRule = field(default_factory=fit.FitRule)
    market_symbols: tuple[Symbol, ...] = _MARKET
    test_sessions: int = 8
    purge_sessions: int = 1
    embargo_sessions: int = 0
    valid_days: int = 45

    def __post_init__(self) -> None:
        require_at_least("test_sessions", self.test_sessions, 1)
        require_at_least("valid_days", self.valid_days, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that has passed its parity check, with its card."""

    onnx: bytes
    card: ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModels:
    """Both heads, trained on the same rows."""

    signal: TrainedModel
    move: TrainedModel


def train(
    source: HistorySource,
    *,
    seed: int,
    on: date,
    created_at: datetime,
    code_revision: str = "",
    is_synthetic: bool = False,
    rule: TrainingRule | None = None,
    progress: Progress | None = None,
) -> TrainedModels:
    """Train both models on the sessions before a date.

    Parameters
    ----------
    source : HistorySource
    seed : int
        Draws symbols, and rows and columns of each tree.
    on : date
        The first day the models may be used on; nothing of it or later is read.
    created_at : datetime
        Goes into the cards; it changes neither the models' bytes nor their versions.
    code_revision : str
        Goes into the cards.
    is_synthetic : bool
        Whether the market is an invented one; goes into the cards, and the app trades on it in the sandbox only.
    rule : TrainingRule, optional
    progress : callable, optional

    Returns
    -------
    TrainedModels
        Equal bytes and versions for equal data, seed and rule on the same machine.

    Raises
    ------
    ValueError
        If there is too little history.
    ModelError
        If an exported model does not answer as the original does.
    """
    rule = rule or TrainingRule()
    tell = progress or (lambda what, done: None)
    data = build_dataset(
        source,
        on=on,
        seed=seed,
        market_symbols=rule.market_symbols,
        sampling=rule.sampling,
        barrier=rule.barrier,
        progress=tell,
    )
    fold = walk_forward(
        data.dates,
        folds=1,
        test_sessions=rule.test_sessions,
        purge_sessions=rule.purge_sessions,
        embargo_sessions=rule.embargo_sessions,
    )[0]
    learn, judge = data.on(fold.train), data.on(fold.test)
    context = _Context(
        version=_version(source.content_id, seed, on, rule, fold),
        fold=fold,
        rule=rule,
        seed=seed,
        created_at=created_at,
        code_revision=code_revision,
        is_synthetic=is_synthetic,
    )
    cost_bp = rule.barrier.cost_bp
    tell("fit", 0.0)
    classifier, regressor = fit.fit_both(learn, rule.fitting, seed)
    tell("fit", 1.0)
    probabilities = fit.predict(classifier, judge.features)
    moves = fit.predict(regressor, judge.features)[:, 0]
    signal_metrics = evaluate.signal_metrics(probabilities, judge, learn, cost_bp=cost_bp)
    move_metrics = evaluate.move_metrics(moves, judge, learn, cost_bp=cost_bp)
    tell("export", 0.0)
    signal = _package(
        context,
        _Head(name=SIGNAL_MODEL, outputs=SIGNAL_CLASSES, label=str(rule.barrier), metrics=signal_metrics),
        classifier,
        judge,
    )
    move = _package(
        context,
        _Head(name=MOVE_MODEL, outputs=("expected_move",), label=_move_label(rule.barrier), metrics=move_metrics),
        regressor,
        judge,
    )
    tell("export", 1.0)
    return TrainedModels(signal=signal, move=move)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    version: str
    fold: Fold
    rule: TrainingRule
    seed: int
    created_at: datetime
    code_revision: str
    is_synthetic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    name: str
    outputs: tuple[str, ...]
    label: str
    metrics: dict[str, float]


def _version(content_id: str, seed: int, on: date, rule: TrainingRule, fold: Fold) -> str:
    """`{last training session}-{hash of data, seed, rule and recipe}`."""
    content = {
        "recipe": _RECIPE,
        "data": content_id,
        "seed": seed,
        "on": on.isoformat(),
        "rule": asdict(rule),
        "features": FEATURE_NAMES,
        "opset": export.OPSET,
    }
    return f"{fold.train[-1]:%Y%m%d}-{digest(canonical_json(content))[:12]}"


def _move_label(barrier: BarrierRule) -> str:
    return (
        f"return {barrier.horizon_min} min after the next bar's open or at the session's end, "
        f"clipped at {barrier.move_clip:g}"
    )


def _package(context: _Context, head: _Head, model: XGBClassifier | XGBRegressor, judge: Dataset) -> TrainedModel:
    """Export, check against the original, write the card."""
    data = export.to_onnx(model, len(FEATURE_NAMES))
    rows = export.parity_rows(judge.features, context.seed)
    expected = fit.predict(model, rows)
    worst = export.require_parity(data, rows, expected)
    # Every so many rows of all kinds, and the last six: the ranges' edges, zeros, nothing at all, and absurd values.
    chosen = np.unique(np.r_[np.linspace(0, len(rows) - 7, _PAIRS).astype(np.int64), len(rows) - 6 : len(rows)])
    card = ModelCard(
        name=head.name,
        version=context.version,
        sha256=digest(data),
        feature_names=FEATURE_NAMES,
        output_names=head.outputs,
        label=head.label,
        trained_from=context.fold.train[0],
        trained_to=context.fold.train[-1],
        created_at=context.created_at,
        expires_on=context.fold.test[-1] + timedelta(days=context.rule.valid_days),
        code_revision=context.code_revision,
        is_synthetic=context.is_synthetic,
        metrics=head.metrics | {"parity_max_difference": worst, "parity_rows": float(len(rows))},
        pairs=tuple(_pair(rows[k], expected[k]) for k in chosen),
        tolerance=export.TOLERANCE,
    )
    return TrainedModel(onnx=data, card=card)


def _pair(row: NDArray[np.float32], output: NDArray[np.float64]) -> RecordedPair:
    features = tuple(None if np.isnan(value) else float(value) for value in row)
    return RecordedPair(features=features, output=tuple(float(value) for value in output))
