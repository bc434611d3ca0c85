"""Health: whether the app could trade now, each part by itself, and why where it could not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL
from shared.contracts.records import CONTROLS, KILL, Container, Table
from shared.core.errors import BrokerError, ModelError, TransientError
from shared.core.schedule import Job, fired, slot_of
from shared.core.sessions import NEW_YORK, Session, pre_open_at, session_at
from shared.core.values import iso
from shared.ports import Ports
from shared.stages.account.missed_runs import BEAT_WINDOW
from shared.stages.base.facts import live_bar, not_ours
from shared.stages.base.incidents import BROKEN

SKEW_MAX = timedelta(seconds=5)
"""Clocks this far apart make quotes look older or younger than they are; a quote may be 15 seconds old."""

JOB_GRACE = timedelta(minutes=12)
"""A job this late after its slot is late: a lease's length, and a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One part: what was found, and what is wrong with it (empty: nothing)."""

    found: object
    fault: str = ""


def ready(ports: Ports, parameter_fault: str) -> tuple[bool, Mapping[str, object]]:
    """Look at every part. A part that does not answer is a fault of its own and hides no other.

    Parameters
    ----------
    parameter_fault : str
        Why the accepted parameter set is not in force; empty where it is.
    """
    checks = {
        "storage": _tried(lambda: _storage(ports)),
        "broker": _tried(lambda: _broker(ports)),
        "clock": _tried(lambda: _clock(ports)),
        "models": _tried(lambda: _models(ports)),
        "parameters": HealthCheck(found=ports.settings.policy.parameter_set, fault=parameter_fault),
        "live": _tried(lambda: HealthCheck(found=ports.settings.broker.environment.value, fault=live_bar(ports))),
        "jobs": _tried(lambda: _jobs(ports)),
        "supervise": _tried(lambda: _supervise(ports)),
    }
    is_ready = not any(check.fault for check in checks.values())
    parts = {
        name: {"ok": not check.fault, "found": check.found, "fault": check.fault} for name, check in checks.items()
    }
    return is_ready, {"ready": is_ready, "now": iso(ports.clock.now()), "checks": parts}


def _tried(look: Callable[[], HealthCheck]) -> HealthCheck:
    try:
        return look()
    except (TransientError, BrokerError, ModelError, *BROKEN) as error:
        return HealthCheck(
            found=None, fault=f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        )


def _storage(ports: Ports) -> HealthCheck:
    ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    ports.blobs.get(Container.MODELS, f"{SIGNAL_MODEL}/champion.json")
    return HealthCheck(found="tables and blobs answer")


def _broker(ports: Ports) -> HealthCheck:
    account = ports.broker.account()
    faults = (not_ours(ports, account.account_id), "the account is blocked" if account.is_blocked else "")
    found = {"account_id": account.account_id, "equity_usd": str(account.equity)}
    return HealthCheck(found=found, fault="; ".join(filter(None, faults)))


def _clock(ports: Ports) -> HealthCheck:
    before = ports.clock.now()
    theirs = ports.broker.now()
    ours = before + (ports.clock.now() - before) / 2
    skew_s = (theirs - ours).total_seconds()
    is_far = abs(skew_s) > SKEW_MAX.total_seconds()
    fault = (
        f"the broker's clock is {skew_s:+.1f} s from ours, more than {SKEW_MAX.total_seconds():.0f} s" if is_far else ""
    )
    return HealthCheck(found={"skew_s": round(skew_s, 3)}, fault=fault)


def _models(ports: Ports) -> HealthCheck:
    states = {name: ports.models.current(name) for name in (SIGNAL_MODEL, MOVE_MODEL)}
    faults = [f"{name}: {state.fault}" for name, state in states.items() if state.fault]
    versions = {name: state.predictor.card.version if state.predictor else None for name, state in states.items()}
    return HealthCheck(found=versions, fault="; ".join(faults))


def _supervise(ports: Ports) -> HealthCheck:
    """The last row of equity, which supervise writes every five minutes of a trading day; none for long is a fault."""
    now = ports.clock.now()
    day = ports.calendar.day(now.astimezone(NEW_YORK).date())
    since = now - BEAT_WINDOW
    if day is None or session_at(now, day) is Session.CLOSED or since < pre_open_at(day):
        return HealthCheck(found={})
    rows = ports.tables.query(Table.LEDGER, str(day.on), key_from=slot_of(since))
    last_at = max((str(row["at"]) for _, row in rows), default=None)
    return HealthCheck(found={"last_at": last_at}, fault="" if last_at else f"no row of equity since {slot_of(since)}")


def _jobs(ports: Ports) -> HealthCheck:
    """Last run of each job today; a slot that was due and that nothing has begun is a fault."""
    now = ports.clock.now()
    day = ports.calendar.day(now.astimezone(NEW_YORK).date())
    if day is None:
        return HealthCheck(found={})
    rows = dict(ports.tables.query(Table.RUNS, str(day.on)))
    found = {
        str(row["job"]): {"slot": row["slot"], "status": row["status"], "at": row.get("finished_at")}
        for row in sorted(rows.values(), key=lambda row: str(row["slot"]))
    }
    watched = frozenset(Job) - {Job.SUPERVISE, Job.FLATTEN}
    sessions = frozenset(ports.settings.policy.entry_sessions)
    late = [
        slot.key
        for slot in fired(now - JOB_GRACE, day, watched, timedelta(hours=1), sessions).to_run
        if slot.key not in rows and now < slot.until
    ]
    bad = [f"{slot} is late" for slot in late] + [
        f"{key} failed" for key, row in rows.items() if row["status"] == "failed"
    ]
    return HealthCheck(found=found, fault="; ".join(bad))
