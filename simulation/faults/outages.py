"""What is down, hidden or another's for a while: broker, storage, parts of an account, its positions, its keys."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.core.market import TradingDay
from simulation.faults.keys import OtherAccount
from simulation.faults.world import World

KEYS_MINUTES = (1, 3, 15)
HIDDEN_A_DAY = 4
HIDDEN_S = (5, 40, 300, 1800)


def plan_outages(world: World, day: TradingDay) -> None:
    """Plan when a day's broker and storage are down."""
    rng = world.plan_rng
    for chance, is_storage in ((world.faults.broker_outage, False), (world.faults.storage_outage, True)):
        begins_at = day.open_at + timedelta(minutes=rng.randrange(0, 400))
        ends_at = begins_at + timedelta(seconds=rng.choice((20, 60, 180, 900)))
        if rng.random() >= chance:
            continue
        if is_storage:
            world.at(begins_at, lambda ends_at=ends_at: set_storage(world, up_at=ends_at))  # type: ignore[misc]
            world.at(ends_at, lambda: set_storage(world, up_at=None))
        else:
            plan_broker_outage(world, begins_at, ends_at)


def plan_broker_outage(world: World, begins_at: datetime, ends_at: datetime) -> None:
    """Have the broker down from one instant to another."""
    world.at(begins_at, lambda: set_broker(world, down=True))
    world.at(ends_at, lambda: set_broker(world, down=False))


def set_broker(world: World, *, down: bool) -> None:
    """Let the broker go down, unless all is calm, or come back."""
    is_down = down and not world.is_calm
    world.observer.outage(is_down - world.broker_down)
    world.broker_down = is_down
    world.trace.note(world.now(), "broker", "down" if is_down else "up")


def set_storage(world: World, *, up_at: datetime | None) -> None:
    """Let storage go down until an instant, unless all is calm, or come back."""
    world.storage_up_at = None if world.is_calm else up_at
    is_down = world.storage_up_at is not None
    world.observer.outage(is_down - world.storage_down)
    world.storage_down = is_down
    world.trace.note(world.now(), "storage", "down" if is_down else "up")


def set_part(world: World, part: str, *, down: bool) -> None:
    """Let one of the broker's lists be unanswered, unless all is calm, or come back."""
    world.trace.note(world.now(), "broker's", part, "down" if down else "up")
    (world.parts_down.add if down and not world.is_calm else world.parts_down.discard)(part)


def plan_keys(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan that a person puts another account's keys in while orders are on their way, and ours back, perhaps."""
    rng = random.Random(f"keys:{world.run.seed}:{day.on}")
    begins_at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=rng.choice((5, 60, 600)) * rng.random())
    ends_at = begins_at + timedelta(minutes=rng.choice(KEYS_MINUTES))
    if rng.random() < world.faults.other_keys:
        world.at(begins_at, lambda: set_keys(world, are_other=True))
        world.at(ends_at, lambda: set_keys(world, are_other=False))


def set_keys(world: World, *, are_other: bool) -> None:
    """Put the other keys in, unless all is calm, or ours back; nothing can be done for an order meanwhile."""
    is_on = are_other and not world.is_calm
    world.observer.outage(is_on - (world.other is not None))
    world.other = OtherAccount(sorted(world.tape.traits)) if is_on else None
    world.trace.note(world.now(), "keys of", "another account" if is_on else "our account")


def plan_hiding(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan when the broker answers as if nothing were held, as likely as not soon after orders are on their way."""
    rng = random.Random(f"hiding:{world.run.seed}:{day.on}")
    for _ in range(HIDDEN_A_DAY):
        at = day.open_at + timedelta(seconds=rng.randrange(int((day.close_at - day.open_at).total_seconds())))
        if rng.random() < 0.5:
            at = max(day.open_at, rng.choice(busy)) + timedelta(minutes=20 * rng.random())
        length = timedelta(seconds=rng.choice(HIDDEN_S))
        if rng.random() < world.faults.positions_empty:
            world.at(at, lambda until=at + length: _hide(world, until))  # type: ignore[misc]


def _hide(world: World, until: datetime) -> None:
    world.hidden_until = until
    world.trace.note(world.now(), "no position is shown until", f"{until:%H:%M:%S}")
