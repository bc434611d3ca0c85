"""Storage and venue for `func start`: Azurite's standard ports, the venue on 7080, real time, today's market."""

from __future__ import annotations

import contextlib
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
from simulation.venue.face.server import LOOPBACK
from training.commands.options import say


def standalone(world: Scenario, console: Console, *, host: str = LOOPBACK, storage: str = "") -> None:
    """Serve until interrupted. The market is that of today, or of the next session where today is none.

    The venue listens once the first models are published.

    Parameters
    ----------
    host : str
        Address that the venue listens on.
    storage : str
        Connection string of a storage that runs already; empty: Azurite is started on its standard ports.
    """
    now = SystemClock().now()
    today = now.astimezone(NEW_YORK).date()
    calendar = XnysCalendar()
    day = calendar.day(today) or calendar.next_day(today)
    world = replace(world, on=day.on)
    tradable_day(day.on)
    folder = STATE / "standalone"
    with contextlib.ExitStack() as stack:
        for place in (folder, PORTS):
            stack.enter_context(held(place, "sandbox standalone"))
        connection = storage
        if not storage:
            connection = stack.enter_context(Azurite(folder / "azurite", STANDARD_PORTS)).connection_string
        prepared = prepared_world(world)
        say(console, prepared.told)
        publish_models(prepared, connection, at=now)
        console.print(f"storage  {connection}", markup=False, soft_wrap=True)
        console.print(f"venue    http://{host}:{VENUE_PORT}, market of {day.on}", markup=False)
        if not storage:
            console.print(
                "Now copy local.settings.json.example to local.settings.json and run func start; Ctrl-C ends."
            )
        serve_venue(world, host=host, port=VENUE_PORT, clock_file=None, journal=folder / f"venue-{day.on}.jsonl")
