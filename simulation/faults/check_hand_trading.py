"""A person who trades by hand in the same account, rows that break, and a broker that tells a part only.

The rules that must hold meanwhile: who is to leave is told so, whatever the broker does not tell; what is not ours is
named after a few looks, is never touched, and once accepted by a resume halts nothing again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.contracts.records import CONTROLS, KILL, Table
from shared.core.ledger import Ledger, unexplained_of
from shared.core.market import TradingDay
from shared.core.order_states import ExitReason
from shared.core.order_steps import STOP_ENTERING
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.values import parse_utc
from shared.stages.account.supervise import Supervision
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.controls import resume
from simulation.faults.market import SYMBOLS
from simulation.faults.violation import Violation
from simulation.venue.beside import Row, hand_traded

if TYPE_CHECKING:
    from simulation.faults.world import World

PARTS = ("account", "positions", "orders")
LOOKED_AT_EVERY = timedelta(minutes=10)
"""How often a person looks at what halts entries, and resumes."""
LOOKS = 3
"""Looks at a whole account after which all that is not ours is named."""
BROKEN = "{"


def plan_beside(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan a day's outages of a part, its broken rows, and on the first day what a person holds."""
    rng, faults = random.Random(f"beside:{world.run.seed}:{day.on}"), world.faults
    for part in PARTS:
        at = day.open_at + (day.close_at - day.open_at) * rng.random()
        lasts = timedelta(minutes=rng.choice((5, 60, 400)))
        if rng.random() < faults.part_outage:
            world.at(at, lambda part=part: _part(world, part, down=True))  # type: ignore[misc]
            world.at(min(at + lasts, day.close_at), lambda part=part: _part(world, part, down=False))  # type: ignore[misc]
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


def _part(world: World, part: str, *, down: bool) -> None:
    world.trace.note(world.now(), "broker's", part, "down" if down else "up")
    (world.parts_down.add if down and not world.is_calm else world.parts_down.discard)(part)


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
    ledger: Ledger | None = world.checkers.ledger
    switch = world.tables.get(Table.CONTROLS, CONTROLS, KILL)
    is_killed = switch is not None and bool(switch.value.get("is_on"))
    if ledger is not None and ledger.unexplained and not is_killed:
        world.people(world.now(), "resume", lambda: _accept(world))
    if world.now() + LOOKED_AT_EVERY < day.close_at:
        world.at(world.now() + LOOKED_AT_EVERY, lambda: _look(world, day))


def _accept(world: World) -> Reply:
    """Resume: what is unexplained is the person's own."""
    ledger: Ledger | None = world.checkers.ledger
    names = unexplained_of(ledger) if ledger is not None else ()
    call = Call(route="resume", by="person", reason="mine", caller="simulation")
    reply = resume(world.ports, call)
    if reply.is_done:
        world.checkers.beside.accepted(names)
    return reply


class BesideRules:
    """What must hold of whoever is to leave, and of what is not ours."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._accepted: set[str] = set()
        self._looks = 0

    def supervised(self, seen: Supervision) -> None:
        """Hold what one look asked for against ledger, controls and clock as they stand."""
        world = self._world
        work = world.current
        if world.hiding.is_on and not self._is_counted():
            self._accepted.clear()
        if work is None or work.is_hurt or work.began_at is None:
            return
        self._leaving(seen, work.began_at)
        self._looks = 0 if world.parts_down or world.hiding.is_on else self._looks + 1
        if self._looks >= LOOKS:
            self._named()

    def _is_counted(self) -> bool:
        """Whether the account counts a dollar as held; of a worthless row that is hidden nothing tells."""
        exchange = self._world.exchange
        return bool(exchange.beside.value + sum(exchange.account.market_value(exchange.marks())) >= 1)

    def _leaving(self, seen: Supervision, began_at: datetime) -> None:
        """Who is to leave, or to enter no more, since before the look began is told so."""
        world, ledger = self._world, self._world.checkers.ledger
        switch = world.tables.get(Table.CONTROLS, CONTROLS, KILL)
        is_told = (
            switch is not None
            and bool(switch.value.get("is_on") and switch.value.get("is_flattening"))
            and parse_utc(str(switch.value["at"])) < began_at
        )
        is_late = world.day.close_at - LEAVE_BEFORE_CLOSE <= began_at < world.day.close_at
        if ledger is None:
            return
        heard = {wake.intent_id for wake in seen.wakes if wake.event in {STOP_ENTERING, *ExitReason}}
        rooms = {r.intent_id for r in ledger.reservations} if world.checkers.is_stopped_since(began_at) else set()
        if missing := sorted(each for each in rooms - heard if self._stood(each, ledger, began_at)):
            raise Violation("who is to enter no more is told", f"{missing} at {began_at}")
        if not (is_told or is_late):
            return
        told = {wake.intent_id for wake in seen.wakes if wake.event in ExitReason}
        asked = {r.intent_id for r in ledger.reservations if is_told or r.reserved_at < world.day.close_at}
        if missing := sorted(each for each in asked - told if self._stood(each, ledger, began_at)):
            raise Violation("who is to leave is told", f"{missing} at {began_at}")

    @staticmethod
    def _stood(intent_id: str, ledger: Ledger, began_at: datetime) -> bool:
        return any(r.intent_id == intent_id and r.reserved_at < began_at for r in ledger.reservations)

    def _named(self) -> None:
        """After a few looks at a whole account everything that is not ours is known to the ledger by its name."""
        world, ledger = self._world, self._world.checkers.ledger
        if ledger is None:
            return
        known = {*unexplained_of(ledger), *ledger.accepted, *ledger.suspected}
        ours = {r.symbol for r in ledger.reservations}
        for row in world.exchange.beside.positions:
            name = _name(row)
            if name not in ours and f"position in {name}" not in known:
                raise Violation("what is not ours is named", f"position in {name} after {self._looks} looks")

    def ledger_written(self, ledger: Ledger) -> None:
        """What was accepted, and is still there, never halts again."""
        if names := {*unexplained_of(ledger)} & self._accepted:
            raise Violation("what is accepted halts nothing", ", ".join(sorted(names)))

    def accepted(self, names: Iterable[str]) -> None:
        """Note what a person has resumed on; what they hold stays there to the end."""
        held = {f"position in {_name(row)}" for row in self._world.exchange.beside.positions}
        self._accepted |= held.intersection(names)

    def ledger_lost(self) -> None:
        """A ledger that was lost has forgotten what was accepted."""
        self._accepted.clear()
        self._looks = 0


def _name(row: Row) -> str:
    """Symbol of a row as the app names it."""
    return str(row["symbol"]).replace(" ", "_")
