"""What the venue was told, kept, so that a venue that was killed comes back as it was.

The exchange is a pure function of its market and of the requests that changed it, with their times. So those requests
are the venue's whole state: each is written down before its answer goes out, and told again, at its own time, at the
next start. What a fault kept from having an effect is not written, and faults themselves end with the process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.core.values import iso, parse_utc
from simulation.language.face import CONTROL, PATHS

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Any]
type Send = Callable[[MutableMapping[str, Any]], Any]
type AsgiApp = Callable[[Scope, Receive, Send], Any]

CHANGING = frozenset({"POST", "PATCH", "DELETE"})
NOT_KEPT = frozenset({"/sandbox/faults", CONTROL, *PATHS})
"""What changes no exchange: faults, and the commentator, which may take its time."""
_NOT_DONE = 400
"""From this status on a request has changed nothing."""


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
        self._path = path
        self._told_at: datetime | None = None
        self._app = make_app(self._clock)
        if path.exists():
            asyncio.run(self._tell_again(path))

    def _clock(self) -> datetime:
        return self._told_at or self._now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and write it down if it may have changed something."""
        if scope["type"] != "http" or scope["method"] not in CHANGING or scope["path"] in NOT_KEPT:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        # The request's own time is fixed before it is handled, so that telling it again means the same instant.
        at = self._told_at = self._now()
        answer = _Answer(send, lambda: self._write(at, scope, body))
        try:
            await self._app(scope, _given(body), answer.send)
        finally:
            self._told_at = None
            if answer.status is None:  # the answer was lost, not the request
                self._write(at, scope, body)

    def _write(self, at: datetime, scope: Scope, body: bytes) -> None:
        line = {
            "at": iso(at),
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": [[key.decode("latin-1"), value.decode("latin-1")] for key, value in scope["headers"]],
            "body": body.decode(errors="replace"),
        }
        with self._path.open("a") as sink:
            sink.write(json.dumps(line) + "\n")

    async def _tell_again(self, path: Path) -> None:
        whole, _, torn = path.read_text().rpartition("\n")
        if torn:  # cut off by a kill, before its answer went out
            path.write_text(f"{whole}\n" if whole else "")
        for text in whole.splitlines():
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


class _Answer:
    """Passes an answer on, once what was asked is written down.

    `transport` is that of the server's own `send`, for whoever wants to hang up.
    """

    def __init__(self, send: Send, write: Callable[[], None]) -> None:
        self._send = send
        self._write = write
        self.status: int | None = None

    @property
    def transport(self) -> Any:
        """The connection, None under a server that does not show it."""
        return getattr(getattr(self._send, "__self__", None), "transport", None)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take one part of the answer."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            if self.status < _NOT_DONE:
                self._write()
        await self._send(message)


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
