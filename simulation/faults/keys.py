"""The broker that the keys open, which may be that of another account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.core.orders import BrokerOrder, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.unread import Listing, listing
from shared.core.values import Symbol
from simulation.faults.faults import FaultyBroker, Surroundings
from simulation.faults.violation import Violation

HELD_QTY = Decimal(1_000)
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
            Position(symbol=Symbol(symbol), qty=HELD_QTY, average_price=price, market_price=price)
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

    def __init__(self, world: Surroundings, ours: FaultyBroker) -> None:
        self._world = world
        self._ours = ours

    def __getattr__(self, name: str) -> Any:
        if self._world.other is None:
            return getattr(self._ours, name)
        self._world.hurt("other_keys", name)
        return getattr(self._world.other, name)
