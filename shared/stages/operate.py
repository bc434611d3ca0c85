"""Operate: what a person may ask of the running system, each act recorded with who and why."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts.messages import Message, Severity
from shared.contracts.records import CONTROLS, KILL, Table, time_key
from shared.core.ids import hash_id
from shared.core.ledger import resume as lift_drawdown_halt
from shared.core.sessions import NEW_YORK, session_at
from shared.core.values import iso
from shared.ports import Cell, Ports
from shared.stages.facts import kill_reason, load_ledger, update_ledger
from shared.stages.notices import notice
from shared.stages.panel import trading_day


def status(ports: Ports) -> Mapping[str, object]:
    """What stands now: session, ledger, halts, kill switch, models, account."""
    now = ports.clock.now()
    stored = load_ledger(ports)
    account = ports.broker.account()
    ledger = stored.value if stored else None
    models = {name: ports.models.current(name) for name in ("signal", "move")}
    return {
        "now": iso(now),
        "session": session_at(now, trading_day(ports, now)).value,
        "code_revision": ports.code_revision,
        "environment": ports.settings.broker.environment.value,
        "kill_switch": kill_reason(ports) or None,
        "is_day_halted": bool(ledger and ledger.is_day_halted),
        "is_drawdown_halted": bool(ledger and ledger.is_drawdown_halted),
        "equity_usd": str(account.equity),
        "open_intents": [r.intent_id for r in ledger.reservations] if ledger else [],
        "positions": {p.symbol: p.qty_shares for p in ports.broker.positions()},
        "models": {
            name: {"version": s.predictor.card.version if s.predictor else None, "fault": s.fault or None}
            for name, s in models.items()
        },
    }


def kill(ports: Ports, *, by: str, reason: str, flatten: bool) -> list[Message]:
    """Turn the kill switch on: no entry passes a gate from now on; with `flatten`, what is held is sold."""
    _control(ports, "kill", by, reason, is_on=True, is_flattening=flatten)
    title = "Kill switch on" + (", flattening" if flatten else "")
    return [_told(ports, title, by, reason)]


def resume(ports: Ports, *, by: str, reason: str) -> list[Message]:
    """Turn the kill switch off and lift a drawdown halt: a person's recorded act. A day halt ends with its day."""
    account = ports.broker.account()
    on = ports.clock.now().astimezone(NEW_YORK).date()
    update_ledger(ports, on, account.equity, lift_drawdown_halt)
    _control(ports, "resume", by, reason, is_on=False, is_flattening=False)
    return [_told(ports, "Trading resumed", by, reason)]


def record_answer(ports: Ports, intent_id: str, *, by: str, reason: str, is_approved: bool) -> list[Message]:
    """Record a person's answer to an order that waits for approval; the caller raises it to the lifecycle."""
    act = "approve" if is_approved else "refuse"
    now = ports.clock.now()
    row: dict[str, Cell] = {"act": act, "intent_id": intent_id, "by": by, "reason": reason, "at": iso(now)}
    history = time_key(now, act, hash_id("act", act, intent_id, by, reason, iso(now)))
    ports.tables.insert(Table.CONTROLS, str(now.astimezone(NEW_YORK).date()), history, row)
    return [_told(ports, f"Order {intent_id}: {act}", by, reason)]


def _control(ports: Ports, act: str, by: str, reason: str, *, is_on: bool, is_flattening: bool) -> None:
    now = ports.clock.now()
    row: dict[str, Cell] = {
        "act": act,
        "is_on": is_on,
        "is_flattening": is_flattening,
        "by": by,
        "reason": reason,
        "at": iso(now),
    }
    history = time_key(now, act, hash_id("act", act, by, reason, iso(now)))
    ports.tables.insert(Table.CONTROLS, str(now.astimezone(NEW_YORK).date()), history, row)
    ports.tables.put(Table.CONTROLS, CONTROLS, KILL, row)


def _told(ports: Ports, title: str, by: str, reason: str) -> Message:
    body = f"By {by}: {reason}"
    now = ports.clock.now()
    cause = hash_id("act", title, by, reason, iso(now))
    return notice(now, kind="operate", severity=Severity.CRITICAL, title=title, body=body, cause=cause)
