"""What stands in an order's symbol at the broker: what the account holds, and orders, ours or not.

A broker that shows no shares may only fail to show them. Behind a refused exit stands an order of ours that was not
known, a person's, or a rule of the broker's. Ours are taken up and cancelled; a person's are named and never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal

from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import client_order_id
from shared.core.order_states import OrderState
from shared.core.order_steps import Observation, entry_id, pair_id
from shared.core.orders import BrokerOrder
from shared.core.unread import Unread
from shared.core.values import ONE, ZERO, Side, plain
from shared.ports import Ports
from shared.stages.base.ledger import load_ledger, watching

NAMED = 5
"""So many orders in the way are named; more of them are counted."""

_OUR_ID = re.compile(r"([0-9a-f]{20})-(?:entry|protect|exit)-\d+")
"""A client order id of this app's; the group is the intent's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Orders that stand in an order's symbol at the broker. `fault` says why they could not be listed.

    `ours` belong to the order itself, `others` to nobody of whom it knows, `unread` to anybody.
    """

    ours: tuple[BrokerOrder, ...] = ()
    others: tuple[BrokerOrder, ...] = ()
    unread: tuple[Unread, ...] = ()
    fault: str = ""

    @property
    def rivals(self) -> tuple[Decimal, ...]:
        """Limit prices in USD of the others' buys."""
        return tuple(o.limit_price for o in self.others if o.side is Side.BUY and o.limit_price is not None)

    def free(self, held: Decimal) -> Decimal:
        """Of what is `held` that which no sale of the others' has taken; the two of a pair take theirs once."""
        ids = {order.order_id for order in self.others}
        heads = [o for o in self.others if o.side is Side.SELL and o.parent_order_id not in ids]
        return held - sum((order.remaining_qty for order in heads), ZERO)


def held_qty(state: OrderState, ports: Ports) -> Decimal:
    """Return what the account holds of an order's symbol, in units.

    That none is shown is believed where a second kind of evidence agrees: the account's own worth leaves no room for
    the shares, or the list of orders shows them sold, by somebody else or by an order of ours that this run does not
    know of. Otherwise our fills and that worth outweigh the silence, and what is not sold is held: it can be guarded
    and sold. Where the account does not tell its worth, the list of orders decides alone: every sale stands in it.

    Raises
    ------
    TransientError, ContractError, BrokerError
        If position or orders do not answer, so that nobody can tell.
    """
    position = ports.broker.position(state.plan.symbol)
    if position is not None:
        return position.qty
    if state.held <= 0:
        return ZERO
    unlisted = _unlisted(ports)
    if unlisted is not None and _leaves_no_room(unlisted, state, min(ONE, state.held)):
        return ZERO
    left = min(state.held, state.bought - _sold(state, ports))
    is_gone = left <= 0 or (unlisted is not None and _leaves_no_room(unlisted, state, left))
    return ZERO if is_gone else left


def _leaves_no_room(unlisted: Decimal, state: OrderState, qty: Decimal) -> bool:
    """Whether what the account counts beside its list, in USD, is less than a quantity can be worth."""
    return unlisted < qty * state.plan.stop_price / 2


def _unlisted(ports: Ports) -> Decimal | None:
    """USD that the account counts beside its list of positions, as far as that can be read; None where it is silent."""
    try:
        with watching(ports, "broker"):
            account, positions = ports.broker.account(), ports.broker.positions()
    except (BrokerError, TransientError, ContractError):
        return None
    listed = sum((position.market_value for position in positions), ZERO)
    unread = sum((row.market_value or ZERO for row in positions.unread), ZERO)
    return account.holdings - listed - unread


def _sold(state: OrderState, ports: Ports) -> Decimal:
    """What sales of the symbol have sold since this order bought, whoever sent them."""
    since = datetime.combine(state.on, time(), UTC)
    sales = (
        order.filled_qty
        for order in ports.broker.orders(since=since)
        if order.symbol == state.plan.symbol
        and order.side is Side.SELL
        and (state.filled_at is None or (order.filled_at or order.updated_at) >= state.filled_at)
    )
    return sum(sales, ZERO)


def flat(orders: Iterable[BrokerOrder]) -> tuple[BrokerOrder, ...]:
    """Orders and their legs in one row."""
    return tuple(part for order in orders for part in (order, *order.legs))


def standing(state: OrderState, ports: Ports) -> Standing:
    """List what is open in an order's symbol. That it cannot be listed is no reason not to sell."""
    try:
        with watching(ports, "broker"):
            listed = ports.broker.open_orders(state.plan.symbol)
    except (BrokerError, TransientError, ContractError) as error:
        return Standing(fault=f"its open orders cannot be listed ({error})")
    is_ours = {o.order_id for o in listed if o.client_order_id.startswith(state.plan.intent_id)}
    live = [order for order in listed if not order.status.is_final]
    ours = tuple(o for o in live if o.order_id in is_ours or o.parent_order_id in is_ours)
    others = tuple(order for order in live if order not in ours)
    return Standing(ours=ours, others=others, unread=listed.unread)


def unknown_of_ours(state: OrderState, ports: Ports) -> tuple[BrokerOrder, ...]:
    """Look up what of ours may stand though nobody has said so; what the order knows of is left out.

    That is the entry, the pair or the exit of a run that died before it could record it, and the exit before: refused
    to this run, it may have been taken from another host that ran the same step.
    """
    known = {order.client_order_id for order in state.orders.values()}
    attempts = range(max(0, state.exit_attempt - 1), state.exit_attempt + 1)
    exits = [client_order_id(state.plan.intent_id, "exit", attempt) for attempt in attempts]
    ids = [entry_id(state), pair_id(state), *exits]
    found = [ports.broker.order(each) for each in ids if each not in known]
    return flat(order for order in found if order is not None)


def refused(state: OrderState, ports: Ports, words: str) -> Observation:
    """Say what stands in the way of an exit that the broker refused with `words`, and take up what is ours."""
    found = unknown_of_ours(state, ports)
    stands = standing(state, ports)
    unknown = [order for order in stands.ours if order.order_id not in state.orders]
    orders = tuple({order.order_id: order for order in (*unknown, *found)}.values())
    if orders:
        return Observation(at=ports.clock.now(), orders=orders, rejected=words)
    # Given up after looks that did not show them, and there after all; or left by an order that is over.
    revived = [order for order in stands.ours if not state.orders[order.order_id].is_live]
    left = [order for order in stands.others if _is_left_over(order, ports)]
    for order in (*revived, *left):
        with suppress(BrokerError):  # gone meanwhile, as it should be
            ports.broker.cancel(order.order_id)
    causes = [f"cancelled {_named(order)}, left over of ours" for order in (*revived, *left)]
    causes += _theirs([order for order in stands.others if order not in left])
    causes += [f"one that cannot be read stands there too: {row.raw}" for row in stands.unread[:NAMED]]
    causes += [stands.fault] if stands.fault else []
    return Observation(at=ports.clock.now(), rejected="; ".join([words, *causes]))


def _is_left_over(order: BrokerOrder, ports: Ports) -> bool:
    """Whether an order was sent by this app for an intent that is over."""
    found = _OUR_ID.fullmatch(order.client_order_id)
    if found is None:
        return False
    stored = load_ledger(ports)
    return stored is not None and all(reservation.intent_id != found[1] for reservation in stored.value.reservations)


def _theirs(orders: Sequence[BrokerOrder]) -> list[str]:
    if not orders:
        return []
    more = f" and {len(orders) - NAMED} more" if len(orders) > NAMED else ""
    return [f"in the way may be {', '.join(map(_named, orders[:NAMED]))}{more}, not ours"]


def _named(order: BrokerOrder) -> str:
    price = order.limit_price or order.stop_price
    kind = order.order_type if price is None else f"{order.order_type} {price}"
    return f"{order.side.value} {plain(order.remaining_qty)} {order.symbol} {kind} (order {order.order_id})"


def with_unknown(state: OrderState, ports: Ports, seen: Observation) -> Observation:
    """Take up an order of ours that may explain why shares are missing, before they are written off."""
    found = unknown_of_ours(state, ports)
    return replace(seen, orders=found, held_at_broker=None) if found else seen
