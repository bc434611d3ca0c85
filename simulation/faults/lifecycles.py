"""Lifecycles whose durable history is gone: what a purged task hub, or a deleted table of it, takes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from shared.contracts.records import Table
from shared.core.errors import ContractError
from shared.core.market import TradingDay
from shared.core.order_states import OrderState
from simulation.faults.check_end_of_day import rows_of
from simulation.faults.world import World

LOST_A_DAY = 2
OVERNIGHT_TIMES = 2
"""So much likelier is one lost over a night, of which there are few."""


def plan_lost_lifecycles(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan whose lifecycles vanish on a day."""
    rng = random.Random(f"lifecycles:{world.run.seed}:{day.on}")
    planned = [(rng.choice(busy) + timedelta(seconds=rng.uniform(2, 900)), 1) for _ in range(LOST_A_DAY)]
    if world.carried and day is not world.days[0]:
        planned.append((day.open_at - world.before_open / 2, OVERNIGHT_TIMES))
    for at, times in planned:
        pick = rng.randrange(1000)
        if rng.random() < world.faults.lifecycle_lost * times:
            world.at(at, lambda pick=pick: _lose(world, pick))  # type: ignore[misc]


def _lose(world: World, pick: int) -> None:
    """Forget an instance that runs; what is under way for it comes to nothing."""
    recorded = set(_recorded(world))
    running = sorted(key for key, each in world.hub.instances.items() if each.is_running and key in recorded)
    if not running:
        return
    gone = world.hub.instances.pop(running[pick % len(running)])
    world.trace.note(world.now(), "a lifecycle is lost:", gone.symbol, gone.instance_id)
    world.observer.lifecycle_lost(gone.instance_id, gone.symbol)


def _recorded(world: World) -> Iterator[str]:
    """Intents whose order's row can be read: where row and lifecycle are both gone, nothing is left to go on from."""
    for row in rows_of(world, Table.ORDERS).values():
        with suppress(ContractError):
            yield world.ports.codec.decode(OrderState, str(row["state"])).plan.intent_id
