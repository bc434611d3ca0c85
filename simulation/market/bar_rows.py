"""Bars of one symbol with what a store keeps beside them, and the edges of sessions as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Self

import numpy as np

from shared.core.errors import ContractError
from shared.core.features.history import midnight_s, new_york_clock
from shared.core.market import Bars, FloatArray, IntArray, Timeframe, TradingDay
from shared.core.sessions import REG_AM_ENDS, REG_MID_ENDS, Session, aft_close_at, new_york_instant, pre_open_at
from shared.core.values import Symbol, require
from shared.ports import Calendar

SESSIONS: Final = tuple(Session)
EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolBars:
    """Bars of one symbol, valid and in order.

    `split_next`, float64 of shape (n,), is the factor that takes a price of the bar's session to the next session's
    terms: 3 before a reverse split of one for three, 0.5 before a split of two for one, 1 where nothing is known.
    """

    bars: Bars
    split_next: FloatArray

    def __post_init__(self) -> None:
        require(self.split_next.shape == (len(self.bars),), "split_next", self.split_next.shape, "one for each bar")

    def __len__(self) -> int:
        return len(self.bars)

    @classmethod
    def of(cls, bars: Bars) -> Self:
        """Bars without a split."""
        return cls(bars=bars, split_next=np.ones(len(bars)))

    def __getitem__(self, part: slice) -> SymbolBars:
        return SymbolBars(bars=self.bars[part], split_next=self.split_next[part])

    def united(self, newer: SymbolBars) -> SymbolBars:
        """Both together; where both have a bar, the newer's."""
        kept = ~np.isin(self.bars.start_s, newer.bars.start_s)
        starts = np.concatenate([self.bars.start_s[kept], newer.bars.start_s])
        order = np.argsort(starts, kind="stable")

        def join(name: str) -> FloatArray:
            return np.concatenate([getattr(self.bars, name)[kept], getattr(newer.bars, name)])[order]

        bars = Bars(start_s=starts[order], **{name: join(name) for name in PRICES})
        return SymbolBars(bars=bars, split_next=np.concatenate([self.split_next[kept], newer.split_next])[order])


PRICES: Final = ("open", "high", "low", "close", "volume")


def is_crypto(symbol: Symbol) -> bool:
    """Whether a symbol trades around the clock: a pair has a slash in its name."""
    return "/" in symbol


def session_dates(start_s: IntArray) -> list[date]:
    """Distinct New York dates of instants, ascending."""
    return [EPOCH + timedelta(days=int(k)) for k in np.unique(new_york_clock(start_s)[0])]


def trading_days(calendar: Calendar, dates: Sequence[date]) -> dict[date, TradingDay | None]:
    """The exchange's day of each date; None where it was closed, and outside the calendar's years."""

    def day(on: date) -> TradingDay | None:
        try:
            return calendar.day(on)
        except ContractError:
            return None

    return {on: day(on) for on in dates}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edges of each bar's day, int64 of shape (n,), UTC epoch seconds; all -1 where the exchange was closed.

    `day` counts the exchange's days from the first bar's on, those without a bar too; -1 where it was closed.
    """

    day: IntArray
    pre_s: IntArray
    open_s: IntArray
    am_ends_s: IntArray
    mid_ends_s: IntArray
    close_s: IntArray
    aft_ends_s: IntArray


def edges_of(start_s: IntArray, calendar: Calendar) -> Edges:
    """Edges of the day that each bar starts on."""
    ordinals = new_york_clock(start_s)[0]
    distinct, where = np.unique(ordinals, return_inverse=True)
    every = range(int(distinct[0]), int(distinct[-1]) + 1) if distinct.size else range(0)
    days = trading_days(calendar, [EPOCH + timedelta(days=k) for k in every])
    number = np.cumsum([day is not None for day in days.values()]) - 1
    table = np.zeros((7, distinct.size), np.int64)
    for k, ordinal in enumerate(distinct.tolist()):
        day = days[EPOCH + timedelta(days=ordinal)]
        table[:, k] = -1 if day is None else (number[ordinal - every.start], *_edges_s(day))
    day_, pre, opened, am, mid, close, aft = table[:, where]
    return Edges(day=day_, pre_s=pre, open_s=opened, am_ends_s=am, mid_ends_s=mid, close_s=close, aft_ends_s=aft)


@lru_cache(maxsize=20_000)
def _edges_s(day: TradingDay) -> tuple[int, ...]:
    """Premarket, open, the two edges within, close, and the end of after-hours trading."""
    instants = (
        pre_open_at(day),
        day.open_at,
        new_york_instant(day, REG_AM_ENDS),
        new_york_instant(day, REG_MID_ENDS),
        day.close_at,
        aft_close_at(day),
    )
    return tuple(int(at.timestamp()) for at in instants)


@lru_cache(maxsize=50_000)
def _midnight_s(ordinal: int) -> int:
    return midnight_s(EPOCH + timedelta(days=ordinal))


def sessions_of(start_s: IntArray, edges: Edges, timeframe: Timeframe) -> IntArray:
    """Session at each bar's start as an index into `SESSIONS`; a daily bar's is the one that its prices begin in."""
    pre, am, mid, pm, aft, closed = (
        SESSIONS.index(s)
        for s in (Session.PRE, Session.REG_AM, Session.REG_MID, Session.REG_PM, Session.AFT, Session.CLOSED)
    )
    if timeframe is Timeframe.DAY_1:
        return np.where(edges.day >= 0, am, closed)
    return np.select(
        [
            (start_s < edges.pre_s) | (start_s >= edges.aft_ends_s),
            start_s < edges.open_s,
            start_s >= edges.close_s,
            start_s < edges.am_ends_s,
            start_s < edges.mid_ends_s,
        ],
        [closed, pre, aft, am, mid],
        pm,
    ).astype(np.int64)


def span_s(first: date, last: date) -> tuple[int, int]:
    """Epoch seconds of the New York dates `first` to `last`, both whole: start, and end (exclusive)."""
    return midnight_s(first), midnight_s(last + timedelta(days=1))


def midnights(ordinals: IntArray) -> IntArray:
    """New York midnights of dates given as days since 1970, UTC epoch seconds."""
    distinct, where = np.unique(ordinals, return_inverse=True)
    starts = np.array([_midnight_s(int(k)) for k in distinct], np.int64)
    return starts[where] if distinct.size else ordinals
