"""What the venue asks of the exchange's trading days, and the edges of New York dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK

ONE_DAY = timedelta(days=1)


class TradingCalendar(Protocol):
    """Which dates are sessions, and their open and close."""

    def day(self, on: date) -> TradingDay | None:
        """Session of a date; None on weekends and holidays."""

    def next_day(self, after: date) -> TradingDay:
        """First session strictly after a date."""

    def between(self, start: date, end: date) -> list[TradingDay]:
        """Sessions in [start, end], ascending."""


@lru_cache(maxsize=4096)
def midnight(on: date) -> datetime:
    """Start of a New York date, in UTC."""
    return datetime(on.year, on.month, on.day, tzinfo=NEW_YORK).astimezone(UTC)


def new_york_date(at: datetime) -> date:
    """New York date of an instant."""
    return at.astimezone(NEW_YORK).date()
