"""What a model is worth on sessions it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from shared.core.market import FloatArray
from training.calibrate import brier
from training.dataset import Dataset
from training.labels import DOWN, NONE, UP

_BINS = 10


def signal_metrics(probabilities: FloatArray, test: Dataset, train: Dataset, *, cost_bp: float) -> dict[str, float]:
    """Metrics of class probabilities.

    Parameters
    ----------
    probabilities : float64 of shape (n, 3)
        In the order of `SIGNAL_CLASSES`, for the rows of `test`.
    test, train : Dataset
        The base rates that a model must beat are those of `train`.
    cost_bp : float
        Round-trip cost taken off each return.

    Returns
    -------
    dict
        `log_loss`, `brier` (sum over classes) and their `_base` of constant base rates; `auc_up`, `auc_down` of a class
        against the rest, which a forecast of volatility alone can raise, and `auc_direction` of up against down where
        one was hit, which takes a forecast of direction, or of where costs are large against the barriers;
        `calibration_error_up`, the mean distance of p_up from the frequency in ten equal bins; of the decile with the
        largest p_up - p_down (`top_decile_`) and of all rows (`all_`) the share that hit the upper barrier (`hit_rate`)
        and the mean return in bp after costs of going long (`net_bp`).
    """
    base = np.broadcast_to(np.bincount(train.outcome, minlength=3) / len(train), probabilities.shape)
    p = probabilities / probabilities.sum(axis=1, keepdims=True)
    net_bp = 1e4 * test.exit_return - cost_bp
    decided = test.outcome != NONE
    top = _top_decile(p[:, UP] - p[:, DOWN])
    return {
        "log_loss": float(log_loss(test.outcome, p, labels=[0, 1, 2])),
        "log_loss_base": float(log_loss(test.outcome, base, labels=[0, 1, 2])),
        "brier": brier(p, test.outcome),
        "brier_base": brier(base, test.outcome),
        "auc_up": float(roc_auc_score(test.outcome == UP, p[:, UP])),
        "auc_down": float(roc_auc_score(test.outcome == DOWN, p[:, DOWN])),
        "auc_direction": float(roc_auc_score(test.outcome[decided] == UP, (p[:, UP] - p[:, DOWN])[decided])),
        "calibration_error_up": calibration_error(p[:, UP], test.outcome == UP),
        "top_decile_hit_rate": float((test.outcome[top] == UP).mean()),
        "top_decile_net_bp": float(net_bp[top].mean()),
        "all_hit_rate": float((test.outcome == UP).mean()),
        "all_net_bp": float(net_bp.mean()),
        "cost_bp": cost_bp,
        **_sizes(test, train),
    }


def move_metrics(moves: FloatArray, test: Dataset, train: Dataset, *, cost_bp: float) -> dict[str, float]:
    """Metrics of expected moves of shape (n,).

    `mae` and `mae_base` (always the training mean) in bp; `rank_correlation` (Spearman) with the outcome; the mean net
    move in bp of the tenth with the largest expectation.
    """
    top = _top_decile(moves)
    return {
        "mae_bp": float(1e4 * np.abs(moves - test.move).mean()),
        "mae_base_bp": float(1e4 * np.abs(train.move.mean() - test.move).mean()),
        "rank_correlation": rank_correlation(moves, test.move),
        "top_decile_net_bp": float(1e4 * test.move[top].mean() - cost_bp),
        "all_net_bp": float(1e4 * test.move.mean() - cost_bp),
        "cost_bp": cost_bp,
        **_sizes(test, train),
    }


def calibration_error(p: FloatArray, happened: NDArray[np.bool_]) -> float:
    """Mean distance of probability from frequency over ten bins of equal count, in [0, 1]."""
    bins = np.array_split(np.argsort(p, kind="stable"), _BINS)
    return float(sum(abs(p[part].mean() - happened[part].mean()) * part.size for part in bins if part.size) / p.size)


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's rank correlation of two series, shape (n,) each; 0 where one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _top_decile(score: FloatArray) -> NDArray[np.int64]:
    return np.argsort(-score, kind="stable")[: max(1, score.size // 10)]


def _ranks(values: FloatArray) -> FloatArray:
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks


def _sizes(test: Dataset, train: Dataset) -> dict[str, float]:
    return {
        "test_rows": float(len(test)),
        "train_rows": float(len(train)),
        "test_sessions": float(np.unique(test.day).size),
        "train_sessions": float(np.unique(train.day).size),
    }
