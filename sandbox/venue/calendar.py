"""Trading days of the exchange, asked of `exchange_calendars`. Independent of the app's own calendar on purpose."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Protocol

from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK

ONE_DAY = timedelta(days=1)


class TradingCalendar(Protocol):
    """Which dates are sessions, and their open and close."""

    def day(self, on: date) -> TradingDay | None:
        """Session of a date; None on weekends and holidays."""

    def next_day(self, after: date) -> TradingDay:
        """First session strictly after a date."""

    def previous_day(self, before: date) -> TradingDay:
        """Last session strictly before a date."""

    def between(self, start: date, end: date) -> list[TradingDay]:
        """Sessions in [start, end], ascending."""


class XnysCalendar:
    """New York Stock Exchange, holidays and half days included."""

    @cached_property
    def _table(self) -> dict[date, TradingDay]:
        import exchange_calendars  # noqa: PLC0415 - half a second, paid only where a calendar is asked for

        schedule: Any = exchange_calendars.get_calendar("XNYS").schedule
        rows = zip(schedule.index, schedule["open"], schedule["close"], strict=True)
        return {
            label.date(): TradingDay(
                on=label.date(),
                open_at=opens.to_pydatetime().astimezone(UTC),
                close_at=closes.to_pydatetime().astimezone(UTC),
            )
            for label, opens, closes in rows
        }

    def day(self, on: date) -> TradingDay | None:
        """Session of a date; None on weekends and holidays.

        Raises
        ------
        ValueError
            Outside the calendar's range (20 years back, one year ahead).
        """
        table = self._table
        found = table.get(on)
        if found is None and not next(iter(table)) <= on <= next(reversed(table)):
            raise ValueError(f"the calendar covers {next(iter(table))} to {next(reversed(table))}, got {on}")
        return found

    def next_day(self, after: date) -> TradingDay:
        """First session strictly after a date."""
        return self._walk(after, ONE_DAY)

    def previous_day(self, before: date) -> TradingDay:
        """Last session strictly before a date."""
        return self._walk(before, -ONE_DAY)

    def between(self, start: date, end: date) -> list[TradingDay]:
        """Sessions in [start, end], ascending; dates beyond the calendar's range are left out."""
        return [day for on, day in self._table.items() if start <= on <= end]

    def _walk(self, on: date, step: timedelta) -> TradingDay:
        while True:
            on += step
            if (day := self.day(on)) is not None:
                return day


@lru_cache(maxsize=4096)
def midnight(on: date) -> datetime:
    """Start of a New York date, in UTC."""
    return datetime(on.year, on.month, on.day, tzinfo=NEW_YORK).astimezone(UTC)


def new_york_date(at: datetime) -> date:
    """New York date of an instant."""
    return at.astimezone(NEW_YORK).date()
