"""A broker that refuses sales for a while: by a rule, or because of an order that a person has left standing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from shared.core.market import TradingDay
from shared.core.values import CENT, Rounding, round_to_tick
from shared.stages.base.requests import Call
from shared.stages.operator.controls import resume
from simulation.faults.faults import BrokerRule, Spell
from simulation.faults.world import World
from simulation.venue.refusals import Refusal
from simulation.venue.requests import parse_order

TRIES_A_DAY = 3
LENGTHS_S = (120, 600, 3000)
RESUMED_AFTER = timedelta(minutes=3)


def plan_refusals(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan a day's spells and a person's orders, as likely as not soon after orders are on their way."""
    rng = random.Random(f"refusing:{world.run.seed}:{day.on}")
    for begin in (_begin, _begin, _stand):
        for _ in range(TRIES_A_DAY):
            at = day.open_at + timedelta(seconds=rng.randrange(int((day.close_at - day.open_at).total_seconds())))
            if rng.random() < 0.5:
                at = max(day.open_at, rng.choice(busy)) + timedelta(minutes=40 * rng.random())
            length = timedelta(seconds=rng.choice(LENGTHS_S))
            rule, pick = rng.choice(tuple(BrokerRule)), rng.randrange(1000)
            if rng.random() < world.faults.refusing and at < day.close_at:
                ends_at = min(at + length, day.close_at)
                world.at(at, lambda b=begin, r=rule, p=pick, e=ends_at: b(world, r, p, e))  # type: ignore[misc]


def _begin(world: World, rule: BrokerRule, _: int, ends_at: datetime) -> None:
    if not world.is_calm:
        world.spell = Spell(rule=rule, ends_at=ends_at)
        world.trace.note(world.now(), "the broker takes", rule, f"until {ends_at:%H:%M:%S}")


def _stand(world: World, _: BrokerRule, pick: int, ends_at: datetime) -> None:
    """A person leaves a buy far under the market standing in a symbol of ours, and takes it back later."""
    held = sorted(world.exchange.account.positions)
    if world.is_calm or not held:
        return
    symbol = held[pick % len(held)]
    limit = round_to_tick(max(world.exchange.mark(symbol) / 2, CENT), Rounding.DOWN)
    body = {"symbol": symbol, "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day"}
    with suppress(Refusal):  # an exit of ours stands there: that would be a wash trade as well
        order = world.exchange.submit(parse_order(body | {"limit_price": str(limit)}))
        world.trace.note(world.now(), "a person's buy stands in", symbol, f"until {ends_at:%H:%M:%S}")
        world.at(ends_at, lambda: _take_back(world, order.id))


def _take_back(world: World, order_id: str) -> None:
    with suppress(Refusal):  # it has ended with its session, or was cancelled
        world.exchange.cancel(order_id)
    if world.seen.ledger is not None and world.seen.ledger.unexplained:
        call = Call(route="resume", by="person", reason="it was mine", caller="simulation")
        world.people(world.now() + RESUMED_AFTER, "resume", lambda: resume(world.ports, call))
