"""A broker that answers for a while as if nothing were held, its account's worth being right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.core.market import TradingDay
from shared.core.order_states import OrderState
from shared.core.order_steps import StepCall
from simulation.faults.violation import Violation

if TYPE_CHECKING:
    from simulation.faults.world import World

SPELLS_A_DAY = 4
LENGTHS_S = (5, 40, 300, 1800)


class Hiding:
    """Knows when positions are hidden, and what may not follow from it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._until = world.now()

    def plan(self, day: TradingDay, busy: Sequence[datetime]) -> None:
        """Plan a day's spells, as likely as not soon after orders are on their way."""
        world = self._world
        rng = random.Random(f"hiding:{world.run.seed}:{day.on}")
        for _ in range(SPELLS_A_DAY):
            at = day.open_at + timedelta(seconds=rng.randrange(int((day.close_at - day.open_at).total_seconds())))
            if rng.random() < 0.5:
                at = max(day.open_at, rng.choice(busy)) + timedelta(minutes=20 * rng.random())
            length = timedelta(seconds=rng.choice(LENGTHS_S))
            if rng.random() < world.faults.positions_empty:
                world.at(at, lambda until=at + length: self._begin(until))  # type: ignore[misc]

    def _begin(self, until: datetime) -> None:
        self._until = until
        self._world.trace.note(self._world.now(), "no position is shown until", f"{until:%H:%M:%S}")

    @property
    def is_on(self) -> bool:
        """Whether positions are hidden now."""
        return self._world.now() < self._until and not self._world.is_calm

    def was_on_since(self, at: datetime) -> bool:
        """Whether positions have been hidden at any time since an instant."""
        return self._until >= at

    def step_ended(self, asked: StepCall, after: OrderState) -> None:
        """Look whether shares were written off that the account holds."""
        before = asked.state
        gone = after.written_off - before.written_off
        held = self._world.exchange.account.held(after.plan.symbol)
        if gone > 0 and held > before.held - gone:
            text = f"{after.plan.intent_id} wrote off {gone} of {before.held}, the account holds {held}"
            raise Violation("nothing is written off that is there", text)
