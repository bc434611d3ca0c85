"""The ASGI application: keys, rate limit and faults around the endpoints, Alpaca's error bodies around all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulation.language import face as commentator
from simulation.language.config import CommentatorConfig
from simulation.venue.engine import Exchange
from simulation.venue.face import data, history, screens, trading
from simulation.venue.face.desk import Desk, answer, body_of, desk_of, number
from simulation.venue.face.faults import Fault, FaultRule, parse_rules
from simulation.venue.face.limits import RateLimiter, has_keys
from simulation.venue.face.spoilt import answer_spoilt
from simulation.venue.refusals import Refusal, invalid

SANDBOX = "/sandbox/"
DATA_PATHS = ("/v2/stocks", "/v1beta", "/v1/")
NONSENSE = "<html><body>Bad Gateway: the venue is having a lie-down</body></html>"


class RequestGate:
    """Brings the exchange up to now, checks keys and the rate limit, and lets faults strike.

    Parameters
    ----------
    app : ASGI application
        The endpoints.
    desk : Desk
        Exchange and clock.
    keys : tuple of str
        Key id and secret.
    limiter : RateLimiter
        Counts requests.
    faults : list of FaultRule
        Read at each request; changed through /sandbox/faults.
    """

    def __init__(
        self, app: ASGIApp, *, desk: Desk, keys: tuple[str, str], limiter: RateLimiter, faults: list[FaultRule]
    ) -> None:
        self.app = app
        self.desk = desk
        self.keys = keys
        self.limiter = limiter
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in commentator.PATHS:
            await self.app(scope, receive, send)
            return
        self.desk.exchange.advance(self.desk.now())
        if path.startswith(SANDBOX):
            await self.app(scope, receive, send)
            return
        allowance = self.limiter.take("data" if path.startswith(DATA_PATHS) else "trading", self.desk.exchange.now)
        rate_headers = allowance.headers()
        fault = next((rule for rule in self.faults if rule.strikes(method, path)), None)
        if not has_keys(Headers(scope=scope), *self.keys):
            refusal: Refusal | None = Refusal(401, 40110000, "request is not authorized")
        elif allowance.is_exceeded or (fault is not None and fault.kind is Fault.ERROR_429):
            refusal = Refusal(429, 42910000, "too many requests.")
        elif fault is not None and fault.kind is Fault.ERROR_500:
            refusal = Refusal(500, 50010000, "internal server error occurred")
        else:
            refusal = None
        if refusal is not None:
            response = answer(refusal.body(), refusal.status)
            response.headers.update(rate_headers)
            await response(scope, receive, send)
        elif fault is not None:
            await self._misbehave(fault, scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send, rate_headers))

    async def _misbehave(self, fault: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind is Fault.TIMEOUT:
            await asyncio.sleep(fault.delay_s)
            await Response(status_code=504)(scope, receive, send)
            return
        if fault.kind is Fault.BAD_ROW:
            await answer_spoilt(self.app, (scope, receive, send), symbol=fault.symbol, how=fault.how)
            return
        await self.app(scope, receive, _swallow)
        if fault.kind is Fault.NONSENSE:
            await PlainTextResponse(NONSENSE)(scope, receive, send)
        else:
            await _hang_up(receive, send)


async def _swallow(message: Message) -> None:
    """Take an answer that nobody is to see."""


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection without an answer: uvicorn's `send` belongs to the object that knows the transport.

    Raises
    ------
    ConnectionError
        Under another server, which has to make of it what it can.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionError("the answer is lost")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    extra = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return sender


async def refused(request: Request, error: Exception) -> Response:
    """Answer a refusal in Alpaca's form."""
    assert isinstance(error, Refusal)
    return answer(error.body(), error.status)


async def unknown(request: Request, error: Exception) -> Response:
    """Answer a path or method that there is not."""
    assert isinstance(error, HTTPException)
    code = {404: 40410000, 405: 40510000}.get(error.status_code, error.status_code * 100_000)
    return answer({"code": code, "message": "endpoint not found."}, error.status_code)


async def get_log(request: Request) -> Response:
    """GET /sandbox/log: the venue's own log as JSON lines; `after` gives the entries behind a sequence number."""
    log = desk_of(request).exchange.log
    after = number(request, "after", 0, maximum=max(len(log), 1)) if request.query_params.get("after") != "0" else 0
    lines = [json.dumps(entry.as_json(), separators=(",", ":")) + "\n" for entry in log[after:]]
    return Response("".join(lines), media_type="application/x-ndjson")


async def get_faults(request: Request) -> Response:
    """GET /sandbox/faults: the rules and how often each was asked."""
    rules: list[FaultRule] = request.app.state.faults
    names = ("kind", "path", "method", "remaining", "probability", "seed", "delay_s", "symbol", "how", "seen")
    return answer({"rules": [{name: getattr(rule, name) for name in names} for rule in rules]})


async def post_faults(request: Request) -> Response:
    """POST /sandbox/faults: replace all rules."""
    request.app.state.faults[:] = parse_rules(await body_of(request))
    return await get_faults(request)


async def post_corporate_action(request: Request) -> Response:
    """POST /sandbox/corporate-actions: refused where the symbol is held."""
    body = await body_of(request)
    symbol, kind = body.get("symbol"), body.get("kind")
    if not isinstance(symbol, str) or not isinstance(kind, str):
        raise invalid("symbol and kind are required")
    desk_of(request).exchange.apply_corporate_action(symbol, kind)
    return answer({"symbol": symbol, "kind": kind, "applied": True})


async def get_health(request: Request) -> Response:
    """GET /sandbox/health: the venue is up; its time and tape."""
    exchange = desk_of(request).exchange
    return answer(
        {"now": exchange.now.isoformat(), "tape": exchange.tape.content_id, "on": exchange.tape.on.isoformat()}
    )


ROUTES: list[BaseRoute] = [
    Route("/sandbox/log", get_log),
    Route("/sandbox/faults", get_faults),
    Route("/sandbox/faults", post_faults, methods=["POST"]),
    Route("/sandbox/corporate-actions", post_corporate_action, methods=["POST"]),
    Route("/sandbox/health", get_health),
]


class VenueApp(Starlette):
    """The endpoints behind their gate, which is outermost because a lost answer needs the server's own `send`."""

    gate: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.gate(scope, receive, send)


def create_app(
    exchange: Exchange,
    now: Callable[[], datetime],
    *,
    keys: tuple[str, str],
    comments: CommentatorConfig = CommentatorConfig(),  # noqa: B008 - it is frozen
) -> Starlette:
    """Build the HTTP face of an exchange.

    Parameters
    ----------
    exchange : Exchange
        Advanced to `now()` at each request; nobody else may touch it meanwhile.
    now : callable
        Gives the present UTC instant.
    keys : tuple of str
        Key id and secret that requests must carry.
    comments : CommentatorConfig
        How the commentator, served beside it under /v1, answers.
    """
    desk = Desk(exchange, now)
    faults: list[FaultRule] = []
    app = VenueApp(
        routes=[*trading.ROUTES, *history.ROUTES, *data.ROUTES, *screens.ROUTES, *commentator.ROUTES, *ROUTES],
        exception_handlers={Refusal: refused, HTTPException: unknown},
    )
    limiter = RateLimiter(exchange.config.requests_per_minute)
    app.gate = RequestGate(super(VenueApp, app).__call__, desk=desk, keys=keys, limiter=limiter, faults=faults)
    app.state.desk = desk
    app.state.faults = faults
    app.state.commentator = comments
    return app
