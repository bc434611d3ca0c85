"""Supervise, every minute: broker against ledger, halts, flatten, heartbeat.

It looks at what is, not at what has changed, so a firing that is late, doubled or lost does no harm: whatever still
needs attention is found again a minute later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.contracts.messages import Message
from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, KILL, Table
from shared.core.breaker import succeeded
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ledger import Ledger, Reservation, mark_strategies
from shared.core.market import TradingDay
from shared.core.order_states import ExitReason
from shared.core.order_steps import LOOK_AGAIN, STOP_ENTERING
from shared.core.portfolio import Account, Position, another_account, hides_positions
from shared.core.schedule import DueJob, Job, plan, slot_of
from shared.core.sessions import NEW_YORK, Session, pre_open_at, session_at
from shared.core.unread import Listing
from shared.core.values import ZERO, iso
from shared.ports import Ports, Row, Stored, trading_day
from shared.stages.account.leaving import leaves
from shared.stages.account.reconcile import (
    AccountView,
    Difference,
    Repair,
    Wake,
    adopted,
    compare,
    incidents,
    settled,
    unrecorded,
    wake,
    without_order,
)
from shared.stages.base.facts import strategy_halt
from shared.stages.base.incidents import record_broken, record_incident
from shared.stages.base.ledger import live_orders, load_ledger, opened, reservation_of, update_ledger, watching
from shared.stages.base.notices import halt, strategy_halted
from shared.stages.operator.approvals import unheard

logger = logging.getLogger("gatehouse.supervise")

HEARTBEAT_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What a look at the account asks for."""

    wakes: tuple[Wake, ...] = ()
    messages: tuple[Message, ...] = ()


def supervise(ports: Ports) -> Supervision:
    """Look at account, positions and orders; halt what must halt, wake the lifecycles that must act.

    What lifecycles are told follows from ledger and controls and waits for nobody. Each look at the broker is one by
    itself: what needs one that failed is left out, and everything else goes on.
    """
    now = ports.clock.now()
    day = trading_day(ports, now)
    if day is None or session_at(now, day) is Session.CLOSED:
        return Supervision()
    controls = ports.tables.get(Table.CONTROLS, CONTROLS, KILL)
    try:
        stored = load_ledger(ports)
    except ContractError as error:
        notices = record_broken(ports, Table.LEDGER, ACCOUNT, CURRENT, error)
        return Supervision(wakes=_blindly(ports, day, now, controls), messages=tuple(notices))
    look = _look(ports, day, now, stored)
    messages = _broker_down(ports, day, now, look.faults)
    if stored is None and look.account is None:
        return Supervision(wakes=_blindly(ports, day, now, controls), messages=messages)
    before = stored.value if stored else opened(ports, day.on, look.account)  # type: ignore[arg-type]
    if look.account is not None and (fault := another_account(before.account_id, look.account.account_id)):
        return _other_account(ports, day, now, fault)
    found = compare(before, look.seen, timedelta(seconds=ports.settings.policy.signal_ttl_s))
    stalled, repair, after = _settle(ports, look, stored, before, found)
    with _by_itself("heartbeat"):
        _heartbeat(ports, day, now, look)
    is_halted = after.is_day_halted or after.is_drawdown_halted
    halted = _halted_strategies(ports, after)
    asked = _orders_to_all(ports, day, now, controls, after.reservations, is_halted=is_halted, halted=halted)
    # Who leaves looks by itself. Who only stops entering sleeps on: what was to be looked at is looked at besides.
    leaving = [each for each in asked if each.event in ExitReason]
    gone = {each.intent_id for each in leaving}
    staying = replace(after, reservations=tuple(r for r in after.reservations if r.intent_id not in gone))
    with _by_itself("leaving"):
        leaving += leaves(ports, day.on, staying)
    gone |= {each.intent_id for each in leaving}
    answered: list[Wake] = []
    with _by_itself("answers"):
        answered = unheard(ports, after, look.seen.orders or ())
    left: Sequence[Wake] = ()
    with _by_itself("orders"):
        left = _without_reservation(ports, day, after) if _is_beat(now) else ()
    rest = (*found.wakes, *stalled, *answered, *left, *asked)
    wakes = (*leaving, *(each for each in rest if each.intent_id not in gone))
    with _by_itself("incidents"):
        messages = (*messages, *_halts(ports, day, after, now), *incidents(ports, look.seen, repair, after))
    with _by_itself("unrecorded"):
        messages = (*messages, *unrecorded(ports, found, look.seen))
    return Supervision(wakes=wakes, messages=messages)


def _without_reservation(ports: Ports, day: TradingDay, ledger: Ledger) -> Sequence[Wake]:
    """Orders that live by their rows and have no reservation: one that gave it back and died before it could say so."""
    known = {reservation.intent_id for reservation in ledger.reservations}
    states = [state for state in live_orders(ports, day.on) if state.plan.intent_id not in known]
    return tuple(
        Wake(on=state.on, symbol=state.plan.symbol, intent_id=state.plan.intent_id, event=LOOK_AGAIN)
        for state in states
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the broker showed; `faults` says of each part that could not be had why."""

    account: Account | None
    seen: AccountView
    faults: Mapping[str, str]


def _look(ports: Ports, day: TradingDay, now: datetime, stored: Stored[Ledger] | None) -> _Look:
    """Ask for account, positions and, where anything is open, orders; each is a part by itself."""
    errors: dict[str, Exception] = {}

    def ask[T](part: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except _UNANSWERED as error:
            errors[part] = error
            return None

    account = ask("account", lambda: _account(ports))
    positions = ask("positions", lambda: _positions(ports, account))
    reservations = stored.value.reservations if stored else ()
    is_open = reservations or positions is None or positions or positions.unread
    since = min([pre_open_at(day), *(r.reserved_at for r in reservations)])
    orders = ask("orders", lambda: ports.broker.orders(since=since)) if is_open else None
    if errors:
        with suppress(*_UNANSWERED), watching(ports, "broker"):
            # One failure a minute, and no refusal in its place: a refusal is an answer.
            raise min(errors.values(), key=lambda error: isinstance(error, BrokerError))
    seen = AccountView(now=now, on=day.on, positions=positions, orders=orders)
    return _Look(account=account, seen=seen, faults={part: str(error) for part, error in errors.items()})


def _positions(ports: Ports, account: Account | None) -> Listing[Position] | None:
    """The positions; None for an empty list of which no account says that it is right.

    Raises
    ------
    ContractError
        If the account, asked before and after, counts some where none is listed.
    """
    listed = ports.broker.positions()
    if listed or listed.unread:
        return listed
    if account is None:
        return None
    if hides_positions(account, listed) and hides_positions(after := _account(ports), listed):
        raise ContractError(f"none is listed, and the account counts {after.holdings} USD as held")
    return listed


_UNANSWERED = (TransientError, ContractError, BrokerError)


def _account(ports: Ports) -> Account:
    """The account, if it has an equity that a loss can be measured by."""
    account = ports.broker.account()
    if not account.equity.is_finite() or account.equity <= 0:
        raise ContractError(f"equity must be finite and > 0, got {account.equity}")
    return account


def _settle(
    ports: Ports, look: _Look, stored: Stored[Ledger] | None, before: Ledger, found: Difference
) -> tuple[Sequence[Wake], Repair, Ledger]:
    """Carry the ledger on. Where storage fails, it stays as it is for a minute, and nobody waits for it."""
    seen = look.seen
    taken: list[Reservation] = []

    def change(ledger: Ledger) -> Ledger:
        known = {reservation.intent_id for reservation in ledger.reservations}
        taken[:] = [reservation for reservation in repair.found if reservation.intent_id not in known]
        after = settled(ledger, repair, found)
        if seen.positions is not None:
            after = mark_strategies(after, seen.positions, _loss_max(ports, after))
        return after if look.faults else replace(after, broker=succeeded(ledger.broker))

    try:
        lost, stalled = without_order(ports, found, seen)
        repair = Repair(lost=tuple(lost), found=tuple(adopted(ports, found, seen, before)))
        backs_up = _is_beat(seen.now)
        after = update_ledger(ports, seen.on, look.account, change, at=seen.now, known=stored, backs_up=backs_up)
        return stalled, replace(repair, found=tuple(taken)), after
    except TransientError as error:
        logger.warning("the ledger is not carried on: %s", error)
        return (), Repair(), before


def _loss_max(ports: Ports, ledger: Ledger) -> Mapping[str, Decimal]:
    """What each strategy may lose in a day, in USD. Of one that has the whole, the account's own halt takes care."""
    whole = ledger.opening_equity * ports.settings.risk.day_loss_max_fraction
    return {each.name: whole * each.share for each in ports.settings.strategies.traded if each.share < 1}


@contextmanager
def _by_itself(what: str) -> Iterator[None]:
    """What storage does not take now is made up for a minute later; it keeps nothing else from being done."""
    try:
        yield
    except TransientError as error:
        logger.warning("%s: %s", what, error)


def part_failed(ports: Ports, part: str, error: Exception) -> list[Message]:
    """Record, once an hour, that a part of the minute's work fails; storage that does not answer passes by itself."""
    if isinstance(error, TransientError):
        return []
    now = ports.clock.now()
    notices: list[Message] = []
    with _by_itself(part):
        notices += record_incident(
            ports,
            now.astimezone(NEW_YORK).date(),
            f"supervise-failed|{part}|{slot_of(now)[:2]}",
            now=now,
            kind="supervise-failed",
            title=f"Every minute's work fails in part: {part}",
            body=f"{type(error).__name__}: {error}\nEverything else goes on; it is tried again every minute.",
        )
    return notices


def _blindly(ports: Ports, day: TradingDay, now: datetime, controls: Stored[Row] | None) -> tuple[Wake, ...]:
    """What orders that live by their rows are told where there is no ledger to go by: nothing is entered meanwhile."""
    reservations = [reservation_of(ports, state) for state in live_orders(ports, day.on)]
    return _orders_to_all(ports, day, now, controls, reservations, is_halted=True)


def _orders_to_all(
    ports: Ports,
    day: TradingDay,
    now: datetime,
    controls: Stored[Row] | None,
    reservations: Sequence[Reservation],
    *,
    is_halted: bool,
    halted: frozenset[str] = frozenset(),
) -> tuple[Wake, ...]:
    """What every open order is told: to leave, where the kill switch flattens or the close is near; to stop entering,
    where entries are killed or halted, all or those of its strategy. Told every minute while it holds, so that a lost
    event costs a minute.
    """
    killed = controls is not None and bool(controls.value.get("is_on"))
    if killed and controls is not None and controls.value.get("is_flattening"):
        return _tell(reservations, ExitReason.KILL)
    leaving = _flattened(ports, day, now, reservations)
    staying = [r for r in reservations if r not in leaving]
    stopping = staying if killed or is_halted else [r for r in staying if r.strategy in halted]
    return (*_tell(leaving, ExitReason.FLATTEN), *_tell(stopping, STOP_ENTERING))


def _halted_strategies(ports: Ports, ledger: Ledger) -> frozenset[str]:
    """Strategies with open orders that have lost their share of the day, or that a person has halted."""
    found: set[str] = set()
    with _by_itself("strategies"):
        for strategy in {reservation.strategy for reservation in ledger.reservations}:
            if ledger.book_of(strategy).is_day_halted or strategy_halt(ports, strategy):
                found.add(strategy)
    return frozenset(found)


def _flattened(ports: Ports, day: TradingDay, now: datetime, reservations: Sequence[Reservation]) -> list[Reservation]:
    """Whose positions are due to be left: before the close what was decided before it, the rest in the evening."""
    leaving: list[Reservation] = []
    for slot in plan(day, frozenset({Job.FLATTEN}), frozenset(ports.settings.policy.entry_sessions)):
        if now >= slot.due_at:
            due = [r for r in reservations if r.reserved_at < slot.until and r not in leaving]
            if due or slot_of(now) == slot.slot:
                with _by_itself(slot.key):
                    _record_flatten(ports, slot, now)
            leaving += due
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


def _heartbeat(ports: Ports, day: TradingDay, now: datetime, look: _Look) -> None:
    """A row of equity every five minutes, where it is known: the day's curve, and the proof of life."""
    account, positions = look.account, look.seen.positions
    if not _is_beat(now) or account is None or positions is None:
        return
    unread = (row.market_value or ZERO for row in positions.unread)
    row = {
        "at": iso(now),
        "account_id": account.account_id,
        "session": session_at(now, day).value,
        "equity_usd": str(account.equity),
        "cash_usd": str(account.cash),
        "buying_power_usd": str(account.buying_power),
        "positions": len(positions) + len(positions.unread),
        "exposure_usd": str(sum((abs(p.market_value) for p in positions), sum(unread, ZERO))),
    }
    ports.tables.put(Table.LEDGER, str(day.on), slot_of(now), row)


def _halts(ports: Ports, day: TradingDay, ledger: Ledger, now: datetime) -> list[Message]:
    """Record halts that stand, once a day each, whoever has set them in the ledger."""
    notices: list[Message] = []
    for name, is_on, figure in (
        ("day loss", ledger.is_day_halted and ledger.on == day.on, ledger.day_loss),
        ("drawdown", ledger.is_drawdown_halted, ledger.drawdown),
    ):
        if is_on:
            text = halt(name, figure, ledger)
            notices += record_incident(
                ports, day.on, f"halt|{name}", now=now, kind="halt", title=text.title, body=text.body
            )
    for strategy, book in ledger.books.items():
        if book.is_day_halted and ledger.on == day.on:
            text = strategy_halted(strategy, book.result, ledger)
            notices += record_incident(
                ports, day.on, f"halt|{strategy}", now=now, kind="halt", title=text.title, body=text.body
            )
    return notices


def _other_account(ports: Ports, day: TradingDay, now: datetime, fault: str) -> Supervision:
    """Nothing of what the keys open is ours: it is neither compared with the ledger nor told of to any order."""
    title = "The keys open another account than the ledger's"
    body = f"{fault}. Nothing is entered, and orders wait for the keys of their account."
    key = f"other-account|{slot_of(now)[:2]}"
    messages = record_incident(ports, day.on, key, now=now, kind="other-account", title=title, body=body)
    return Supervision(messages=tuple(messages))


def _broker_down(ports: Ports, day: TradingDay, now: datetime, faults: Mapping[str, str]) -> tuple[Message, ...]:
    """What cannot be seen is recorded once an hour. Entries fail where they ask; lifecycles keep trying to exit."""
    if not faults:
        return ()
    hour = f"broker-down|{slot_of(now)[:2]}"
    is_dead = {"account", "positions"} <= faults.keys()
    key = hour if is_dead else "|".join((hour, *faults))
    title = "Broker cannot be reached" if is_dead else f"The broker does not tell: {', '.join(faults)}"
    body = "\n".join(f"{part}: {fault}" for part, fault in faults.items())
    notices: list[Message] = []
    with _by_itself(title):
        notices += record_incident(ports, day.on, key, now=now, kind="broker-down", title=title, body=body)
    return tuple(notices)
