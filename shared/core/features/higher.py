"""Higher timeframes: trend and momentum of 15-minute, 1-hour and 4-hour bars, completed ones only.

The bars are those of the regular session, anchored at its open; the session's last one ends at its close, early or not,
and is shorter where the length does not divide the session. Extended hours are left out: they are thin, and some feeds
do not have them. A bar without a trade does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from shared.core.features.history import BAR_S, HIGHER_SLOTS, SymbolDay
from shared.core.market import FloatArray, IntArray, TradingDay

RSI_BARS: Final = 14
SMA_BARS: Final = 10
SLOPE_BARS: Final = 5


def higher_features(items: Sequence[SymbolDay], day: TradingDay, row: IntArray, end_s: IntArray) -> FloatArray:
    """Figures of the last higher bar that is complete at each of m instants.

    Parameters
    ----------
    items : sequence of SymbolDay
    day : TradingDay
    row, end_s : int64 of shape (m,)
        Which item (not descending), and the instant in UTC epoch seconds.

    Returns
    -------
    float64 array of shape (len(HIGHER_SLOTS), 3, m)
        For each timeframe: RSI(14), SMA(10) in USD, log change of the SMA over five bars; NaN where there are too few
        bars.
    """
    open_s, close_s = int(day.open_at.timestamp()), int(day.close_at.timestamp())
    ends = [np.append(np.arange(open_s + n * BAR_S, close_s, n * BAR_S), close_s) for n in HIGHER_SLOTS.values()]
    done = [np.searchsorted(edges, end_s, side="right") for edges in ends]
    first = np.searchsorted(row, np.arange(len(items) + 1))
    found = np.full((len(ends), 3, row.size), np.nan)
    for k, item in enumerate(items):
        part = slice(int(first[k]), int(first[k + 1]))
        if part.start == part.stop:
            continue
        opened = int(np.searchsorted(item.today.start_s, open_s))
        for j, (edges, complete) in enumerate(zip(ends, done, strict=True)):
            seen = np.searchsorted(item.today.start_s, edges)
            traded = np.diff(seen, prepend=opened) > 0
            series = np.concatenate([item.past.higher[j], item.today.close[seen[traded] - 1]])
            count = np.concatenate([[0], np.cumsum(traded)])[complete[part]] + item.past.higher[j].size
            found[j, :, part] = _at(series, count - 1)
    return found


def _at(series: FloatArray, place: IntArray) -> FloatArray:
    """RSI, SMA and slope of a series of closes at some places, shape (3, len(place)); NaN before the first close."""
    import talib  # noqa: PLC0415 (it imports pandas: only who computes features pays)

    if series.size < SMA_BARS:
        return np.full((3, place.size), np.nan)
    sma = talib.SMA(series, SMA_BARS)
    slope = np.full(series.size, np.nan)
    slope[SLOPE_BARS:] = np.log(sma[SLOPE_BARS:] / sma[:-SLOPE_BARS])
    figures = np.stack([talib.RSI(series, RSI_BARS), sma, slope])
    return np.where(place >= 0, figures[:, np.maximum(place, 0)], np.nan)
