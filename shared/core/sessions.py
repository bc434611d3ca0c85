"""The New York trading clock: which session an instant belongs to, and where a day's edges lie.

PRE 04:00-09:30, REG-AM 09:30-11:30, REG-MID 11:30-14:00, REG-PM 14:00-16:00, AFT 16:00-20:00. On a half day the
regular sessions end at the early close and AFT runs four hours at most. Everything is reckoned from a `TradingDay`,
whose instants already carry the daylight saving of that date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.core.market import TradingDay
from shared.core.values import require, require_utc

NEW_YORK = ZoneInfo("America/New_York")

PRE_OPENS = time(4, 0)
REGULAR_OPENS = time(9, 30)
REGULAR_CLOSES = time(16, 0)
EARLY_CLOSES = time(13, 0)
REG_AM_ENDS = time(11, 30)
REG_MID_ENDS = time(14, 0)
AFT_LENGTH = timedelta(hours=4)


class Session(StrEnum):
    """Tag on every bar, signal, order and fill."""

    PRE = "PRE"
    REG_AM = "REG-AM"
    REG_MID = "REG-MID"
    REG_PM = "REG-PM"
    AFT = "AFT"
    CLOSED = "CLOSED"

    @property
    def is_regular(self) -> bool:
        """Whether native brackets and stops exist here."""
        return self in REGULAR


REGULAR = frozenset({Session.REG_AM, Session.REG_MID, Session.REG_PM})


def new_york_instant(day: TradingDay, at: time) -> datetime:
    """UTC instant of a New York wall time on that session date."""
    return datetime.combine(day.on, at, NEW_YORK).astimezone(day.open_at.tzinfo)


def pre_open_at(day: TradingDay) -> datetime:
    """When premarket trading starts (04:00 New York), in UTC."""
    return new_york_instant(day, PRE_OPENS)


def aft_close_at(day: TradingDay) -> datetime:
    """When after-hours trading ends, in UTC: four hours after the regular close."""
    return day.close_at + AFT_LENGTH


def regular_close(on: date) -> time:
    """New York time at which the regular sessions of a session date end, by the exchange's rule for half days.

    Early on the Friday after Thanksgiving, and on 24 December and 3 July from Monday to Thursday. For past sessions of
    which only the bars are known; a `TradingDay` carries its own close.
    """
    weekday = on.weekday()
    after_thanksgiving = on.month == 11 and weekday == 4 and 23 <= on.day <= 29
    eve = (on.month, on.day) in {(12, 24), (7, 3)} and weekday < 4
    return EARLY_CLOSES if after_thanksgiving or eve else REGULAR_CLOSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Edges of one trading day, UTC: premarket start, regular open and close, end of after-hours trading."""

    starts_at: datetime
    opens_at: datetime
    closes_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        edges = (self.starts_at, self.opens_at, self.closes_at, self.ends_at)
        for edge in edges:
            require_utc("hours", edge)
        require(sorted(set(edges)) == list(edges), "hours", edges, "in their order")

    def is_trading(self, at: datetime) -> bool:
        """Whether limits trade at an instant of this day."""
        return self.starts_at <= at < self.ends_at

    def is_regular(self, at: datetime) -> bool:
        """Whether native stops and pairs exist at an instant of this day."""
        return self.opens_at <= at < self.closes_at


def hours_of(day: TradingDay) -> Hours:
    """Return the edges of a trading day."""
    return Hours(starts_at=pre_open_at(day), opens_at=day.open_at, closes_at=day.close_at, ends_at=aft_close_at(day))


def entries_end_at(session: Session, day: TradingDay) -> datetime | None:
    """Edge before which entries of a session must keep their distance; None before the open, where there is none."""
    if session.is_regular:
        return day.close_at
    return aft_close_at(day) if session is Session.AFT else None


def session_at(at: datetime, day: TradingDay | None) -> Session:
    """Session of an instant.

    Parameters
    ----------
    at : datetime
        Aware, UTC.
    day : TradingDay or None
        The exchange's day of `at`'s New York date; None on weekends and holidays.
    """
    require_utc("at", at)
    if day is None or not pre_open_at(day) <= at < aft_close_at(day):
        return Session.CLOSED
    if at < day.open_at:
        return Session.PRE
    if at >= day.close_at:
        return Session.AFT
    if at < new_york_instant(day, REG_AM_ENDS):
        return Session.REG_AM
    if at < new_york_instant(day, REG_MID_ENDS):
        return Session.REG_MID
    return Session.REG_PM
