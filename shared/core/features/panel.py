"""Causal series: symbols by time, every value a function of the bars at or before it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.core.features.history import BAR_S, SLOTS_PER_DAY, WARMUP_BARS, SymbolDay
from shared.core.market import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Series of n symbols, shape (n, t) each: `WARMUP_BARS` columns of past bars, then today's.

    Shorter pasts are padded with NaN in front, shorter days behind. A value never depends on another symbol, on the
    padding or on a later column, so the panel of a day cut short holds the same bits.

    `counts` of shape (n,) are today's bars; `open_column` the first column at or after the regular open (t where there
    is none). `cum_*` are running sums from the first past bar (`day_cum_*`: from today's first bar), NaN on padding.
    `slot_volume` of shape (n, SLOTS_PER_DAY + 1) is today's cumulative volume before each 5-minute slot since midnight.
    """

    counts: IntArray
    start_s: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    log_close: FloatArray
    cum_square: FloatArray
    cum_dollar: FloatArray
    cum_log_volume: FloatArray
    cum_log_volume_square: FloatArray
    day_cum_typical_dollar: FloatArray
    day_cum_volume: FloatArray
    day_high: FloatArray
    day_low: FloatArray
    pre_high: FloatArray
    pre_low: FloatArray
    pre_cum_volume: FloatArray
    slot_volume: FloatArray
    open_column: IntArray
    sma_12: FloatArray
    sma_36: FloatArray
    macd_histogram: FloatArray
    rsi_14: FloatArray
    atr_14: FloatArray


def build_panel(items: Sequence[SymbolDay], open_s: int) -> Panel:
    """Compute the series of all symbols together.

    Parameters
    ----------
    items : sequence of SymbolDay
        Of one day.
    open_s : int
        The day's regular open, UTC epoch seconds.
    """
    counts = np.array([len(item.today) for item in items], np.int64)
    width = WARMUP_BARS + int(counts.max(initial=0))
    start_s = np.full((len(items), width), np.iinfo(np.int64).max)
    prices = np.full((5, len(items), width), np.nan)
    for row, item in enumerate(items):
        tail, today = item.past.tail, item.today
        for columns, bars in (
            (slice(WARMUP_BARS - len(tail), WARMUP_BARS), tail),
            (slice(WARMUP_BARS, WARMUP_BARS + len(today)), today),
        ):
            start_s[row, columns] = bars.start_s
            for k, values in enumerate((bars.open, bars.high, bars.low, bars.close, bars.volume)):
                prices[k, row, columns] = values
    open_, high, low, close, volume = prices
    log_close = np.log(close)
    log_volume = np.log1p(volume)
    step = np.zeros_like(close)
    np.subtract(log_close[:, 1:], log_close[:, :-1], out=step[:, 1:])
    is_today = np.zeros(close.shape, bool)
    is_today[:, WARMUP_BARS:] = ~np.isnan(close[:, WARMUP_BARS:])
    before_open = is_today & (start_s < open_s)
    return Panel(
        counts=counts,
        start_s=start_s,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        log_close=log_close,
        cum_square=_running_sum(step * step, close),
        cum_dollar=_running_sum(close * volume, close),
        cum_log_volume=_running_sum(log_volume, close),
        cum_log_volume_square=_running_sum(log_volume * log_volume, close),
        day_cum_typical_dollar=np.cumsum(np.where(is_today, (high + low + close) / 3 * volume, 0.0), axis=1),
        day_cum_volume=np.cumsum(np.where(is_today, volume, 0.0), axis=1),
        day_high=np.fmax.accumulate(np.where(is_today, high, np.nan), axis=1),
        day_low=np.fmin.accumulate(np.where(is_today, low, np.nan), axis=1),
        pre_high=np.fmax.accumulate(np.where(before_open, high, np.nan), axis=1),
        pre_low=np.fmin.accumulate(np.where(before_open, low, np.nan), axis=1),
        pre_cum_volume=np.cumsum(np.where(before_open, volume, 0.0), axis=1),
        slot_volume=_slot_volume(items),
        open_column=np.where(is_today & ~before_open, np.arange(width), width).min(axis=1, initial=width),
        **_indicators(items, high, low, close),
    )


def _running_sum(values: FloatArray, close: FloatArray) -> FloatArray:
    """Sequential sums along time. Accumulation is in order, so a prefix does not depend on what follows."""
    sums = np.cumsum(np.where(np.isnan(values), 0.0, values), axis=1)
    sums[np.isnan(close)] = np.nan
    return sums


def _slot_volume(items: Sequence[SymbolDay]) -> FloatArray:
    grid = np.zeros((len(items), SLOTS_PER_DAY + 1))
    for row, item in enumerate(items):
        # The 25th hour of a day with a clock change (crypto only) counts to its last slot.
        slot = np.minimum((item.today.start_s - item.past.midnight_s) // BAR_S, SLOTS_PER_DAY - 1)
        grid[row, slot + 1] = item.today.volume
    return np.cumsum(grid, axis=1)


def _indicators(
    items: Sequence[SymbolDay], high: FloatArray, low: FloatArray, close: FloatArray
) -> dict[str, FloatArray]:
    import talib  # noqa: PLC0415 (it imports pandas: only who computes features pays)

    names = ("sma_12", "sma_36", "macd_histogram", "rsi_14", "atr_14")
    series = np.full((len(names), *close.shape), np.nan)
    for row, item in enumerate(items):
        first = WARMUP_BARS - len(item.past.tail)
        last = WARMUP_BARS + len(item.today)
        if last - first < 2:
            continue
        h, l, c = high[row, first:last], low[row, first:last], close[row, first:last]  # noqa: E741
        series[0, row, first:last] = talib.SMA(c, 12)
        series[1, row, first:last] = talib.SMA(c, 36)
        series[2, row, first:last] = talib.MACD(c, 12, 26, 9)[2]
        series[3, row, first:last] = talib.RSI(c, 14)
        series[4, row, first:last] = talib.ATR(h, l, c, 14)
    return dict(zip(names, series, strict=True))
