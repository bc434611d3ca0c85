"""What the venue says no to, in Alpaca's words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from shared.core.values import plain


class Refusal(Exception):  # noqa: N818 - the field's word; it is an answer, not a fault
    """A request that the venue refuses.

    Parameters
    ----------
    status : int
        HTTP status of the answer.
    code : int
        Alpaca's error code.
    message : str
        Alpaca's text.
    detail : mapping
        Further members of the error body.
    """

    def __init__(self, status: int, code: int, message: str, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = dict(detail or {})

    def body(self) -> dict[str, object]:
        """Members of the JSON answer."""
        return {"code": self.code, "message": self.message, **self.detail}


def invalid(message: str) -> Refusal:
    """422: the request itself is wrong."""
    return Refusal(422, 42210000, message)


def not_found(message: str) -> Refusal:
    """404: no such order, position or asset."""
    return Refusal(404, 40410000, message)


def duplicate_client_order_id() -> Refusal:
    """422: the client order id was used before."""
    return Refusal(422, 40010001, "client_order_id must be unique")


def insufficient_buying_power(power: Decimal, cost: Decimal) -> Refusal:
    """403: the order costs more than the account may spend."""
    return Refusal(
        403, 40310000, "insufficient buying power", {"buying_power": plain(power), "cost_basis": plain(cost)}
    )


def insufficient_qty(symbol: str, requested: Decimal, held: Decimal, reserved: Decimal, related: list[str]) -> Refusal:
    """403: more would be sold than is held and free of other orders."""
    available = plain(max(held - reserved, Decimal(0)))
    return Refusal(
        403,
        40310000,
        f"insufficient qty available for order (requested: {plain(requested)}, available: {available})",
        {
            "available": available,
            "existing_qty": plain(held),
            "held_for_orders": plain(reserved),
            "related_orders": related,
            "symbol": symbol,
        },
    )


def wash_trade(existing_order_id: str, reason: str) -> Refusal:
    """403: the order could trade with one of our own."""
    return Refusal(
        403,
        40310000,
        "potential wash trade detected. use complex orders",
        {"existing_order_id": existing_order_id, "reject_reason": reason},
    )
