"""How much of a good backtest is luck: deflated Sharpe ratio, overfitting probability, order of trades.

Sources: D. H. Bailey and M. Lopez de Prado, The Deflated Sharpe Ratio (2014); D. H. Bailey, J. Borwein, M. Lopez de
Prado and Q. J. Zhu, The Probability of Backtest Overfitting (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from shared.core.market import FloatArray
from shared.core.values import require, require_at_least
from training.backtest.metrics import NAN, is_rounding, max_drawdown, sharpe, sharpe_ratios

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


def expected_max_sharpe(trials: int, variance: float) -> float:
    """Sharpe ratio per period that the best of so many worthless trials is expected to show.

    Parameters
    ----------
    trials : int
        Independent trials; one is expected to show nothing.
    variance : float
        Variance of the trials' Sharpe ratios, per period.
    """
    require_at_least("trials", trials, 1)
    require_at_least("variance", variance, 0)
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / trials)
    second = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER_GAMMA) * first + EULER_GAMMA * second)


def probabilistic_sharpe(ratio: float, threshold: float, periods: int, skew: float, kurtosis: float) -> float:
    """Probability that the true Sharpe ratio is above a threshold, all of them per period.

    Parameters
    ----------
    periods : int
        Returns that the ratio was measured on.
    skew, kurtosis : float
        Of the returns; a normal distribution has 0 and 3.
    """
    require_at_least("periods", periods, 2)
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return _NORMAL.cdf((ratio - threshold) * math.sqrt(periods - 1) / math.sqrt(variance)) if variance > 0 else NAN


def skewness(returns: FloatArray) -> float:
    """Third standardised moment (not corrected for bias); NaN without spread."""
    return _moment(returns, 3)


def kurtosis(returns: FloatArray) -> float:
    """Fourth standardised moment (not corrected for bias, 3 for a normal distribution); NaN without spread."""
    return _moment(returns, 4)


def _moment(values: FloatArray, order: int) -> float:
    deviation = values - values.mean() if values.size else values
    spread = math.sqrt(float(np.mean(deviation**2))) if values.size else 0.0
    return NAN if is_rounding(spread, values) else float(np.mean((deviation / spread) ** order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflated:
    """A Sharpe ratio held against what trying often gives by itself. Ratios are per period.

    `probability` is that of a true ratio above `threshold`; below 0.95 nothing has been shown.
    """

    ratio: float
    threshold: float
    probability: float
    trials: int
    periods: int
    skew: float
    kurtosis: float


def deflated_sharpe(returns: FloatArray, *, trials: int, variance: float | None = None) -> Deflated:
    """Deflate the Sharpe ratio of returns by the number of trials they were picked from.

    Parameters
    ----------
    returns : float64 of shape (n,)
        Of the trial that was picked, per period.
    trials : int
        How many were tried, this one included.
    variance : float, optional
        Variance of the trials' ratios; where it is not known, that of the estimate itself for worthless trials,
        1 / (n - 1).
    """
    n = int(returns.size)
    ratio = threshold = probability = NAN
    skew, kurt = skewness(returns), kurtosis(returns)
    if n >= 3 and not math.isnan(ratio := sharpe(returns)):
        threshold = expected_max_sharpe(trials, 1 / (n - 1) if variance is None else variance)
        probability = probabilistic_sharpe(ratio, threshold, n, skew, kurt)
    return Deflated(
        ratio=ratio,
        threshold=threshold,
        probability=probability,
        trials=trials,
        periods=n,
        skew=skew,
        kurtosis=kurt,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """Outcome of combinatorially symmetric cross-validation.

    Attributes
    ----------
    probability : float
        Share of splits in which the best trial of one half is no better than the median in the other.
    loss_probability : float
        Share of splits in which the picked trial loses in the other half.
    """

    probability: float
    loss_probability: float
    trials: int
    splits: int


def overfitting(returns: FloatArray, blocks: int = 10) -> Overfitting:
    """Probability of backtest overfitting (CSCV).

    The periods are cut into an even number of blocks; each half of them once serves to pick the trial with the highest
    Sharpe ratio, the other half to judge it.

    Parameters
    ----------
    returns : float64 of shape (periods, trials)
    blocks : int
        Even, at most the number of periods.

    Raises
    ------
    ValueError
        If there are fewer than two trials, or the blocks do not fit.
    """
    periods, trials = returns.shape
    require_at_least("trials", trials, 2)
    require(blocks % 2 == 0 and 2 <= blocks <= periods, "blocks", blocks, f"even, 2 to {periods}")
    parts = np.array_split(np.arange(periods), blocks)
    ranks, losses = [], 0
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[k] for k in chosen])
        outside = np.concatenate([parts[k] for k in range(blocks) if k not in chosen])
        best = best_column(returns[inside])
        judged = _ranked(returns[outside])
        below = int(np.sum(judged < judged[best])) + (int(np.sum(judged == judged[best])) + 1) / 2
        ranks.append(below / (trials + 1))
        losses += bool(returns[outside, best].mean() < 0)
    return Overfitting(
        probability=float(np.mean([rank <= 0.5 for rank in ranks])),
        loss_probability=losses / len(ranks),
        trials=trials,
        splits=len(ranks),
    )


def best_column(returns: FloatArray) -> int:
    """Column with the highest Sharpe ratio; the first of equals."""
    return int(np.argmax(_ranked(returns)))


def variance_of_ratios(returns: FloatArray) -> float | None:
    """Variance of the columns' Sharpe ratios, of those that have one; None of under two."""
    ratios = sharpe_ratios(returns)
    known = ratios[np.isfinite(ratios)]
    return float(known.var(ddof=1)) if known.size > 1 else None


def _ranked(returns: FloatArray) -> FloatArray:
    """Sharpe ratio of each column; one without, since it never moves, ranks as zero."""
    return np.nan_to_num(sharpe_ratios(returns), nan=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffled:
    """What chance makes of the same trades. Quantiles are 5, 25, 50, 75 and 95 %.

    `drawdown` is of the same trades in another order, `total_usd` of as many drawn with replacement; `ruin` is the
    share of orders whose drawdown reaches the halt, `loss` the share of draws that lose.
    """

    runs: int
    drawdown: tuple[float, ...]
    total_usd: tuple[float, ...]
    ruin: float
    loss: float
    paths: FloatArray


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def shuffled(
    net_usd: FloatArray, opening_usd: float, *, halt_at: float, runs: int = 2000, seed: int = 7, shown: int = 60
) -> Shuffled:
    """Monte-Carlo on the order of trades.

    Parameters
    ----------
    net_usd : float64 of shape (n,)
        Gain of each trade after fees.
    opening_usd : float
        Equity before the first.
    halt_at : float
        Drawdown, as a fraction, at which the account halts.
    runs, seed : int
    shown : int
        Equity paths that are kept, shape (shown, n + 1).
    """
    require_at_least("runs", runs, 1)
    rng = np.random.default_rng(seed)
    n = net_usd.size
    if not n:
        none = (0.0,) * len(QUANTILES)
        return Shuffled(runs=runs, drawdown=none, total_usd=none, ruin=0.0, loss=0.0, paths=np.empty((0, 1)))
    deepest, totals, paths = np.empty(runs), np.empty(runs), np.empty((min(shown, runs), n + 1))
    for k in range(runs):
        path = np.concatenate([[opening_usd], opening_usd + np.cumsum(rng.permutation(net_usd))])
        deepest[k] = max_drawdown(np.maximum(path, 1e-9))
        totals[k] = net_usd[rng.integers(0, n, n)].sum()
        if k < len(paths):
            paths[k] = path
    return Shuffled(
        runs=runs,
        drawdown=tuple(float(value) for value in np.quantile(deepest, QUANTILES)),
        total_usd=tuple(float(value) for value in np.quantile(totals, QUANTILES)),
        ruin=float(np.mean(deepest >= halt_at)),
        loss=float(np.mean(totals < 0)),
        paths=paths,
    )
