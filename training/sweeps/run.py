"""Every parameter set on every symbol, and what the best of them is worth as the best of so many."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import joblib
import numpy as np
from joblib import Parallel, delayed

from shared.core.errors import StrategyError
from shared.core.market import FloatArray, IntArray
from shared.strategies.protocol import Strategy
from training.backtest.metrics import NAN, annualised, max_drawdown, sharpe
from training.backtest.overfit import Deflated, Overfitting, deflated_sharpe, overfitting, variance_of_ratios
from training.dataset import Progress
from training.engines import Costs, Trades, trades_of
from training.sweeps.grid import ParameterValue, SweepGrid
from training.sweeps.market import SweptMarket, SweptSymbol

CHUNKS = 16
"""Parts into which each process's share of the sets is cut, so that progress can be told."""
BLOCKS, LEAST_DAYS = 8, 40
"""Of the probability of overfitting: stretches that the days are cut into, and days from which it says something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptSet:
    """One parameter set on all symbols, each an account of its own with the same capital.

    Attributes
    ----------
    values : mapping of str to number
        Of the parameters that vary.
    trades : int
    win_rate, mean_bp : float
        Share of the trades that gained; mean gain of a trade in basis points. NaN without a trade.
    growth : float
        Capital at the end over capital at the start.
    sharpe : float
        Annualised, of the daily returns of all accounts together; NaN where they never move.
    max_drawdown : float
        Of all accounts together, at the days' ends.
    equity : array of float64, shape (m,)
        Capital at each day's end over that at the start.
    """

    values: dict[str, ParameterValue]
    trades: int
    win_rate: float
    mean_bp: float
    growth: float
    sharpe: float
    max_drawdown: float
    equity: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What came of a sweep.

    Attributes
    ----------
    sets : tuple of SweptSet
        Best first.
    held : array of float64, shape (m,)
        Capital over that at the start, had each symbol been bought at its first close and kept.
    overfitting : Overfitting or None
        None of a single set, and of under `LEAST_DAYS` days.
    """

    strategy: str
    market: SweptMarket
    grid: SweepGrid
    costs: Costs
    flat_at_close: bool
    sets: tuple[SweptSet, ...]
    held: FloatArray
    deflated: Deflated
    overfitting: Overfitting | None

    @property
    def best(self) -> SweptSet:
        """The set with the highest Sharpe ratio."""
        return self.sets[0]


type Tally = tuple[int, int, float, FloatArray]
"""Of one set: trades, those that gained, the sum of their gains, and the sum over symbols of capital at each day."""


def sweep(
    grid: SweepGrid,
    market: SweptMarket,
    costs: Costs,
    *,
    flat_at_close: bool = True,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Sweep:
    """Trade every set of a grid on every symbol of a market.

    Parameters
    ----------
    jobs : int
        joblib's processes.

    Raises
    ------
    StrategyError
        If the strategy raises or answers what cannot be used; it names set, symbol and day.
    """
    tell = progress or (lambda what, done: None)
    tallies = traded(grid.sets, market, costs, flat_at_close=flat_at_close, jobs=jobs, progress=tell)
    sets = [_swept(grid.values(s), tally, len(market.symbols)) for s, tally in zip(grid.sets, tallies, strict=True)]
    sets.sort(key=lambda each: -np.nan_to_num(each.sharpe, nan=-np.inf))
    returns = np.column_stack([_returns(each.equity) for each in sets])
    is_long = len(sets) > 1 and len(returns) >= LEAST_DAYS
    tell("luck", 0.0)
    judged = overfitting(returns, BLOCKS) if is_long else None
    tell("luck", 1.0)
    return Sweep(
        strategy=grid.sets[0].name,
        market=market,
        grid=grid,
        costs=costs,
        flat_at_close=flat_at_close,
        sets=tuple(sets),
        held=_held(list(market.symbols.values())),
        deflated=deflated_sharpe(returns[:, 0], trials=len(sets), variance=variance_of_ratios(returns)),
        overfitting=judged,
    )


def traded(
    sets: Sequence[Strategy], market: SweptMarket, costs: Costs, *, flat_at_close: bool, jobs: int, progress: Progress
) -> list[Tally]:
    """Trade every set on every symbol. Parameters and errors as of `sweep`."""
    parts = np.array_split(np.arange(len(sets)), min(len(sets), jobs * CHUNKS))
    chunks = [[sets[k] for k in part.tolist()] for part in parts]
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory() as folder:
        source: SweptMarket | Path = market
        if jobs > 1:
            source = Path(folder) / "market.joblib"
            joblib.dump(market, source)
        tasks = (delayed(_tallies)(chunk, source, costs, flat_at_close) for chunk in chunks)
        for found in Parallel(n_jobs=jobs, return_as="generator")(tasks):
            tallies += found
            progress("parameter sets", len(tallies) / len(sets))
    return tallies


@lru_cache(maxsize=1)
def _read(path: Path) -> SweptMarket:
    found: SweptMarket = joblib.load(path)
    return found


def _tallies(sets: Sequence[Strategy], source: SweptMarket | Path, costs: Costs, flat_at_close: bool) -> list[Tally]:
    """Runs in a process of joblib's."""
    market = _read(source) if isinstance(source, Path) else source
    count, won, gained = ([0] * len(sets), [0] * len(sets), [0.0] * len(sets))
    equity = np.zeros((len(sets), market.dates.size))
    for symbol, part in market.symbols.items():
        for k, strategy in enumerate(sets):
            try:
                trades = trades_of(strategy, part.bars, costs, days=part.days, flat_at_close=flat_at_close)
            except StrategyError as error:
                raise StrategyError(f"{symbol}, {strategy}: {error}") from error
            count[k] += len(trades)
            won[k] += int(np.count_nonzero(trades.growth > 1))
            gained[k] += float(trades.growth.sum()) - len(trades)
            equity[k] += equity_at(trades, part.bars.close, part.at, costs)
    return list(zip(count, won, gained, equity, strict=True))


def equity_at(trades: Trades, close: FloatArray, at: IntArray, costs: Costs) -> FloatArray:
    """Capital after some bars over capital at the start; what is held is valued at the close.

    Parameters
    ----------
    trades : Trades
    close : array of float64, shape (n,)
    at : array of int64, shape (m,)
        Indices of bars, ascending, -1 for before the first.
    costs : Costs
        Those that the trades have paid.

    Returns
    -------
    array of float64, shape (m,)
    """
    if not len(trades):
        return np.ones(at.size)
    # Flat, held, flat, held, ...: a stretch of `at` for each.
    edges = np.searchsorted(at, np.column_stack([trades.entry_bar, trades.exit_bar]).ravel())
    stretches = np.diff(edges, prepend=0, append=at.size)
    level = np.concatenate([[1.0], np.cumprod(trades.growth)])
    per_price = np.ones(stretches.size)
    per_price[::2] = level
    per_price[1::2] = level[:-1] / (trades.entry_price * (1 + costs.fee))
    is_held = np.repeat(np.arange(stretches.size) % 2 == 1, stretches)
    return np.repeat(per_price, stretches) * np.where(is_held, close[at], 1.0)


def _held(parts: Sequence[SweptSymbol]) -> FloatArray:
    levels = []
    for part in parts:
        first = part.bars.close[max(int(part.at[0]), 0)]
        levels.append(np.where(part.at >= 0, part.bars.close[part.at] / first, 1.0))
    return np.asarray(np.mean(levels, axis=0))


def _returns(equity: FloatArray) -> FloatArray:
    return np.asarray(equity / np.concatenate([[1.0], equity[:-1]]) - 1)


def _swept(values: dict[str, ParameterValue], tally: Tally, symbols: int) -> SweptSet:
    trades, won, gained, total = tally
    equity = total / symbols
    return SweptSet(
        values=values,
        trades=trades,
        win_rate=won / trades if trades else NAN,
        mean_bp=1e4 * gained / trades if trades else NAN,
        growth=float(equity[-1]),
        sharpe=annualised(sharpe(_returns(equity))),
        max_drawdown=max_drawdown(np.concatenate([[1.0], equity])),
        equity=equity,
    )
