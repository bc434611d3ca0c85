"""From history to models that may be published: dataset, split, tune, fit, calibrate, judge, export, check, card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from xgboost import XGBClassifier, XGBRegressor

from shared.contracts.model_card import FoldResult, ModelCard
from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.features import FEATURE_NAMES, context_symbols
from shared.core.ids import canonical_json, digest
from shared.core.regime import REGIME_FEATURES
from shared.core.values import Symbol, require, require_at_least
from training import cards, evaluate, export, fit, inner_cv, regimes
from training.calibrate import NEUTRAL, Calibrator
from training.cards import CardDraft, TrainedModel
from training.dataset import Dataset, Progress, SamplingRule, build_dataset
from training.fit import FitRule
from training.folds import Fold, combinatorial, walk_forward
from training.labels import BarrierRule
from training.source import HistorySource
from training.tune import TunedBoosting, TuningRule, tune

_RECIPE = 2
"""Part of every version: raise it when a change of code changes the fitted model."""
_MARKET = context_symbols(WatchlistSettings().market_symbols, WatchlistSettings().core_symbols)
"""Market and breadth of the default settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRule:
    """Everything that decides what comes out, besides the data and the seed.

    The last `test_sessions` are kept for judgement and the published model never learns from them: its card's metrics
    are its own. `valid_days` after the last known session the app stops trusting it.

    The other sessions are the training window. Of it, `inner_folds` walk-forward splits of `inner_test_sessions` serve
    tuning and calibration (0: neither), and `combinatorial_groups` the spread of results (0: none). The default is the
    quick rule, which does without; `thorough` gives the whole.
    """

    sampling: SamplingRule = field(default_factory=SamplingRule)
    barrier: BarrierRule = field(default_factory=BarrierRule)
    fitting: FitRule = field(default_factory=FitRule)
    market_symbols: tuple[Symbol, ...] = _MARKET
    test_sessions: int = 8
    purge_sessions: int = 1
    embargo_sessions: int = 0
    valid_days: int = 45
    inner_folds: int = 0
    inner_test_sessions: int = 5
    tuning: TuningRule | None = None
    combinatorial_groups: int = 0
    combinatorial_test_groups: int = 2
    permutation_rows: int = 1_000

    def __post_init__(self) -> None:
        for name in ("test_sessions", "valid_days", "inner_test_sessions", "permutation_rows"):
            require_at_least(name, getattr(self, name), 1)
        require(self.tuning is None or self.inner_folds > 0, "inner_folds", self.inner_folds, "at least 1 to tune")


def thorough(
    sessions: int, *, tuning: TuningRule | None = None, market_symbols: tuple[Symbol, ...] = _MARKET
) -> TrainingRule:
    """The whole rule, its windows cut to the sessions that there are.

    Parameters
    ----------
    sessions : int
        Of the history, warm-up included.
    tuning : TuningRule, optional
        Other bounds than the default's.
    """
    sampled = sessions - SamplingRule().warmup_sessions
    return TrainingRule(
        market_symbols=market_symbols,
        test_sessions=min(max(sampled // 5, 5), 25),
        inner_folds=3,
        inner_test_sessions=min(max(sampled // 9, 2), 15),
        tuning=tuning or TuningRule(),
        combinatorial_groups=4,
        permutation_rows=4_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModels:
    """Both heads and the regimes, trained on the same rows. `regime` is None where there are too few sessions."""

    signal: TrainedModel
    move: TrainedModel
    regime: TrainedModel | None

    @property
    def all(self) -> tuple[TrainedModel, ...]:
        """Those that there are."""
        return tuple(model for model in (self.signal, self.move, self.regime) if model is not None)


def dataset_of(source: HistorySource, rule: TrainingRule, *, seed: int, on: date, progress: Progress) -> Dataset:
    """Every sampled row before a date.

    Raises
    ------
    ValueError
        If there is too little history.
    """
    return build_dataset(
        source,
        on=on,
        seed=seed,
        market_symbols=rule.market_symbols,
        sampling=rule.sampling,
        barrier=rule.barrier,
        progress=progress,
    )


def require_sessions(source: HistorySource, rule: TrainingRule, *, on: date) -> None:
    """Refuse a history that is too short for one of the rule's splits, before features are computed for minutes.

    Raises
    ------
    ValueError
        If a split would have no training session.
    """
    dates = [day.on for day in source.days if day.on < on][rule.sampling.warmup_sessions :]
    if dates:
        _inside(split_of(dates, rule), rule)


def split_of(dates: Sequence[date], rule: TrainingRule) -> Fold:
    """Sessions to learn from and, later ones, to be judged on."""
    return walk_forward(
        dates,
        folds=1,
        test_sessions=rule.test_sessions,
        purge_sessions=rule.purge_sessions,
        embargo_sessions=rule.embargo_sessions,
    )[0]


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
    journal: Path | None = None,
) -> TrainedModels:
    """Train the models on the sessions before a date.

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
    journal : Path, optional
        Where the tuning's trials are kept, so that a training that was killed goes on with them.

    Returns
    -------
    TrainedModels
        Equal bytes and versions for equal data, seed and rule on the same machine, and equal trials where it tunes.

    Raises
    ------
    ValueError
        If there is too little history.
    ModelError
        If an exported model does not answer as the original does.
    """
    rule, tell = rule or TrainingRule(), progress or _silent
    require_sessions(source, rule, on=on)
    return train_on(
        dataset_of(source, rule, seed=seed, on=on, progress=tell),
        content_id=source.content_id,
        seed=seed,
        on=on,
        created_at=created_at,
        rule=rule,
        code_revision=code_revision,
        is_synthetic=is_synthetic,
        progress=tell,
        journal=journal,
    )


def train_on(
    data: Dataset,
    *,
    content_id: str,
    seed: int,
    on: date,
    created_at: datetime,
    rule: TrainingRule,
    code_revision: str = "",
    is_synthetic: bool = False,
    progress: Progress | None = None,
    journal: Path | None = None,
) -> TrainedModels:
    """`train` on a dataset that is there already, made by `dataset_of` from the history that `content_id` names."""
    fold = split_of(data.dates, rule)
    job = _Job(
        data=data,
        fold=fold,
        rule=rule,
        seed=seed,
        study=_study(content_id, seed, on, rule),
        tell=progress or _silent,
    )
    learned = _look_inside(job, data.on(fold.train), journal)
    chosen = {"study": job.study, "fitting": asdict(learned.fitting), "calibrator": asdict(learned.calibrator)}
    draft = partial(
        ModelCard,
        version=f"{fold.train[-1]:%Y%m%d}-{digest(canonical_json(chosen))[:12]}",
        trained_from=fold.train[0],
        trained_to=fold.train[-1],
        judged_from=fold.test[0],
        judged_to=fold.test[-1],
        created_at=created_at,
        expires_on=fold.test[-1] + timedelta(days=rule.valid_days),
        code_revision=code_revision,
        is_synthetic=is_synthetic,
    )
    return _fit_and_export(job, draft, learned)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    data: Dataset
    fold: Fold
    rule: TrainingRule
    seed: int
    study: str
    tell: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What the training window says of how to fit."""

    fitting: FitRule
    tuned: TunedBoosting | None
    calibrator: Calibrator
    brier_by_method: dict[str, float]
    folds: tuple[FoldResult, ...]


def _silent(what: str, done: float) -> None:
    """Tell nobody."""


def _study(content_id: str, seed: int, on: date, rule: TrainingRule) -> str:
    """Hash of data, seed, rule and recipe: what the outcome depends on, but for what tuning finds."""
    content = {
        "recipe": _RECIPE,
        "data": content_id,
        "seed": seed,
        "on": on.isoformat(),
        "rule": asdict(rule),
        "features": FEATURE_NAMES,
        "opset": export.OPSET,
    }
    return digest(canonical_json(content))[:20]


def _inside(fold: Fold, rule: TrainingRule) -> tuple[tuple[Fold, ...], tuple[Fold, ...]]:
    """Walk-forward and combinatorial splits of the training window; none where the rule wants none."""
    gaps = {"purge_sessions": rule.purge_sessions, "embargo_sessions": rule.embargo_sessions}
    splits: tuple[Fold, ...] = ()
    crossed: tuple[Fold, ...] = ()
    if rule.inner_folds:
        splits = walk_forward(fold.train, folds=rule.inner_folds, test_sessions=rule.inner_test_sessions, **gaps)
    if rule.combinatorial_groups:
        crossed = combinatorial(
            fold.train, groups=rule.combinatorial_groups, test_groups=rule.combinatorial_test_groups, **gaps
        )
    return splits, crossed


def _look_inside(job: _Job, learn: Dataset, journal: Path | None) -> _Learned:
    """Tune, calibrate and measure the spread, all inside the training window."""
    rule, cost_bp = job.rule, job.rule.barrier.cost_bp
    splits, crossed = _inside(job.fold, rule)
    tuned = None
    if rule.tuning:
        rows = [inner_cv.rows_of(learn, split) for split in splits]
        tuned = tune(rows, rule.fitting, rule.tuning, seed=job.seed, name=job.study, journal=journal, tell=job.tell)
    fitting = tuned.rule if tuned else rule.fitting
    judged = partial(inner_cv.results_of, learn, rule=fitting, seed=job.seed, cost_bp=cost_bp, tell=job.tell)
    results, unseen = judged(splits, kind="walk-forward")
    calibrator, brier_by_method = inner_cv.calibrator_of(unseen)
    if crossed:
        results += judged(crossed, kind="combinatorial")[0]
    return _Learned(
        fitting=fitting,
        tuned=tuned,
        calibrator=calibrator,
        brier_by_method=brier_by_method,
        folds=results,
    )


def _fit_and_export(job: _Job, draft: CardDraft, learned: _Learned) -> TrainedModels:
    """Fit, judge each model on the sessions kept for it, and pack it with its card."""
    learn, judge = job.data.on(job.fold.train), job.data.on(job.fold.test)
    job.tell("fit", 0.0)
    classifier, regressor = fit.fit_both(learn, learned.fitting, job.seed)
    job.tell("fit", 1.0)
    trials = learned.tuned.trials if learned.tuned else 0
    numbers = {name: float(value) for name, value in asdict(learned.fitting).items()}
    trees = partial(draft, parameters=numbers, trials=trials, reference=cards.references_of(learn))
    job.tell("export", 0.1)
    signal = _signal(job, trees, learned, classifier)
    job.tell("export", 0.5)
    move = _move(job, trees, regressor)
    job.tell("export", 0.9)
    regime = _regime(draft, learn, judge, job.seed)
    job.tell("export", 1.0)
    return TrainedModels(signal=signal, move=move, regime=regime)


def _signal(job: _Job, draft: CardDraft, learned: _Learned, model: XGBClassifier) -> TrainedModel:
    rule, judge = job.rule, job.data.on(job.fold.test)
    raw = fit.predict(model, judge.features)
    p = learned.calibrator(raw)
    metrics = evaluate.signal_metrics(p, judge, job.data.on(job.fold.train), cost_bp=rule.barrier.cost_bp)
    if learned.tuned:
        metrics |= {"tuned_log_loss": learned.tuned.log_loss, "untuned_log_loss": learned.tuned.log_loss_default}
    told = partial(
        draft,
        label=str(rule.barrier),
        calibration=cards.calibration_of(raw, p, judge, learned.calibrator.method, learned.brier_by_method),
        folds=learned.folds,
        importances=cards.importances_of(model, learned.calibrator, judge, rows=rule.permutation_rows, seed=job.seed),
    )
    return cards.packed_trees(told, metrics, model, learned.calibrator, judge=judge, seed=job.seed)


def _move(job: _Job, draft: CardDraft, model: XGBRegressor) -> TrainedModel:
    rule, judge = job.rule, job.data.on(job.fold.test)
    moves = fit.predict(model, judge.features)[:, 0]
    metrics = evaluate.move_metrics(moves, judge, job.data.on(job.fold.train), cost_bp=rule.barrier.cost_bp)
    importances = cards.importances_of(model, NEUTRAL, judge, rows=rule.permutation_rows, seed=job.seed)
    told = partial(draft, label=_move_label(rule.barrier), importances=importances)
    return cards.packed_trees(told, metrics, model, NEUTRAL, judge=judge, seed=job.seed)


def _regime(draft: CardDraft, learn: Dataset, judge: Dataset, seed: int) -> TrainedModel | None:
    rows = regimes.session_rows(learn)
    if len(rows) < regimes.MIN_SESSIONS:
        return None
    mixture = regimes.fit_regimes(rows, seed)
    told = partial(
        draft,
        label="Gaussian mixture over the index's 20-day volatility and return, its parts named by rising volatility",
        reference=cards.references_of(learn, REGIME_FEATURES),
    )
    metrics = cards.regime_metrics(mixture, rows, regimes.session_rows(judge))
    return cards.packed_regimes(told, metrics, mixture, rows, seed)


def _move_label(barrier: BarrierRule) -> str:
    return (
        f"return {barrier.horizon_min} min after the next bar's open or {barrier.flatten_min} min before the close, "
        f"clipped at {barrier.move_clip:g}"
    )
