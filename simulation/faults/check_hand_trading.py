"""What must hold while a person trades by hand in the same account and the broker tells a part only.

Who is to leave is told so, whatever the broker does not tell. What is not ours is named after a few looks, is never
touched, and once accepted by a resume halts nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from shared.contracts.records import CONTROLS, KILL, Table
from shared.core.ledger import Ledger
from shared.core.order_states import ExitReason
from shared.core.order_steps import STOP_ENTERING
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.values import parse_utc
from shared.stages.account.supervise import Supervision
from simulation.faults.violation import Violation
from simulation.faults.world import World
from simulation.venue.beside import Row

LOOKS = 3
"""Looks at a whole account after which all that is not ours is named."""


class BesideRules:
    """What must hold of whoever is to leave, and of what is not ours."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._accepted: set[str] = set()
        self._looks = 0

    def supervision_decided(self, seen: Supervision) -> None:
        """Hold what one look asked for against ledger, controls and clock as they stand."""
        world = self._world
        work = world.current
        if world.is_hiding and not self._is_counted():
            self._accepted.clear()
        if work is None or work.is_hurt or work.began_at is None:
            return
        self._leaving(seen, work.began_at)
        self._looks = 0 if world.parts_down or world.is_hiding else self._looks + 1
        if self._looks >= LOOKS:
            self._named()

    def _is_counted(self) -> bool:
        """Whether the account counts a dollar as held; of a worthless row that is hidden nothing tells."""
        exchange = self._world.exchange
        return bool(exchange.beside.value + sum(exchange.account.market_value(exchange.marks())) >= 1)

    def _leaving(self, seen: Supervision, began_at: datetime) -> None:
        """Who is to leave, or to enter no more, since before the look began is told so."""
        world, ledger = self._world, self._world.seen.ledger
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
        is_stopped, is_own = world.seen.is_stopped_since(began_at), world.seen.is_strategy_stopped_since
        reservations = {r.intent_id for r in ledger.reservations if is_stopped or is_own(r.strategy, began_at)}
        if missing := sorted(each for each in reservations - heard if self._stood(each, ledger, began_at)):
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
        world, ledger = self._world, self._world.seen.ledger
        if ledger is None:
            return
        known = {str(each) for each in (*ledger.unexplained, *ledger.accepted, *ledger.suspected)}
        ours = {r.symbol for r in ledger.reservations}
        for row in world.exchange.beside.positions:
            name = _name(row)
            if name not in ours and f"position in {name}" not in known:
                raise Violation("what is not ours is named", f"position in {name} after {self._looks} looks")

    def ledger_written(self, ledger: Ledger) -> None:
        """What was accepted, and is still there, never halts again."""
        if names := {*map(str, ledger.unexplained)} & self._accepted:
            raise Violation("what is accepted halts nothing", ", ".join(sorted(names)))

    def resumed(self, names: Iterable[str]) -> None:
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
