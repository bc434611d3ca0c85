"""Supervise, every minute: broker against ledger, halts, flatten, heartbeat.

It looks at what is, not at what has changed, so a firing that is late, doubled or lost does no harm: whatever still
needs attention is found again a minute later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.contracts.messages import Message, Severity
from shared.contracts.records import CONTROLS, KILL, Table
from shared.core.breaker import succeeded
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ledger import Ledger, Reservation
from shared.core.market import TradingDay
from shared.core.order_states import ExitReason
from shared.core.order_steps import STOP_ENTERING
from shared.core.portfolio import Account as AccountState
from shared.core.portfolio import Position, another_account
from shared.core.schedule import DueJob, Job, plan, slot_of
from shared.core.sessions import Session, pre_open_at, session_at
from shared.core.values import iso
from shared.core.wording import halt
from shared.ports import Ports
from shared.stages.facts import load_ledger, opened, update_ledger, watching
from shared.stages.incidents import record_incident
from shared.stages.notices import worded
from shared.stages.panel import trading_day
from shared.stages.reconcile import (
    Account,
    Repair,
    Wake,
    adopted,
    compare,
    incidents,
    settled,
    wake,
    without_order,
)
from shared.stages.reversal import reversals

HEARTBEAT_MIN = 5


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
    try:
        with watching(ports, "broker"):
            account, positions = ports.broker.account(), ports.broker.positions()
            stored = load_ledger(ports)
            before = stored.value if stored else opened(ports, day.on, account)
            if fault := another_account(before.account_id, account.account_id):
                return _other_account(ports, day, now, fault)
            since = min([pre_open_at(day), *(r.reserved_at for r in before.reservations)])
            orders = ports.broker.orders(since=since) if before.reservations or positions else ()
    except (TransientError, ContractError, BrokerError) as error:
        return _broker_down(ports, day, now, error)
    seen = Account(now=now, on=day.on, positions=positions, orders=orders)
    policy = ports.settings.policy
    found = compare(before, seen, timedelta(seconds=policy.signal_ttl_s), timedelta(minutes=policy.hold_max_min))
    lost, asleep = without_order(ports, found, seen)
    repair = Repair(lost=tuple(lost), found=tuple(adopted(ports, found, seen, before)))

    def change(ledger: Ledger) -> Ledger:
        return replace(settled(ledger, repair.lost, repair.found, found.strangers), broker=succeeded(ledger.broker))

    backs_up = _is_beat(now)
    after = update_ledger(ports, day.on, account, change, at=now, known=stored, backs_up=backs_up)
    _heartbeat(ports, day, now, account, positions)
    asked = _orders_to_all(ports, day, now, after)
    # Who leaves looks by itself. Who only stops entering sleeps on: what was to be looked at is looked at besides.
    leaving = [each for each in asked if each.event in ExitReason]
    gone = {each.intent_id for each in leaving}
    staying = replace(after, reservations=tuple(r for r in after.reservations if r.intent_id not in gone))
    leaving += reversals(ports, day.on, staying)
    gone |= {each.intent_id for each in leaving}
    rest = (*found.wakes, *asleep, *asked)
    wakes = (*leaving, *(each for each in rest if each.intent_id not in gone))
    told = incidents(ports, seen, repair, stored.value.unexplained if stored else "", after.unexplained)
    return Supervision(wakes=wakes, messages=(*_halt_notices(before, after, now), *told))


def _orders_to_all(ports: Ports, day: TradingDay, now: datetime, ledger: Ledger) -> tuple[Wake, ...]:
    """What every open order is told: to leave, where the kill switch flattens or the close is near; to stop entering,
    where entries are killed or halted. Told every minute while it holds, so that a lost event costs a minute.
    """
    stored = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    killed = stored is not None and bool(stored.value.get("is_on"))
    if killed and stored is not None and stored.value.get("is_flattening"):
        return _tell(ledger.reservations, ExitReason.KILL)
    leaving = _flattened(ports, day, now, ledger)
    staying = [r for r in ledger.reservations if r not in leaving]
    if killed or ledger.is_day_halted or ledger.is_drawdown_halted:
        return (*_tell(leaving, ExitReason.FLATTEN), *_tell(staying, STOP_ENTERING))
    return _tell(leaving, ExitReason.FLATTEN)


def _flattened(ports: Ports, day: TradingDay, now: datetime, ledger: Ledger) -> list[Reservation]:
    """Whose positions are due to be left: before the close what was decided before it, the rest in the evening."""
    leaving: list[Reservation] = []
    for slot in plan(day, frozenset({Job.FLATTEN}), frozenset(ports.settings.policy.entry_sessions)):
        if now >= slot.due_at:
            told = [r for r in ledger.reservations if r.reserved_at < slot.until and r not in leaving]
            if told or slot_of(now) == slot.slot:
                _record_flatten(ports, slot, now)
            leaving += told
    return leaving


def _tell(reservations: Sequence[Reservation], event: str) -> tuple[Wake, ...]:
    return tuple(wake(reservation, event) for reservation in reservations)


def _record_flatten(ports: Ports, slot: DueJob, now: datetime) -> None:
    row = {
        "job": slot.job.value,
        "slot": slot.slot,
        "status": "done",
        "due_at": iso(slot.due_at),
        "started_at": iso(now),
        "attempt": 1,
    }
    ports.tables.insert(Table.RUNS, str(slot.on), slot.key, row)


def _is_beat(now: datetime) -> bool:
    return int(slot_of(now)) % HEARTBEAT_MIN == 0


def _heartbeat(
    ports: Ports, day: TradingDay, now: datetime, account: AccountState, positions: Sequence[Position]
) -> None:  # fmt: skip
    """A row of equity every five minutes: the day's curve, and the proof of life."""
    if not _is_beat(now):
        return
    row = {
        "at": iso(now),
        "account_id": account.account_id,
        "session": session_at(now, day).value,
        "equity_usd": str(account.equity),
        "cash_usd": str(account.cash),
        "buying_power_usd": str(account.buying_power),
        "positions": len(positions),
        "exposure_usd": str(sum(abs(p.market_value) for p in positions)),
    }
    ports.tables.put(Table.LEDGER, str(day.on), slot_of(now), row)


def _halt_notices(before: Ledger, after: Ledger, now: datetime) -> list[Message]:
    found: list[Message] = []
    was = (before.is_day_halted and before.on == after.on, before.is_drawdown_halted)
    for name, is_on, was_on, figure in (
        ("day loss", after.is_day_halted, was[0], after.day_loss),
        ("drawdown", after.is_drawdown_halted, was[1], after.drawdown),
    ):
        if is_on and not was_on:
            words = halt(
                name, figure, equity=after.equity, opened_at=after.opening_equity, peak=after.peak_equity
            )  # fmt: skip
            cause = f"{after.on} {name}"
            found.append(worded(now, words, kind="halt", severity=Severity.CRITICAL, cause=cause))
    return found


def _other_account(ports: Ports, day: TradingDay, now: datetime, fault: str) -> Supervision:
    """Nothing of what the keys open is ours: it is neither compared with the ledger nor told of to any order."""
    title = "The keys open another account than the ledger's"
    body = f"{fault}. Nothing is entered, and orders wait for the keys of their account."
    key = f"other-account|{slot_of(now)[:2]}"
    messages = record_incident(ports, day.on, key, now=now, kind="other-account", title=title, body=body)
    return Supervision(messages=tuple(messages))


def _broker_down(ports: Ports, day: TradingDay, now: datetime, error: Exception) -> Supervision:
    """Nothing can be seen: record it once an hour. Entries fail where they ask; lifecycles keep trying to exit."""
    title = "Broker cannot be reached"
    key = f"broker-down|{slot_of(now)[:2]}"
    messages = record_incident(ports, day.on, key, now=now, kind="broker-down", title=title, body=str(error))
    return Supervision(messages=tuple(messages))
