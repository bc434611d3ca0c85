"""Longer bars from shorter ones, exactly.

Intraday bars are aligned to New York wall time: their length is counted from New York midnight, so hours start on
the full hour and four-hour bars at 00, 04, 08, 12, 16 and 20. For equities that is the same as counting from 04:00,
where the trading day starts; the after-hours session of a full day is one four-hour bar of its own, and the 09:00 hour
holds half an hour of premarket, as at Alpaca. A bucket in which nothing traded has no bar.
"""

from __future__ import annotations

import numpy as np

from shared.core.market import Bars, IntArray
from simulation.market.days import DayEdges


def resample(bars: Bars, edges: DayEdges, step_s: int) -> Bars:
    """Bars of `step_s` seconds from finer bars whose dates are all in `edges`."""
    if not len(bars):
        return bars
    midnight = edges.midnights_s[edges.index_of(bars.start_s)]
    return _grouped(bars, midnight + (bars.start_s - midnight) // step_s * step_s)


def daily(bars: Bars, edges: DayEdges) -> Bars:
    """Daily bars: prices of the regular session, volume of the whole day, start at midnight New York time.

    A date without a trade in the regular session has no daily bar.
    """
    if not len(bars):
        return bars
    index = edges.index_of(bars.start_s)
    is_regular = (bars.start_s >= edges.open_s[index]) & (bars.start_s < edges.close_s[index])
    regular = Bars(
        start_s=bars.start_s[is_regular],
        open=bars.open[is_regular],
        high=bars.high[is_regular],
        low=bars.low[is_regular],
        close=bars.close[is_regular],
        volume=bars.volume[is_regular],
    )
    if not len(regular):
        return Bars.empty()
    volume = np.bincount(index, weights=bars.volume, minlength=len(edges.dates))
    days = _grouped(regular, edges.midnights_s[index[is_regular]])
    return Bars(
        start_s=days.start_s,
        open=days.open,
        high=days.high,
        low=days.low,
        close=days.close,
        volume=volume[edges.index_of(days.start_s)],
    )


def _grouped(bars: Bars, key: IntArray) -> Bars:
    first = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    last = np.append(first[1:], len(key)) - 1
    return Bars(
        start_s=key[first],
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=np.add.reduceat(bars.volume, first),
    )
