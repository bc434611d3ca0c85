"""A person who trades by hand in the same account, rows that break, and a broker that tells a part only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.records import CONTROLS, KILL, Table
from shared.core.ledger import Ledger
from shared.core.market import TradingDay
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.controls import resume
from simulation.faults.market import SYMBOLS
from simulation.faults.outages import set_part
from simulation.faults.world import World
from simulation.venue.beside import hand_traded

PARTS = ("account", "positions", "orders")
LOOKED_AT_EVERY = timedelta(minutes=10)
"""How often a person looks at what halts entries, and resumes."""
BROKEN = "{"


def plan_beside(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan a day's outages of a part, its broken rows, and on the first day what a person holds."""
    rng, faults = random.Random(f"beside:{world.run.seed}:{day.on}"), world.faults
    for part in PARTS:
        at = day.open_at + (day.close_at - day.open_at) * rng.random()
        lasts = timedelta(minutes=rng.choice((5, 60, 400)))
        if rng.random() < faults.part_outage:
            world.at(at, lambda part=part: set_part(world, part, down=True))  # type: ignore[misc]
            world.at(min(at + lasts, day.close_at), lambda part=part: set_part(world, part, down=False))  # type: ignore[misc]
    for _ in range(3):
        at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=300 * rng.random())
        pick = rng.randrange(1000)
        # An order whose reservation is lost and whose row is broken is known to nobody: that is told, and a person's.
        if rng.random() < faults.broken_row and not faults.row_lost:
            world.at(at, lambda pick=pick: _break_row(world, pick))  # type: ignore[misc]
    if rng.random() < faults.foreign_rows and day is world.days[0]:
        made = hand_traded([s for s in SYMBOLS if rng.random() < 0.3], world.now() + timedelta(seconds=1))
        made.positions = [row for row in made.positions if rng.random() < 0.4]
        world.exchange.beside = made
    if world.exchange.beside.orders:
        world.at(day.open_at, lambda: _look(world, day))


def _break_row(world: World, pick: int) -> None:
    """Spoil the row of an order that lives, as a hand in Storage Explorer may."""
    living = {each.instance_id for each in world.hub.instances.values() if each.is_running}
    rows = {
        (str(day.on), key): row
        for day in world.days
        for key, row in world.tables.query(Table.ORDERS, str(day.on))
        if row["intent_id"] in living
    }
    if rows:
        on, key = sorted(rows)[pick % len(rows)]
        world.trace.note(world.now(), "a row is broken:", key)
        world.tables.put(Table.ORDERS, on, key, {**rows[on, key], "state": BROKEN})


def _look(world: World, day: TradingDay) -> None:
    """A person looks at what is unexplained and, unless entries are killed, resumes: it is their own."""
    ledger: Ledger | None = world.seen.ledger
    switch = world.tables.get(Table.CONTROLS, CONTROLS, KILL)
    is_killed = switch is not None and bool(switch.value.get("is_on"))
    if ledger is not None and ledger.unexplained and not is_killed:
        world.people(world.now(), "resume", lambda: _accept(world))
    if world.now() + LOOKED_AT_EVERY < day.close_at:
        world.at(world.now() + LOOKED_AT_EVERY, lambda: _look(world, day))


def _accept(world: World) -> Reply:
    """Resume: what is unexplained is the person's own."""
    ledger: Ledger | None = world.seen.ledger
    names = map(str, ledger.unexplained) if ledger is not None else ()
    call = Call(route="resume", by="person", reason="mine", caller="simulation")
    reply = resume(world.ports, call)
    if reply.is_done:
        world.observer.resumed(names)
    return reply
