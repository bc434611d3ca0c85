"""Reconcile: the broker's orders and positions against the ledger's reservations, both ways.

What can be explained is repaired: a lifecycle that sleeps over a change is woken, one that is gone is started again
from its last recorded state, a reservation whose order never came is released. What cannot be explained is recorded,
and halts entries until a person resumes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from shared.contracts.messages import Message
from shared.contracts.records import Table, symbol_key
from shared.core.errors import TransientError
from shared.core.ids import hash_id
from shared.core.ledger import DifferenceKind, Ledger, Reservation, Unexplained, names, reserve, without
from shared.core.order_states import OrderState
from shared.core.order_steps import LOOK_AGAIN
from shared.core.orders import BrokerOrder, OrderClass
from shared.core.portfolio import Position
from shared.core.sessions import NEW_YORK
from shared.core.unread import Listing, Unread
from shared.core.values import Side, Symbol
from shared.ports import Ports
from shared.stages.base.incidents import BROKEN, record_broken, record_incident
from shared.stages.base.ledger import live_orders, reservation_of

logger = logging.getLogger("gatehouse.reconcile")

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
class AccountView:
    """What the broker shows at one look; None is a list that was not asked for, or not to be had."""

    now: datetime
    on: date
    positions: Listing[Position] | None
    orders: Listing[BrokerOrder] | None

    def may_hold(self, symbol: Symbol) -> bool:
        """Whether shares of a symbol are held, as far as can be told: what cannot be seen may be there."""
        if self.positions is None or any(row.may_be(symbol) for row in self.positions.unread):
            return True
        return any(p.symbol == symbol and p.qty for p in self.positions)

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Every row that could not be read."""
        return tuple(row for listed in (self.positions, self.orders) if listed is not None for row in listed.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Outcome of a comparison: whom to wake, who is silent, and what nobody can explain.

    `accepted` is what a person has accepted and that stands still.
    """

    wakes: tuple[Wake, ...] = ()
    silent: tuple[Reservation, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    accepted: tuple[Unexplained, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Reservations given back, since their orders never came or are over, and taken again, since theirs live."""

    lost: tuple[Reservation, ...] = ()
    found: tuple[Reservation, ...] = ()


def compare(ledger: Ledger, seen: AccountView, ttl: timedelta) -> Difference:
    """Compare the ledger with the account. Pure.

    Parameters
    ----------
    ttl : timedelta
        How long an intent may travel before its first order, from the decision or the end of the time to approve it.
    """
    silent: list[Reservation] = []
    stalled: list[Reservation] = []
    for r in ledger.reservations:
        own = None if seen.orders is None else _orders_of(r, seen.orders)
        if own is None:  # it asks for its orders by their ids, which may be answered
            stalled.append(r)
        elif _is_silent(r, own, seen, ttl):
            silent.append(r)
        elif own and _is_stalled(r, own, seen):
            stalled.append(r)
    ours = {r.symbol for r in ledger.reservations}
    present = {*_foreign(seen, frozenset()), *_foreign(seen, ours), *_unseen(ledger.accepted, seen)}
    unexplained = dict.fromkeys([*_foreign(seen, ours), *_unseen(ledger.suspected, seen)])
    return Difference(
        wakes=tuple(wake(reservation, LOOK_AGAIN) for reservation in stalled),
        silent=tuple(silent),
        unexplained=tuple(what for what in unexplained if what not in ledger.accepted),
        accepted=tuple(what for what in ledger.accepted if what in present),
    )


def _orders_of(reservation: Reservation, orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    parents = {o.order_id for o in orders if o.client_order_id.startswith(reservation.intent_id)}
    return [o for o in orders if o.order_id in parents or o.parent_order_id in parents]


def _is_silent(reservation: Reservation, orders: Sequence[BrokerOrder], seen: AccountView, ttl: timedelta) -> bool:
    """Whether nothing has been heard of it for long: no order has come, or all are final and nothing is held."""
    if not orders:
        since = max(reservation.reserved_at, reservation.approve_by or reservation.reserved_at)
        return seen.now - since > ttl + LATE
    is_over = all(order.status.is_final for order in orders)
    return (
        is_over
        and not seen.may_hold(reservation.symbol)
        and seen.now - max(order.updated_at for order in orders) > LATE
    )


def _is_stalled(reservation: Reservation, orders: Sequence[BrokerOrder], seen: AccountView) -> bool:
    """Whether its lifecycle should have done something by now, or has something new to see."""
    working = [o for o in orders if o.side is Side.BUY and not o.status.is_final]
    if working:
        return all(seen.now - o.submitted_at > LATE for o in working)
    guarded = any(o.side is Side.SELL and not o.status.is_final and _guards(o) for o in orders)
    return seen.now > reservation.exit_by + LATE or not (guarded and seen.may_hold(reservation.symbol))


def _guards(sell: BrokerOrder) -> bool:
    """A stop, or an exit of its own; a target alone guards against nothing."""
    is_exit = sell.order_class == OrderClass.SIMPLE and sell.parent_order_id is None
    return sell.stop_price is not None or is_exit


def wake(reservation: Reservation, event: str) -> Wake:
    """Return the event for a reservation's lifecycle; its rows are under the date on which it was decided."""
    return Wake(on=reservation.reserved_on, symbol=reservation.symbol, intent_id=reservation.intent_id, event=event)


_POSITIONS = (DifferenceKind.POSITION, DifferenceKind.UNREADABLE_POSITION)
_ORDERS = (DifferenceKind.ORDER, DifferenceKind.UNREADABLE_ORDER)


def _foreign(seen: AccountView, ours: Collection[str]) -> Iterator[Unexplained]:
    """Positions and open orders in symbols that no reservation of ours names, and rows in ours that cannot be read."""
    for position in seen.positions or ():
        if position.symbol not in ours:
            yield Unexplained(kind=DifferenceKind.POSITION, subject=position.symbol)
    for order in seen.orders or ():
        if not order.status.is_final and order.symbol not in ours:
            yield Unexplained(kind=DifferenceKind.ORDER, subject=order.symbol)
    for row in seen.unread:
        of_another, of_ours = _POSITIONS if row.what == "position" else _ORDERS
        yield Unexplained(kind=of_ours if row.name in ours else of_another, subject=row.name or "?")


def _unseen(differences: Sequence[Unexplained], seen: AccountView) -> Iterator[Unexplained]:
    """Those of some differences that this look says nothing of, since their list could not be had."""
    missing = [*(_POSITIONS if seen.positions is None else ()), *(_ORDERS if seen.orders is None else ())]
    return (each for each in differences if each.kind in missing)


def without_order(ports: Ports, found: Difference, seen: AccountView) -> tuple[list[Reservation], list[Wake]]:
    """Tell silent reservations whose order never came, or is over, from those whose lifecycle may be gone."""
    lost, stalled = [], []
    for reservation in found.silent:
        on, key = reservation.reserved_on, symbol_key(reservation.symbol, reservation.intent_id)
        try:
            state = recorded_order(ports, on, reservation.symbol, reservation.intent_id)
        except BROKEN as error:
            record_broken(ports, Table.ORDERS, on, key, error)
            stalled.append(wake(reservation, LOOK_AGAIN))
            continue
        if state is None or state.phase.is_over:
            lost.append(reservation)
        else:
            stalled.append(wake(reservation, LOOK_AGAIN))
    return lost, stalled


def recorded_order(ports: Ports, on: date, symbol: Symbol, intent_id: str) -> OrderState | None:
    """Return an order's last recorded state: what a lifecycle that is gone can be started from again."""
    stored = ports.tables.get(Table.ORDERS, str(on), symbol_key(symbol, intent_id))
    return None if stored is None else ports.codec.decode(OrderState, str(stored.value["state"]))


def unrecorded(ports: Ports, found: Difference, seen: AccountView) -> list[Message]:
    """Record orders that should act, stand at the broker and have no row: a lifecycle that is gone stays gone."""
    sent = {order.client_order_id.rsplit("-", 2)[0] for order in seen.orders or ()}
    messages: list[Message] = []
    for each in found.wakes:
        key = symbol_key(each.symbol, each.intent_id)
        if each.intent_id not in sent or ports.tables.get(Table.ORDERS, str(each.on), key) is not None:
            continue
        title = f"{each.symbol}: the record of its order is lost"
        body = (
            f"Intent {each.intent_id} of {each.on} has orders at the broker and no row in orders. Unless its lifecycle "
            f"still runs and writes the row anew, nothing sells what it holds: look at {each.symbol}, sell it by hand."
        )
        lost = symbol_key(each.symbol, "unrecorded", each.intent_id)
        messages += record_incident(ports, seen.on, lost, now=seen.now, kind="unrecorded", title=title, body=body)
    return messages


def wake_failed(ports: Ports, wake: Wake, error: Exception) -> list[Message]:
    """Record, once a day for each order, that its lifecycle could not be told something."""
    key = symbol_key(wake.symbol, "wake-failed", wake.intent_id)
    title = f"{wake.symbol}: its order could not be told {wake.event}"
    body = (
        f"Intent {wake.intent_id} of {wake.on}: {type(error).__name__}: {error}\n"
        "It is told again every minute, as every other order is; its own timers go on."
    )
    now = ports.clock.now()
    try:
        on = now.astimezone(NEW_YORK).date()
        return [*record_incident(ports, on, key, now=now, kind="wake-failed", title=title, body=body)]
    except TransientError as failed:
        logger.warning("%s: %s", title, failed)
        return []


def adopted(ports: Ports, found: Difference, seen: AccountView, ledger: Ledger) -> list[Reservation]:
    """Room of orders that live, are strange to the ledger twice in a row, and are ours by their rows.

    Somebody, or a fault, took their reservation: taken again, it is told to leave as any other. An order that has
    nothing at the broker has ended, whatever its row says: the strange order in its symbol is a person's.
    """
    again = {*ledger.suspected} - {*ledger.unexplained}
    readable = (DifferenceKind.POSITION, DifferenceKind.ORDER)
    symbols = {what.subject for what in found.unexplained if what in again and what.kind in readable}
    if not symbols:
        return []
    live = [state for state in live_orders(ports, seen.on) if state.plan.symbol in symbols]
    return [reservation_of(ports, state) for state in live if _stands(state, seen)]


def _stands(state: OrderState, seen: AccountView) -> bool:
    """Whether an order may have shares or an open order at the broker."""
    orders = seen.orders or ()
    is_open = any(not o.status.is_final and o.client_order_id.startswith(state.plan.intent_id) for o in orders)
    return is_open or seen.may_hold(state.plan.symbol)


def settled(ledger: Ledger, changed: Repair, difference: Difference) -> Ledger:
    """Release what never came, and reserve again for what was found to be ours.

    What is strange twice in a row is unexplained: one look may fall between two changes. What a person has accepted
    since the look stays accepted.
    """
    for reservation in changed.lost:
        ledger = without(ledger, reservation.intent_id)
    for reservation in changed.found:
        if all(r.intent_id != reservation.intent_id for r in ledger.reservations):
            ledger = reserve(ledger, reservation)
    ours = {reservation.symbol for reservation in changed.found}
    unexplained = [what for what in difference.unexplained if what not in ledger.accepted]
    confirmed = [what for what in unexplained if what in ledger.suspected and what.subject not in ours]
    fresh = [what for what in ledger.accepted if what in difference.unexplained]
    return replace(
        ledger,
        suspected=tuple(unexplained),
        unexplained=tuple(dict.fromkeys((*ledger.unexplained, *confirmed))),
        accepted=tuple(dict.fromkeys((*difference.accepted, *fresh))),
    )


def incidents(ports: Ports, seen: AccountView, changed: Repair, ledger: Ledger) -> list[Message]:
    """Record what was released or taken again, and differences that are unexplained.

    As long as they are, whoever noted them in the ledger: the record is one, and who could not make it is made up for.
    """
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
    if after := names(ledger.unexplained):
        title = f"Unexplained at the broker: {after}"[:200]
        rows = "".join(f"\nUnreadable {row.what} {row.name or '?'}: {row.fault}: {row.raw}" for row in seen.unread)
        body = f"{after}\nEntries are halted until a person resumes, who thereby accepts it.{rows}"
        key = f"unexplained|{hash_id('unexplained', after)}"
        messages += record_incident(ports, seen.on, key, now=seen.now, kind="unexplained", title=title, body=body)
    return messages
