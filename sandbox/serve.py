"""The sandbox by the clock: storage, venue and app until stopped, and again where they were after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from sandbox.app_settings import app_settings, check_settings
from sandbox.azurite import STANDARD_PORTS, Azurite, AzuritePorts
from sandbox.clock import ClockFile
from sandbox.day import prepared_world, revision
from sandbox.host.host import Host
from sandbox.seeding import publish_models
from sandbox.state import PORTS, held
from sandbox.venue_process import commentator_of, venue
from shared.core.errors import SettingsError
from shared.core.sessions import NEW_YORK
from simulation.market.scenario import ROOT, STATE, Scenario
from training.commands.options import say

SERVE_FOLDER = STATE / "serve"
HOST_PORT = 7071
VENUE_PORT = 7080


def serve(
    world: Scenario,
    console: Console,
    *,
    folder: Path = SERVE_FOLDER,
    at: str = "09:10",
    speed: float = 1.0,
    free_ports: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
    comments: str = "",
) -> None:
    """Serve until interrupted. A folder that served before goes on: same clock, same storage, same orders.

    Parameters
    ----------
    at : str
        New York wall time that a fresh folder's clock starts from.
    speed : float
        Its seconds per second.
    free_ports : bool
        Listen on no standard port, so that several sandboxes can run beside each other.
    settings : mapping of str to str
        App settings in place of the sandbox's own.
    comments : str
        How the commentator answers, where that is not as ever: see `commentator_of`.

    Raises
    ------
    SettingsError
        If `at` is no time, `comments` or `settings` cannot be read, or another process works on the folder or listens
        on the standard ports.
    """
    start = _start(world, at)
    commentator_of(world, comments)
    check_settings(settings)
    standard = (STANDARD_PORTS, VENUE_PORT, HOST_PORT)
    with contextlib.ExitStack() as stack:
        for place in (folder, *(() if free_ports else (PORTS,))):
            stack.enter_context(held(place, "sandbox serve"))
        prepared = prepared_world(world)
        say(console, prepared.told)
        ports, venue_port, port = (AzuritePorts(), 0, 0) if free_ports else standard
        fresh = not (folder / "clock").exists()
        folder.mkdir(parents=True, exist_ok=True)
        clock = ClockFile(folder / "clock", start)
        if fresh:
            clock.run(start, speed)
        storage = stack.enter_context(Azurite(folder / "azurite", ports)).connection_string
        url = stack.enter_context(venue(world, clock, folder, port=venue_port, comments=comments))
        given = app_settings(prepared, venue_url=url, clock_file=clock.path, revision=revision(), given=settings)
        publish_models(prepared, storage, at=clock.now())
        host = Host(ROOT, given, storage, clock, folder / "host", port=port)
        shown = f"{clock.now().astimezone(NEW_YORK):%a %Y-%m-%d %H:%M:%S} New York, {clock.speed:g} s a second"
        console.print(f"venue    {url}", markup=False)
        console.print(f"storage  {storage}", markup=False, soft_wrap=True)
        console.print(f"clock    {shown}; Ctrl-C ends, the same command goes on", markup=False)
        asyncio.run(_run(host, folder / "places.json", {"venue": url, "storage": storage}, console))


async def _run(host: Host, note: Path, places: dict[str, str], console: Console) -> None:
    """Serve; `note` says, once everything listens, where things are."""
    await host.start()
    note.write_text(json.dumps({**places, "app": host.url, "key": host.keys.function, "admin": host.keys.master}))
    console.print(f"app      {host.url}/api/status?code={host.keys.function}", markup=False, soft_wrap=True)
    running = asyncio.ensure_future(host.run_real())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        await host.stop()


def _start(world: Scenario, at: str) -> datetime:
    try:
        wall = time.fromisoformat(at)
    except ValueError as error:
        raise SettingsError(f"--at must be HH:MM[:SS], New York time, got {at!r}") from error
    return datetime.combine(world.on, wall, NEW_YORK).astimezone(UTC)
