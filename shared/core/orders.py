"""Orders as the broker knows them: what we ask for, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.core.values import Side, Symbol, require, require_at_least, require_positive, require_symbol, require_utc

MAX_CLIENT_ORDER_ID = 48


class OrderType(StrEnum):
    """Order types in the broker's words."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class OrderClass(StrEnum):
    """How an order's legs hang together, in the broker's words."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"


class OrderStatus(StrEnum):
    """Every status Alpaca documents, and UNKNOWN for one it has invented since."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PENDING_REVIEW = "pending_review"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    HELD = "held"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Nothing more will be filled under this order."""
        return self in _FINAL

    @property
    def is_working(self) -> bool:
        """The order stands at the venue and may fill."""
        return self in _WORKING


_FINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REPLACED,
        OrderStatus.REJECTED,
        OrderStatus.DONE_FOR_DAY,
    }
)
_WORKING = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to be sent. Prices in USD per unit, on the tick; `qty` in units of the asset.

    A bracket carries `stop_price` and `target_price` of its exit legs besides the entry's own `limit_price`; an OCO
    sells the position at `target_price` (limit) or `stop_price` (stop), whichever comes first.
    """

    client_order_id: str
    symbol: Symbol
    side: Side
    qty: Decimal
    order_type: OrderType
    order_class: OrderClass = OrderClass.SIMPLE
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    extended_hours: bool = False

    def __post_init__(self) -> None:
        length = len(self.client_order_id)
        require(0 < length <= MAX_CLIENT_ORDER_ID, "client_order_id", self.client_order_id, "1 to 48 characters")
        require_symbol("symbol", self.symbol)
        require_positive("qty", self.qty)
        for name in ("limit_price", "stop_price", "target_price"):
            if (price := getattr(self, name)) is not None:
                require_positive(name, price)
        if self.order_type is OrderType.LIMIT and self.order_class is not OrderClass.OCO:
            require(self.limit_price is not None, "limit_price", self.limit_price, "given for a limit order")
        if self.order_class is not OrderClass.SIMPLE:
            legs = (self.stop_price, self.target_price)
            require(None not in legs, "stop_price, target_price", legs, f"given for {self.order_class}")
            require(not self.extended_hours, "extended_hours", True, "false: legs exist in the regular session only")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """One order as the broker last described it. `status_text` keeps the broker's own word for an UNKNOWN status."""

    order_id: str
    client_order_id: str
    symbol: Symbol
    side: Side
    order_type: str
    order_class: str
    status: OrderStatus
    status_text: str
    qty: Decimal
    filled_qty: Decimal
    filled_average_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    submitted_at: datetime
    updated_at: datetime
    filled_at: datetime | None = None
    parent_order_id: str | None = None
    replaced_by: str | None = None
    legs: tuple[BrokerOrder, ...] = ()

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_at_least("filled_qty", self.filled_qty, 0)
        require_utc("submitted_at", self.submitted_at)
        require_utc("updated_at", self.updated_at)

    @property
    def remaining_qty(self) -> Decimal:
        """What is not filled yet."""
        return self.qty - self.filled_qty
