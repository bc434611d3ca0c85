"""Heartbeat, each hour in session: proof of life, made of what supervise has written and never of a call abroad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import Message, Severity
from shared.contracts.records import Queue, Table
from shared.core.ledger import Ledger
from shared.core.schedule import DueJob, Job, slot_of
from shared.core.sessions import session_at
from shared.core.values import parse_utc
from shared.ports import Ports, QueueGauge, Row, trading_day
from shared.stages.base.facts import halt_of, kill_reason
from shared.stages.base.incidents import readable
from shared.stages.base.ledger import load_ledger
from shared.stages.base.notices import Pulse, heartbeat, to_notice
from shared.stages.base.runs import run_due

LOOKBACK = timedelta(minutes=30)
BEAT_WINDOW = timedelta(minutes=15)
ODD = frozenset({"missed", "failed"})


def beat(ports: Ports, queues: QueueGauge) -> list[Message]:
    """Send the hour's heartbeat if it is due."""
    return run_due(ports, frozenset({Job.HEARTBEAT}), lambda slot: _beat(ports, queues, slot), lookback=LOOKBACK)


def _beat(ports: Ports, queues: QueueGauge, slot: DueJob) -> Sequence[Message]:
    now = ports.clock.now()
    text = heartbeat(pulse(ports, queues, slot))
    return [to_notice(text, now, kind="heartbeat", severity=Severity.INFO, cause=f"{slot.on} {slot.key}")]


def pulse(ports: Ports, queues: QueueGauge, slot: DueJob) -> Pulse:
    """Gather what a heartbeat tells: the last row of equity, the ledger, the day's run records, the queues."""
    now = ports.clock.now()
    stored = load_ledger(ports)
    ledger = stored.value if stored else None
    runs = [row for _, row in ports.tables.query(Table.RUNS, str(slot.on))]
    row = _last_equity(ports, slot)
    equity = _money(row, "equity_usd")
    is_today = ledger is not None and ledger.on == slot.on
    return Pulse(
        at=now,
        session=session_at(now, trading_day(ports, now)).value,
        equity=equity,
        day_change=equity - ledger.opening_equity if equity is not None and ledger is not None and is_today else None,
        exposure=_money(row, "exposure_usd"),
        positions=int(str(row["positions"])) if row else None,
        open_orders=len(ledger.reservations) if ledger else None,
        halts=_halts(ports, ledger),
        jobs_done=sum(run["status"] == "done" for run in runs),
        jobs_odd=tuple(f"{run['job']} {run['slot']} {run['status']}" for run in runs if run["status"] in ODD),
        queues=_waiting(ports, queues),
    )


def _last_equity(ports: Ports, slot: DueJob) -> Row | None:
    now = ports.clock.now()
    rows = readable(ports, Table.LEDGER, slot.on, _dated, key_from=slot_of(now - BEAT_WINDOW))
    found = max((each for _, each in rows), key=lambda each: each[0], default=None)
    return None if found is None else found[1]


def _dated(row: Row) -> tuple[datetime, Row]:
    """A row of equity with its instant; it must hold what a heartbeat tells."""
    for column in ("equity_usd", "exposure_usd", "positions"):
        Decimal(str(row[column]))
    return parse_utc(str(row["at"])), row


def _money(row: Row | None, column: str) -> Decimal | None:
    return Decimal(str(row[column])) if row else None


def _halts(ports: Ports, ledger: Ledger | None) -> tuple[str, ...]:
    found = {"kill switch": bool(kill_reason(ports))}
    if ledger is not None:
        found |= {
            "day loss": ledger.is_day_halted,
            "drawdown": ledger.is_drawdown_halted,
            "unexplained difference": bool(ledger.unexplained),
        }
    halts = {each.name: halt_of(ports, ledger, each.name) for each in ports.settings.strategies.traded}
    return (
        *(name for name, is_on in found.items() if is_on),
        *(f"{name} ({why})" for name, why in halts.items() if why),
    )


def _waiting(ports: Ports, queues: QueueGauge) -> Mapping[str, tuple[int, float]]:
    """Messages and age of the oldest by queue. None is below nothing: the sandbox's storage has a clock
    of its own.
    """
    now = ports.clock.now()
    found: dict[str, tuple[int, float]] = {}
    for name in (name for queue in Queue for name in (queue.value, f"{queue.value}-poison")):
        state = queues.state(name)
        age_s = (now - state.oldest_at).total_seconds() if state.oldest_at else 0.0
        found[name] = (state.count, max(0.0, age_s))
    return found
