"""The trading API: orders, positions, account, assets, clock and calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.core.values import parse_utc
from simulation.venue.engine import Exchange
from simulation.venue.face.desk import answer, body_of, choice, day, desk_of, flag, instant, number, words
from simulation.venue.matching import lot_size
from simulation.venue.orders import Order
from simulation.venue.refusals import Refusal, invalid, not_found
from simulation.venue.requests import parse_order, parse_replace
from simulation.venue.views import (
    Json,
    account_json,
    asset_id,
    asset_json,
    calendar_json,
    clock_json,
    order_json,
    position_json,
    receipt_json,
)

MULTI_STATUS = 207
CONFIGURABLE = frozenset(
    {"fractional_trading", "max_margin_multiplier", "no_shorting", "suspend_trade", "trade_confirm_email"}
    | {"ptp_no_exception_entry", "max_options_trading_level", "dtbp_check", "pdt_check", "disable_overnight_trading"}
)


async def get_account(request: Request) -> Response:
    """GET /v2/account."""
    return answer(account_json(desk_of(request).exchange))


async def get_configuration(request: Request) -> Response:
    """GET /v2/account/configurations."""
    return answer(desk_of(request).configuration)


async def patch_configuration(request: Request) -> Response:
    """PATCH /v2/account/configurations; only `suspend_trade` has an effect here."""
    desk = desk_of(request)
    changes = await body_of(request)
    if unknown := sorted(changes.keys() - CONFIGURABLE):
        raise invalid(f"unknown configuration: {', '.join(unknown)}")
    desk.configuration.update({name: value for name, value in changes.items() if value is not None})
    return answer(desk.configuration)


async def post_order(request: Request) -> Response:
    """POST /v2/orders."""
    desk = desk_of(request)
    wish = parse_order(await body_of(request))
    if desk.configuration["suspend_trade"] is True:
        raise Refusal(403, 40310000, "new orders are rejected by user request")
    return answer(receipt_json(desk.exchange.submit(wish)))


async def list_orders(request: Request) -> Response:
    """GET /v2/orders."""
    exchange = desk_of(request).exchange
    nested = flag(request, "nested")
    status = choice(request, "status", ("open", "closed", "all"))
    limit = number(request, "limit", 50, maximum=500)
    matches = _order_filter(request, exchange)
    found = [
        order
        for order in exchange.book.orders.values()
        if matches(order) and not (nested and order.parent is not None) and _has_status(order, status, nested=nested)
    ]
    newest_first = choice(request, "direction", ("desc", "asc")) == "desc"
    found.sort(key=lambda order: (order.created_at, order.seq), reverse=newest_first)
    beside = [row for row in exchange.beside.orders if _is_asked_for(request, row, status)]
    return answer([*beside, *(_show(exchange, order, nested=nested) for order in found)][:limit])


def _is_asked_for(request: Request, row: Json, status: str) -> bool:
    """Whether a row of a person's own belongs in a list; no filter but status and time is applied to it."""
    after, until = instant(request, "after"), instant(request, "until")
    at = parse_utc(row["created_at"])
    is_open = row["status"] == "new"
    in_time = (after is None or at > after) and (until is None or at <= until)
    return in_time and (status == "all" or is_open == (status == "open"))


def _order_filter(request: Request, exchange: Exchange) -> Callable[[Order], bool]:
    after, until = instant(request, "after"), instant(request, "until")
    symbols, side = set(words(request, "symbols")), request.query_params.get("side")
    classes = set(words(request, "asset_class"))
    bounds = {name: request.query_params.get(name) for name in ("before_order_id", "after_order_id")}
    seqs = {name: exchange.order(value).seq if value else None for name, value in bounds.items()}
    below, above = seqs["before_order_id"], seqs["after_order_id"]

    def matches(order: Order) -> bool:
        return (
            (after is None or order.created_at > after)
            and (until is None or order.created_at <= until)
            and (not symbols or order.symbol in symbols)
            and (not side or order.side == side)
            and (not classes or ("crypto" if order.is_crypto else "us_equity") in classes)
            and (below is None or order.seq < below)
            and (above is None or order.seq > above)
        )

    return matches


def _has_status(order: Order, status: str, *, nested: bool) -> bool:
    is_open = order.is_open or (nested and any(leg.is_open for leg in order.legs))
    return status == "all" or is_open == (status == "open")


def _show(exchange: Exchange, order: Order, *, nested: bool) -> Json:
    return order_json(order, nested=nested, hwm=exchange.high_water_mark)


async def get_order(request: Request) -> Response:
    """GET /v2/orders/{order_id}."""
    exchange = desk_of(request).exchange
    order = exchange.order(request.path_params["order_id"])
    return answer(_show(exchange, order, nested=flag(request, "nested")))


async def get_order_by_client_id(request: Request) -> Response:
    """GET /v2/orders:by_client_order_id."""
    exchange = desk_of(request).exchange
    client_order_id = request.query_params.get("client_order_id")
    if not client_order_id:
        raise invalid("client_order_id is required")
    if beside := exchange.beside.order(client_order_id):
        return answer(beside)
    order = exchange.order_by_client_id(client_order_id)
    return answer(_show(exchange, order, nested=flag(request, "nested")))


async def patch_order(request: Request) -> Response:
    """PATCH /v2/orders/{order_id}."""
    exchange = desk_of(request).exchange
    changes = parse_replace(await body_of(request))
    return answer(receipt_json(exchange.replace(request.path_params["order_id"], changes)))


async def delete_order(request: Request) -> Response:
    """DELETE /v2/orders/{order_id}."""
    exchange, order_id = desk_of(request).exchange, request.path_params["order_id"]
    if not exchange.beside.cancel(order_id):
        exchange.cancel(order_id)
    return Response(status_code=204)


async def delete_orders(request: Request) -> Response:
    """DELETE /v2/orders."""
    exchange = desk_of(request).exchange
    canceled = exchange.cancel_all()
    body = [{"id": order.id, "status": 200, "body": _show(exchange, order, nested=False)} for order in canceled]
    return answer(body, MULTI_STATUS)


async def list_positions(request: Request) -> Response:
    """GET /v2/positions."""
    exchange = desk_of(request).exchange
    positions = sorted(exchange.account.positions.items())
    return answer([*exchange.beside.positions, *(position_json(exchange, position) for _, position in positions)])


async def get_position(request: Request) -> Response:
    """GET /v2/positions/{symbol or asset id}."""
    exchange = desk_of(request).exchange
    if beside := exchange.beside.position(request.path_params["symbol"]):
        return answer(beside)
    symbol = _symbol(exchange, request.path_params["symbol"])
    position = exchange.account.positions.get(symbol)
    if position is None:
        raise not_found("position does not exist")
    return answer(position_json(exchange, position))


async def delete_position(request: Request) -> Response:
    """DELETE /v2/positions/{symbol or asset id}, whole or in part."""
    exchange = desk_of(request).exchange
    if exchange.beside.position(request.path_params["symbol"]):
        exchange.beside.touched.append(f"sell {request.path_params['symbol']}")
        raise Refusal(403, 40310000, "a row beside the venue's own is not traded")
    symbol = _symbol(exchange, request.path_params["symbol"])
    return answer(receipt_json(exchange.close_position(symbol, _part(request, exchange, symbol))))


async def delete_positions(request: Request) -> Response:
    """DELETE /v2/positions."""
    exchange = desk_of(request).exchange
    if flag(request, "cancel_orders"):
        exchange.cancel_all()
    body: list[Json] = []
    for symbol in sorted(exchange.account.positions):
        try:
            order = exchange.close_position(symbol)
        except Refusal as refusal:
            body.append({"symbol": symbol, "status": refusal.status, "body": refusal.body()})
        else:
            body.append({"symbol": symbol, "status": 200, "order_id": order.id, "body": receipt_json(order)})
    return answer(body, MULTI_STATUS)


def _part(request: Request, exchange: Exchange, symbol: str) -> Decimal | None:
    """Quantity of a partial close; None closes all."""
    qty, percentage = request.query_params.get("qty"), request.query_params.get("percentage")
    try:
        if qty:
            return Decimal(qty)
        if percentage:
            held = abs(exchange.account.held(symbol))
            lot = lot_size(is_crypto=exchange.view.is_crypto(symbol))
            return (held * Decimal(percentage) / 100 // lot) * lot
    except InvalidOperation:
        raise invalid("qty and percentage must be numbers") from None
    return None


def _symbol(exchange: Exchange, text: str) -> str:
    """Symbol of a symbol, a pair without its slash, or an asset id.

    Raises
    ------
    Refusal
        404.
    """
    assets = exchange.tape.assets
    if text in assets:
        return text
    for symbol in assets:
        if text in {asset_id(symbol), symbol.replace("/", "")}:
            return symbol
    raise not_found(f"asset not found for {text}")


async def list_assets(request: Request) -> Response:
    """GET /v2/assets."""
    status, kind = request.query_params.get("status"), request.query_params.get("asset_class")
    venue = request.query_params.get("exchange")
    assets = desk_of(request).exchange.tape.assets.values()
    if status not in {None, "", "active", "all"}:
        return answer([])
    return answer(
        [
            asset_json(asset)
            for asset in assets
            if (not kind or asset.asset_class == kind) and (not venue or asset.exchange == venue)
        ]
    )


async def get_asset(request: Request) -> Response:
    """GET /v2/assets/{symbol or asset id}."""
    exchange = desk_of(request).exchange
    return answer(asset_json(exchange.tape.assets[_symbol(exchange, request.path_params["symbol"])]))


async def get_clock(request: Request) -> Response:
    """GET /v2/clock."""
    return answer(clock_json(desk_of(request).exchange))


async def get_calendar(request: Request) -> Response:
    """GET /v2/calendar."""
    exchange = desk_of(request).exchange
    today = exchange.now.date()
    start: date = day(request, "start") or today - timedelta(days=365)
    end: date = day(request, "end") or today + timedelta(days=365)
    return answer([calendar_json(each) for each in exchange.calendar.between(start, end)])


ROUTES: list[BaseRoute] = [
    Route("/v2/account", get_account),
    Route("/v2/account/configurations", get_configuration),
    Route("/v2/account/configurations", patch_configuration, methods=["PATCH"]),
    Route("/v2/orders", list_orders),
    Route("/v2/orders", post_order, methods=["POST"]),
    Route("/v2/orders", delete_orders, methods=["DELETE"]),
    Route("/v2/orders:by_client_order_id", get_order_by_client_id),
    Route("/v2/orders/{order_id}", get_order),
    Route("/v2/orders/{order_id}", patch_order, methods=["PATCH"]),
    Route("/v2/orders/{order_id}", delete_order, methods=["DELETE"]),
    Route("/v2/positions", list_positions),
    Route("/v2/positions", delete_positions, methods=["DELETE"]),
    Route("/v2/positions/{symbol:path}", get_position),
    Route("/v2/positions/{symbol:path}", delete_position, methods=["DELETE"]),
    Route("/v2/assets", list_assets),
    Route("/v2/assets/{symbol:path}", get_asset),
    Route("/v2/clock", get_clock),
    Route("/v2/calendar", get_calendar),
]
