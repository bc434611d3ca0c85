"""How many shares of an order's symbol the account holds, where a broker that shows none may only fail to show them."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.order_states import OrderState
from shared.core.values import ZERO, Side
from shared.ports import Ports
from shared.stages.facts import watching


def held_shares(state: OrderState, ports: Ports) -> int:
    """Return the account's shares of an order's symbol.

    That none is shown is believed where a second kind of evidence agrees: the account's own worth leaves no room for
    the shares, or an order of somebody else's has sold them. Otherwise our fills and that worth outweigh the silence,
    and the order's own shares are held: they can be guarded and sold. Where the account does not tell its worth, the
    list of orders decides alone: every sale stands in it.

    Raises
    ------
    TransientError, ContractError, BrokerError
        If position or orders do not answer, so that nobody can tell.
    """
    position = ports.broker.position(state.plan.symbol)
    if position is not None:
        return position.qty_shares
    if state.held <= 0:
        return 0
    is_gone = _is_worth_nothing(state, ports) or _sold_by_others(state, ports) >= state.held
    return 0 if is_gone else state.held


def _is_worth_nothing(state: OrderState, ports: Ports) -> bool:
    """Whether the account's own worth leaves no room for an order's shares; False where it does not tell it."""
    try:
        with watching(ports, "broker"):
            return _unlisted(ports) < state.held * state.plan.stop_price / 2
    except (BrokerError, TransientError, ContractError):
        return False


def _unlisted(ports: Ports) -> Decimal:
    """USD that the account counts as held, beside what its list of positions is worth, as far as that can be read."""
    account, positions = ports.broker.account(), ports.broker.positions()
    listed = sum((position.market_value for position in positions), ZERO)
    unread = sum((row.market_value or ZERO for row in positions.unread), ZERO)
    return account.holdings - listed - unread


def _sold_by_others(state: OrderState, ports: Ports) -> int:
    """Shares that orders of somebody else's have sold since this order bought."""
    since = datetime.combine(state.on, time(), UTC)
    orders = [order for order in ports.broker.orders(since=since) if order.symbol == state.plan.symbol]
    ours = {order.order_id for order in orders if order.client_order_id.startswith(state.plan.intent_id)}
    return sum(
        order.filled_shares
        for order in orders
        if order.side is Side.SELL
        and order.order_id not in ours
        and order.parent_order_id not in ours
        and (state.filled_at is None or (order.filled_at or order.updated_at) >= state.filled_at)
    )
