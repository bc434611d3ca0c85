"""Splits over night: the broker changes how many shares are held, and the market what one of them costs.

What is held there is what an exit has left, since nothing is meant to be. Its orders were for the day and are gone, and
the position has changed under its lifecycle: after a reverse split shares are missing, which are written off; those
that a split adds belong to no order, halt entries, and wait for a person.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from shared.core.values import CENT, Symbol
from shared.stages.base.requests import Call
from shared.stages.operator.controls import resume
from simulation.faults.world import World

LOOKED_AT_AFTER = timedelta(minutes=40)
"""So long after the open a person looks at shares that belong to nobody, and again until they are sold."""
LOOKED_AGAIN_AFTER = timedelta(minutes=10)


def split_what_is_held(world: World) -> None:
    """Change the account as a broker does before the open: whole shares, the rest of one in cash, open orders gone."""
    for symbol, ratio in world.splits.items():
        for order in tuple(world.exchange.book.live[symbol]):
            if order.is_open:
                world.exchange.cancel(order.id)
        position = world.exchange.account.positions.get(symbol)
        if position is not None:
            _split(world, symbol, ratio)


def _split(world: World, symbol: Symbol, ratio: Fraction) -> None:
    account = world.exchange.account
    position = account.positions[symbol]
    before, exact = int(position.qty), int(position.qty) * ratio
    after = exact.numerator // exact.denominator
    rest = exact - after
    price = world.exchange.mark(symbol)
    in_cash = (price * rest.numerator / rest.denominator).quantize(CENT)
    world.trace.note(world.now(), "a split", symbol, f"{ratio}: {before} shares become {after}, and {in_cash} USD")
    world.seen.split.add(symbol)
    world.observer.was_split(symbol, Decimal(after), in_cash)
    account.cash += in_cash
    position.qty = Decimal(after)
    if not after:
        del account.positions[symbol]
    if after > before:
        world.at(world.day.open_at + LOOKED_AT_AFTER, lambda: _look_after(world, symbol))


def _look_after(world: World, symbol: Symbol) -> None:
    """A person sells what a split has added once our own order has ended, and resumes."""
    if world.exchange.account.held(symbol) <= 0:
        call = Call(route="resume", by="person", reason="sold what was added", caller="simulation")
        world.people(world.now(), "resume", lambda: resume(world.ports, call))
        return
    ours = any(each.is_running and each.symbol == symbol for each in world.hub.instances.values())
    if not ours and not world.exchange.book.live[symbol]:
        world.trace.note(world.now(), "a person sells what a split has added", symbol)
        world.exchange.close_position(symbol)
    world.at(world.now() + LOOKED_AGAIN_AFTER, lambda: _look_after(world, symbol))
