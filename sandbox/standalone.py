"""Storage and venue for `func start`: Azurite's standard ports, the venue on 7080, real time, today's market."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from sandbox.azurite import STANDARD_PORTS, Azurite
from sandbox.day import prepared_world
from sandbox.seeding import publish_models
from sandbox.serve import VENUE_PORT
from sandbox.state import PORTS, held
from sandbox.venue_process import serve_venue
from shared.adapters.calendar import XnysCalendar
from shared.adapters.clock import SystemClock
from shared.core.sessions import NEW_YORK
from simulation.market.days import tradable_day
from simulation.market.scenario import STATE, Scenario
from training.commands.options import say


def standalone(world: Scenario, console: Console) -> None:
    """Serve until interrupted. The market is that of today, or of the next session where today is none."""
    now = SystemClock().now()
    today = now.astimezone(NEW_YORK).date()
    calendar = XnysCalendar()
    day = calendar.day(today) or calendar.next_day(today)
    world = replace(world, on=day.on)
    tradable_day(day.on)
    folder = STATE / "standalone"
    with (
        held(folder, "sandbox standalone"),
        held(PORTS, "sandbox standalone"),
        Azurite(folder / "azurite", STANDARD_PORTS) as azurite,
    ):
        prepared = prepared_world(world)
        say(console, prepared.told)
        publish_models(prepared, azurite.connection_string, at=now)
        console.print(f"storage  {azurite.connection_string}", markup=False, soft_wrap=True)
        console.print(f"venue    http://127.0.0.1:{VENUE_PORT}, market of {day.on}", markup=False)
        console.print("Now copy local.settings.json.example to local.settings.json and run func start; Ctrl-C ends.")
        serve_venue(world, port=VENUE_PORT, clock_file=None, journal=folder / f"venue-{day.on}.jsonl")
