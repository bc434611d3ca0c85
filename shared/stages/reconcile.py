"""Reconcile: the broker's orders and positions against the ledger's reservations, both ways.

What can be explained is repaired: a lifecycle that sleeps over a change is woken, one that is gone is started again
from its last recorded state, a reservation whose order never came is released. What cannot be explained is recorded,
and halts entries until a person resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from shared.contracts.messages import Message
from shared.contracts.records import Table, symbol_key
from shared.core.ids import hash_id
from shared.core.ledger import Ledger, Reservation, without
from shared.core.order_states import OrderState
from shared.core.order_steps import LOOK_AGAIN
from shared.core.orders import BrokerOrder, OrderClass
from shared.core.portfolio import Position
from shared.core.values import Side, Symbol
from shared.ports import Ports
from shared.stages.incidents import record_incident

LATE = timedelta(minutes=2)
"""How long after its time a lifecycle may still be about to act by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """An event for one lifecycle: to look again, to stop entering, or the reason why its position is to be left."""

    on: date
    symbol: Symbol
    intent_id: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the broker shows at one look."""

    now: datetime
    on: date
    positions: Sequence[Position]
    orders: Sequence[BrokerOrder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Outcome of a comparison: whom to wake, who is silent, and what nobody can explain."""

    wakes: tuple[Wake, ...] = ()
    silent: tuple[Reservation, ...] = ()
    strangers: tuple[str, ...] = ()


def compare(ledger: Ledger, seen: Account, ttl: timedelta) -> Difference:
    """Compare the ledger with the account. Pure; `ttl` is how long an intent may travel before its first order."""
    own = {r.intent_id: _orders_of(r, seen.orders) for r in ledger.reservations}
    silent = [r for r in ledger.reservations if not own[r.intent_id] and seen.now - r.reserved_at > ttl + LATE]
    asleep = [r for r in ledger.reservations if own[r.intent_id] and _is_asleep(r, own[r.intent_id], seen)]
    ours = {r.symbol for r in ledger.reservations}
    return Difference(
        wakes=tuple(wake(reservation, seen.on, LOOK_AGAIN) for reservation in asleep),
        silent=tuple(silent),
        strangers=tuple(_strangers(seen, ours)),
    )


def _orders_of(reservation: Reservation, orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    parents = {o.order_id for o in orders if o.client_order_id.startswith(reservation.intent_id)}
    return [o for o in orders if o.order_id in parents or o.parent_order_id in parents]


def _is_asleep(reservation: Reservation, orders: Sequence[BrokerOrder], seen: Account) -> bool:
    """Whether its lifecycle should have done something by now, or has something new to see."""
    working = [o for o in orders if o.side is Side.BUY and not o.status.is_final]
    if working:
        return all(seen.now - o.submitted_at > LATE for o in working)
    held = any(p.symbol == reservation.symbol and p.qty_shares for p in seen.positions)
    guarded = any(o.side is Side.SELL and not o.status.is_final and _guards(o) for o in orders)
    return seen.now > reservation.exit_by + LATE or not (held and guarded)


def _guards(sell: BrokerOrder) -> bool:
    """A stop, or an exit of its own; a target alone guards against nothing."""
    is_exit = sell.order_class == OrderClass.SIMPLE and sell.parent_order_id is None
    return sell.stop_price is not None or is_exit


def wake(reservation: Reservation, on: date, event: str) -> Wake:
    """Return the event for a reservation's lifecycle."""
    return Wake(on=on, symbol=reservation.symbol, intent_id=reservation.intent_id, event=event)


def _strangers(seen: Account, ours: set[Symbol]) -> Iterator[str]:
    """Positions and open orders in symbols that no reservation of ours names."""
    for position in seen.positions:
        if position.symbol not in ours:
            yield f"position in {position.symbol}"
    for order in seen.orders:
        if not order.status.is_final and order.symbol not in ours:
            yield f"open order in {order.symbol}"


def without_order(ports: Ports, found: Difference, seen: Account) -> tuple[list[Reservation], list[Wake]]:
    """Tell silent reservations whose intent never became an order from those whose lifecycle may be gone."""
    lost, asleep = [], []
    for reservation in found.silent:
        state = recorded_order(ports, seen.on, reservation.symbol, reservation.intent_id)
        if state is None or state.phase.is_over:
            lost.append(reservation)
        else:
            asleep.append(wake(reservation, seen.on, LOOK_AGAIN))
    return lost, asleep


def recorded_order(ports: Ports, on: date, symbol: Symbol, intent_id: str) -> OrderState | None:
    """Return an order's last recorded state: what a lifecycle that is gone can be started from again."""
    stored = ports.tables.get(Table.ORDERS, str(on), symbol_key(symbol, intent_id))
    return None if stored is None else ports.codec.decode(OrderState, str(stored.value["state"]))


def settled(ledger: Ledger, lost: Sequence[Reservation], strangers: Sequence[str]) -> Ledger:
    """Release what never came. What is strange twice in a row is unexplained: one look may fall between two changes."""
    for reservation in lost:
        ledger = without(ledger, reservation.intent_id)
    confirmed = "; ".join(what for what in strangers if what in ledger.suspected)
    return replace(ledger, suspected=tuple(strangers), unexplained=ledger.unexplained or confirmed)


def incidents(
    ports: Ports, seen: Account, lost: Sequence[Reservation], before: str, after: str
) -> list[Message]:  # fmt: skip
    """Record what was released, and a difference that has become unexplained."""
    messages: list[Message] = []
    for r in lost:
        title = f"Released the room of {r.symbol}: its order never came"
        body = f"Intent {r.intent_id} of {r.notional} USD reached neither lifecycle nor broker."
        key = symbol_key(r.symbol, "released", r.intent_id)
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="released", title=title, body=body)
    if after and not before:
        title = f"Unexplained at the broker: {after}"[:200]
        body = f"{after}\nEntries are halted until a person resumes."
        key = f"unexplained|{hash_id('unexplained', after)}"
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="unexplained", title=title, body=body)
    return messages
