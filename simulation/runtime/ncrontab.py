"""Six-field NCRONTAB schedules: `{second} {minute} {hour} {day} {month} {day-of-week}`, in UTC.

Day and day of week must both match (unlike in POSIX cron), as in the NCrontab library. Five fields mean second 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from shared.core.errors import SettingsError
from shared.core.values import require_utc

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[tuple[str, ...], ...] = ((), (), (), (), _MONTHS, _DAYS)
_HORIZON_YEARS = 9
"""29 February can be eight years away (1896 to 1904, 2096 to 2104)."""


def _number(text: str, index: int) -> int:
    low, high = _RANGES[index]
    names = _NAMES[index]
    key = text.strip().upper()
    if names and key[:3] in names and key.isalpha():
        return names.index(key[:3]) + low
    if not key.isdigit():
        raise ValueError(f"{text!r} is not a number")
    value = int(key)
    if index == 5 and value == 7:
        return 0
    if not low <= value <= high:
        raise ValueError(f"{value} is not within {low}-{high}")
    return value


def _part(text: str, index: int) -> set[int]:
    low, high = _RANGES[index]
    body, slash, step_text = text.partition("/")
    step = 1
    if slash:
        if not step_text.isdigit() or int(step_text) == 0:
            raise ValueError(f"step {step_text!r} is not a number above zero")
        step = int(step_text)
    if body == "*":
        first, last = low, high
    elif "-" in body:
        begin, _, end = body.partition("-")
        first, last = _number(begin, index), _number(end, index)
        if first > last:
            raise ValueError(f"range {body!r} runs backwards")
    else:
        first = _number(body, index)
        last = high if slash else first
    return set(range(first, last + 1, step))


def _field(text: str, index: int) -> frozenset[int]:
    return frozenset().union(*(_part(part, index) for part in text.split(",")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A parsed schedule: the allowed values of each field."""

    expression: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Self:
        """Read an expression.

        Raises
        ------
        SettingsError
            If it is not five or six fields, or a field is out of range.

        Examples
        --------
        >>> Schedule.parse("0 */5 * * * 1-5").next_after(datetime(2025, 1, 3, 23, 58, tzinfo=UTC)).isoformat()
        '2025-01-06T00:00:00+00:00'
        """
        parts = expression.split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise SettingsError(f"NCRONTAB expression needs five or six fields, got {expression!r}")
        try:
            seconds, minutes, hours, days, months, weekdays = (_field(text, i) for i, text in enumerate(parts))
        except ValueError as error:
            raise SettingsError(f"NCRONTAB expression {expression!r}: {error}") from error
        return cls(
            expression=expression,
            seconds=seconds,
            minutes=minutes,
            hours=hours,
            days=days,
            months=months,
            weekdays=weekdays,
        )

    def matches(self, at: datetime) -> bool:
        """Whether the schedule fires in that second."""
        return (
            self._matches_day(at) and at.hour in self.hours and at.minute in self.minutes and at.second in self.seconds
        )

    def next_after(self, at: datetime) -> datetime:
        """First instant strictly after `at` (aware, UTC) at which the schedule fires.

        Raises
        ------
        SettingsError
            If it never fires (30 February).
        """
        require_utc("at", at)
        t = at.replace(microsecond=0) + timedelta(seconds=1)
        limit = t.year + _HORIZON_YEARS
        while t.year < limit:
            if t.month not in self.months:
                t = datetime(t.year + t.month // 12, t.month % 12 + 1, 1, tzinfo=UTC)
            elif not self._matches_day(t):
                t = t.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif t.hour not in self.hours:
                t = t.replace(minute=0, second=0) + timedelta(hours=1)
            elif t.minute not in self.minutes:
                t = t.replace(second=0) + timedelta(minutes=1)
            elif t.second not in self.seconds:
                later = min((second for second in self.seconds if second > t.second), default=60)
                t = t.replace(second=0) + timedelta(seconds=later)
            else:
                return t
        raise SettingsError(f"NCRONTAB expression {self.expression!r} never fires")

    def _matches_day(self, at: datetime) -> bool:
        return at.month in self.months and at.day in self.days and at.isoweekday() % 7 in self.weekdays
