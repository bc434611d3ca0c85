"""Missed runs, noticed by another function than the one that missed them.

Supervise watches the jobs' run records, the queues between stages and the market's bars; the news scan watches
supervise by its row of equity. An alert is an incident whose key names what is silent and since when, so it is told
once; when the thing is heard of again the incident is closed, and that is told too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import Queue, Table
from shared.core.errors import ContractError, TransientError
from shared.core.market import Timeframe, TradingDay
from shared.core.missed_runs import MissedRun, WatchRule, missed_runs, subject
from shared.core.schedule import Job, slot_of
from shared.core.sessions import Session, new_york_instant, pre_open_at, session_at
from shared.core.values import iso, parse_utc
from shared.ports import Ports, QueueGauge, trading_day
from shared.stages.base.incidents import CLOSED, OPEN, readable, record_incident
from shared.stages.base.notices import back, silent, to_notice
from shared.stages.base.runs import STATE, is_abandoned

WATCH_MIN = 5
"""Supervise looks for missed runs every so many minutes of the regular session."""

WATCH_AT = 3
"""Which minute of them: slots fall on the first."""

RARE_MIN, RARE_AT = 15, 8
"""The same outside the regular session, and for the market's bars within it."""

BARS_WINDOW = timedelta(minutes=20)
"""Four 5-minute bars: a market symbol that has none of them in the regular session has a feed that is dead."""

STUCK = timedelta(minutes=5)
"""A candidate or signal has expired by then."""

TOLD_BY_SUPERVISE = ("broker-down", "other-account")
"""Incidents, told once an hour, under which supervise writes no row of equity and is there all the same."""

BEAT_WINDOW = timedelta(minutes=15)
"""Three rows of equity."""

BETWEEN_STAGES = (Queue.STORIES, Queue.NARRATIVES, Queue.CANDIDATES, Queue.SIGNALS, Queue.ORDER_INTENTS)
KEY = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """One look: what is silent, and everything that was looked at."""

    watcher: str
    found: tuple[MissedRun, ...]
    looked_at: tuple[str, ...]
    """Kinds of what was looked at; anything else stays as it was."""


def watch_stages(ports: Ports, queues: QueueGauge, fired_at: datetime) -> list[Notice]:
    """Look for silent jobs, stuck queues and a market without bars; for supervise, every minute.

    Parameters
    ----------
    fired_at : datetime
        When supervise began: its own work may take it into the next minute.
    """
    now = fired_at
    day = trading_day(ports, now)
    if day is None or not ports.settings.notices.silent_slots or now.minute % WATCH_MIN != WATCH_AT:
        return []
    session = session_at(now, day)
    is_rare = now.minute % RARE_MIN == RARE_AT
    if session is Session.CLOSED or not (session.is_regular or is_rare):
        return []
    found, looked_at = _missed_jobs(ports, day, now), ["job"]
    if session.is_regular or session in ports.settings.policy.entry_sessions:
        looked_at.append("queue")
        found += _stuck_queues(queues, now)
    if session.is_regular and is_rare and now - day.open_at >= BARS_WINDOW:
        looked_at.append("bars")
        found += _no_bars(ports, now)
    return _tell(ports, day, now, _Watch(watcher="supervise", found=tuple(found), looked_at=tuple(looked_at)))


def watch_supervise(ports: Ports) -> list[Notice]:
    """Look for supervise's rows of equity; for the news scan, every quarter of an hour."""
    now = ports.clock.now()
    day = trading_day(ports, now)
    if day is None or not ports.settings.notices.silent_slots:
        return []
    since = now - BEAT_WINDOW
    if session_at(now, day) is Session.CLOSED or since < pre_open_at(day):
        return []
    rows = ports.tables.query(Table.LEDGER, str(day.on), key_from=slot_of(since), key_to=slot_of(now), columns=("at",))
    found = () if any(True for _ in rows) else tuple(_missed_supervise(ports, day, now, since))
    return _tell(ports, day, now, _Watch(watcher="the news scan", found=found, looked_at=("supervise",)))


def _missed_jobs(ports: Ports, day: TradingDay, now: datetime) -> list[MissedRun]:
    """Jobs without a run. When the app came to life today is asked only where something seems silent."""
    settings = ports.settings
    rule = WatchRule(
        slots=settings.notices.silent_slots,
        late=timedelta(minutes=settings.notices.late_min),
        sessions=frozenset(settings.policy.entry_sessions),
    )
    runs = readable(ports, Table.RUNS, day.on, lambda row: is_abandoned(row, now), columns=STATE)
    seen = {key for key, abandoned in runs if not abandoned}
    if not missed_runs(now, day, seen, pre_open_at(day), rule):
        return []
    first = next(readable(ports, Table.LEDGER, day.on, lambda row: parse_utc(str(row["at"]))), None)
    # A row is written some seconds into its minute; what was due at its beginning was due while the app lived.
    alive_since = now if first is None else first[1].replace(second=0, microsecond=0)
    return missed_runs(now, day, seen, alive_since, rule)


def _stuck_queues(queues: QueueGauge, now: datetime) -> Iterator[MissedRun]:
    """Queues between stages whose oldest message has waited too long: the stage behind does not come."""
    for queue in BETWEEN_STAGES:
        oldest_at = queues.state(queue.value).oldest_at
        if oldest_at is not None and now - oldest_at > STUCK:
            yield MissedRun(what=f"queue-{queue}", since=oldest_at)


def _no_bars(ports: Ports, now: datetime) -> Iterator[MissedRun]:
    """The market's own symbols without a bar: asked of the feed itself, not of what the score stage made of it."""
    symbols = ports.settings.watchlist.market_symbols
    try:
        bars = ports.market.bars(symbols, Timeframe.MIN_5, now - BARS_WINDOW, now)
    except (TransientError, ContractError):
        bars = {}
    if symbols and not any(len(found) for found in bars.values()):
        yield MissedRun(what="bars", since=now - BARS_WINDOW)


def _missed_supervise(ports: Ports, day: TradingDay, now: datetime, since: datetime) -> Iterator[MissedRun]:
    """No row of equity: missed, unless the app has only just started, or supervise itself told why there is none."""
    scans = ports.tables.query(
        Table.RUNS,
        str(day.on),
        key_from=f"{Job.NEWS_SCAN}|{slot_of(since - BEAT_WINDOW)}",
        key_to=f"{Job.NEWS_SCAN}|{slot_of(now - timedelta(minutes=5))}",
    )
    hours = (f"{slot_of(since)[:2]}", f"{slot_of(now)[:2]}")
    recorded = (
        row
        for kind in TOLD_BY_SUPERVISE
        for row in ports.tables.query(
            Table.INCIDENTS, str(day.on), key_from=f"{kind}|{hours[0]}", key_to=f"{kind}|{hours[1]}~"
        )
    )
    if any(True for _ in scans) and not any(True for _ in recorded):
        yield MissedRun(what="supervise", since=since)


def _tell(ports: Ports, day: TradingDay, now: datetime, watch: _Watch) -> list[Notice]:
    """Open an incident for what has fallen silent, close that of what is back; tell of both, once."""
    rows = ports.tables.query(Table.INCIDENTS, str(day.on), key_from=f"{KEY}|", key_to=f"{KEY}}}")
    open_keys = {key.split("|")[1]: key for key, row in rows if row.get("status") == OPEN}
    notices: list[Notice] = []
    for each in watch.found:
        if each.what not in open_keys:
            text = silent(subject(each.what), each.since, watch.watcher)
            key = f"{KEY}|{each.what}|{slot_of(each.since)}"
            notices += record_incident(ports, day.on, key, now=now, kind="silent", title=text.title, body=text.body)
    silent_now = {each.what for each in watch.found}
    for what, key in open_keys.items():
        if what not in silent_now and what.split("-")[0] in watch.looked_at:
            notices += _close(ports, day, now, key)
    return notices


def _close(ports: Ports, day: TradingDay, now: datetime, key: str) -> list[Notice]:
    stored = ports.tables.get(Table.INCIDENTS, str(day.on), key)
    if stored is None:
        return []
    ports.tables.put(Table.INCIDENTS, str(day.on), key, {**stored.value, "status": CLOSED, "closed_at": iso(now)})
    _, what, slot = key.split("|")
    since = new_york_instant(day, time(int(slot[:2]), int(slot[2:])))
    return [to_notice(back(subject(what), since, now), now, kind="back", severity=Severity.INFO, cause=KEY)]
