"""Run records: each job once per slot, whatever the timers do.

A record is inserted as `started` before the job acts and set to `done` after it. A firing that finds `done` leaves the
slot alone; one that finds `started` for longer than the lease takes over, since jobs name what they make by logical
content and may be repeated. What can no longer run is recorded as `missed` and reported, once. Supervision keeps no
records: it looks at what is, every minute, and acting twice on that does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from shared.contracts.messages import Message, Severity
from shared.contracts.records import Table
from shared.core.errors import ConflictError
from shared.core.market import TradingDay
from shared.core.schedule import DueJob, Job, fired, slot_of
from shared.core.sessions import NEW_YORK
from shared.core.values import iso, parse_utc
from shared.ports import Cell, Ports, Row
from shared.stages.base.notices import notice

LEASE = timedelta(minutes=10)
"""Longer than the host lets a function run, so that a job is never taken over from a living one."""

LOOKBACK = timedelta(hours=18)
"""How far back a firing looks for slots that earlier firings missed."""

STATE = ("status", "started_at")
"""Columns that say how a run stands: what is read of all runs of a day, every few minutes."""

type JobRun = Callable[[DueJob], Sequence[Message]]


def run_due(ports: Ports, jobs: frozenset[Job], run: JobRun, *, lookback: timedelta = LOOKBACK) -> list[Message]:
    """Run whatever is due of some jobs at the clock's now; return what they send.

    A slot that is superseded (a later one of the same job is due too) is not made up for. A day's first firing also
    settles what the day before has left.
    """
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    day = ports.calendar.day(on)
    firing = fired(now, day, jobs, lookback, frozenset(ports.settings.policy.entry_sessions))
    if not (firing.to_run or firing.missed):
        return []
    known = dict(ports.tables.query(Table.RUNS, str(on), columns=STATE))
    sent: list[Message] = []
    if day is not None and not any(key.partition("|")[0] in jobs for key in known):
        sent += _left_over(ports, jobs, day, now)
    for slot in firing.missed:
        sent += _missed(ports, slot, now, known.get(slot.key))
    for slot in firing.to_run:
        if attempt := _begin(ports, slot, now, known.get(slot.key)):
            sent += run(slot)
            done = _row(slot, "done", now, attempt=attempt) | {"finished_at": iso(ports.clock.now())}
            ports.tables.put(Table.RUNS, str(slot.on), slot.key, done)
    return sent


def run_now(ports: Ports, job: Job, run: JobRun) -> tuple[DueJob, Sequence[Message]] | None:
    """Run a job in the slot of this minute, due or not; None where today is no trading day or the slot is taken.

    A run that fails is recorded as failed, and what it raised goes on.
    """
    now = ports.clock.now()
    day = ports.calendar.day(now.astimezone(NEW_YORK).date())
    if day is None:
        return None
    slot = DueJob(job=job, on=day.on, slot=slot_of(now), due_at=now, until=now + LEASE)
    if not _begin(ports, slot, now, None):
        return None
    row = _row(slot, "failed", now, attempt=1)
    try:
        sent = run(slot)
        row["status"] = "done"
    finally:
        ports.tables.put(Table.RUNS, str(slot.on), slot.key, row | {"finished_at": iso(ports.clock.now())})
    return slot, sent


def _begin(ports: Ports, slot: DueJob, now: datetime, known: Row | None) -> int:
    """Take a slot, new or left by a runner that died. Return the attempt's number, 0 where it is not ours."""
    partition = str(slot.on)
    if known is None:
        return int(ports.tables.insert(Table.RUNS, partition, slot.key, _row(slot, "started", now, attempt=1)))
    if not is_abandoned(known, now):
        return 0
    stored = ports.tables.get(Table.RUNS, partition, slot.key)
    if stored is None or not is_abandoned(stored.value, now):
        return 0
    attempt = int(stored.value["attempt"] or 0) + 1
    try:
        ports.tables.replace(Table.RUNS, partition, slot.key, _row(slot, "started", now, attempt=attempt), stored.etag)
    except ConflictError:
        return 0
    return attempt


def is_abandoned(row: Row, now: datetime) -> bool:
    """Whether a run began longer ago than a lease and never ended: its runner died or failed."""
    return row["status"] == "started" and now - parse_utc(str(row["started_at"])) >= LEASE


def _left_over(ports: Ports, jobs: frozenset[Job], day: TradingDay, now: datetime) -> list[Message]:
    """Slots of the day before that nobody came for, where the app was there to do others."""
    (before,) = ports.calendar.previous_days(day.on, 1)
    known = dict(ports.tables.query(Table.RUNS, str(before.on), columns=STATE))
    if not any(key.partition("|")[0] in jobs for key in known):
        return []
    sessions = frozenset(ports.settings.policy.entry_sessions)
    late = fired(now, before, jobs, now - before.open_at + timedelta(days=1), sessions).missed
    return [message for slot in late for message in _missed(ports, slot, now, known.get(slot.key))]


def _missed(ports: Ports, slot: DueJob, now: datetime, known: Row | None) -> list[Message]:
    """Record a slot whose time is over: never begun, or begun by a runner that died."""
    if known is None:
        if not ports.tables.insert(Table.RUNS, str(slot.on), slot.key, _row(slot, "missed", now, attempt=0)):
            return []
    elif is_abandoned(known, now):
        stored = ports.tables.get(Table.RUNS, str(slot.on), slot.key)
        if stored is None:
            return []
        row = {**stored.value, "status": "failed", "finished_at": iso(now)}
        ports.tables.put(Table.RUNS, str(slot.on), slot.key, row)
    else:
        return []
    if slot.job in _QUIET:
        return []
    title = f"Missed: {slot.job} of {slot.slot}"
    body = f"Due at {iso(slot.due_at)}, no longer worth running at {iso(now)}."
    return [notice(now, kind="job-missed", severity=Severity.WARNING, title=title, body=body, cause=slot.key)]


_QUIET = frozenset({Job.CANDIDATES, Job.NEWS_SCAN, Job.HEARTBEAT})
"""Jobs of many slots: a missed one is recorded, and only the dull row tells."""


def _row(slot: DueJob, status: str, at: datetime, *, attempt: int) -> dict[str, Cell]:
    return {
        "job": slot.job.value,
        "slot": slot.slot,
        "status": status,
        "due_at": iso(slot.due_at),
        "started_at": iso(at),
        "attempt": attempt,
    }
