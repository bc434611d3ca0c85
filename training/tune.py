"""Search for boosting parameters on inner folds of the training window: bounded, resumable, the trials counted."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.core.values import require_at_least, require_positive
from training import fit
from training.calibrate import cross_entropy
from training.dataset import Dataset, Progress
from training.fit import FitRule

if TYPE_CHECKING:
    import optuna

_WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningRule:
    """How long to search. It ends at `trials` tries, or when those made have taken `limit_s` seconds together."""

    trials: int = 16
    limit_s: float = 240.0

    def __post_init__(self) -> None:
        require_at_least("trials", self.trials, 1)
        require_positive("limit_s", self.limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedBoosting:
    """The best parameters, how many sets were tried, and their log loss on the inner folds (the default's too)."""

    rule: FitRule
    trials: int
    log_loss: float
    log_loss_default: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFold:
    """Rows to learn from and to be judged on, both inside the training window."""

    train: Dataset
    test: Dataset


def tune(
    folds: Sequence[InnerFold],
    base: FitRule,
    rule: TuningRule,
    *,
    seed: int,
    name: str,
    journal: Path | None,
    tell: Progress,
) -> TunedBoosting:
    """Try parameter sets, the base first, and return the one with the least mean log loss over the folds.

    Parameters
    ----------
    folds : sequence of InnerFold
        Nothing else is looked at.
    base : FitRule
        What is tried first; `threads` stays as it is.
    rule : TuningRule
    seed : int
    name : str
        Of the study: what it is about. A journal that knows the name is gone on with, also after a kill.
    journal : Path, optional
        File that keeps the trials; without it they live in memory.
    tell : callable
        Told the share of the bounds that is used up.
    """
    study = _open(name, seed, journal)
    if not study.trials:
        study.enqueue_trial({key: getattr(base, key) for key in _SPACE})
    while (done := _done(study)) < rule.trials and (spent := _spent(study)) < rule.limit_s:
        tell("tune", max(done / rule.trials, spent / rule.limit_s))
        study.optimize(lambda trial: _objective(trial, folds, base, seed), n_trials=1)
    tell("tune", 1.0)
    best = study.best_trial
    first = next(trial for trial in study.trials if trial.value is not None)
    return TunedBoosting(
        rule=replace(base, **best.params),
        trials=_done(study),
        log_loss=float(study.best_value),
        log_loss_default=float(first.value or 0.0),
    )


_SPACE = ("trees", "depth", "learning_rate", "leaf_weight_min", "rows_fraction", "columns_fraction", "l2")


def _suggest(trial: optuna.Trial, base: FitRule) -> FitRule:
    return replace(
        base,
        trees=trial.suggest_int("trees", 30, 240, step=5),
        depth=trial.suggest_int("depth", 2, 5),
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        leaf_weight_min=trial.suggest_float("leaf_weight_min", 10.0, 640.0, log=True),
        rows_fraction=trial.suggest_float("rows_fraction", 0.4, 0.9),
        columns_fraction=trial.suggest_float("columns_fraction", 0.3, 0.9),
        l2=trial.suggest_float("l2", 1.0, 100.0, log=True),
    )


def _objective(trial: optuna.Trial, folds: Sequence[InnerFold], base: FitRule, seed: int) -> float:
    rule = _suggest(trial, base)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return float(np.mean(list(pool.map(lambda fold: _fold_loss(fold, rule, seed), folds))))


def _fold_loss(fold: InnerFold, rule: FitRule, seed: int) -> float:
    p = fit.predict(fit.fit_signal(fold.train, rule, seed), fold.test.features)
    return cross_entropy(p, fold.test.outcome, fold.test.weight)


def _open(name: str, seed: int, journal: Path | None) -> optuna.Study:
    import optuna  # noqa: PLC0415 - a second of imports, for who tunes
    from optuna.storages import JournalStorage  # noqa: PLC0415
    from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(study_name=name, storage=storage, direction="minimize", load_if_exists=True)
    # A sampler of its own for each length of the past: one that starts anew would propose the same sets again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=6)
    return study


def _done(study: optuna.Study) -> int:
    return sum(trial.value is not None for trial in study.trials)


def _spent(study: optuna.Study) -> float:
    """Seconds that the finished trials took, in whichever process."""
    return sum(trial.duration.total_seconds() for trial in study.trials if trial.value is not None and trial.duration)
