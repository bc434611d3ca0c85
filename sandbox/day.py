"""One whole trading day in virtual time: Azurite, the venue and the real function app, from 04:00 to 20:00 New York."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sandbox.app_settings import app_settings, check_settings
from sandbox.azurite import Azurite
from sandbox.clock import ClockFile
from sandbox.evidence import DayEvidence, gather_evidence
from sandbox.host.host import Host
from sandbox.prepared import Prepared, folder_of
from sandbox.seeding import publish_models
from sandbox.state import DAY_FOLDER, FinishedDay, held, renewed
from sandbox.timings import Timings
from sandbox.venue_process import commentator_of, venue
from shared.core.errors import SettingsError
from shared.core.market import TradingDay
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at
from simulation.market.days import tradable_day
from simulation.market.scenario import ROOT, Scenario
from training.commands.options import say

KIB = 1024
"""Linux counts resident memory in KiB."""

RESUMED_BEFORE_OPEN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRun:
    """What came of a day: the evidence from tables and venue, where the time went, and the app's peak memory."""

    evidence: DayEvidence
    timings: Timings
    wall_s: float
    peak_mb: float


def run_day(
    world: Scenario,
    console: Console,
    *,
    folder: Path = DAY_FOLDER,
    settings: Mapping[str, str] = MappingProxyType({}),
    is_hand_traded: bool = False,
    comments: str = "",
) -> DayRun:
    """Run a day and leave its storage in `folder`; `settings` replace the example's values by name.

    `comments` says how the commentator answers, where that is not as ever: see `commentator_of`.

    Where a person trades by hand in the same account, they resume before the open what that has halted.
    What the last day has left there stays until this one is finished.

    Raises
    ------
    SettingsError
        If the day cannot be traded, `comments` or `settings` cannot be read, or another process works on the folder.
    """
    tradable_day(world.on)
    commentator_of(world, comments)
    check_settings(settings)
    with held(folder, "sandbox day"):
        prepared = prepared_world(world)
        say(console, prepared.told)
        with renewed(folder) as running:
            how: dict[str, Any] = {"settings": settings, "is_hand_traded": is_hand_traded, "comments": comments}
            done = _run_day(world, prepared, console, folder=running, **how)
            FinishedDay.now(on=done.evidence.on, market=done.evidence.market).write(running)
    return done


def _run_day(
    world: Scenario,
    prepared: Prepared,
    console: Console,
    *,
    folder: Path,
    settings: Mapping[str, str],
    is_hand_traded: bool,
    comments: str,
) -> DayRun:
    day = tradable_day(world.on)
    clock = ClockFile(folder / "clock", pre_open_at(day) - timedelta(minutes=1))
    started = time.perf_counter()
    beside = {"is_hand_traded": is_hand_traded}
    with (
        Azurite(folder / "azurite") as azurite,
        venue(world, clock, folder, **beside, comments=comments) as url,
    ):
        timings = Timings()
        given = app_settings(prepared, venue_url=url, clock_file=clock.path, revision=revision(), given=settings)
        publish_models(prepared, azurite.connection_string, at=pre_open_at(day))
        host = Host(ROOT, given, azurite.connection_string, clock, folder / "host", observer=timings)
        shown = asyncio.run(_run(host, day, console, **beside))
        wall_s = time.perf_counter() - started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
        evidence = gather_evidence(world, azurite.connection_string, url, **beside)
        if shown:
            (folder / "positions.json").write_text(json.dumps(shown, indent=1))
    return DayRun(evidence=evidence, timings=timings, wall_s=wall_s, peak_mb=peak_mb)


async def _run(host: Host, day: TradingDay, console: Console, *, is_hand_traded: bool) -> dict[str, Any]:
    """Run the day's minutes; return what the app's API showed of the account beside as a person resumed."""
    shown: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    start, end = pre_open_at(day), aft_close_at(day)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("04:00", total=(end - start).total_seconds())
        await host.start()
        try:
            if is_hand_traded:
                await host.run_virtual(day.open_at - RESUMED_BEFORE_OPEN, _shower(progress, task, start))
                shown = await asyncio.to_thread(_resume, host)
            await host.run_virtual(end, _shower(progress, task, start))
        finally:
            await host.stop()
    return shown


def _resume(host: Host) -> dict[str, Any]:
    """Do as a person does: look at the account over the app's API, accept what is theirs, and resume."""
    before = host.ask("GET", "/api/positions")
    host.ask("POST", "/api/resume", {"by": "owner", "reason": "what is unexplained is mine"})
    return {"before": before, "after": host.ask("GET", "/api/positions")}


def _shower(progress: Progress, task: object, start: datetime) -> Callable[[datetime], None]:
    def show(now: datetime) -> None:
        label = f"{now.astimezone(NEW_YORK):%a %Y-%m-%d %H:%M} New York"
        progress.update(task, completed=(now - start).total_seconds(), description=label)  # type: ignore[arg-type]

    return show


def prepared_world(world: Scenario) -> Prepared:
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


def revision() -> str:
    """The checkout's commit; `-dirty` where files differ from it; `unknown` outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout.strip() or "unknown"
