"""One whole trading day in virtual time: Azurite, the venue and the real function app, from 04:00 to 20:00 New York."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sandbox.app_settings import app_settings
from sandbox.azurite import Azurite
from sandbox.clock import ClockFile
from sandbox.evidence import Evidence, gather_evidence
from sandbox.host.host import Host
from sandbox.profile import Profile
from sandbox.seeding import publish_models
from sandbox.venue_process import venue
from sandbox.world import ROOT, STATE, Prepared, World, folder_of
from shared.adapters.calendar import XnysCalendar
from shared.core.errors import SettingsError
from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at
from training.commands.options import say

KIB = 1024
"""Linux counts resident memory in KiB."""

DAY_FOLDER = STATE / "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRun:
    """What came of a day: the evidence from tables and venue, where the time went, and the app's peak memory."""

    world: World
    evidence: Evidence
    profile: Profile
    wall_s: float
    peak_mb: float


def run_day(
    world: World, console: Console, *, folder: Path = DAY_FOLDER, settings: Mapping[str, str] = MappingProxyType({})
) -> DayRun:
    """Run a day and leave its storage in `folder`; `settings` replace the example's values by name.

    Raises
    ------
    SettingsError
        If the world's day is no session.
    """
    day = XnysCalendar().day(world.on)
    if day is None:
        raise SettingsError(f"--on must be a session date of XNYS, got {world.on}")
    prepared = prepared_world(world)
    say(console, prepared.told)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    clock = ClockFile(folder / "clock", pre_open_at(day) - timedelta(minutes=1))
    started = time.perf_counter()
    with Azurite(folder / "azurite") as azurite, venue(world, clock, free_port(), folder) as url:
        profile = Profile()
        given = app_settings(prepared, venue_url=url, clock_file=clock.path, revision=revision()) | dict(settings)
        publish_models(prepared, azurite.connection_string, at=pre_open_at(day))
        host = Host(ROOT, given, azurite.connection_string, clock, folder / "host", observer=profile)
        asyncio.run(_run(host, day, console))
        wall_s = time.perf_counter() - started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
        evidence = gather_evidence(world, azurite.connection_string, url)
    return DayRun(world=world, evidence=evidence, profile=profile, wall_s=wall_s, peak_mb=peak_mb)


async def _run(host: Host, day: TradingDay, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    start, end = pre_open_at(day), aft_close_at(day)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("04:00", total=(end - start).total_seconds())
        await host.start()
        try:
            await host.run_virtual(end, _shower(progress, task, start))
        finally:
            await host.stop()


def _shower(progress: Progress, task: object, start: datetime) -> Callable[[datetime], None]:
    def show(now: datetime) -> None:
        label = f"{now.astimezone(NEW_YORK):%a %Y-%m-%d %H:%M} New York"
        progress.update(task, completed=(now - start).total_seconds(), description=label)  # type: ignore[arg-type]

    return show


def prepared_world(world: World) -> Prepared:
    """Prepare the world in a process of its own, unless it is prepared already.

    Raises
    ------
    SettingsError
        If the world's files cannot be used, in that process's own words.
    """
    folder = folder_of(world)
    if not (folder / "world.json").is_file():
        command = [sys.executable, "-m", "sandbox", "prepare", *world.arguments()]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise SettingsError(last.partition("Error: ")[2] or last)
    return Prepared.read(folder)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def revision() -> str:
    """The checkout's commit; `-dirty` where files differ from it; `unknown` outside git."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"
