"""Supervise, every minute: broker against ledger, halts, flatten, heartbeat.

It looks at what is, not at what has changed, so a firing that is late, doubled or lost does no harm: whatever still
needs attention is found again a minute later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.contracts.messages import Message, Severity
from shared.contracts.records import CONTROLS, KILL, Table, symbol_key
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ledger import Ledger
from shared.core.market import TradingDay
from shared.core.order_states import ExitReason
from shared.core.order_steps import LOOK_AGAIN
from shared.core.orders import BrokerOrder
from shared.core.portfolio import Account, Position
from shared.core.schedule import Job, plan, slot_of
from shared.core.sessions import Session, pre_open_at, session_at
from shared.core.values import Side, Symbol, iso
from shared.ports import Ports
from shared.stages.facts import load_ledger, update_ledger
from shared.stages.incidents import record_incident
from shared.stages.notices import notice
from shared.stages.panel import trading_day

HEARTBEAT_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """An event for one lifecycle: `changed`, or the reason why its position is to be left."""

    intent_id: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What a look at the account asks for."""

    wakes: tuple[Wake, ...] = ()
    messages: tuple[Message, ...] = ()


def supervise(ports: Ports) -> Supervision:
    """Look at account, positions and orders; halt what must halt, wake the lifecycles that must act."""
    now = ports.clock.now()
    day = trading_day(ports, now)
    if day is None or session_at(now, day) is Session.CLOSED:
        return Supervision()
    stored = load_ledger(ports)
    before = stored.value if stored else None
    try:
        account = ports.broker.account()
        positions = ports.broker.positions()
        orders = ports.broker.orders(since=pre_open_at(day)) if before and before.reservations else ()
    except (TransientError, ContractError, BrokerError) as error:
        return _broker_down(ports, day, now, error)
    after = update_ledger(ports, day.on, account.equity, lambda ledger: ledger, known=stored)
    _heartbeat(ports, day, now, account, positions)
    wakes = _leave_all(ports, day, now, after) or tuple(_unsettled(after, positions, orders))
    messages = [*_halt_notices(before, after, now), *_strangers(ports, day.on, now, after, positions)]
    return Supervision(wakes=wakes, messages=tuple(messages))


def _leave_all(ports: Ports, day: TradingDay, now: datetime, ledger: Ledger) -> tuple[Wake, ...]:
    """Ask every open order to leave: the kill switch wants a flat account, or the close is near.

    Asked every minute until none is open, so that a lost event costs a minute and no more.
    """
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    if stored is not None and stored.value.get("is_on") and stored.value.get("is_flattening"):
        return tuple(Wake(intent_id=r.intent_id, event=ExitReason.KILL) for r in ledger.reservations)
    (flatten,) = plan(day, frozenset({Job.FLATTEN}))
    if now < flatten.due_at:
        return ()
    row = {"job": flatten.job.value, "slot": flatten.slot, "status": "done", "due_at": iso(flatten.due_at),
           "started_at": iso(now), "attempt": 1}  # fmt: skip
    if ledger.reservations or slot_of(now) == flatten.slot:
        ports.tables.insert(Table.RUNS, str(day.on), flatten.key, row)
    return tuple(Wake(intent_id=r.intent_id, event=ExitReason.FLATTEN) for r in ledger.reservations)


def _unsettled(ledger: Ledger, positions: Sequence[Position], orders: Sequence[BrokerOrder]) -> list[Wake]:
    """Orders whose lifecycle sleeps over something: bought, and either sold again or without a live exit."""
    held: Mapping[Symbol, int] = {position.symbol: position.qty_shares for position in positions}
    wakes = []
    for reservation in ledger.reservations:
        parents = {o.order_id for o in orders if o.client_order_id.startswith(reservation.intent_id)}
        own = [o for o in orders if o.order_id in parents or o.parent_order_id in parents]
        buys = [o for o in own if o.side is Side.BUY]
        guarded = any(o.side is Side.SELL and not o.status.is_final for o in own)
        entering = any(not o.status.is_final for o in buys)
        bought = any(o.filled_shares for o in buys)
        if bought and not entering and not (guarded and held.get(reservation.symbol, 0)):
            wakes.append(Wake(intent_id=reservation.intent_id, event=LOOK_AGAIN))
    return wakes


def _heartbeat(
    ports: Ports, day: TradingDay, now: datetime, account: Account, positions: Sequence[Position]
) -> None:  # fmt: skip
    """A row of equity every five minutes: the day's curve, and the proof of life."""
    slot = slot_of(now)
    if int(slot) % HEARTBEAT_MIN:
        return
    row = {
        "at": iso(now),
        "session": session_at(now, day).value,
        "equity_usd": str(account.equity),
        "cash_usd": str(account.cash),
        "buying_power_usd": str(account.buying_power),
        "positions": len(positions),
        "exposure_usd": str(sum(abs(p.market_value) for p in positions)),
    }
    ports.tables.put(Table.LEDGER, str(day.on), slot, row)


def _halt_notices(before: Ledger | None, after: Ledger, now: datetime) -> list[Message]:
    found: list[Message] = []
    was = (before.is_day_halted and before.on == after.on, before.is_drawdown_halted) if before else (False, False)
    for name, is_on, was_on, figure in (
        ("day loss", after.is_day_halted, was[0], after.day_loss),
        ("drawdown", after.is_drawdown_halted, was[1], after.drawdown),
    ):
        if is_on and not was_on:
            title = f"Entries halted: {name} {figure:.2%}"
            body = f"Equity {after.equity} USD, opened at {after.opening_equity}, peak {after.peak_equity}."
            cause = f"{after.on} {name}"
            found.append(notice(now, kind="halt", severity=Severity.CRITICAL, title=title, body=body, cause=cause))
    return found


def _strangers(
    ports: Ports, on: date, now: datetime, ledger: Ledger, positions: Sequence[Position]
) -> list[Message]:  # fmt: skip
    """Positions that no order of ours explains: flagged once a day, left to the person."""
    ours = {reservation.symbol for reservation in ledger.reservations}
    found: list[Message] = []
    for position in positions:
        if position.symbol not in ours:
            title = f"Unknown position: {position.qty_shares} {position.symbol}"
            body = f"Average {position.average_price} USD; no open order of ours explains it."
            key = symbol_key(position.symbol, "unknown-position")
            found += record_incident(ports, on, key, now=now, kind="unknown-position", title=title, body=body)
    return found


def _broker_down(ports: Ports, day: TradingDay, now: datetime, error: Exception) -> Supervision:
    """Nothing can be seen: record it once an hour. Entries fail where they ask; lifecycles keep trying to exit."""
    title = "Broker cannot be reached"
    key = f"broker-down|{slot_of(now)[:2]}"
    messages = record_incident(ports, day.on, key, now=now, kind="broker-down", title=title, body=str(error))
    return Supervision(messages=tuple(messages))
