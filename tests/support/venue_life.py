"""One order's life at the real matching engine, on a tape made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast

from shared.core.order_steps import Step
from shared.stages.base.ledger import update_ledger
from simulation.market.tape import BasePrices, Halt
from simulation.runtime.broker import SimBroker
from simulation.venue.engine import Exchange
from simulation.venue.views import account_id
from tests.support.broker import HandBroker
from tests.support.orders import AAA, ON, Life, new_life
from tests.support.tape import HandTape, flat, joined, prices


@dataclass(slots=True, kw_only=True)
class VenueLife(Life):
    """Before each step the exchange is where the clock is; the quote is the last price, a cent either way."""

    exchange: Exchange

    def act(self, step: Step) -> Step:
        self.meet()
        return super(VenueLife, self).act(step)

    def meet(self) -> None:
        """Let the market come to the clock's now."""
        self.exchange.advance(self.ports.clock.at)
        last = float(self.exchange.mark(AAA))
        self.ports.market.prices["AAA"] = (f"{last - 0.01:.2f}", f"{last + 0.01:.2f}")

    def sleep_until(self, at: datetime, every: timedelta = timedelta(minutes=1)) -> None:
        """What supervision does for a sleeping order: a look each minute until an instant, or its end."""
        while self.ports.clock.at < at and not self.state.phase.is_over:
            self.ports.clock.pass_by(every)
            self.look()


def venue_life(
    day: BasePrices, *, halts: Sequence[Halt] = (), exchange_at: datetime | None = None, **plan: object
) -> VenueLife:
    """An approved order of 100 AAA at 10:00 New York, and the market of its day."""
    return on_venue(new_life(**plan), day, halts=halts, exchange_at=exchange_at)  # type: ignore[arg-type]


def on_venue(
    made: Life, day: BasePrices, *, halts: Sequence[Halt] = (), exchange_at: datetime | None = None
) -> VenueLife:
    """An order's life at the venue instead of the broker made by hand."""
    exchange = Exchange(HandTape(ON, {("AAA", ON): day}, halts=halts), start=exchange_at)
    theirs = account_id(exchange)
    update_ledger(made.ports, ON, made.ports.broker.account(), lambda ledger: replace(ledger, account_id=theirs))
    life = VenueLife(ports=made.ports, state=made.state, commands=[], exchange=exchange)
    life.ports.broker = cast(HandBroker, SimBroker(exchange))  # the ports of a test take any broker
    life.meet()
    return life


def day_of(steps: Mapping[str, float], *, spread: float = 0.02, volume: float = 40_000) -> BasePrices:
    """A day that stands at each price from a New York wall time on, to 20:00."""
    times = [*steps, "20:00"]
    parts = []
    for start, end in pairwise(times):
        bars = (int(end[:2]) - int(start[:2])) * 60 + int(end[3:]) - int(start[3:])
        parts.append(prices(ON, start, flat(steps[start], bars), spread=spread, volume=volume))
    return joined(*parts)
