"""What a symbol's features take from completed sessions, worked out once per symbol and day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from shared.core.market import Bars, FloatArray, IntArray, TradingDay
from shared.core.sessions import NEW_YORK, REGULAR_OPENS, regular_close
from shared.core.splits import NO_SPLITS, Splits, in_terms_of, whole_ratios
from shared.core.values import Symbol, require

BAR_S: Final = 300
DAY_S: Final = 86_400
SLOTS_PER_DAY: Final = DAY_S // BAR_S
_EPOCH: Final = date(1970, 1, 1).toordinal()
DAILY_BARS: Final = 60
HISTORY_SESSIONS: Final = 10
MIN_PROFILE_SESSIONS: Final = 3
WARMUP_BARS: Final = 156
"""Bars of past sessions before today's first: two regular sessions, over ten time constants of a 14-bar Wilder mean.

Recursive indicators always start at the same bar of a symbol's day, so that the value at a bar does not depend on when
it is computed.
"""
HIGHER_SLOTS: Final = {"15m": 3, "1h": 12, "4h": 48}
"""Higher timeframes of the regular session, in 5-minute slots."""
HIGHER_BARS: Final = 60
"""Most completed bars of past sessions that each higher timeframe starts from."""

FACTS: Final = (
    "previous_close",
    "return_1d",
    "return_5d",
    "return_20d",
    "sma_20d",
    "sma_20d_slope",
    "rsi_14d",
    "atr_14d",
    "volatility_20d",
    "adv_20d",
    "dollar_volume_20d",
    "high_20d",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Completed sessions of one symbol as its features need them. Depends on nothing of the day itself.

    Attributes
    ----------
    symbol : Symbol
    on : date
        The day it was prepared for.
    midnight_s : int
        Start of that day in New York, UTC epoch seconds.
    tail : Bars
        The last `WARMUP_BARS` 5-minute bars (fewer where there are fewer).
    volume_profile : float64 of shape (SLOTS_PER_DAY + 1,)
        Mean cumulative volume from midnight to the start of each 5-minute slot, in shares; NaN with under
        `MIN_PROFILE_SESSIONS` sessions.
    facts : float64 of shape (len(FACTS),)
        Daily figures in the order of `FACTS`, prices and ATR in USD; NaN where history is too short.
    higher : tuple of float64 arrays
        Closes of the completed bars of each higher timeframe of `HIGHER_SLOTS`, the last `HIGHER_BARS` at most, in USD.
    daily_count, session_count : int
        Daily bars and intraday sessions that went in.
    last_daily_on : date or None
        Session date of the last daily bar.
    jump : float
        First price after a night over the close before it, of the last night among the daily bars that looks like a
        split; NaN where none does. Bars come in the day's terms, so that no corporate action has explained it.
    """

    symbol: Symbol
    on: date
    midnight_s: int
    tail: Bars
    volume_profile: FloatArray
    facts: FloatArray
    higher: tuple[FloatArray, ...]
    daily_count: int
    session_count: int
    last_daily_on: date | None
    jump: float = math.nan

    def fact(self, name: str) -> float:
        """One of `FACTS`, NaN where history is too short."""
        return float(self.facts[FACTS.index(name)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolDay:
    """One symbol on one day: its prepared past and today's closed 5-minute bars, oldest first."""

    past: Past
    today: Bars

    @property
    def symbol(self) -> Symbol:
        """The past's symbol."""
        return self.past.symbol


def midnight_s(on: date) -> int:
    """Start of a date in New York, in UTC epoch seconds."""
    return int(datetime.combine(on, time(), NEW_YORK).timestamp())


def new_york_clock(start_s: IntArray) -> tuple[IntArray, IntArray]:
    """Date ordinal (days since 1970) and second of the day of UTC epoch seconds on the New York clock.

    Offsets change on a whole hour, so one conversion per distinct hour is exact.
    """
    if not start_s.size:
        return start_s, start_s
    first, last = (_offset_s(int(start_s[k])) for k in (0, -1))
    if first == last and start_s[-1] - start_s[0] < 90 * DAY_S:
        local = start_s + first
    else:
        hours, where = np.unique(start_s // 3600, return_inverse=True)
        local = start_s + np.array([_offset_s(int(hour) * 3600) for hour in hours], np.int64)[where]
    return local // DAY_S, local % DAY_S


@lru_cache(maxsize=100_000)
def _offset_s(at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, NEW_YORK).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def prepare(symbol: Symbol, *, daily: Bars, history: Bars, day: TradingDay, splits: Splits = NO_SPLITS) -> Past:
    """Work out what the features of `day` take from before it.

    Parameters
    ----------
    symbol : Symbol
    daily : Bars
        Daily bars. Those of `day` and later are ignored, of the others the last `DAILY_BARS` are used.
    history : Bars
        5-minute bars. Those of `day` and later are ignored, of the others the last `HISTORY_SESSIONS` dates are used.
    day : TradingDay
    splits : Splits
        Of bars as traded: those in force by the day are taken in. None for bars that stand in the day's terms.

    Returns
    -------
    Past
        Equal bits for equal bars, whatever else lies before or after the window. The value can be kept for the day.
    """
    start = midnight_s(day.on)
    daily = daily[max(0, (end := int(np.searchsorted(daily.start_s, start))) - DAILY_BARS) : end]
    history = history[: int(np.searchsorted(history.start_s, start))]
    dates, seconds = new_york_clock(history.start_s)
    sessions = np.unique(dates)[-HISTORY_SESSIONS:]
    if sessions.size:
        first = int(np.searchsorted(dates, sessions[0]))
        history, dates, seconds = history[first:], dates[first:], seconds[first:]
    daily, history = in_terms_of(daily, splits, start), in_terms_of(history, splits, start)
    last_daily_on = None
    if len(daily):
        last_daily_on = datetime.fromtimestamp(int(daily.start_s[-1]), UTC).astimezone(NEW_YORK).date()
    session = np.searchsorted(sessions, dates)
    return Past(
        symbol=symbol,
        on=day.on,
        midnight_s=start,
        tail=history[-WARMUP_BARS:],
        volume_profile=_volume_profile(session, seconds // BAR_S, history.volume, sessions.size),
        facts=_daily_facts(daily),
        higher=_higher_closes(session, seconds, history.close, sessions),
        daily_count=len(daily),
        session_count=int(sessions.size),
        last_daily_on=last_daily_on,
        jump=_last_jump(daily),
    )


def _last_jump(daily: Bars) -> float:
    """The last night's move that looks like a split, as a ratio; NaN where none does."""
    with np.errstate(all="ignore"):
        ratios = daily.open[1:] / daily.close[:-1]
    like = np.flatnonzero(~np.isnan(whole_ratios(ratios)))
    return float(ratios[like[-1]]) if like.size else math.nan


def _volume_profile(session: IntArray, slot: IntArray, volume: FloatArray, sessions: int) -> FloatArray:
    if sessions < MIN_PROFILE_SESSIONS:
        return np.full(SLOTS_PER_DAY + 1, np.nan)
    grid = np.zeros((sessions, SLOTS_PER_DAY + 1))
    grid[session, slot + 1] = volume
    return np.asarray(np.cumsum(grid, axis=1).mean(axis=0), np.float64)


def _higher_closes(session: IntArray, seconds: IntArray, close: FloatArray, dates: IntArray) -> tuple[FloatArray, ...]:
    """Closes of the higher bars of past regular sessions; `dates` are the sessions' days since 1970."""
    closes_s = np.array([_second_of(regular_close(date.fromordinal(_EPOCH + int(on)))) for on in dates], np.int64)
    open_s = _second_of(REGULAR_OPENS)
    regular = (seconds >= open_s) & (seconds < closes_s[session])
    session, since_open, close = session[regular], seconds[regular] - open_s, close[regular]
    found = []
    for slots in HIGHER_SLOTS.values():
        key = session * SLOTS_PER_DAY + since_open // (slots * BAR_S)
        last = np.flatnonzero(np.diff(key, append=-1))
        found.append(np.ascontiguousarray(close[last][-HIGHER_BARS:]))
    return tuple(found)


def _second_of(at: time) -> int:
    return at.hour * 3600 + at.minute * 60


def _daily_facts(daily: Bars) -> FloatArray:
    """The figures named in `FACTS`, of the bars' end."""
    import talib  # noqa: PLC0415 (it imports pandas: only who computes features pays)

    n = len(daily)
    if n < 2:
        facts = np.full(len(FACTS), np.nan)
        facts[0] = daily.close[-1] if n else np.nan
        return facts
    close = np.ascontiguousarray(daily.close)
    high, low, volume = (np.ascontiguousarray(part) for part in (daily.high, daily.low, daily.volume))
    with np.errstate(all="ignore"):
        log_close = np.log(close)
        sma = talib.SMA(close, 20)
        log_sma = np.log(sma)
        enough = n >= 21
        facts = np.array(
            [
                close[-1],
                log_close[-1] - log_close[-2],
                _back(log_close, 0) - _back(log_close, 5),
                _back(log_close, 0) - _back(log_close, 20),
                sma[-1],
                _back(log_sma, 0) - _back(log_sma, 5),
                talib.RSI(close, 14)[-1],
                talib.ATR(high, low, close, 14)[-1],
                np.diff(log_close[-21:]).std(ddof=1) if enough else np.nan,
                volume[-20:].mean() if n >= 20 else np.nan,
                (close[-20:] * volume[-20:]).mean() if n >= 20 else np.nan,
                high[-20:].max() if n >= 20 else np.nan,
            ]
        )
    facts[~np.isfinite(facts)] = np.nan
    return facts


def _back(values: FloatArray, k: int) -> float:
    """The value `k` places before the last, NaN where there is none."""
    return float(values[-1 - k]) if values.size > k else np.nan


def require_day(items: tuple[SymbolDay, ...], day: TradingDay) -> None:
    """Refuse a past prepared for another day, and bars outside the day's New York date."""
    for item in items:
        require(item.past.on == day.on, f"past of {item.symbol}", item.past.on, f"prepared for {day.on}")
        if len(item.today):
            first, last = int(item.today.start_s[0]), int(item.today.start_s[-1])
            start, end = item.past.midnight_s, midnight_s(day.on + timedelta(days=1))
            require(start <= first and last < end, f"today's bars of {item.symbol}", (first, last), f"within {day.on}")
