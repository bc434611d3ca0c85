"""How a position is sold: the orders of an exit and of a pair, priced so that a broker can take them."""

from __future__ import annotations

from decimal import Decimal

from shared.core.order_states import EntryPlan
from shared.core.orders import OrderClass, OrderRequest, OrderType
from shared.core.values import BASE_GAP, Side, floor_to_tick, stop_under, tick_size

LIMIT_BELOW_BID = 20
"""An exit limit lies this many basis points under the bid, which still fills at the bid."""


def beyond_exits(plan: EntryPlan, limit: Decimal, bid: Decimal, *, is_regular: bool) -> str:
    """Why an entry at `limit` would be left as soon as it is bought; empty where stop and target lie round it.

    A native stop wants its distance from the entry. Outside the regular session the bid is what stop and target are
    judged by. Prices in USD.
    """
    if limit - plan.stop_price < BASE_GAP:
        return f"ask {limit} not above the stop {plan.stop_price} by {BASE_GAP}"
    if plan.target_price - limit < BASE_GAP:
        return f"ask {limit} not under the target {plan.target_price} by {BASE_GAP}"
    if not is_regular and bid <= plan.stop_price:
        return f"bid {bid} at the stop {plan.stop_price} already"
    return ""


def exit_limit(bid: Decimal, rivals: tuple[Decimal, ...] = ()) -> Decimal:
    """Limit price in USD that sells at the bid.

    Parameters
    ----------
    bid : Decimal
        Above zero, in USD.
    rivals : tuple of Decimal
        Limit prices in USD of resting buys on this account. A sale at or under one is refused as a wash trade, so the
        limit lies above the highest where that still sells at the bid.
    """
    limit = floor_to_tick(bid * (10_000 - LIMIT_BELOW_BID) / 10_000)
    above = max(rivals) + tick_size(max(rivals)) if rivals else limit
    return max(limit, above) if above <= bid else limit


def exit_request(
    plan: EntryPlan, client_order_id: str, qty: Decimal, limit: Decimal | None, *, is_regular: bool
) -> OrderRequest:
    """Sell at the market, or by a limit: the only kind that venues take outside the regular session."""
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=plan.symbol,
        side=Side.SELL,
        qty=qty,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=limit,
        extended_hours=not is_regular,
    )


def pair_request(plan: EntryPlan, client_order_id: str, qty: Decimal, target: Decimal | None = None) -> OrderRequest:
    """Guard what is held by a pair (OCO) of stop and target; another `target`, under the bid, sells them at once.

    A broker that refuses plain sales beside a resting buy of the same account may take a pair.
    """
    target = plan.target_price if target is None else target
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=plan.symbol,
        side=Side.SELL,
        qty=qty,
        order_type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        stop_price=stop_under(target, plan.stop_price),
        target_price=target,
    )


def can_pair(target: Decimal) -> bool:
    """Whether a stop fits under a target in USD."""
    return target > BASE_GAP
