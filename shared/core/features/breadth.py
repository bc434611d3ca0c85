"""Breadth: how many of the core symbols take part in what the market does, at the end of each row's bar."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.features.history import SymbolDay
from shared.core.market import FloatArray, IntArray
from shared.core.values import Symbol

MARKET_SYMBOLS: Final = 2
BREADTH_MOST: Final = 20
"""Core symbols that are counted: more would say little more, and every slice of candidates asks for their bars."""
BREADTH_LEAST: Final = 3
"""Fewer symbols with a bar and a previous close than this are no breadth."""


def context_symbols(
    market: Sequence[Symbol], core: Sequence[Symbol], known: Container[Symbol] | None = None
) -> tuple[Symbol, ...]:
    """The symbols whose bars are context of every row, in their places: two of the market, then those of breadth.

    Parameters
    ----------
    market, core : sequences of Symbol
        The market's own symbols (two are used), and the core symbols, as the settings give them.
    known : container of Symbol, optional
        What there are bars of. Places carry meaning: without a market symbol nothing after it is used.

    Returns
    -------
    tuple of Symbol
        At most `MARKET_SYMBOLS + BREADTH_MOST`.
    """
    own = tuple(market[:MARKET_SYMBOLS])
    for k, symbol in enumerate(own):
        if known is not None and symbol not in known:
            return own[:k]
    if len(own) < MARKET_SYMBOLS:
        return own
    counted = [symbol for symbol in dict.fromkeys(core) if symbol not in own][:BREADTH_MOST]
    return (*own, *(symbol for symbol in counted if known is None or symbol in known))


def breadth_features(members: Sequence[SymbolDay], start_s: IntArray) -> dict[str, FloatArray]:
    """Breadth at the end of m bars, each member at its last bar that is not later.

    Sums run member by member and not by numpy's pairwise reduction, whose order depends on the array's shape: a row has
    the same bits alone and among others.

    Parameters
    ----------
    members : sequence of SymbolDay
        A member without a bar so far today, or without a previous close, is not counted.
    start_s : int64 of shape (m,)
        Starts of the rows' bars, UTC epoch seconds.
    """
    times, where = np.unique(start_s, return_inverse=True)
    count, up, above = np.zeros(times.size), np.zeros(times.size), np.zeros(times.size)
    total, square = np.zeros(times.size), np.zeros(times.size)
    for member in members:
        returns, is_above = _member(member, times)
        counted = np.isfinite(returns)
        returns = np.where(counted, returns, 0.0)
        count += counted
        up += returns > 0
        above += counted & is_above
        total += returns
        square += returns * returns
    divisor = np.where(count >= BREADTH_LEAST, count, np.nan)
    mean = total / divisor
    figures = {
        "breadth_up": up / divisor,
        "breadth_above_vwap": above / divisor,
        "breadth_return": mean,
        "breadth_dispersion": np.sqrt(np.maximum(square / divisor - mean * mean, 0.0)),
    }
    return {name: values[where] for name, values in figures.items()}


def _member(member: SymbolDay, times: IntArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return since the previous close (NaN before a bar), and whether the close is above the day's VWAP, at times."""
    today = member.today
    if not len(today):
        return np.full(times.size, np.nan), np.zeros(times.size, bool)
    place = np.searchsorted(today.start_s, times, side="right") - 1
    at = np.maximum(place, 0)
    volume = np.cumsum(today.volume)
    vwap = np.cumsum((today.high + today.low + today.close) / 3 * today.volume) / volume
    close = today.close[at]
    returns = np.where(place >= 0, np.log(close / member.past.fact("previous_close")), np.nan)
    return returns, close > vwap[at]
