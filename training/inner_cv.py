"""What is learned inside the training window: which parameters, which calibration, how far results spread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.contracts.model_card import FoldResult
from training import evaluate, fit
from training.baseline import record_of
from training.calibrate import NEUTRAL, Calibrator, Unseen, choose_calibrator
from training.dataset import Dataset, Progress
from training.fit import FitRule
from training.folds import Fold, apart
from training.labels import DOWN, UP
from training.tune import InnerFold

_WORKERS = 2
_KEPT = ("log_loss", "log_loss_base", "brier", "auc_direction", "calibration_error_up", "all_net_bp")


def rows_of(data: Dataset, fold: Fold) -> InnerFold:
    """Rows of a split; a training label that shares an instant with a test label is left out."""
    train, test = data.on(fold.train), data.on(fold.test)
    return InnerFold(train=train.only(apart(train.start_s, train.end_s, test.start_s, test.end_s)), test=test)


def results_of(
    data: Dataset, folds: Sequence[Fold], *, rule: FitRule, seed: int, kind: str, cost_bp: float, tell: Progress
) -> tuple[tuple[FoldResult, ...], tuple[Unseen, ...]]:
    """Fit and judge the classifier on each split, two at a time.

    Returns
    -------
    tuple of FoldResult and tuple of Unseen
        What each split was worth, and what its classifier said of the rows that it had not learned from.
    """

    def work(fold: Fold) -> tuple[FoldResult, Unseen]:
        rows = rows_of(data, fold)
        p = fit.predict(fit.fit_signal(rows.train, rule, seed), rows.test.features)
        metrics = evaluate.signal_metrics(p, rows.test, rows.train, cost_bp=cost_bp)
        top = record_of("model", p[:, UP] - p[:, DOWN], rows.test, cost_bp).mean_bp
        result = FoldResult(
            kind=kind,
            train_sessions=len(fold.train),
            tested_from=fold.test[0],
            tested_to=fold.test[-1],
            test_sessions=len(fold.test),
            metrics={name: metrics[name] for name in _KEPT} | {"net_bp": top},
        )
        return result, Unseen(p=p, outcome=rows.test.outcome, weight=rows.test.weight)

    found = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for result in pool.map(work, folds):
            found.append(result)
            tell(f"{kind} folds", len(found) / len(folds))
    return tuple(result for result, _ in found), tuple(unseen for _, unseen in found)


def calibrator_of(unseen: Sequence[Unseen]) -> tuple[Calibrator, dict[str, float]]:
    """The calibrator with the least Brier score on the inner folds, and the score of each; none without folds."""
    return choose_calibrator(unseen) if unseen else (NEUTRAL, {})
