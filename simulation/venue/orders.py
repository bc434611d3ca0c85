"""Orders as the venue keeps them: their vocabulary, their state, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from shared.core.values import ZERO, Side


class VenueOrderType(StrEnum):
    """How an order asks for its price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class VenueTimeInForce(StrEnum):
    """How long an order stands."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class VenueOrderClass(StrEnum):
    """Whether other orders hang on this one."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class VenueRole(StrEnum):
    """Part that an order plays in its group."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class VenueStatus(StrEnum):
    """Alpaca's order statuses that this venue gives."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in FINAL


FINAL = frozenset({VenueStatus.FILLED, VenueStatus.CANCELED, VenueStatus.EXPIRED, VenueStatus.REPLACED})
STOPS = frozenset({VenueOrderType.STOP, VenueOrderType.STOP_LIMIT, VenueOrderType.TRAILING_STOP})
AT_ONCE = frozenset({VenueTimeInForce.IOC, VenueTimeInForce.FOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRequest:
    """A checked wish of the client. Prices in USD per share, `qty` in shares (or coins)."""

    symbol: str
    side: Side
    qty: Decimal
    type: VenueOrderType
    time_in_force: VenueTimeInForce = VenueTimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    order_class: VenueOrderClass = VenueOrderClass.SIMPLE
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRequest:
    """Changes to a working order; None keeps what was."""

    qty: Decimal | None = None
    time_in_force: VenueTimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    client_order_id: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One order and all that became of it. The engine alone changes it.

    `scan_on` and `scan_from` say from which point of which date's strip the tape has still to be looked at;
    `has_rested` that it has stood in the book unmarketable, so that it now gets its own price and not the quote's.
    """

    id: str
    seq: int
    client_order_id: str
    symbol: str
    is_crypto: bool
    side: Side
    qty: Decimal
    type: VenueOrderType
    time_in_force: VenueTimeInForce
    order_class: VenueOrderClass
    role: VenueRole
    extended_hours: bool
    created_at: datetime
    updated_at: datetime
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    status: VenueStatus = VenueStatus.PENDING_NEW
    filled_qty: Decimal = ZERO
    filled_notional: Decimal = ZERO
    fees: Decimal = ZERO
    reserve_price: Decimal = ZERO
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    parent: Order | None = field(default=None, repr=False)
    legs: list[Order] = field(default_factory=list, repr=False)
    is_armed: bool = True
    is_triggered: bool = False
    has_rested: bool = False
    scan_on: date | None = None
    scan_from: int = 0

    @property
    def remaining(self) -> Decimal:
        """Shares still to be filled."""
        return self.qty - self.filled_qty

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return not self.status.is_final

    @property
    def is_live(self) -> bool:
        """Whether it can fill: open, and not waiting for its entry."""
        return self.is_armed and not self.status.is_final

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Mean fill price in USD per share."""
        return self.filled_notional / self.filled_qty if self.filled_qty else None

    @property
    def acts_as(self) -> VenueOrderType:
        """Type that counts for the match: a triggered stop is a market order, a triggered stop limit a limit order."""
        if not self.is_triggered:
            return self.type
        return VenueOrderType.LIMIT if self.type is VenueOrderType.STOP_LIMIT else VenueOrderType.MARKET

    @property
    def head(self) -> Order:
        """First order of its group."""
        return self.parent or self

    @property
    def rivals(self) -> list[Order]:
        """Orders that this one's fill cancels: the other exit of its bracket or OCO."""
        head = self.head
        exits = [head, *head.legs] if head.order_class is VenueOrderClass.OCO else head.legs
        return [order for order in exits if order is not self] if self in exits else []

    @property
    def group(self) -> list[Order]:
        """Every order that is canceled with this one, itself excluded."""
        return [order for order in (self.head, *self.head.legs) if order is not self]
