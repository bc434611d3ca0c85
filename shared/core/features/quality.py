"""Whether a symbol's data can be trusted at an instant, and the few figures that stages need beside the features."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from shared.core.features.catalogue import FEATURE_HIGH, FEATURE_LOW, FEATURE_NAMES, MAY_BE_NAN
from shared.core.features.compute import atr_path
from shared.core.features.history import BAR_S, MIN_PROFILE_SESSIONS, SLOTS_PER_DAY, WARMUP_BARS, SymbolDay
from shared.core.market import Bars, FloatArray, TradingDay
from shared.core.splits import split_like

MIN_DAILY_BARS = 21
GAP_WINDOW_BARS = 12


def atr_5m(item: SymbolDay) -> float:
    """ATR(14) of 5-minute bars at the last bar, in USD per share; NaN where history is too short."""
    path = atr_path(item)
    return float(path[-1]) if path.size else float("nan")


def daily_volatility(item: SymbolDay) -> float:
    """Standard deviation of 20 daily log returns; NaN where history is too short."""
    return item.past.fact("volatility_20d")


def adv_shares(item: SymbolDay) -> float:
    """Mean daily volume of 20 days, in shares; NaN where history is too short."""
    return item.past.fact("adv_20d")


def relative_volume(item: SymbolDay) -> float:
    """Volume since 04:00 over the mean of past sessions until the end of the last bar; NaN where unknown."""
    if not len(item.today):
        return float("nan")
    slot = min((int(item.today.start_s[-1]) - item.past.midnight_s) // BAR_S + 1, SLOTS_PER_DAY)
    expected = float(item.past.volume_profile[slot])
    return float(item.today.volume.sum()) / expected if expected > 0 else float("nan")


def data_faults(item: SymbolDay, day: TradingDay, *, at: datetime, bar_age_max_s: float) -> tuple[str, ...]:
    """Say why a symbol's data must not be traded on at an instant. Empty: nothing found.

    Parameters
    ----------
    item : SymbolDay
    day : TradingDay
    at : datetime
        The instant of the decision, UTC.
    bar_age_max_s : float
        Largest allowed age of the last bar's end.

    Returns
    -------
    tuple of str
        Each starts with a stable word: daily-history, intraday-history, split, no-bars, bad-bar, stale-bar, gap.
    """
    faults: list[str] = []
    past, today = item.past, item.today
    if past.daily_count < MIN_DAILY_BARS:
        faults.append(f"daily-history: {past.daily_count} daily bars, needs {MIN_DAILY_BARS}")
    if past.session_count < MIN_PROFILE_SESSIONS or len(past.tail) < WARMUP_BARS:
        faults.append(
            f"intraday-history: {past.session_count} sessions and {len(past.tail)} bars, needs "
            f"{MIN_PROFILE_SESSIONS} and {WARMUP_BARS}"
        )
    close = past.fact("previous_close")
    jump = float(today.open[0]) / close if len(today) and close > 0 else math.nan
    for when, ratio in (("since the last close", jump), ("in a night of its history", past.jump)):
        if looks_like := split_like(ratio):
            faults.append(
                f"split: the price is {ratio:.4g} times as high {when}, as after a split of {looks_like}, and no "
                "corporate action tells of one"
            )
    if not len(today):
        return (*faults, "no-bars: none closed today")
    if bad := _bad_bars(past.tail) + _bad_bars(today):
        faults.append(f"bad-bar: {bad} with a price that is not positive, or outside low to high")
    age_s = at.timestamp() - (int(today.start_s[-1]) + BAR_S)
    if not 0 <= age_s <= bar_age_max_s:
        faults.append(f"stale-bar: last bar ended {age_s:.0f} s ago, limit {bar_age_max_s:.0f} s")
    if missing := _missing_bars(today, day):
        faults.append(f"gap: {missing} of the last {GAP_WINDOW_BARS} regular bars missing")
    return tuple(faults)


def feature_faults(row: FloatArray) -> tuple[str, ...]:
    """Say which features of one row (shape (n_features,)) are out of range, or NaN where that is a fault.

    Those of text are never at fault: they are NaN where they cannot be relied on.
    """
    row = row[: len(FEATURE_NAMES)]
    faults = [
        f"nan: {name}"
        for name, value in zip(FEATURE_NAMES, row, strict=True)
        if np.isnan(value) and name not in MAY_BE_NAN
    ]
    with np.errstate(invalid="ignore"):
        outside = np.flatnonzero((row < FEATURE_LOW) | (row > FEATURE_HIGH))
    faults += [
        f"range: {FEATURE_NAMES[k]} = {row[k]:.6g}, limits {FEATURE_LOW[k]:g} to {FEATURE_HIGH[k]:g}" for k in outside
    ]
    return tuple(faults)


def _bad_bars(bars: Bars) -> int:
    with np.errstate(invalid="ignore"):
        good = (
            (bars.low > 0)
            & (bars.low <= np.minimum(bars.open, bars.close))
            & (np.maximum(bars.open, bars.close) <= bars.high)
            & np.isfinite(bars.high)
            & (bars.volume >= 0)
        )
    return int(np.count_nonzero(~good))


def _missing_bars(today: Bars, day: TradingDay) -> int:
    """Missing among the last regular bars up to the last bar there is (premarket and after hours trade by chance)."""
    open_s, close_s = int(day.open_at.timestamp()), int(day.close_at.timestamp())
    end_s = min(int(today.start_s[-1]) + BAR_S, close_s)
    start_s = max(open_s, end_s - GAP_WINDOW_BARS * BAR_S)
    if end_s <= start_s:
        return 0
    return (end_s - start_s) // BAR_S - len(today.between(start_s, end_s))
