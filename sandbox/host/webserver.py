"""HTTP triggers, the admin API, and the durable API, on one aiohttp server in the host's loop."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from http.cookies import SimpleCookie

from aiohttp import web

from sandbox.host import protos
from sandbox.host.durable.api import DurableApi
from sandbox.host.errors import FunctionError, WorkerLostError
from sandbox.host.functions import FunctionDefinition
from sandbox.host.keys import HostKeys
from sandbox.host.worker import Produced

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_PARAMETER = re.compile(r"\{(\*?)(\w+)(?::(\w+)[^}]*)?(\?)?\}")
_PATTERNS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "guid": r"[0-9a-fA-F-]{36}",
    "alpha": r"[A-Za-z]+",
    "bool": r"true|false",
}
_MAX_BODY = 100 * 1024 * 1024
WEBHOOKS = "/runtime/webhooks/durabletask"
RPC = "/durabletask"

RunHttp = Callable[[FunctionDefinition, str, protos.TypedData], Awaitable[Produced]]
RunByHand = Callable[[str, str], Awaitable[bool]]
"""Starts a function by name with an input text; False when there is no such function."""


def route_patterns(route: str) -> list[str]:
    r"""Paths for aiohttp's router of a Functions route; an optional last parameter makes two.

    Examples
    --------
    >>> route_patterns("orders/{id:int}/{leg?}")
    ['orders/{id:-?\\d+}/{leg}', 'orders/{id:-?\\d+}']
    """

    def parameter(match: re.Match[str]) -> str:
        star, name, constraint, _ = match.groups()
        if star:
            return "{" + name + ":.*}"
        return "{" + name + (f":{_PATTERNS[constraint]}" if constraint in _PATTERNS else "") + "}"

    full = _PARAMETER.sub(parameter, route)
    last = route.rpartition("/")[2]
    if last.endswith("?}"):
        return [full, _PARAMETER.sub(parameter, route.rpartition("/")[0])]
    return [full]


class WebServer:
    """The host's server on the loopback address.

    Parameters
    ----------
    functions : iterable of FunctionDefinition
        All functions; those with an HTTP trigger get routes.
    route_prefix : str
        From host.json.
    keys : HostKeys
        What callers must show.
    run_http, run_by_hand : callable
        Run functions.
    durable : DurableApi
        The task hub's API.
    """

    def __init__(
        self,
        *,
        functions: Iterable[FunctionDefinition],
        route_prefix: str,
        keys: HostKeys,
        run_http: RunHttp,
        run_by_hand: RunByHand,
        durable: DurableApi,
    ) -> None:
        self._keys = keys
        self._run_http = run_http
        self._run_by_hand = run_by_hand
        self._app = web.Application(client_max_size=_MAX_BODY, middlewares=[self._guard_webhooks])
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        self.port = 0
        for function in functions:
            if function.trigger.type == "httpTrigger":
                self._add(function, route_prefix)
        self._app.add_routes(
            [
                web.post("/admin/functions/{name}", self._admin_function),
                web.get("/admin/host/status", self._admin_status),
                *durable.routes(RPC),
                *durable.routes(WEBHOOKS),
            ]
        )

    @property
    def origin(self) -> str:
        """`http://host:port`."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int) -> None:
        """Listen; port 0 takes a free one.

        Raises
        ------
        OSError
            If the port is taken.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        await self._runner.cleanup()

    def _add(self, function: FunctionDefinition, route_prefix: str) -> None:
        options = function.trigger.options
        level = str(options.get("authLevel") or "function").lower()
        route = str(options.get("route") or function.name)
        methods = [str(method).upper() for method in options.get("methods") or _METHODS]

        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._keys.opens(level, _shown_key(request)):
                return web.Response(status=401)
            return await self._serve(function, request)

        for pattern in route_patterns(route):
            path = "/" + "/".join(part.strip("/") for part in (route_prefix, pattern) if part.strip("/"))
            for method in methods:
                self._app.router.add_route(method, path, handle)

    async def _serve(self, function: FunctionDefinition, request: web.Request) -> web.Response:
        message = protos.RpcHttp(
            method=request.method,
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=protos.TypedData(bytes=await request.read()),
            params=dict(request.match_info),
            query=dict(request.query),
        )
        trigger_id = f"{request.method} {request.path}"
        try:
            produced = await self._run_http(function, trigger_id, protos.TypedData(http=message))
        except (FunctionError, WorkerLostError):
            return web.Response(status=500)
        name = next((b.name for b in function.outputs if b.type == "http"), "$return")
        return response_of(produced.outputs.get(name))

    async def _admin_function(self, request: web.Request) -> web.Response:
        if not self._keys.opens("admin", _shown_key(request)):
            return web.Response(status=401)
        try:
            text = str(json.loads(await request.text() or "{}").get("input") or "")
        except (json.JSONDecodeError, AttributeError):
            return web.Response(status=400, text='expected {"input": "..."}')
        found = await self._run_by_hand(request.match_info["name"], text)
        return web.Response(status=202 if found else 404)

    async def _admin_status(self, request: web.Request) -> web.Response:
        if not self._keys.opens("admin", _shown_key(request)):
            return web.Response(status=401)
        return web.json_response({"state": "Running"})

    @web.middleware
    async def _guard_webhooks(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(WEBHOOKS) and not self._keys.opens("durable", _shown_key(request)):
            return web.Response(status=401)
        return await handler(request)


def _shown_key(request: web.Request) -> str | None:
    return request.headers.get("x-functions-key") or request.query.get("code")


def response_of(data: protos.TypedData | None) -> web.Response:
    """HTTP response of what a function returned; nothing is 204."""
    if data is None or data.kind is None:
        return web.Response(status=204)
    if data.kind != "http":
        return web.Response(
            body=data.value if data.kind == "bytes" else str(data.value).encode(), content_type="text/plain"
        )
    http = data.value
    content = http.body.value if http.body is not None and http.body.kind is not None else b""
    body = content if isinstance(content, bytes) else str(content).encode()
    response = web.Response(status=int(http.status_code), body=body, headers=dict(http.headers))
    for cookie in http.cookies or ():
        response.headers.add("Set-Cookie", _cookie_text(cookie))
    return response


def _cookie_text(cookie: protos.RpcHttpCookie) -> str:
    jar: SimpleCookie = SimpleCookie()
    jar[cookie.name] = cookie.value
    morsel = jar[cookie.name]
    for key, field in (("domain", cookie.domain), ("path", cookie.path), ("max-age", cookie.max_age)):
        if field is not None and field.value not in {"", None}:
            morsel[key] = field.value
    for key, flag in (("secure", cookie.secure), ("httponly", cookie.http_only)):
        if flag is not None and flag.value:
            morsel[key] = True
    return morsel.OutputString()
