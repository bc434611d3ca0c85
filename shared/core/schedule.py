"""Which job is due. Timers fire on a UTC grid; this decides, from the exchange's day, what a firing means.

A job of a trading day is named by (job, session date, slot), its slot being New York time as HHMM. Each has an instant
at which it is due and one until which it still makes sense: a firing that comes late, or after missed ones, runs what
can still be run and reports what cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK, aft_close_at, new_york_instant, pre_open_at
from shared.core.values import require, require_utc


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
    return _every(Job.NEWS_SCAN, day, pre_open_at(day), aft_close_at(day), 15)


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


def _supervise(day: TradingDay) -> Iterator[DueJob]:
    return _every(Job.SUPERVISE, day, pre_open_at(day), aft_close_at(day), 1)


def _close(day: TradingDay) -> Iterator[DueJob]:
    yield _job(Job.FLATTEN, day, day.close_at - timedelta(minutes=10), day.close_at)
    yield _job(Job.AFTER_HOURS, day, day.close_at + timedelta(minutes=5), day.close_at + timedelta(hours=2))
    yield _job(Job.DAY_REPORT, day, day.close_at + timedelta(minutes=30), aft_close_at(day))


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
}


def plan(day: TradingDay, jobs: frozenset[Job] = frozenset(Job)) -> tuple[DueJob, ...]:
    """Every slot of a trading day for some jobs, by due time."""
    plans = dict.fromkeys(_PLANS[job] for job in Job if job in jobs)
    slots = (slot for make in plans for slot in make(day) if slot.job in jobs)
    return tuple(sorted(slots, key=lambda slot: (slot.due_at, slot.key)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What a timer's firing at one instant means: slots to run now and slots that were missed for good."""

    to_run: tuple[DueJob, ...]
    missed: tuple[DueJob, ...]


def fired(now: datetime, day: TradingDay | None, jobs: frozenset[Job], lookback: timedelta) -> Firing:
    """Slots that were due in (now - lookback, now], split into those still worth running and those that are not.

    Which of them ran already is for the run records to say; this is pure.
    """
    require_utc("now", now)
    if day is None:
        return Firing(to_run=(), missed=())
    due = [slot for slot in plan(day, jobs) if now - lookback < slot.due_at <= now]
    return Firing(
        to_run=tuple(slot for slot in due if now < slot.until),
        missed=tuple(slot for slot in due if now >= slot.until),
    )
