"""From a client's JSON to a checked order: Alpaca's rules that need neither account nor market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from shared.core.values import ONE_DOLLAR, ZERO, Side, plain
from simulation.venue.orders import (
    AT_ONCE,
    ReplaceRequest,
    VenueOrderClass,
    VenueOrderType,
    VenueRequest,
    VenueTimeInForce,
)
from simulation.venue.refusals import Refusal, invalid

CLIENT_ORDER_ID_MAX = 128
CRYPTO_TYPES = frozenset({VenueOrderType.MARKET, VenueOrderType.LIMIT, VenueOrderType.STOP_LIMIT})
CRYPTO_FORCES = frozenset({VenueTimeInForce.GTC, VenueTimeInForce.IOC})
LASTING = frozenset({VenueTimeInForce.DAY, VenueTimeInForce.GTC})
AUCTIONS = frozenset({VenueTimeInForce.OPG, VenueTimeInForce.CLS})
AT_A_PRICE = frozenset({VenueOrderType.LIMIT, VenueOrderType.STOP_LIMIT})
AT_A_STOP = frozenset({VenueOrderType.STOP, VenueOrderType.STOP_LIMIT})

Json = Mapping[str, object]


def parse_order(body: Json) -> VenueRequest:
    """Read a POST /v2/orders body.

    Raises
    ------
    Refusal
        422 with Alpaca's words where a field is missing, malformed or does not fit the others.
    """
    if body.get("notional") is not None:
        raise invalid("notional orders are not supported by this venue: give qty")
    if body.get("order_class") == "mleg":
        raise invalid("mleg orders are not supported by this venue")
    take_profit, stop_loss = _part(body, "take_profit"), _part(body, "stop_loss")
    request = VenueRequest(
        symbol=_text(body, "symbol"),
        side=_choice(Side, body, "side"),
        qty=_qty(body, required=True) or ZERO,
        type=_choice(VenueOrderType, body, "type"),
        time_in_force=_choice(VenueTimeInForce, body, "time_in_force"),
        limit_price=_price(body, "limit_price"),
        stop_price=_price(body, "stop_price"),
        trail_price=_number(body, "trail_price"),
        trail_percent=_number(body, "trail_percent"),
        extended_hours=_flag(body, "extended_hours"),
        client_order_id=_client_order_id(body),
        order_class=_choice(VenueOrderClass, body, "order_class")
        if body.get("order_class")
        else VenueOrderClass.SIMPLE,
        take_profit=_price(take_profit, "limit_price", "take_profit."),
        stop_loss=_price(stop_loss, "stop_price", "stop_loss."),
        stop_loss_limit=_price(stop_loss, "limit_price", "stop_loss."),
    )
    if request.order_class is VenueOrderClass.OCO and request.limit_price is None:
        request = replace(request, limit_price=request.take_profit)
    check_prices(request)
    check_force(request)
    check_legs(request)
    return request


def parse_replace(body: Json) -> ReplaceRequest:
    """Read a PATCH /v2/orders/{id} body."""
    return ReplaceRequest(
        qty=_qty(body, required=False),
        time_in_force=_choice(VenueTimeInForce, body, "time_in_force") if body.get("time_in_force") else None,
        limit_price=_price(body, "limit_price"),
        stop_price=_price(body, "stop_price"),
        trail=_number(body, "trail"),
        client_order_id=_client_order_id(body),
    )


def check_prices(request: VenueRequest) -> None:
    """Each type has exactly the prices that it needs."""
    kind = request.type
    for name, value, wanted in (
        ("limit_price", request.limit_price, kind in AT_A_PRICE),
        ("stop_price", request.stop_price, kind in AT_A_STOP),
    ):
        if wanted and value is None:
            raise invalid(f"{kind.value} orders require {name}")
        if not wanted and value is not None:
            raise invalid(f"{kind.value} orders must not have {name}")
    trails = [value for value in (request.trail_price, request.trail_percent) if value is not None]
    if kind is VenueOrderType.TRAILING_STOP:
        if len(trails) != 1:
            raise invalid("trailing_stop orders require exactly one of trail_price and trail_percent")
        if trails[0] <= 0:
            raise invalid("trail_price and trail_percent must be > 0")
    elif trails:
        raise invalid(f"{kind.value} orders must not have trail_price or trail_percent")


def check_force(request: VenueRequest) -> None:
    """Time in force and extended hours fit the type and the class."""
    if request.extended_hours and (request.type is not VenueOrderType.LIMIT or request.time_in_force not in LASTING):
        raise invalid("extended hours order must be DAY or GTC limit orders")
    if request.time_in_force in AT_ONCE | AUCTIONS and request.type not in {
        VenueOrderType.MARKET,
        VenueOrderType.LIMIT,
    }:
        raise invalid(f"{request.type.value} orders cannot be {request.time_in_force.value}")


def check_legs(request: VenueRequest) -> None:
    """The exits of bracket, OCO and OTO orders are all there and on the right sides of each other."""
    kind, profit, loss = request.order_class, request.take_profit, request.stop_loss
    if kind is VenueOrderClass.SIMPLE:
        if profit is not None or loss is not None:
            raise invalid("simple orders must not have take_profit or stop_loss")
        return
    if request.time_in_force not in LASTING:
        raise invalid(f"{kind.value} orders must be DAY or GTC")
    if request.extended_hours:
        raise invalid(f"{kind.value} orders do not support extended hours")
    if kind is VenueOrderClass.OCO:
        profit = profit if profit is not None else request.limit_price
        if request.type is not VenueOrderType.LIMIT:
            raise invalid("oco orders must be limit orders")
    if kind in {VenueOrderClass.BRACKET, VenueOrderClass.OCO}:
        if profit is None:
            raise invalid(f"{kind.value} orders require take_profit.limit_price")
        if loss is None:
            raise invalid(f"{kind.value} orders require stop_loss.stop_price")
        exit_is_sell = (request.side is Side.BUY) == (kind is VenueOrderClass.BRACKET)
        if (profit <= loss) if exit_is_sell else (profit >= loss):
            relation = ">" if exit_is_sell else "<"
            raise invalid(f"take_profit.limit_price must be {relation} stop_loss.stop_price")
    elif (profit is None) == (loss is None):
        raise invalid("oto orders require either take_profit or stop_loss")


def check_crypto(request: VenueRequest) -> None:
    """What Alpaca takes for crypto: market, limit and stop limit, gtc or ioc, no groups."""
    if request.type not in CRYPTO_TYPES:
        raise invalid(f"{request.type.value} orders are not supported for crypto")
    if request.time_in_force not in CRYPTO_FORCES:
        raise invalid("crypto orders must be GTC or IOC")
    if request.order_class is not VenueOrderClass.SIMPLE:
        raise invalid("complex orders are not supported for crypto")


def check_whole_shares(qty: Decimal) -> None:
    """Equities trade in whole shares here."""
    if qty != qty.to_integral_value():
        raise invalid("fractional orders are not supported by this venue: give whole shares")


def check_increment(name: str, price: Decimal | None) -> None:
    """No more decimals than SEC Rule 612 allows: two from one dollar up, four below."""
    if price is None:
        return
    exponent = price.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > (2 if price >= ONE_DOLLAR else 4):
        raise invalid(f"invalid {name} {plain(price)}. sub-penny increment does not fulfill minimum pricing criteria")


def _part(body: Json, name: str) -> Json:
    part = body.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise invalid(f"{name} must be an object")
    return part


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required")
    return value


def _choice[E: StrEnum](kind: type[E], body: Json, name: str) -> E:
    value = _text(body, name)
    try:
        return kind(value)
    except ValueError:
        raise invalid(f"invalid {name}: {value}") from None


def _number(body: Json, name: str, prefix: str = "") -> Decimal | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidOperation
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise invalid(f"{prefix}{name} must be a number") from None
    if not number.is_finite():
        raise invalid(f"{prefix}{name} must be a finite number")
    return number


def _price(body: Json, name: str, prefix: str = "") -> Decimal | None:
    price = _number(body, name, prefix)
    if price is not None and price <= 0:
        raise invalid(f"{prefix}{name} must be > 0")
    return price


def _qty(body: Json, *, required: bool) -> Decimal | None:
    qty = _number(body, "qty")
    if qty is None and required:
        raise invalid("qty or notional is required")
    if qty is not None and qty <= 0:
        raise invalid("qty must be > 0")
    return qty


def _flag(body: Json, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{name} must be true or false")
    return bool(value)


def _client_order_id(body: Json) -> str | None:
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > CLIENT_ORDER_ID_MAX:
        raise Refusal(422, 40010001, f"client_order_id must be a string of at most {CLIENT_ORDER_ID_MAX} characters")
    return value
