"""Session dates of the New York Stock Exchange, and the edges of New York days, for the sandbox's tapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import ContractError, SettingsError
from shared.core.features.history import DAILY_BARS
from shared.core.market import IntArray, TradingDay
from shared.core.sessions import NEW_YORK

_ONE_DAY = timedelta(days=1)


class ExchangeCalendar(XnysCalendar):
    """The app's own table as tapes and venue ask it: were there two, a date could be a session for one of them only."""

    def previous_day(self, before: date) -> TradingDay:
        """Last session strictly before a date."""
        return self.previous_days(before, 1)[0]

    def between(self, start: date, end: date) -> list[TradingDay]:
        """Sessions in [start, end], ascending; dates that the table does not cover are left out."""
        start, end = max(start, self.first), min(end, self.last)
        days = (self.day(start + k * _ONE_DAY) for k in range((end - start).days + 1))
        return [day for day in days if day is not None]


CALENDAR = ExchangeCalendar()


def trading_days(first: date, last: date) -> tuple[TradingDay, ...]:
    """Session dates of XNYS in [first, last], ascending, with their open and (early) close."""
    return tuple(CALENDAR.between(first, last))


def sessions_until(on: date, count: int) -> tuple[TradingDay, ...]:
    """The `count` session dates that end with `on`.

    Raises
    ------
    SettingsError
        If the exchange is closed on `on`, or the table does not hold as many.
    """
    try:
        return (*CALENDAR.previous_days(on, count - 1), _session(on))
    except ContractError as error:
        raise SettingsError(f"{count - 1} sessions before {on} are needed: {error}") from error


def tradable_day(on: date) -> TradingDay:
    """The session of a date that can be traded: the table holds what the app asks of the sessions around it.

    Raises
    ------
    SettingsError
        If the exchange is closed on that date, or the table does not reach far enough.
    """
    early = trading_days(CALENDAR.first, CALENDAR.first + 2 * DAILY_BARS * _ONE_DAY)
    first, last = early[DAILY_BARS].on, CALENDAR.previous_day(CALENDAR.last).on
    if not first <= on <= last:
        raise SettingsError(f"must be a session date of XNYS from {first} to {last}, got {on}")
    return _session(on)


def _session(on: date) -> TradingDay:
    day = CALENDAR.day(on)
    if day is None:
        nearest = f"{CALENDAR.previous_day(on).on} and {CALENDAR.next_day(on).on}"
        raise SettingsError(f"must be a session date of XNYS, got {on}, when it is closed; nearest are {nearest}")
    return day


def midnight_s(on: date) -> int:
    """Epoch second at which a New York date starts."""
    return int(datetime.combine(on, time(0), NEW_YORK).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEdges:
    """Consecutive or scattered New York dates and their edges in UTC epoch seconds.

    `midnights_s` has shape (n + 1,): the start of each date, and the end of the last one. `open_s` and `close_s` of
    shape (n,) bound the regular session, both at midnight where there is none.
    """

    dates: tuple[date, ...]
    midnights_s: IntArray
    open_s: IntArray
    close_s: IntArray

    @classmethod
    def of(cls, dates: Sequence[date], days: Sequence[TradingDay]) -> DayEdges:
        """Edges of `dates` (ascending), whose sessions are found in `days`."""
        by_date = {day.on: day for day in days}
        midnights = [midnight_s(on) for on in dates] + [midnight_s(dates[-1] + timedelta(days=1))]
        opens, closes = midnights[:-1], midnights[:-1]
        for i, on in enumerate(dates):
            if on in by_date:
                opens[i] = int(by_date[on].open_at.timestamp())
                closes[i] = int(by_date[on].close_at.timestamp())
        return cls(
            dates=tuple(dates),
            midnights_s=np.array(midnights, np.int64),
            open_s=np.array(opens, np.int64),
            close_s=np.array(closes, np.int64),
        )

    def around_the_clock(self) -> DayEdges:
        """The same dates, where the session is the whole day (crypto)."""
        return DayEdges(
            dates=self.dates, midnights_s=self.midnights_s, open_s=self.midnights_s[:-1], close_s=self.midnights_s[1:]
        )

    def index_of(self, start_s: IntArray) -> IntArray:
        """Position of the date that holds each epoch second."""
        return (np.searchsorted(self.midnights_s, start_s, side="right") - 1).astype(np.int64)
