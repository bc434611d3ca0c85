"""Which job is due. Timers fire on a UTC grid; this decides, from the exchange's day, what a firing means.

A job of a trading day is named by (job, session date, slot), its slot being New York time as HHMM. Each has an instant
at which it is due and one until which it still makes sense: a firing that comes late, or after missed ones, runs what
can still be run and reports what cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK, REGULAR, Session, aft_close_at, new_york_instant, pre_open_at
from shared.core.values import require, require_utc

NEWS_ENDS = time(19)
"""New York time from which no news is looked for: in winter it is midnight in UTC, and a timer that fires then needs an
hour of the day after. Nothing is entered on news so late.
"""

LEAVE_BEFORE_CLOSE = timedelta(minutes=10)
"""Positions are left so long before the regular close, and those of the evening before after-hours trading ends."""


class Job(StrEnum):
    """Everything that a timer starts."""

    NEWS_SCAN = "news-scan"
    PREMARKET_ROUGH = "premarket-rough"
    PREMARKET_FINAL = "premarket-final"
    INTRADAY_REFRESH = "intraday-refresh"
    CANDIDATES = "candidates"
    SUPERVISE = "supervise"
    FLATTEN = "flatten"
    AFTER_HOURS = "after-hours"
    DAY_REPORT = "day-report"
    CASES = "cases"
    REPLAY_CHECK = "replay-check"
    EXPORT = "export"
    HEARTBEAT = "heartbeat"
    WEEKLY_REVIEW = "weekly-review"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    """One job in its slot: due at `due_at`, worth running before `until`."""

    job: Job
    on: date
    slot: str
    due_at: datetime
    until: datetime

    def __post_init__(self) -> None:
        require_utc("due_at", self.due_at)
        require(self.due_at < self.until, "until", self.until, f"after due_at {self.due_at}")

    @property
    def key(self) -> str:
        """Row key of the run record: `job|slot`."""
        return f"{self.job}|{self.slot}"


def slot_of(at: datetime) -> str:
    """New York wall time of an instant as HHMM."""
    return at.astimezone(NEW_YORK).strftime("%H%M")


def _job(job: Job, day: TradingDay, due_at: datetime, until: datetime) -> DueJob:
    return DueJob(job=job, on=day.on, slot=slot_of(due_at), due_at=due_at, until=until)


def _every(job: Job, day: TradingDay, start: datetime, end: datetime, minutes: int) -> Iterator[DueJob]:
    """Slots in [start, end); one is worth running until the next is due."""
    step = timedelta(minutes=minutes)
    while start < end:
        yield _job(job, day, start, start + step)
        start += step


def _at(job: Job, day: TradingDay, at: time, until: datetime) -> Iterator[DueJob]:
    """A fixed New York time, if it still comes before `until` on this (perhaps short) day."""
    due_at = new_york_instant(day, at)
    if due_at < until:
        yield _job(job, day, due_at, until)


def _news(day: TradingDay) -> Iterator[DueJob]:
    return _every(Job.NEWS_SCAN, day, pre_open_at(day), _news_end(day), 15)


def _news_end(day: TradingDay) -> datetime:
    """When the news scan's timer has stopped for the day; heartbeats are its too."""
    return min(aft_close_at(day), new_york_instant(day, NEWS_ENDS))


def _premarket(day: TradingDay) -> Iterator[DueJob]:
    yield from _at(Job.PREMARKET_ROUGH, day, time(7, 0), new_york_instant(day, time(9, 15)))
    # The day cannot start without a watchlist, so the final scan is made up for until the last entries.
    yield from _at(Job.PREMARKET_FINAL, day, time(9, 15), day.close_at - timedelta(minutes=30))


def _refresh(day: TradingDay) -> Iterator[DueJob]:
    last = day.close_at - timedelta(minutes=30)
    edges = [new_york_instant(day, at) for at in (time(9, 35), time(11, 30), time(13, 30))]
    for due_at, until in zip(edges, [*edges[1:], last], strict=True):
        if due_at < last:
            yield _job(Job.INTRADAY_REFRESH, day, due_at, min(until, last))


def _candidates(day: TradingDay) -> Iterator[DueJob]:
    # The first 5-minute bar closes five minutes after the open; entries end before the close by policy.
    return _every(Job.CANDIDATES, day, day.open_at + timedelta(minutes=5), day.close_at, 5)


def _early(day: TradingDay) -> Iterator[DueJob]:
    """What entries before the open add: candidates of the rough watchlist, five minutes after it, and heartbeats."""
    yield from _every(Job.CANDIDATES, day, new_york_instant(day, time(7, 5)), day.open_at, 5)
    yield from _hourly(day, new_york_instant(day, time(8)), day.open_at)


def _evening(day: TradingDay) -> Iterator[DueJob]:
    """What entries after the close add: candidates of the after-hours watchlist, and a flatten of their own."""
    ends_at = aft_close_at(day)
    yield from _every(Job.CANDIDATES, day, day.close_at + timedelta(minutes=10), ends_at - LEAVE_BEFORE_CLOSE, 5)
    yield _job(Job.FLATTEN, day, ends_at - LEAVE_BEFORE_CLOSE, ends_at)
    yield from _hourly(day, day.close_at + timedelta(hours=1), _news_end(day))


def _heartbeats(day: TradingDay) -> Iterator[DueJob]:
    """Every whole hour of the regular session, its close included."""
    return _hourly(day, new_york_instant(day, time(10)), day.close_at + timedelta(minutes=1))


def _hourly(day: TradingDay, start: datetime, end: datetime) -> Iterator[DueJob]:
    """Heartbeats in [start, end). One that is half an hour late would tell of the wrong hour."""
    while start < end:
        yield _job(Job.HEARTBEAT, day, start, start + timedelta(minutes=30))
        start += timedelta(hours=1)


def _supervise(day: TradingDay) -> Iterator[DueJob]:
    return _every(Job.SUPERVISE, day, pre_open_at(day), aft_close_at(day), 1)


def _close(day: TradingDay) -> Iterator[DueJob]:
    yield _job(Job.FLATTEN, day, day.close_at - LEAVE_BEFORE_CLOSE, day.close_at)
    yield _job(Job.AFTER_HOURS, day, day.close_at + timedelta(minutes=5), day.close_at + timedelta(hours=2))
    yield _job(Job.DAY_REPORT, day, day.close_at + timedelta(minutes=30), aft_close_at(day))


def _books(day: TradingDay) -> Iterator[DueJob]:
    # An hour after the last decision its outcomes are known; each of the three rests on the one before.
    yield from _night(day, day.close_at + timedelta(minutes=60), aft_close_at(day))


def _late_books(day: TradingDay) -> Iterator[DueJob]:
    """What entries after the close add: the same once more when after-hours trading has ended."""
    start = aft_close_at(day) + timedelta(minutes=15)
    yield from _night(day, start, start + timedelta(hours=3))


def _night(day: TradingDay, start: datetime, until: datetime) -> Iterator[DueJob]:
    for place, job in enumerate((Job.CASES, Job.REPLAY_CHECK, Job.EXPORT)):
        yield _job(job, day, start + place * timedelta(minutes=15), until)


_PLANS: dict[Job, Callable[[TradingDay], Iterator[DueJob]]] = {
    Job.NEWS_SCAN: _news,
    Job.PREMARKET_ROUGH: _premarket,
    Job.PREMARKET_FINAL: _premarket,
    Job.INTRADAY_REFRESH: _refresh,
    Job.CANDIDATES: _candidates,
    Job.SUPERVISE: _supervise,
    Job.FLATTEN: _close,
    Job.AFTER_HOURS: _close,
    Job.DAY_REPORT: _close,
    Job.CASES: _books,
    Job.REPLAY_CHECK: _books,
    Job.EXPORT: _books,
    Job.HEARTBEAT: _heartbeats,
}


_ADDED = ((Session.PRE, _early), (Session.AFT, _evening), (Session.AFT, _late_books))
"""What entries outside the regular session add to a day."""


@lru_cache(maxsize=64)
def plan(
    day: TradingDay, jobs: frozenset[Job] = frozenset(Job), sessions: frozenset[Session] = REGULAR
) -> tuple[DueJob, ...]:
    """Every slot of a trading day for some jobs, by due time; `sessions` are those in which entries are enabled."""
    plans = dict.fromkeys(_PLANS[job] for job in Job if job in jobs and job in _PLANS)
    plans |= {make: None for session, make in _ADDED if session in sessions}
    slots = (slot for make in plans for slot in make(day) if slot.job in jobs)
    return tuple(sorted(slots, key=lambda slot: (slot.due_at, slot.key)))


SATURDAY = 5


def weekend(on: date, jobs: frozenset[Job] = frozenset(Job)) -> tuple[DueJob, ...]:
    """Slots of a date that belong to no trading day: the weekly review, Saturday 09:00 until the evening."""
    if on.weekday() != SATURDAY or Job.WEEKLY_REVIEW not in jobs:
        return ()
    due_at, until = (datetime.combine(on, time(hour), NEW_YORK).astimezone(UTC) for hour in (9, 21))
    return (DueJob(job=Job.WEEKLY_REVIEW, on=on, slot=slot_of(due_at), due_at=due_at, until=until),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What a timer's firing at one instant means: slots to run now and slots that were missed for good."""

    to_run: tuple[DueJob, ...]
    missed: tuple[DueJob, ...]


def fired(
    now: datetime,
    day: TradingDay | None,
    jobs: frozenset[Job],
    lookback: timedelta,
    sessions: frozenset[Session] = REGULAR,
) -> Firing:
    """Slots that were due in (now - lookback, now], split into those still worth running and those that are not.

    Which of them ran already is for the run records to say; this is pure.
    """
    require_utc("now", now)
    slots = weekend(now.astimezone(NEW_YORK).date(), jobs) if day is None else plan(day, jobs, sessions)
    due = [slot for slot in slots if now - lookback < slot.due_at <= now]
    return Firing(
        to_run=tuple(slot for slot in due if now < slot.until),
        missed=tuple(slot for slot in due if now >= slot.until),
    )
