"""Making orders out of requests: the order itself, its exit legs, and the successor of a replaced one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from shared.core.values import Side
from simulation.venue.book import VENUE_IDS, Book
from simulation.venue.config import VenueConfig
from simulation.venue.orders import (
    Order,
    ReplaceRequest,
    VenueOrderClass,
    VenueOrderType,
    VenueRequest,
    VenueRole,
    VenueStatus,
)
from simulation.venue.refusals import invalid
from simulation.venue.requests import check_force, check_prices


def make_order(
    book: Book,
    request: VenueRequest,
    *,
    symbol: str,
    is_crypto: bool,
    at: datetime,
    times: tuple[datetime | None, datetime | None],
) -> Order:
    """Build the order that a request asks for, with its legs; the book does not know them yet."""
    activates_at, expires_at = times
    is_oco = request.order_class is VenueOrderClass.OCO
    seq, order_id = book.next_id()
    order = Order(
        id=order_id,
        seq=seq,
        client_order_id=request.client_order_id or _client_id(order_id),
        symbol=symbol,
        is_crypto=is_crypto,
        side=request.side,
        qty=request.qty,
        type=request.type,
        time_in_force=request.time_in_force,
        order_class=request.order_class,
        role=VenueRole.TAKE_PROFIT if is_oco else VenueRole.ENTRY,
        extended_hours=request.extended_hours,
        created_at=at,
        updated_at=at,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        activates_at=activates_at,
        expires_at=expires_at,
    )
    legs: list[tuple[VenueRole, VenueOrderType, Decimal | None, Decimal | None]] = []
    if request.take_profit is not None and not is_oco:
        legs.append((VenueRole.TAKE_PROFIT, VenueOrderType.LIMIT, request.take_profit, None))
    if request.stop_loss is not None:
        kind = VenueOrderType.STOP if request.stop_loss_limit is None else VenueOrderType.STOP_LIMIT
        legs.append((VenueRole.STOP_LOSS, kind, request.stop_loss_limit, request.stop_loss))
    for number, (role, kind, limit, stop) in enumerate(legs, start=1):
        leg_id = str(uuid.uuid5(VENUE_IDS, f"{order_id}:leg:{number}"))
        order.legs.append(
            Order(
                id=leg_id,
                seq=seq + number,
                client_order_id=_client_id(leg_id),
                symbol=symbol,
                is_crypto=is_crypto,
                side=order.side if is_oco else _other(order.side),
                qty=order.qty,
                type=kind,
                time_in_force=order.time_in_force,
                order_class=order.order_class,
                role=role,
                extended_hours=False,
                created_at=at,
                updated_at=at,
                limit_price=limit,
                stop_price=stop,
                status=VenueStatus.HELD if not is_oco or book.config.armed_stop_status == "held" else VenueStatus.NEW,
                activates_at=activates_at,
                expires_at=expires_at,
                parent=order,
                is_armed=is_oco,
            )
        )
    return order


def replacement_request(old: Order, changes: ReplaceRequest, config: VenueConfig) -> VenueRequest:
    """Read an order and its changes as one request.

    Raises
    ------
    Refusal
        422 where nothing changes, or a group's quantity or time in force would.
    """
    is_grouped = old.order_class is not VenueOrderClass.SIMPLE
    if is_grouped and (changes.qty not in {None, old.qty} or changes.time_in_force not in {None, old.time_in_force}):
        raise invalid("only limit_price and stop_price of complex orders can be replaced")
    if changes.trail is not None and old.type is not VenueOrderType.TRAILING_STOP:
        raise invalid(f"{old.type.value} orders must not have trail")
    kept = old.qty if config.replace_keeps_qty else old.remaining
    trailing = changes.trail is not None
    request = VenueRequest(
        symbol=old.symbol,
        side=old.side,
        qty=changes.qty if changes.qty is not None else kept,
        type=old.type,
        time_in_force=changes.time_in_force or old.time_in_force,
        limit_price=changes.limit_price if changes.limit_price is not None else old.limit_price,
        stop_price=changes.stop_price if changes.stop_price is not None else old.stop_price,
        trail_price=changes.trail if trailing and old.trail_price is not None else old.trail_price,
        trail_percent=changes.trail if trailing and old.trail_percent is not None else old.trail_percent,
        extended_hours=old.extended_hours,
        client_order_id=changes.client_order_id,
    )
    check_prices(replace(request, stop_price=None) if old.type is VenueOrderType.TRAILING_STOP else request)
    check_force(request)
    same = ("qty", "time_in_force", "limit_price", "stop_price", "trail_price", "trail_percent")
    if changes.client_order_id is None and all(getattr(request, name) == getattr(old, name) for name in same):
        raise invalid("order parameters are not changed")
    return request


def make_replacement(book: Book, old: Order, request: VenueRequest, *, at: datetime) -> Order:
    """Build the successor of a working order; it keeps role, group and times."""
    seq, order_id = book.next_id()
    return Order(
        id=order_id,
        seq=seq,
        client_order_id=request.client_order_id or _client_id(order_id),
        symbol=old.symbol,
        is_crypto=old.is_crypto,
        side=old.side,
        qty=request.qty,
        type=old.type,
        time_in_force=request.time_in_force,
        order_class=old.order_class,
        role=old.role,
        extended_hours=old.extended_hours,
        created_at=at,
        updated_at=at,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        hwm=old.hwm,
        status=VenueStatus.HELD if old.status is VenueStatus.HELD else VenueStatus.NEW,
        expires_at=old.expires_at,
        is_armed=old.is_armed,
        is_triggered=old.is_triggered,
    )


def _client_id(order_id: str) -> str:
    """Client order id where the client gave none."""
    return str(uuid.uuid5(VENUE_IDS, f"{order_id}:client"))


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
