"""Figures of a backtest. Pure functions of returns, equity and trades; every ratio's definition is in its docstring.

Returns are fractions of equity per day, money is USD. A figure that the data cannot give (one day, no loss) is NaN.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.core.market import FloatArray
from training.backtest.records import DayResult, Trade

DAYS_PER_YEAR = 252
NAN = float("nan")
_ROUNDED = 1e-9
"""Part of the values up to which their deviation is what rounding has left of none."""
_ROUNDED_ABS = 1e-14
"""The same where the values themselves are next to nothing: a return is a ratio less one."""


def is_rounding(deviation: FloatArray | float, values: FloatArray) -> NDArray[np.bool_]:
    """Whether a deviation is none but for rounding, by the size of the values (n,) or (n, k) that it is of.

    Equal values have a computed deviation of some 1e-19, and a ratio over it is 1e16 times nothing.
    """
    size = np.abs(values).max(axis=0, initial=0.0)
    return np.asarray(deviation <= _ROUNDED * size + _ROUNDED_ABS, np.bool_)


def deviations(returns: FloatArray) -> FloatArray:
    """Standard deviation (ddof 1) of values (n,) or of each column (n, k): 0 where they are equal, NaN of under two."""
    if len(returns) < 2:
        return np.full(returns.shape[1:], NAN)
    found = returns.std(axis=0, ddof=1)
    return np.where(is_rounding(found, returns), 0.0, found)


def sharpe_ratios(returns: FloatArray) -> FloatArray:
    """`sharpe` of values (n,) or of each column (n, k)."""
    found = deviations(returns)
    with np.errstate(all="ignore"):
        return np.where(found > 0, returns.mean(axis=0) / found, NAN) if len(returns) else found


def sharpe(returns: FloatArray) -> float:
    """Sharpe ratio per period: mean over standard deviation (ddof 1), the risk-free rate taken as zero.

    NaN of under two returns, and of equal ones: they show no risk.
    """
    return float(sharpe_ratios(returns))


def sortino(returns: FloatArray) -> float:
    """Sortino ratio per period: mean over the root mean square of the returns below zero, all periods counted.

    NaN of under two returns, of equal ones, and without a loss.
    """
    if not deviations(returns) > 0:
        return NAN
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return NAN if is_rounding(downside, returns) else float(returns.mean()) / downside


def annualised(ratio: float, periods: int = DAYS_PER_YEAR) -> float:
    """A ratio per period, for a year of `periods` independent ones."""
    return ratio * math.sqrt(periods)


def drawdowns(equity: FloatArray) -> FloatArray:
    """Fraction that equity stands under its peak so far, shape of `equity`, never negative."""
    if not equity.size:
        return equity
    peak = np.maximum.accumulate(equity)
    return np.asarray((peak - equity) / peak)


def max_drawdown(equity: FloatArray) -> float:
    """Largest fraction lost from a peak; 0 where there is none."""
    return float(drawdowns(equity).max(initial=0.0))


def t_statistic(values: FloatArray) -> float:
    """Mean over its standard error: what a mean of zero would give is within 2 nineteen times of twenty."""
    ratio = sharpe(values)
    return ratio * math.sqrt(values.size)


def profit_factor(net: FloatArray) -> float:
    """Sum of gains over sum of losses; infinite without a loss, NaN without either."""
    gains, losses = float(net[net > 0].sum()), float(-net[net < 0].sum())
    if losses > 0:
        return gains / losses
    return math.inf if gains > 0 else NAN


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Figures of some trades.

    Attributes
    ----------
    net_usd, gross_usd, fees_usd : float
        Sums.
    win_rate : float
        Share of trades that gained after fees.
    expectancy_usd, expectancy_bp : float
        Mean gain of a trade after fees, in USD and in basis points of what its entry cost.
    profit_factor, t : float
        See the functions of these names; `t` is of the gains in basis points.
    slippage_bp, spread_bp : float
        Means at entry.
    held_min : float
        Mean minutes from first to last fill.
    """

    trades: int
    net_usd: float
    gross_usd: float
    fees_usd: float
    win_rate: float
    expectancy_usd: float
    expectancy_bp: float
    profit_factor: float
    t: float
    slippage_bp: float
    spread_bp: float
    held_min: float


def trade_figures(trades: Sequence[Trade]) -> TradeFigures:
    """Compute the figures of some trades; means of none are NaN."""
    net = np.array([trade.net_usd for trade in trades])
    bp = np.array([1e4 * trade.net_return for trade in trades])

    def mean(values: FloatArray) -> float:
        return float(values.mean()) if values.size else NAN

    return TradeFigures(
        trades=len(trades),
        net_usd=float(net.sum()),
        gross_usd=float(sum(trade.gross_usd for trade in trades)),
        fees_usd=float(sum(trade.fees_usd for trade in trades)),
        win_rate=mean((net > 0).astype(float)),
        expectancy_usd=mean(net),
        expectancy_bp=mean(bp),
        profit_factor=profit_factor(net),
        t=t_statistic(bp),
        slippage_bp=mean(np.array([trade.slippage_bp for trade in trades])),
        spread_bp=mean(np.array([trade.spread_bp for trade in trades])),
        held_min=mean(np.array([trade.held_min for trade in trades])),
    )


SPLITS: Mapping[str, Callable[[Trade], str]] = {
    "strategy": lambda trade: trade.strategy,
    "session": lambda trade: trade.session,
    "hour": lambda trade: trade.hour,
    "regime": lambda trade: trade.regime,
    "event": lambda trade: trade.event,
    "exit": lambda trade: trade.exit_reason,
    "month": lambda trade: trade.on.strftime("%Y-%m"),
    "symbol": lambda trade: trade.symbol,
}
"""Name of a split, and the part of it that a trade belongs to."""
OF_SEVERAL = frozenset({"strategy"})
"""Splits that say nothing where they have one part alone."""


def split(trades: Sequence[Trade], key: Callable[[Trade], str]) -> dict[str, TradeFigures]:
    """Figures of the parts that a key cuts trades into, by name."""
    parts: dict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        parts[key(trade)].append(trade)
    return {name: trade_figures(part) for name, part in sorted(parts.items())}


def splits_of(trades: Sequence[Trade]) -> dict[str, dict[str, TradeFigures]]:
    """Figures of the parts of every split by its name, but for those that say nothing."""
    found = {name: split(trades, key) for name, key in SPLITS.items()}
    return {name: parts for name, parts in found.items() if len(parts) > 1 or name not in OF_SEVERAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """Figures of a whole run. Ratios are of daily returns, annualised; returns and drawdown are fractions.

    Attributes
    ----------
    max_drawdown : float
        Of the equity curve within days.
    exposure : float
        Mean value of positions over equity, over the heartbeats of the curve.
    time_in_market : float
        Share of these at which anything was held.
    turnover : float
        Half of what was bought and sold in a day over equity, mean.
    t : float
        Of the mean daily return.
    """

    days: int
    opening_usd: float
    closing_usd: float
    total_return: float
    mean_day_bp: float
    volatility: float
    sharpe: float
    sortino: float
    t: float
    max_drawdown: float
    exposure: float
    time_in_market: float
    turnover: float
    best_day: float
    worst_day: float


def run_figures(days: Sequence[DayResult]) -> RunFigures:
    """Compute the figures of a run of at least one day."""
    returns = np.array([day.day_return for day in days])
    points = [point for day in days for point in day.points]
    curve = np.array([days[0].opening_usd, *(point.equity_usd for point in points), days[-1].closing_usd])
    share = np.array([point.exposure_usd / point.equity_usd for point in points])
    turned = np.array([(day.bought_usd + day.sold_usd) / 2 / day.opening_usd for day in days])
    return RunFigures(
        days=len(days),
        opening_usd=days[0].opening_usd,
        closing_usd=days[-1].closing_usd,
        total_return=days[-1].closing_usd / days[0].opening_usd - 1,
        mean_day_bp=1e4 * float(returns.mean()),
        volatility=annualised(float(deviations(returns))),
        sharpe=annualised(sharpe(returns)),
        sortino=annualised(sortino(returns)),
        t=t_statistic(returns),
        max_drawdown=max_drawdown(curve),
        exposure=float(share.mean()) if share.size else NAN,
        time_in_market=float(np.mean([point.positions > 0 for point in points])) if points else NAN,
        turnover=float(turned.mean()),
        best_day=float(returns.max()),
        worst_day=float(returns.min()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFigures:
    """Figures of something that was only held: total return, annualised volatility and Sharpe ratio, drawdown."""

    name: str
    total_return: float
    volatility: float
    sharpe: float
    max_drawdown: float


def benchmark_figures(name: str, levels: FloatArray) -> BenchmarkFigures:
    """Figures of daily closing levels that start at 1 before the first day."""
    path = np.concatenate([[1.0], levels])
    returns = path[1:] / path[:-1] - 1
    return BenchmarkFigures(
        name=name,
        total_return=float(path[-1] - 1),
        volatility=annualised(float(deviations(returns))),
        sharpe=annualised(sharpe(returns)),
        max_drawdown=max_drawdown(path),
    )


def brier(stated: FloatArray, came: FloatArray) -> float:
    """Mean squared distance of a probability from what came; NaN of nothing."""
    return float(np.mean((stated - came) ** 2)) if stated.size else NAN
