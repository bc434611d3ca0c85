"""What should have been heard of by now and was not. Pure: the plan of the day against its run records.

A job of many slots is silent when none of its last slots has a run; another job when its one slot is late and has no
run. A slot that is recorded as missed or failed is not silent: whoever recorded it has told of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from shared.core.market import TradingDay
from shared.core.schedule import DueJob, Job, plan
from shared.core.sessions import Session

MANY_SLOTS = (Job.CANDIDATES, Job.NEWS_SCAN)
"""Jobs of which one late slot is nothing."""

UNWATCHED = frozenset({Job.SUPERVISE, Job.FLATTEN, Job.HEARTBEAT, Job.WEEKLY_REVIEW})
"""Supervise keeps no records; flatten is its own; a heartbeat that stays away is noticed by the person."""

GRACE = timedelta(minutes=3)
"""After a slot of many is due: a cold start, and the run itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRun:
    """Something that is not heard, since when. `what` is kind and name, as part of a table key: `job-candidates`."""

    what: str
    since: datetime


def subject(what: str) -> str:
    """What is silent, in words."""
    return what.replace("-", " ", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRule:
    """When runs count as missed: slots in a row of a job of many, and how late any other job may be."""

    slots: int
    late: timedelta
    sessions: frozenset[Session]


def missed_runs(
    now: datetime, day: TradingDay, seen: Collection[str], alive_since: datetime, rule: WatchRule
) -> list[MissedRun]:
    """Find every job that is silent.

    Parameters
    ----------
    seen : collection of str
        Keys (`job|slot`) of the day's run records, but for those of runs that began and never ended.
    alive_since : datetime
        First sign of life of the app today: what was due before it is no missed run but a late start.
    """
    slots = plan(day, frozenset(Job) - UNWATCHED, rule.sessions)
    found: list[MissedRun] = []
    for job in MANY_SLOTS:
        due = [slot for slot in slots if slot.job is job and alive_since <= slot.due_at <= now - GRACE]
        unseen = list(takewhile(lambda slot: slot.key not in seen, reversed(due)))
        if len(unseen) >= rule.slots:
            found.append(MissedRun(what=f"job-{job}", since=unseen[-1].due_at))
    singles = [slot for slot in slots if slot.job not in MANY_SLOTS and slot.due_at <= now]
    return [*found, *_of_one(singles, now, seen, alive_since, rule)]


def _of_one(
    slots: Sequence[DueJob], now: datetime, seen: Collection[str], alive_since: datetime, rule: WatchRule
) -> Iterator[MissedRun]:
    for slot in slots:
        is_late = max(slot.due_at, alive_since) + rule.late <= now < slot.until
        if is_late and slot.key not in seen:
            yield MissedRun(what=f"job-{slot.job}-{slot.slot}", since=slot.due_at)
