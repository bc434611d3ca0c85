"""Session dates of the New York Stock Exchange, and the edges of New York days, for the sandbox's tapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import exchange_calendars
import numpy as np

from shared.core.errors import SettingsError
from shared.core.market import IntArray, TradingDay
from shared.core.sessions import NEW_YORK
from shared.core.values import from_epoch

_MARGIN_DAYS = 14
"""Longer than any closure of the exchange since 1990, so that a neighbour session always lies in range."""


@lru_cache(maxsize=32)
def trading_days(first: date, last: date) -> tuple[TradingDay, ...]:
    """Session dates of XNYS in [first, last], ascending, with their open and (early) close."""
    calendar = exchange_calendars.get_calendar(
        "XNYS", start=first - timedelta(days=_MARGIN_DAYS), end=last + timedelta(days=_MARGIN_DAYS)
    )
    opens = calendar.opens[first.isoformat() : last.isoformat()]
    closes = calendar.closes[first.isoformat() : last.isoformat()]
    return tuple(
        TradingDay(on=label.date(), open_at=_utc(opens.iloc[i]), close_at=_utc(closes.iloc[i]))
        for i, label in enumerate(opens.index)
    )


def sessions_until(on: date, count: int) -> tuple[TradingDay, ...]:
    """The `count` session dates that end with `on`.

    Raises
    ------
    SettingsError
        If the exchange is closed on `on`.
    """
    days = trading_days(on - timedelta(days=2 * count + _MARGIN_DAYS), on)
    if days[-1].on != on:
        later = trading_days(on, on + timedelta(days=_MARGIN_DAYS))[0].on
        raise SettingsError(f"on must be a session date of XNYS, got {on}; nearest are {days[-1].on} and {later}")
    return days[-count:]


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


def _utc(stamp: datetime) -> datetime:
    return from_epoch(stamp.timestamp())
