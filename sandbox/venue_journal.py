"""What the venue was told, kept, so that a venue that was killed comes back as it was.

The exchange is a pure function of its market and of the requests that changed it, with their times. So those requests
are the venue's whole state: they are written down after each answer, and told again, at their own times, at the next
start.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.core.values import iso, parse_utc

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Any]
type Send = Callable[[MutableMapping[str, Any]], Any]
type AsgiApp = Callable[[Scope, Receive, Send], Any]

CHANGING = frozenset({"POST", "PATCH", "DELETE"})


class JournalledVenue:
    """An ASGI app that writes down what changes the app inside it.

    Parameters
    ----------
    make_app : callable
        Builds the venue's app from a clock function.
    now : callable
        The venue's clock.
    path : Path
        JSON lines, one request each; created where it is missing, told again where it is not.
    """

    def __init__(
        self, make_app: Callable[[Callable[[], datetime]], AsgiApp], now: Callable[[], datetime], path: Path
    ) -> None:
        self._now = now
        self._told_at: datetime | None = None
        self._app = make_app(self._clock)
        if path.exists():
            asyncio.run(self._tell_again(path))
        self._sink = path.open("a")

    def _clock(self) -> datetime:
        return self._told_at or self._now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and write it down if it may have changed something."""
        if scope["type"] != "http" or scope["method"] not in CHANGING:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        # The request's own time is fixed before it is handled, so that telling it again means the same instant.
        at = self._told_at = self._now()
        try:
            await self._app(scope, _given(body), send)
        finally:
            self._told_at = None
        line = {
            "at": iso(at),
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": [[key.decode("latin-1"), value.decode("latin-1")] for key, value in scope["headers"]],
            "body": body.decode(),
        }
        self._sink.write(json.dumps(line) + "\n")
        self._sink.flush()

    async def _tell_again(self, path: Path) -> None:
        for text in path.read_text().splitlines():
            line = json.loads(text)
            self._told_at = parse_utc(line["at"])
            scope = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": line["method"],
                "scheme": "http",
                "path": line["path"],
                "raw_path": line["path"].encode(),
                "query_string": line["query"].encode(),
                "headers": [(key.encode("latin-1"), value.encode("latin-1")) for key, value in line["headers"]],
                "client": ("127.0.0.1", 0),
                "server": ("127.0.0.1", 0),
            }
            await self._app(scope, _given(line["body"].encode()), _ignored)
        self._told_at = None


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _given(body: bytes) -> Receive:
    """A receive function that hands out one body."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _ignored(_: MutableMapping[str, Any]) -> None:
    """Nobody reads the answer of a request that is told again."""
