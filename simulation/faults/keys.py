"""The keys of another account, for some minutes: a person has exchanged the wrong settings, and puts them right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shared.core.market import TradingDay
from shared.core.orders import BrokerOrder, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.unread import Listing, listing
from shared.core.values import Symbol
from simulation.faults.violation import Violation

if TYPE_CHECKING:
    from simulation.faults.faults import FaultyBroker
    from simulation.faults.world import World

MINUTES = (1, 3, 15)
HELD_SHARES = 1_000
"""More of each symbol than an order of ours would sell: nothing but the app itself keeps it from being sold."""


class OtherAccount:
    """`Broker` of an account that nothing of ours belongs to: whoever looks sees it, and nobody may change it."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols

    def account_id(self) -> str:
        """Return the other id."""
        return "another-account"

    def account(self) -> Account:
        """Return a small account that has lost nothing."""
        worth = Decimal(30_000)
        return Account(
            account_id=self.account_id(),
            equity=worth,
            last_equity=worth,
            cash=worth,
            buying_power=worth,
            is_blocked=False,
        )

    def positions(self) -> Listing[Position]:
        """Return shares of every symbol."""
        price = Decimal(10)
        return listing(
            Position(symbol=Symbol(symbol), qty_shares=HELD_SHARES, average_price=price, market_price=price)
            for symbol in self._symbols
        )

    def position(self, symbol: Symbol) -> Position | None:
        """Return shares of one symbol."""
        return next((each for each in self.positions().rows if each.symbol == symbol), None)

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return none."""
        return listing(())

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        """Return none."""
        return listing(())

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """Return none: ours are unknown here."""
        return None

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Take nothing."""
        raise Violation("an order stays in its account", f"{request.client_order_id} was sent to another one")

    def cancel(self, order_id: str) -> None:
        """Cancel nothing."""
        raise Violation("an order stays in its account", f"the cancel of {order_id} was sent to another one")


class KeyedBroker:
    """The broker that the keys open: ours, or another account's while the wrong ones are in."""

    def __init__(self, world: World, ours: FaultyBroker) -> None:
        self._world = world
        self._ours = ours

    def __getattr__(self, name: str) -> Any:
        if self._world.other is None:
            return getattr(self._ours, name)
        self._world.hurt("other_keys", name)
        return getattr(self._world.other, name)


def plan_keys(world: World, day: TradingDay, busy: Sequence[datetime]) -> None:
    """Plan a day's exchange of keys, perhaps, while orders are on their way."""
    rng = random.Random(f"keys:{world.run.seed}:{day.on}")
    begins_at = max(day.open_at, rng.choice(busy)) + timedelta(seconds=rng.choice((5, 60, 600)) * rng.random())
    ends_at = begins_at + timedelta(minutes=rng.choice(MINUTES))
    if rng.random() < world.faults.other_keys:
        world.at(begins_at, lambda: exchange_keys(world, are_other=True))
        world.at(ends_at, lambda: exchange_keys(world, are_other=False))


def exchange_keys(world: World, *, are_other: bool) -> None:
    """Put the other keys in, or ours back; nothing can be done for an order meanwhile."""
    is_on = are_other and not world.is_calm
    world.checkers.guard.outage(change=is_on - (world.other is not None))
    world.other = OtherAccount(sorted(world.tape.traits)) if is_on else None
    world.trace.note(world.now(), "keys of", "another account" if is_on else "our account")
