"""The sandbox by the clock: storage, venue and app until stopped, and again where they were after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path

from rich.console import Console

from sandbox.app_settings import app_settings
from sandbox.azurite import STANDARD_PORTS, Azurite, AzuritePorts
from sandbox.clock import ClockFile
from sandbox.day import free_port, prepared_world, revision
from sandbox.host.host import Host
from sandbox.prepared import Prepared
from sandbox.seeding import publish_models
from sandbox.state import PORTS, held
from sandbox.venue_process import venue
from shared.core.errors import SettingsError
from shared.core.sessions import NEW_YORK
from simulation.market.scenario import ROOT, STATE, Scenario
from training.commands.options import say

SERVE_FOLDER = STATE / "serve"
HOST_PORT = 7071
VENUE_PORT = 7080


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    `at` is the New York wall time a fresh folder's clock starts from, `speed` its seconds per second. With
    `free_ports` nothing listens on a standard port, so that several sandboxes can run beside each other. `settings` are
    app settings in place of the sandbox's own.
    """

    folder: Path = SERVE_FOLDER
    at: str = "09:10"
    speed: float = 1.0
    free_ports: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def serve(world: Scenario, options: ServeOptions, console: Console) -> None:
    """Serve until interrupted. A folder that served before goes on: same clock, same storage, same orders.

    Raises
    ------
    SettingsError
        If `at` is no time, or another process works on the folder or listens on the standard ports.
    """
    start = _start(world, options.at)
    with contextlib.ExitStack() as stack:
        for place in (options.folder, *(() if options.free_ports else (PORTS,))):
            stack.enter_context(held(place, "sandbox serve"))
        prepared = prepared_world(world)
        say(console, prepared.told)
        _serve(world, prepared, start, options, console)


def _serve(world: Scenario, prepared: Prepared, start: datetime, options: ServeOptions, console: Console) -> None:
    folder = options.folder
    fresh = not (folder / "clock").exists()
    folder.mkdir(parents=True, exist_ok=True)
    clock = ClockFile(folder / "clock", start)
    if fresh:
        clock.run(start, options.speed)
    ports = AzuritePorts() if options.free_ports else STANDARD_PORTS
    venue_port = free_port() if options.free_ports else VENUE_PORT
    with Azurite(folder / "azurite", ports) as azurite, venue(world, clock, venue_port, folder) as url:
        settings = app_settings(prepared, venue_url=url, clock_file=clock.path, revision=revision())
        settings |= options.settings
        publish_models(prepared, azurite.connection_string, at=clock.now())
        port = 0 if options.free_ports else HOST_PORT
        host = Host(ROOT, settings, azurite.connection_string, clock, folder / "host", port=port)
        shown = f"{clock.now().astimezone(NEW_YORK):%a %Y-%m-%d %H:%M:%S} New York, {clock.speed:g} s a second"
        console.print(f"venue    {url}", markup=False)
        console.print(f"storage  {azurite.connection_string}", markup=False, soft_wrap=True)
        console.print(f"clock    {shown}; Ctrl-C ends, the same command goes on", markup=False)
        places = {"venue": url, "storage": azurite.connection_string}
        asyncio.run(_run(host, folder / "places.json", places, console))


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
