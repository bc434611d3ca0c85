"""The market data API for stocks and crypto: what has been seen by now, and never more."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.core.market import Timeframe
from simulation.venue.calendar import midnight, new_york_date
from simulation.venue.face.actions import ROUTES as ACTION_ROUTES
from simulation.venue.face.bar_json import RowSource
from simulation.venue.face.desk import Desk, choice, desk_of, instant, number, raw_answer, words
from simulation.venue.face.latest import (
    latest_bar,
    latest_quote,
    latest_trade,
    order_book,
    snapshot,
)
from simulation.venue.refusals import Refusal

PAGE = 1000
PAGE_MAX = 10_000
MINUTES = {f"{count}T": f"{count}Min" for count in (1, 5, 15)}
ALIASES = MINUTES | {"60Min": "1Hour", "1H": "1Hour", "4H": "4Hour", "1D": "1Day", "24Hour": "1Day"}

Latest = Callable[[Desk, str], str | None]


def bad_request(message: str) -> Refusal:
    """400 in the market data API's form."""
    return Refusal(400, 40010000, message)


def known_symbols(request: Request) -> list[str]:
    """Symbols of a request that the tape has, in order, each once.

    Raises
    ------
    Refusal
        400 where none is named.
    """
    named = [request.path_params["symbol"]] if "symbol" in request.path_params else words(request, "symbols")
    if not named:
        raise bad_request("symbols is required")
    assets = desk_of(request).exchange.tape.assets
    return [symbol for symbol in dict.fromkeys(named) if symbol in assets]


def timeframe_of(request: Request) -> Timeframe:
    """Timeframe of a request.

    Raises
    ------
    Refusal
        400 for one the tape does not know.
    """
    text = request.query_params.get("timeframe", "")
    try:
        return Timeframe(ALIASES.get(text, text))
    except ValueError:
        raise bad_request(f"invalid timeframe: {text}; this venue has {', '.join(Timeframe)}") from None


async def history(request: Request, member: str, source: RowSource, *, is_daily: bool = False) -> Response:
    """Answer rows of several symbols, symbol by symbol, in pages."""
    desk = desk_of(request)
    now = desk.exchange.now
    start = instant(request, "start") or midnight(new_york_date(now))
    end = min(instant(request, "end") or now, now)
    limit = number(request, "limit", PAGE, maximum=PAGE_MAX)
    backwards = choice(request, "sort", ("asc", "desc")) == "desc"
    skip = _read_token(request.query_params.get("page_token"))
    found: dict[str, list[str]] = {}
    token: str | None = None
    for symbol in sorted(known_symbols(request)):
        if skip is not None and symbol < skip[0]:
            continue
        passed = skip[1] if skip is not None and symbol == skip[0] else 0
        dates = [new_york_date(now)] if is_daily else desk.sheets.dates(start.timestamp(), end.timestamp())
        rows = _rows(source, symbol, dates, (start, end, now), backwards=backwards)
        reservation = limit - sum(map(len, found.values()))
        page = _slice(rows, passed, reservation + 1)
        if len(page) > reservation:
            token = _make_token(symbol, passed + reservation)
            page = page[:reservation]
        if page:
            found[symbol] = page
        if token is not None:
            break
    return _page(request, member, found, token)


def _page(request: Request, member: str, found: dict[str, list[str]], token: str | None) -> Response:
    tail = f'"next_page_token":{json.dumps(token)}'
    if "symbol" in request.path_params:
        symbol = request.path_params["symbol"]
        rows = ",".join(found.get(symbol, ()))
        return raw_answer(f'{{"{member}":[{rows}],"symbol":{json.dumps(symbol)},{tail}}}')
    parts = ",".join(f'"{symbol}":[{",".join(rows)}]' for symbol, rows in found.items())
    return raw_answer(f'{{"{member}":{{{parts}}},{tail}}}')


def _rows(
    source: RowSource,
    symbol: str,
    dates: list[date],
    span: tuple[datetime, datetime, datetime],
    *,
    backwards: bool,
) -> Iterable[list[str]]:
    start_s, end_s, now_s = (at.timestamp() for at in span)
    for on in reversed(dates) if backwards else dates:
        sheet = source(symbol, on)
        lo, hi = sheet.cut(start_s, end_s, now_s)
        rows = sheet.rows[lo:hi]
        yield rows[::-1] if backwards else rows


def _slice(parts: Iterable[list[str]], skip: int, count: int) -> list[str]:
    """Rows [skip, skip + count) of consecutive lists, reading no more lists than needed."""
    taken: list[str] = []
    for part in parts:
        if skip >= len(part):
            skip -= len(part)
            continue
        taken.extend(part[skip : skip + count - len(taken)])
        skip = 0
        if len(taken) >= count:
            break
    return taken


def _make_token(symbol: str, rows: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{rows}".encode()).decode()


def _read_token(token: str | None) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        symbol, _, rows = base64.urlsafe_b64decode(token).decode().partition("|")
        return symbol, int(rows)
    except (ValueError, binascii.Error):
        raise bad_request("invalid page_token") from None


async def bars(request: Request) -> Response:
    """GET /v2/stocks/bars, /v2/stocks/{symbol}/bars, /v1beta3/crypto/us/bars."""
    frame = timeframe_of(request)
    sheets = desk_of(request).sheets
    return await history(
        request, "bars", lambda symbol, on: sheets.bars(symbol, frame, on), is_daily=frame is Timeframe.DAY_1
    )


async def quotes(request: Request) -> Response:
    """GET .../quotes."""
    return await history(request, "quotes", desk_of(request).sheets.quotes)


async def trades(request: Request) -> Response:
    """GET .../trades."""
    return await history(request, "trades", desk_of(request).sheets.trades)


def latest_endpoint(several: str, single: str, latest: Latest) -> Callable[[Request], Awaitable[Response]]:
    """Endpoint of the latest of something, for several symbols or one."""

    async def endpoint(request: Request) -> Response:
        desk = desk_of(request)
        found = {symbol: text for symbol in known_symbols(request) if (text := latest(desk, symbol)) is not None}
        if "symbol" in request.path_params:
            symbol = request.path_params["symbol"]
            if symbol not in found:
                raise Refusal(404, 40410000, f"no {single} found for {symbol}")
            return raw_answer(f'{{"symbol":{json.dumps(symbol)},"{single}":{found[symbol]}}}')
        return raw_answer(f'{{"{several}":{_members(found)}}}')

    return endpoint


def _members(found: dict[str, str]) -> str:
    return "{" + ",".join(f'"{symbol}":{text}' for symbol, text in found.items()) + "}"


def _snapshots(request: Request) -> dict[str, str]:
    desk = desk_of(request)
    return {symbol: text for symbol in known_symbols(request) if (text := snapshot(desk, symbol)) is not None}


async def stock_snapshots(request: Request) -> Response:
    """GET /v2/stocks/snapshots: an object by symbol, with nothing around it."""
    return raw_answer(_members(_snapshots(request)))


async def stock_snapshot(request: Request) -> Response:
    """GET /v2/stocks/{symbol}/snapshot."""
    symbol = request.path_params["symbol"]
    found = _snapshots(request)
    if symbol not in found:
        raise Refusal(404, 40410000, f"no snapshot found for {symbol}")
    return raw_answer(f'{{"symbol":{json.dumps(symbol)},{found[symbol][1:]}')


async def crypto_snapshots(request: Request) -> Response:
    """GET /v1beta3/crypto/us/snapshots."""
    return raw_answer(f'{{"snapshots":{_members(_snapshots(request))}}}')


_LATEST = (
    ("bars", latest_endpoint("bars", "bar", latest_bar)),
    ("quotes", latest_endpoint("quotes", "quote", latest_quote)),
    ("trades", latest_endpoint("trades", "trade", latest_trade)),
)
_HISTORY = (("bars", bars), ("quotes", quotes), ("trades", trades))

ROUTES: list[BaseRoute] = [
    *ACTION_ROUTES,
    *(Route(f"/v2/stocks/{path}/latest", endpoint) for path, endpoint in _LATEST),
    *(Route(f"/v2/stocks/{{symbol}}/{path}/latest", endpoint) for path, endpoint in _LATEST),
    *(Route(f"/v2/stocks/{path}", endpoint) for path, endpoint in _HISTORY),
    *(Route(f"/v2/stocks/{{symbol}}/{path}", endpoint) for path, endpoint in _HISTORY),
    Route("/v2/stocks/snapshots", stock_snapshots),
    Route("/v2/stocks/{symbol}/snapshot", stock_snapshot),
    *(Route(f"/v1beta3/crypto/us/latest/{path}", endpoint) for path, endpoint in _LATEST),
    Route("/v1beta3/crypto/us/latest/orderbooks", latest_endpoint("orderbooks", "orderbook", order_book)),
    *(Route(f"/v1beta3/crypto/us/{path}", endpoint) for path, endpoint in _HISTORY),
    Route("/v1beta3/crypto/us/snapshots", crypto_snapshots),
]
