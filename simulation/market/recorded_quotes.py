"""Quotes for recorded bars: those that were recorded, else a spread modelled from price and dollar volume.

The modelled spread is 5 bp at 100 M$ a day and shrinks with the 0.4th power of dollar volume, between 0.8 and 150 bp;
2.5 times that before the open and after the close, 1.5 times in the first ten minutes; never less than one tick. The
traded price lies inside: near the ask where the price was rising to it, near the bid where it was falling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.core.market import Bars, FloatArray, IntArray

_BP_AT_REFERENCE = 5.0
_REFERENCE_USD = 1e8
_POWER = -0.4
_BP_RANGE = (0.8, 150.0)
_EXTENDED = 2.5
_OPENING = 1.5
_OPENING_S = 600
_ON_TICK = 1e-6

BoolArray = NDArray[np.bool_]


def path_of(bars: Bars) -> FloatArray:
    """Open, two extremes, close of shape (n, 4): an up bar met its low first, a down bar its high."""
    is_up = bars.close >= bars.open
    return np.stack(
        [bars.open, np.where(is_up, bars.low, bars.high), np.where(is_up, bars.high, bars.low), bars.close], axis=1
    )


def modelled(
    path: FloatArray, start_s: IntArray, day_usd: float, open_s: int, close_s: int
) -> tuple[FloatArray, FloatArray]:
    """Bid and ask of shape (n, 4) around the traded path of one day.

    Parameters
    ----------
    path : FloatArray
        Traded prices (n, 4), USD.
    start_s : IntArray
        Starts of the n bars.
    day_usd : float
        The symbol's usual dollar volume of a day.
    open_s, close_s : int
        Regular session of the day, epoch seconds.
    """
    spread_bp = float(np.clip(_BP_AT_REFERENCE * (max(day_usd, 1.0) / _REFERENCE_USD) ** _POWER, *_BP_RANGE))
    is_extended = (start_s < open_s) | (start_s >= close_s)
    is_opening = ~is_extended & (start_s < open_s + _OPENING_S)
    factor = np.where(is_extended, _EXTENDED, np.where(is_opening, _OPENING, 1.0))
    tick = np.where(path >= 1, 0.01, 0.0001)
    per_usd = np.where(path >= 1, 100.0, 10_000.0)
    ticks = np.maximum(np.rint(path * spread_bp / 10_000 * factor[:, None] / tick), 1)
    position = path * per_usd
    below, above = np.floor(position + _ON_TICK), np.ceil(position - _ON_TICK)
    missing = np.maximum(ticks - (above - below), 0)
    is_rising = np.diff(path, axis=1, prepend=path[:, :1]) > 0
    beyond = np.where(is_rising, np.floor(missing / 2), np.ceil(missing / 2))
    bid, ask = below - (missing - beyond), above + beyond
    bid = np.maximum(bid, 1)
    return bid / per_usd, np.maximum(ask, bid + 1) / per_usd


def recorded(
    bars: Bars, path: FloatArray, quotes: tuple[IntArray, FloatArray]
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Bid and ask (n, 4) from quote bars, and where they are usable (both sides, bid below ask).

    The quote at the open and close of a bar is that of the quote bar; at the high its highest, at the low its lowest.
    """
    start_s, columns = quotes
    at = np.minimum(np.searchsorted(start_s, bars.start_s), max(len(start_s) - 1, 0))
    if not len(start_s):
        return path, path, np.zeros(path.shape, np.bool_)
    open_, high, low, close = 0, 1, 2, 3
    is_up = bars.close >= bars.open
    order = np.stack(
        [
            np.full(len(bars), open_),
            np.where(is_up, low, high),
            np.where(is_up, high, low),
            np.full(len(bars), close),
        ],
        axis=1,
    )
    bid, ask = columns[order, at[:, None]], columns[order + 4, at[:, None]]
    is_there = (start_s[at] == bars.start_s)[:, None]
    usable = is_there & np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (bid < ask)
    return bid, ask, usable
