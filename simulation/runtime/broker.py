"""The real matching engine as a broker: through the venue's JSON and the app's own parsing, without HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.adapters.alpaca import order_fields
from shared.adapters.alpaca_parse import (
    order_or_unread,
    position_or_unread,
    read_account,
    read_order,
    read_position,
)
from shared.core.errors import BrokerError
from shared.core.orders import BrokerOrder, OrderRequest
from shared.core.portfolio import Account, Position
from shared.core.unread import Listing, Unread
from shared.core.values import ZERO, Symbol, parse_utc
from simulation.venue.engine import Exchange
from simulation.venue.orders import Order
from simulation.venue.refusals import Refusal
from simulation.venue.requests import parse_order
from simulation.venue.views import account_id, account_json, order_json, position_json, receipt_json

NOT_FOUND = 404
NOT_CANCELABLE = 422


class SimBroker:
    """`Broker` on an exchange in memory. Its exchange stands at the clock's now when a call arrives.

    Attributes
    ----------
    hanging : dict of order id to datetime
        Orders whose cancel was taken and is not done before that instant; they show as pending_cancel.
    withheld : Decimal
        USD of buying power that the broker does not grant: cash that is not settled yet.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.hanging: dict[str, datetime] = {}
        self.withheld = ZERO
        self._seen: dict[tuple[Any, ...], BrokerOrder] = {}
        self._account: tuple[tuple[Any, ...], Account] | None = None
        self._positions: dict[str, tuple[tuple[Any, ...], Position]] = {}
        self._last: dict[str, list[BrokerOrder]] = {}

    def now(self) -> datetime:
        """Return the exchange's time."""
        return self.exchange.now

    def account_id(self) -> str:
        """Return the id of the one account."""
        return account_id(self.exchange)

    def account(self) -> Account:
        """Return equity, cash, buying power and flags; read anew where money, positions or marks have changed."""
        exchange = self.exchange
        held = tuple((symbol, each.qty, exchange.mark(symbol)) for symbol, each in exchange.account.positions.items())
        key = (
            exchange.account.cash,
            exchange.book.reserved_cash(),
            exchange.last_equity(),
            exchange.beside.value,
            held,
        )
        if self._account is None or self._account[0] != key:
            found = read_account(account_json(exchange))
            granted = max(ZERO, found.buying_power - self.withheld)
            self._account = (key, replace(found, buying_power=granted))
        return self._account[1]

    def positions(self) -> Listing[Position]:
        """Return open positions, by symbol."""
        ours = tuple(self._position(symbol) for symbol in sorted(self.exchange.account.positions))
        beside = [position_or_unread(row) for row in self.exchange.beside.positions]
        return listed(ours, beside)

    def position(self, symbol: Symbol) -> Position | None:
        """Return what is held of one symbol, None where nothing is."""
        return self._position(symbol) if symbol in self.exchange.account.positions else None

    def _position(self, symbol: str) -> Position:
        """A position as its JSON is read; read anew where what the app takes from it has changed."""
        held, price = self.exchange.account.positions[symbol], self.exchange.mark(symbol)
        key = (held.qty, held.cost, price, self.exchange.now.date())
        known = self._positions.get(symbol)
        if known is None or known[0] != key:
            known = self._positions[symbol] = (key, read_position(position_json(self.exchange, held)))
        return known[1]

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        """Return orders of every status submitted after `since`, legs as orders of their own, oldest first."""
        heads = [o for o in self.exchange.book.orders.values() if o.parent is None and o.created_at > since]
        flat = [part for head in heads for view in (self._view(head),) for part in (view, *view.legs)]
        rows = [row for row in self.exchange.beside.orders if parse_utc(row["submitted_at"]) > since]
        return listed(tuple(sorted(flat, key=lambda o: o.submitted_at)), [order_or_unread(row) for row in rows])

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        """Return what is open in a symbol, whoever sent it, legs as orders of their own."""
        heads = {order.head.id: order.head for order in self.exchange.book.live[symbol]}
        ours = (part for head in heads.values() for view in (self._view(head),) for part in (view, *view.legs))
        rows = [row for row in self.exchange.beside.open_orders() if row["symbol"] == symbol]
        return listed(tuple(ours), [order_or_unread(row) for row in rows])

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """Return one order with its legs, None where the broker does not know it."""
        found = self.exchange.book.by_client_order_id.get(client_order_id)
        return None if found is None else self._view(found)

    def earlier(self, client_order_id: str) -> BrokerOrder | None:
        """What an order looked like when it was last asked for and looked otherwise; None where there is no such."""
        found = self.exchange.book.by_client_order_id.get(client_order_id)
        views = self._last.get(found.id, []) if found is not None else []
        return views[-2] if len(views) > 1 else None

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Send one order, once."""
        try:
            order = self.exchange.submit(parse_order(order_fields(request)))
        except Refusal as refusal:
            raise _error(refusal) from refusal
        return read_order(receipt_json(order))

    def cancel(self, order_id: str) -> None:
        """Cancel; what is closed already is no error."""
        if self.exchange.beside.cancel(order_id):
            return
        try:
            self.exchange.cancel(order_id)
        except Refusal as refusal:
            if refusal.status != NOT_CANCELABLE:
                raise _error(refusal) from refusal

    def _view(self, order: Order) -> BrokerOrder:
        """An order as its JSON is read; kept until anything of it changes, since reading is what costs."""
        group = (order, *order.legs)
        hangs = {o.id for o in group if o.is_open and o.id in self.hanging}
        key = (order.id, *((o.id, o.status, o.filled_qty, o.qty, o.updated_at, o.id in hangs) for o in group))
        found = self._seen.get(key)
        if found is None:
            raw = order_json(order, nested=True)
            for part in (raw, *(raw["legs"] or ())):
                if part["id"] in hangs:
                    part["status"] = "pending_cancel"
            found = self._seen[key] = read_order(raw)
            self._last.setdefault(order.id, []).append(found)
        return found


def listed[T](ours: tuple[T, ...], beside: Iterable[T | Unread | None]) -> Listing[T]:
    """Our own rows with those of a person beside them, of which some cannot be read."""
    rows, unread = list(ours), []
    for each in beside:
        if isinstance(each, Unread):
            unread.append(each)
        elif each is not None:
            rows.append(each)
    return Listing(tuple(rows), tuple(unread))


def _error(refusal: Refusal) -> BrokerError:
    return BrokerError(refusal.status, refusal.code, refusal.message)
