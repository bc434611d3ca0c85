"""The calendar of the New York Stock Exchange, from a small file beside this module.

exchange_calendars, the source of the file, imports pandas: half a second on a path that runs every minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from shared.core.errors import ContractError
from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK

DATA_FILE = Path(__file__).with_name("xnys.json")

OPENS = time(9, 30)
CLOSES = time(16, 0)
_SATURDAY = 5
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ONE_DAY = timedelta(days=1)


class XnysCalendar:
    """`Calendar` of XNYS: weekends, holidays, days of mourning, half days, daylight saving.

    Attributes
    ----------
    first, last : date
        What the file covers.

    Raises
    ------
    ContractError
        From every method, for a date outside the file's years.
    """

    def __init__(self) -> None:
        years = json.loads(DATA_FILE.read_text())["years"]
        self._closed = {date.fromisoformat(f"{year}-{day}") for year, days in years.items() for day in days["closed"]}
        self._early = {
            date.fromisoformat(f"{year}-{day}"): time.fromisoformat(at)
            for year, days in years.items()
            for day, at in days["early"].items()
        }
        self.first = date(min(map(int, years)), 1, 1)
        self.last = date(max(map(int, years)), 12, 31)
        self._days: dict[date, TradingDay | None] = {}

    def day(self, on: date) -> TradingDay | None:
        """Return the trading day of a date, None where the exchange is closed."""
        if on not in self._days:
            self._days[on] = self._build(on)
        return self._days[on]

    def next_day(self, after: date) -> TradingDay:
        """Return the first trading day after a date."""
        while True:
            after += _ONE_DAY
            if (found := self.day(after)) is not None:
                return found

    def previous_days(self, before: date, count: int) -> Sequence[TradingDay]:
        """Return the `count` trading days before a date, oldest first."""
        found: list[TradingDay] = []
        while len(found) < count:
            before -= _ONE_DAY
            if (day := self.day(before)) is not None:
                found.append(day)
        return found[::-1]

    def read(self, text: str) -> date:
        """Read a date that is covered, spelled YYYY-MM-DD."""
        try:
            on = date.fromisoformat(text) if _DATE.fullmatch(text) else None
        except ValueError:
            on = None
        if on is None or not self.first <= on <= self.last:
            raise ContractError(f"a date must be YYYY-MM-DD, from {self.first} to {self.last}, got {text!r}")
        return on

    def _build(self, on: date) -> TradingDay | None:
        if not self.first <= on <= self.last:
            raise ContractError(f"calendar covers {self.first} to {self.last}, got {on}")
        if on.weekday() >= _SATURDAY or on in self._closed:
            return None
        return TradingDay(on=on, open_at=_new_york(on, OPENS), close_at=_new_york(on, self._early.get(on, CLOSES)))


def _new_york(on: date, at: time) -> datetime:
    return datetime.combine(on, at, NEW_YORK).astimezone(UTC)
