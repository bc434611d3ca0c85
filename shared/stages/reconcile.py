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
from shared.core.ledger import Ledger, Reservation, reserve, without
from shared.core.order_states import OrderState
from shared.core.order_steps import LOOK_AGAIN
from shared.core.orders import BrokerOrder, OrderClass
from shared.core.portfolio import Position
from shared.core.values import Side, Symbol
from shared.ports import Ports
from shared.stages.facts import live_orders, room_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Reservations given back, since their orders never came or are over, and taken again, since theirs live."""

    lost: tuple[Reservation, ...] = ()
    found: tuple[Reservation, ...] = ()


def compare(ledger: Ledger, seen: Account, ttl: timedelta, hold: timedelta) -> Difference:
    """Compare the ledger with the account. Pure.

    Parameters
    ----------
    ttl : timedelta
        How long an intent may travel before its first order; a person's time to approve comes on top.
    hold : timedelta
        Time limit of a position: what its reservation gives beyond it is the person's time.
    """
    own = {r.intent_id: _orders_of(r, seen.orders) for r in ledger.reservations}
    silent = [r for r in ledger.reservations if _is_silent(r, own[r.intent_id], seen, ttl, hold)]
    asleep = [
        r for r in ledger.reservations if r not in silent and own[r.intent_id] and _is_asleep(r, own[r.intent_id], seen)
    ]
    ours = {r.symbol for r in ledger.reservations}
    return Difference(
        wakes=tuple(wake(reservation, LOOK_AGAIN) for reservation in asleep),
        silent=tuple(silent),
        strangers=tuple(_strangers(seen, ours)),
    )


def _orders_of(reservation: Reservation, orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    parents = {o.order_id for o in orders if o.client_order_id.startswith(reservation.intent_id)}
    return [o for o in orders if o.order_id in parents or o.parent_order_id in parents]


def _is_silent(
    reservation: Reservation, orders: Sequence[BrokerOrder], seen: Account, ttl: timedelta, hold: timedelta
) -> bool:  # fmt: skip
    """Whether nothing has been heard of it for long: no order has come, or all are final and nothing is held."""
    if not orders:
        waits = max(timedelta(0), reservation.exit_by - reservation.reserved_at - hold)
        return seen.now - reservation.reserved_at > ttl + waits + LATE
    is_held = any(p.symbol == reservation.symbol and p.qty_shares for p in seen.positions)
    is_over = all(order.status.is_final for order in orders)
    return is_over and not is_held and seen.now - max(order.updated_at for order in orders) > LATE


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


def wake(reservation: Reservation, event: str) -> Wake:
    """Return the event for a reservation's lifecycle; its rows are under the date on which it was decided."""
    return Wake(on=reservation.reserved_on, symbol=reservation.symbol, intent_id=reservation.intent_id, event=event)


def _strangers(seen: Account, ours: set[Symbol]) -> Iterator[str]:
    """Positions and open orders in symbols that no reservation of ours names."""
    for position in seen.positions:
        if position.symbol not in ours:
            yield f"position in {position.symbol}"
    for order in seen.orders:
        if not order.status.is_final and order.symbol not in ours:
            yield f"open order in {order.symbol}"


def without_order(ports: Ports, found: Difference, seen: Account) -> tuple[list[Reservation], list[Wake]]:
    """Tell silent reservations whose order never came, or is over, from those whose lifecycle may be gone."""
    lost, asleep = [], []
    for reservation in found.silent:
        state = recorded_order(ports, reservation.reserved_on, reservation.symbol, reservation.intent_id)
        if state is None or state.phase.is_over:
            lost.append(reservation)
        else:
            asleep.append(wake(reservation, LOOK_AGAIN))
    return lost, asleep


def recorded_order(ports: Ports, on: date, symbol: Symbol, intent_id: str) -> OrderState | None:
    """Return an order's last recorded state: what a lifecycle that is gone can be started from again."""
    stored = ports.tables.get(Table.ORDERS, str(on), symbol_key(symbol, intent_id))
    return None if stored is None else ports.codec.decode(OrderState, str(stored.value["state"]))


def adopted(ports: Ports, found: Difference, seen: Account, ledger: Ledger) -> list[Reservation]:
    """Room of orders that live, are strange to the ledger twice in a row, and are ours by their rows.

    Somebody, or a fault, took their reservation: taken again, it is told to leave as any other.
    """
    confirmed = [what for what in found.strangers if what in ledger.suspected and what not in ledger.unexplained]
    if not confirmed:
        return []
    symbols = {symbol_of(what) for what in confirmed}
    return [room_of(ports, state) for state in live_orders(ports, seen.on) if state.plan.symbol in symbols]


def symbol_of(stranger: str) -> Symbol:
    """Symbol of something that no reservation explains: the last word of its name."""
    return Symbol(stranger.rpartition(" ")[2])


def settled(
    ledger: Ledger, lost: Sequence[Reservation], found: Sequence[Reservation], strangers: Sequence[str]
) -> Ledger:
    """Release what never came, and take again the room of what was `found` to be ours.

    What is strange twice in a row is unexplained: one look may fall between two changes.
    """
    for reservation in lost:
        ledger = without(ledger, reservation.intent_id)
    for room in found:
        if all(r.intent_id != room.intent_id for r in ledger.reservations):
            ledger = reserve(ledger, room)
    ours = {room.symbol for room in found}
    confirmed = "; ".join(what for what in strangers if what in ledger.suspected and symbol_of(what) not in ours)
    return replace(ledger, suspected=tuple(strangers), unexplained=ledger.unexplained or confirmed)


def incidents(
    ports: Ports, seen: Account, changed: Repair, before: str, after: str
) -> list[Message]:  # fmt: skip
    """Record what was released or taken again, and a difference that has become unexplained."""
    messages: list[Message] = []
    for r in changed.found:
        title = f"Took the room of {r.symbol} again: its reservation was lost"
        body = f"Intent {r.intent_id} lives by its row in orders, and nothing in the ledger named it."
        key = symbol_key(r.symbol, "adopted", r.intent_id)
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="adopted", title=title, body=body)
    lost = changed.lost
    for r in lost:
        title = f"Released the room of {r.symbol}: no order of it lives"
        body = f"Intent {r.intent_id} of {r.notional} USD never came to an order, or its order is over."
        key = symbol_key(r.symbol, "released", r.intent_id)
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="released", title=title, body=body)
    if after and not before:
        title = f"Unexplained at the broker: {after}"[:200]
        body = f"{after}\nEntries are halted until a person resumes."
        key = f"unexplained|{hash_id('unexplained', after)}"
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="unexplained", title=title, body=body)
    return messages
