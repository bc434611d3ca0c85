"""Which symbols' bars are context of every row: the app's own where the history has them, else the most traded."""

from __future__ import annotations

from datetime import date

import numpy as np

from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.features import context_symbols
from shared.core.features.history import DAY_S, midnight_s
from shared.core.market import Timeframe
from shared.core.values import Symbol, from_epoch
from training.source import HistorySource

LEAST_CORE = 10
"""With fewer of the settings' core symbols than this the history is of another market."""
CORE_SIZE = 38
LIQUIDITY_DAYS = 20


def context_of(source: HistorySource, *, before: date) -> tuple[Symbol, ...]:
    """Market and breadth symbols for a history, as the app that trades there has them.

    Parameters
    ----------
    source : HistorySource
    before : date
        Where the settings' core symbols are not traded, the core is the market's symbols and those with the largest
        median dollar volume of the 20 days before this date.

    Returns
    -------
    tuple of Symbol
        The settings' own, whether the history has them or not, or those chosen.
    """
    settings, known = WatchlistSettings(), set(source.symbols)
    core = settings.core_symbols
    if sum(symbol in known for symbol in core) < LEAST_CORE:
        core = _most_traded(source, [symbol for symbol in settings.market_symbols if symbol in known], before)
    return context_symbols(settings.market_symbols, core)


def _most_traded(source: HistorySource, market: list[Symbol], before: date) -> tuple[Symbol, ...]:
    turnover = {symbol: _dollar_volume(source, symbol, before) for symbol in source.symbols}
    ranked = sorted((s for s in turnover if s not in market), key=lambda s: (-turnover[s], s))
    return (*market, *ranked[: CORE_SIZE - len(market)])


def _dollar_volume(source: HistorySource, symbol: Symbol, before: date) -> float:
    """Upper median of close times volume."""
    end_s = midnight_s(before)
    start, end = from_epoch(end_s - 2 * LIQUIDITY_DAYS * DAY_S), from_epoch(end_s)
    bars = source.bars(symbol, Timeframe.DAY_1, start, end)
    values = np.sort(bars.close[-LIQUIDITY_DAYS:] * bars.volume[-LIQUIDITY_DAYS:])
    return float(values[values.size // 2]) if values.size else 0.0
