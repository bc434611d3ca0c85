"""The venue as a process: a world's tape behind the Alpaca-compatible face, on the sandbox's clock."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.clock import ClockFile
from sandbox.venue_journal import JournalledVenue
from shared.adapters.calendar import XnysCalendar
from shared.adapters.clock import FileClock, SystemClock
from shared.core.errors import GatehouseError, SettingsError
from shared.core.sessions import pre_open_at
from simulation.language.config import NEWCOMERS_FAULTS, CommentatorConfig, parse_commentator
from simulation.market.scenario import ROOT, Scenario
from simulation.venue.beside import Beside, hand_traded
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import LOOPBACK, run

KEYS = ("sandbox-key", "sandbox-secret")
START_TIMEOUT_S = 60.0


class VenueError(GatehouseError):
    """The venue's process did not start."""


def serve_venue(
    world: Scenario,
    *,
    port: int,
    clock_file: Path | None,
    journal: Path | None,
    note: Path | None = None,
    is_hand_traded: bool = False,
    comments: str = "",
    host: str = LOOPBACK,
    ends_with_parent: bool = False,
) -> None:
    """Serve a world's market until told to stop, or until whoever holds our standard input is gone, if it is a parent.

    With a journal, the venue comes back as it was after a kill. Its base URL is written to `note` once it listens.

    Raises
    ------
    SettingsError
        If `comments` says of the commentator what `commentator_of` cannot read.
    """
    answering = commentator_of(world, comments)
    clock = FileClock(clock_file) if clock_file else SystemClock()
    exchange = Exchange(world.tape(), VenueConfig())
    if is_hand_traded:
        exchange.beside = beside_of(world, exchange.tape.assets)

    def make(now: Callable[[], datetime]) -> Any:
        return create_app(exchange, now, keys=KEYS, comments=answering)

    app = JournalledVenue(make, clock.now, journal) if journal else make(clock.now)
    if ends_with_parent and not sys.stdin.isatty():
        threading.Thread(target=end_with_parent, daemon=True).start()

    def listening(url: str) -> None:
        if note is not None:
            note.write_text(url)

    run(app, port=port, host=host, listening=listening)


def commentator_of(world: Scenario, text: str = "") -> CommentatorConfig:
    """How a world's commentator answers: mostly well, unless a text says so as `parse_commentator` reads it.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    try:
        return parse_commentator(text, CommentatorConfig(seed=world.seed, faults=NEWCOMERS_FAULTS))
    except ValueError as error:
        raise SettingsError(f"--commentator {text!r}: {error}") from error


def beside_of(world: Scenario, symbols: Iterable[str]) -> Beside:
    """What a person trades by hand beside a market, with orders that rest in every thirteenth of its symbols."""
    day = XnysCalendar().day(world.on)
    assert day is not None
    return hand_traded(sorted(symbols)[::13], pre_open_at(day) + timedelta(seconds=1))


def end_with_parent() -> None:
    """Wait until whoever holds our standard input is gone, and end."""
    sys.stdin.read()
    os._exit(0)


@contextlib.contextmanager
def venue(
    world: Scenario, clock: ClockFile, folder: Path, *, port: int = 0, is_hand_traded: bool = False, comments: str = ""
) -> Iterator[str]:
    """Run the venue in a process of its own, on a free port unless one is given; yield its base URL once it listens.

    Its journal and its log are in `folder`; a journal that stands there already is gone on with.

    Raises
    ------
    VenueError
        If it ends or stays silent; the message carries the end of its log.
    """
    log, note = folder / "venue.log", folder / "venue.url"
    note.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox", "venue", "--port", str(port), "--clock-file", str(clock.path)]
    command += [
        "--note",
        str(note),
        "--journal",
        str(folder / "venue.jsonl"),
        *(["--beside", "hand-traded"] if is_hand_traded else []),
    ]
    command += ["--commentator", comments] if comments else []
    command += world.arguments()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, **pipes)
    try:
        yield _address(process, note, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _address(process: subprocess.Popen[bytes], note: Path, log: Path) -> str:
    """Where it listens, by its own word: on a port that it did not get somebody else may answer."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if url := note.read_text():
                return url
        time.sleep(0.05)
    raise VenueError(f"the venue did not start:\n{log.read_text()[-2000:]}")
