"""An HTTP server that answers what a test tells it to, once each, and remembers what it was asked."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer; `body` is text or becomes JSON, `hang` says nothing, `drop` closes the connection.

    `drip` names what comes a byte every 10 ms: head or body. `is_chunked` sends the body without its length before it.
    """

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False
    drip: Literal["", "head", "body"] = ""
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class ScriptedServer(ThreadingHTTPServer):
    """Answers from `script`; an empty script is answered with HTTP 599."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: deque[Answer] = deque()
        self.asked: list[Asked] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet where whoever asked has hung up: a bounded client does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def will_answer(self, *answers: Answer | Any) -> None:
        """Add answers; anything but an Answer is the JSON of a success."""
        self.script.extend(answer if isinstance(answer, Answer) else Answer(answer) for answer in answers)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Serve in a thread until the block ends."""
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet, else the peer's delayed acknowledgement costs 40 ms
    server: ScriptedServer

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append(Asked(self.command, parts.path, query, dict(self.headers), _json_or_bytes(raw)))
        answer = self.server.script.popleft() if self.server.script else Answer("nothing scripted", 599)
        if answer.hang:
            self.server.released.wait(10)
        if answer.hang or answer.drop:
            self.close_connection = True
            return
        body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        if answer.drip or answer.is_chunked:
            self._write_slowly(answer, body)
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _write_slowly(self, answer: Answer, body: bytes) -> None:
        """Write an answer by hand, and be done with the connection."""
        self.close_connection = True
        if answer.is_chunked:
            framing, body = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            framing = f"Content-Length: {len(body)}"
        filler = "x" * 1000 if answer.drip == "head" else ""
        head = f"HTTP/1.1 {answer.status} Scripted\r\nServer: {filler}\r\n{framing}\r\n\r\n".encode()
        slow = {"": b"", "head": head + body, "body": body}[answer.drip]
        with suppress(OSError):  # whoever asked may be gone
            self.wfile.write((head + body).removesuffix(slow))
            self.wfile.flush()
            for byte in slow:
                if self.server.released.wait(0.01):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
        """Keep quiet."""


def _json_or_bytes(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw or None
