"""Serving the face: in the present process until stopped, or in a thread of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
START_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0


def bind(port: int = 0, host: str = LOOPBACK) -> socket.socket:
    """Bound socket; port 0 takes a free one."""
    # The protocol is named because asyncio turns Nagle's algorithm off only then; with it an answer takes 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def _server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_keep_alive=600)
    )


def run(app: ASGIApp, *, port: int, host: str = LOOPBACK, listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve until the process is told to stop; tell `listening` the base address once connections are taken."""
    with bind(port, host) as sock:
        sock.listen()
        listening(f"http://{host}:{sock.getsockname()[1]}")
        _server(app).run(sockets=[sock])


class ServerThread:
    """A server in a thread of this process, as a context manager.

    Parameters
    ----------
    app : ASGI application
        What is served; only the server's thread may touch what is behind it.
    port : int
        0 takes a free one; see `url`.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = bind(port)
        self._server = _server(app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="venue", daemon=True
        )

    @property
    def port(self) -> int:
        """Bound port."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Base address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start and wait until connections are taken.

        Raises
        ------
        RuntimeError
            If it is not up within a minute.
        """
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(START_WITHIN_S / 0.01)):
            if self._server.started:
                return
            waited.wait(0.01)
        raise RuntimeError(f"venue did not start on port {self.port} within {START_WITHIN_S} s")

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(STOP_WITHIN_S)
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
