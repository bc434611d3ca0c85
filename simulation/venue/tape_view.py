"""One symbol's day as a row of points in time, and what of the tape can be seen at an instant."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.sessions import aft_close_at, pre_open_at
from shared.core.values import ZERO
from simulation.market.tape import BasePrices, Halt, Tape
from simulation.venue.calendar import ONE_DAY, TradingCalendar, midnight, new_york_date

BoolArray = NDArray[np.bool_]

POINTS_PER_BAR = 4
KEPT_DATES = 4
"""Dates whose strips stay in memory; a date of some hundred symbols takes about 80 MB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """Points of one symbol on one New York date, ascending. Every array has shape (m,), m = 4 x bars.

    `at_s` UTC epoch seconds; `price` the traded price, `bid` and `ask` the quote from there on, in USD; `volume` what
    trades at the point. `regular` and `extended` say at which points orders of either kind can fill (halts excluded);
    `opening` and `closing` are the indices of the first and last regular points or -1. The `so_far` arrays cover the
    date up to and with a point.
    """

    at_s: IntArray
    price: FloatArray
    bid: FloatArray
    ask: FloatArray
    volume: FloatArray
    regular: BoolArray
    extended: BoolArray
    opening: int
    closing: int
    high_so_far: FloatArray
    low_so_far: FloatArray
    volume_so_far: FloatArray
    halts: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return int(self.at_s.size)

    def index_at(self, at_s: float) -> int:
        """Last point at or before an instant; -1 where there is none."""
        # A whole second, since searching integers for a float would turn all of them into floats first.
        return int(self.at_s.searchsorted(math.floor(at_s), side="right")) - 1

    def is_halted(self, at_s: float) -> bool:
        """Whether trading stands still at an instant."""
        return any(start <= at_s < end for start, end in self.halts)


def point_volume(volume: FloatArray, *, whole: bool) -> FloatArray:
    """Split bar volumes of shape (n,) over four points, shape (n, 4): quarters rounded down, the rest at the close."""
    quarter = np.floor(volume / POINTS_PER_BAR) if whole else volume / POINTS_PER_BAR
    points = np.repeat(quarter[:, None], POINTS_PER_BAR, axis=1)
    points[:, -1] = volume - 3 * quarter
    return points


def build_strip(
    base: BasePrices, *, base_s: int, sessions: tuple[int, int, int, int] | None, halts: Sequence[Halt], is_crypto: bool
) -> Strip:
    """Lay a day's bars out as points.

    Parameters
    ----------
    sessions : tuple of int or None
        Premarket open, regular open, regular close and after-hours close in epoch seconds; None where the date is no
        session. Crypto trades regardless.
    """
    offsets = np.arange(POINTS_PER_BAR, dtype=np.int64) * (base_s // POINTS_PER_BAR)
    at_s = (base.bars.start_s[:, None] + offsets).ravel()
    spans = tuple((int(halt.start_at.timestamp()), int(halt.end_at.timestamp())) for halt in halts)
    trading = np.ones(at_s.size, np.bool_)
    for start, end in spans:
        trading &= (at_s < start) | (at_s >= end)
    if is_crypto:
        regular = extended = trading
    elif sessions is None:
        regular = extended = np.zeros(at_s.size, np.bool_)
    else:
        pre, opens, closes, after = sessions
        regular = trading & (at_s >= opens) & (at_s < closes)
        extended = trading & (at_s >= pre) & (at_s < after)
    regular_points = np.flatnonzero(regular)
    price = np.ascontiguousarray(base.path, dtype=np.float64).ravel()
    volume = point_volume(base.bars.volume, whole=not is_crypto).ravel()
    return Strip(
        at_s=at_s,
        price=price,
        bid=np.ascontiguousarray(base.bid, dtype=np.float64).ravel(),
        ask=np.ascontiguousarray(base.ask, dtype=np.float64).ravel(),
        volume=volume,
        regular=regular,
        extended=extended,
        opening=int(regular_points[0]) if regular_points.size else -1,
        closing=int(regular_points[-1]) if regular_points.size else -1,
        high_so_far=np.maximum.accumulate(price),
        low_so_far=np.minimum.accumulate(price),
        volume_so_far=np.cumsum(volume),
        halts=spans,
    )


class TapeView:
    """Cached access to a tape, by date and instant. Knows the future; its callers ask only for the past.

    Parameters
    ----------
    tape : Tape
        The market.
    calendar : TradingCalendar
        The exchange's trading days.
    """

    def __init__(self, tape: Tape, calendar: TradingCalendar) -> None:
        self.tape = tape
        self.calendar = calendar
        self._strips: OrderedDict[date, dict[str, Strip]] = OrderedDict()
        self._halts: dict[date, dict[str, list[Halt]]] = {}
        self._sessions: dict[date, tuple[int, int, int, int] | None] = {}
        self._daily: dict[str, Bars] = {}
        self._covered = frozenset(tape.session_dates)

    def is_crypto(self, symbol: str) -> bool:
        """Whether the symbol trades around the clock."""
        return self.tape.assets[symbol].asset_class == "crypto"

    def sessions(self, on: date) -> tuple[int, int, int, int] | None:
        """Premarket open, open, close and after-hours close of a date in epoch seconds; None where it is no session."""
        if on not in self._sessions:
            day = self.calendar.day(on)
            edges = day and (pre_open_at(day), day.open_at, day.close_at, aft_close_at(day))
            self._sessions[on] = _epochs(*edges) if edges else None
        return self._sessions[on]

    def strip(self, symbol: str, on: date) -> Strip:
        """Points of a symbol on a New York date; empty where the tape has none."""
        of_date = self._strips.get(on)
        if of_date is None:
            of_date = self._strips[on] = {}
            if len(self._strips) > KEPT_DATES:
                self._strips.popitem(last=False)
        self._strips.move_to_end(on)
        found = of_date.get(symbol)
        if found is None:
            found = of_date[symbol] = self._build(symbol, on)
        return found

    def _build(self, symbol: str, on: date) -> Strip:
        covered = on in self._covered
        if on not in self._halts:
            self._halts[on] = {}
            for halt in self.tape.halts(on) if covered else ():
                self._halts[on].setdefault(halt.symbol, []).append(halt)
        return build_strip(
            self.tape.base(symbol, on) if covered else _no_prices(),
            base_s=self.tape.base_s,
            sessions=self.sessions(on),
            halts=self._halts[on].get(symbol, ()),
            is_crypto=self.is_crypto(symbol),
        )

    def daily(self, symbol: str) -> Bars:
        """Every daily bar of the tape."""
        if symbol not in self._daily:
            dates = self.tape.session_dates
            start, end = midnight(dates[0] - timedelta(days=400)), midnight(dates[-1] + ONE_DAY)
            self._daily[symbol] = self.tape.bars(symbol, Timeframe.DAY_1, start, end)
        return self._daily[symbol]

    def daily_before(self, symbol: str, on: date) -> int:
        """Index into `daily` of the last bar of a date before `on`; -1 where there is none."""
        return int(np.searchsorted(self.daily(symbol).start_s, int(midnight(on).timestamp()))) - 1

    def previous_close(self, symbol: str, on: date) -> float | None:
        """Close of the last daily bar before a date, in USD."""
        index = self.daily_before(symbol, on)
        return float(self.daily(symbol).close[index]) if index >= 0 else None

    def mark(self, symbol: str, at: datetime) -> Decimal:
        """Last traded price at an instant, in USD: today's, else the previous close; zero where there is none."""
        on = new_york_date(at)
        strip = self.strip(symbol, on)
        index = strip.index_at(at.timestamp())
        price = float(strip.price[index]) if index >= 0 else self.previous_close(symbol, on)
        return ZERO if price is None else Decimal(repr(price))


def _epochs(pre: datetime, opens: datetime, closes: datetime, after: datetime) -> tuple[int, int, int, int]:
    return int(pre.timestamp()), int(opens.timestamp()), int(closes.timestamp()), int(after.timestamp())


def _no_prices() -> BasePrices:
    none = np.empty((0, POINTS_PER_BAR))
    return BasePrices(bars=Bars.empty(), path=none, bid=none, ask=none)
