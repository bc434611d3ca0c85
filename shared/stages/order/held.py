"""How many shares of an order's symbol the account holds, where a broker that shows none may only fail to show them."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.order_states import OrderState
from shared.core.values import ZERO, Side
from shared.ports import Ports
from shared.stages.base.ledger import watching


def held_shares(state: OrderState, ports: Ports) -> int:
    """Return the account's shares of an order's symbol.

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
        return position.qty_shares
    if state.held <= 0:
        return 0
    unlisted = _known_unlisted(ports)
    if unlisted is not None and _leaves_no_room(unlisted, state, 1):
        return 0
    left = min(state.held, state.bought - _sold(state, ports))
    is_gone = left <= 0 or (unlisted is not None and _leaves_no_room(unlisted, state, left))
    return 0 if is_gone else left


def _leaves_no_room(unlisted: Decimal, state: OrderState, shares: int) -> bool:
    """Whether what the account counts beside its list, in USD, is less than shares can be worth."""
    return unlisted < shares * state.plan.stop_price / 2


def _known_unlisted(ports: Ports) -> Decimal | None:
    """What the account counts beside its list, in USD; None where it does not tell."""
    try:
        with watching(ports, "broker"):
            return _unlisted(ports)
    except (BrokerError, TransientError, ContractError):
        return None


def _unlisted(ports: Ports) -> Decimal:
    """USD that the account counts as held, beside what its list of positions is worth, as far as that can be read."""
    account, positions = ports.broker.account(), ports.broker.positions()
    listed = sum((position.market_value for position in positions), ZERO)
    unread = sum((row.market_value or ZERO for row in positions.unread), ZERO)
    return account.holdings - listed - unread


def _sold(state: OrderState, ports: Ports) -> int:
    """Shares that sales of the symbol have sold since this order bought, whoever sent them."""
    since = datetime.combine(state.on, time(), UTC)
    return sum(
        order.filled_shares
        for order in ports.broker.orders(since=since)
        if order.symbol == state.plan.symbol
        and order.side is Side.SELL
        and (state.filled_at is None or (order.filled_at or order.updated_at) >= state.filled_at)
    )
