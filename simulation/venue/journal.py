"""The venue's own append-only log: every order event and fill with engine time, for checkers and case files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.core.values import ZERO, iso, plain
from simulation.venue.orders import Order


class VenueEvent(StrEnum):
    """What happened to an order."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    ARMED = "armed"
    TRIGGERED = "triggered"
    RESIZED = "resized"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One order event. Prices in USD; `fill_*` and `fee` are zero but on fills; `*_after` hold once it is done."""

    seq: int
    at: datetime
    event: VenueEvent
    order_id: str
    client_order_id: str
    head_id: str
    role: str
    symbol: str
    side: str
    type: str
    order_class: str
    status: str
    is_armed: bool
    qty: Decimal
    filled_qty: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    fill_qty: Decimal
    fill_price: Decimal
    fee: Decimal
    position_after: Decimal
    cash_after: Decimal

    def as_json(self) -> dict[str, object]:
        """Members for a JSON line: money as strings, absent prices as null."""
        members: dict[str, object] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                value = plain(value)
            elif isinstance(value, datetime):
                value = iso(value)
            members[name] = value
        return members


def entry_of(
    order: Order,
    event: VenueEvent,
    *,
    seq: int,
    at: datetime,
    position: Decimal,
    cash: Decimal,
    fill_qty: Decimal = ZERO,
    fill_price: Decimal = ZERO,
    fee: Decimal = ZERO,
) -> LogEntry:
    """Entry that records an order as it stands after an event."""
    return LogEntry(
        seq=seq,
        at=at,
        event=event,
        order_id=order.id,
        client_order_id=order.client_order_id,
        head_id=order.head.id,
        role=order.role.value,
        symbol=order.symbol,
        side=order.side.value,
        type=order.type.value,
        order_class=order.order_class.value,
        status=order.status.value,
        is_armed=order.is_armed,
        qty=order.qty,
        filled_qty=order.filled_qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        fill_qty=fill_qty,
        fill_price=fill_price,
        fee=fee,
        position_after=position,
        cash_after=cash,
    )
