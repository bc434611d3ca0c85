"""The venue as a process: a world's tape behind the Alpaca-compatible face, on the sandbox's clock."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.clock import ClockFile
from sandbox.venue.config import VenueConfig
from sandbox.venue.engine import Exchange
from sandbox.venue.face.app import create_app
from sandbox.venue.face.server import run
from sandbox.world import ROOT, World
from shared.adapters.clock import FileClock, SystemClock
from shared.core.errors import GatehouseError

KEYS = ("sandbox-key", "sandbox-secret")
START_TIMEOUT_S = 60.0


class VenueError(GatehouseError):
    """The venue's process did not start."""


def serve_venue(world: World, *, port: int, clock_file: Path | None) -> None:
    """Serve a world's market until told to stop."""
    clock = FileClock(clock_file) if clock_file else SystemClock()
    exchange = Exchange(world.tape(), VenueConfig())
    run(create_app(exchange, clock.now, keys=KEYS), port=port)


@contextlib.contextmanager
def venue(world: World, clock: ClockFile, port: int, log: Path) -> Iterator[str]:
    """Run the venue in a process of its own; yield its base URL once it answers.

    Raises
    ------
    VenueError
        If it ends or stays silent; the message carries the end of its log.
    """
    command = [sys.executable, "-m", "sandbox", "venue", "--port", str(port), "--clock-file", str(clock.path)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, *world.arguments()],
            stdout=sink, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, port, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        time.sleep(0.05)
    raise VenueError(f"the venue did not start:\n{log.read_text()[-2000:]}")
