"""A broker made by hand: brackets, pairs and single orders that fill when the test says so, and answers that get lost.

Unlike the sandbox's venue it knows no market, so a test can have any order of events. Like Alpaca it refuses a client
order id that is used and a sale of shares that are not there, and a filled exit cancels its sibling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.orders import BrokerOrder, OrderClass, OrderRequest, OrderStatus, OrderType
from shared.core.portfolio import Account, Position
from shared.core.unread import Listing, Unread, listing
from shared.core.values import Side, Symbol
from tests.support.clock import HandClock

DUPLICATE = 40010001
NO_SHARES = 40310000


def account_at(
    equity: int | str | Decimal = 100_000,
    *,
    last_equity: int | str | Decimal = 100_000,
    account_id: str = "hand",
    paid_in: int | str | Decimal = 0,
) -> Account:
    """An account with nothing but cash, in USD."""
    return Account(
        account_id=account_id,
        equity=Decimal(equity),
        last_equity=Decimal(last_equity),
        cash=Decimal(equity),
        buying_power=Decimal(equity),
        is_blocked=False,
        paid_in=Decimal(paid_in),
    )


@dataclass(slots=True)
class HandBroker:
    """`shared.ports.Broker` in memory.

    Attributes
    ----------
    lost : list of str
        Methods whose next call takes effect and loses its answer, oldest first.
    down : list of str
        Methods whose next call fails before it has any effect.
    refusals : dict
        BrokerError that the next call of a method raises.
    hangs : bool
        Cancels stay pending until `settle_cancels`.
    """

    clock: HandClock
    equity: Decimal = Decimal(100_000)
    buying_power: Decimal = Decimal(100_000)
    is_blocked: bool = False
    account_of: str = "hand"
    """Id of the account that the keys open."""
    last_equity: Decimal = Decimal(100_000)
    paid_in: Decimal = Decimal(0)
    lost: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    refusals: dict[str, BrokerError] = field(default_factory=dict)
    hangs: bool = False
    outage: Exception | None = None
    broken: dict[str, Exception] = field(default_factory=dict)
    """What every call of a method raises until it is taken out."""
    unexplained: list[Position] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    """Rows of positions and orders that cannot be read."""
    requests: list[OrderRequest] = field(default_factory=list)
    refused: list[OrderRequest] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    book: dict[str, BrokerOrder] = field(default_factory=dict)
    oversells: int = 0
    sold_elsewhere: dict[str, Decimal | int] = field(default_factory=dict)
    """Shares by symbol that someone else has sold on this account."""
    unseen: int = 0
    """Look-ups to come that are answered from before the order arrived."""

    legs_made: tuple[str, ...] = ("target", "stop")
    """Exit legs that are created; a silent broker leaves one out."""
    forgotten: set[str] = field(default_factory=set)
    """Client order ids that a look-up does not know any more."""
    unlisted: set[str] = field(default_factory=set)
    """Client order ids that are not in the list of all orders any more."""
    silent_cancels: set[str] = field(default_factory=set)
    """Order ids whose cancel is done and never shown."""
    shows_nothing: bool = False
    """Positions are answered as if there were none; the account still counts what they are worth."""
    counts_nothing: bool = False
    """The account's worth leaves them out too."""
    unlisted_usd: Decimal = Decimal(0)
    """What the account counts beside what it lists, an option say."""
    refuses: Callable[[OrderRequest], str] = lambda _: ""
    """Alpaca's words for a submission that it refuses for as long as this stands; empty for one that it takes."""

    # -- the port ------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        self._begin("clock")
        return self.clock.now()

    def account_id(self) -> str:
        return self.account_of

    def account(self) -> Account:
        self._begin("account")
        return Account(
            account_id=self.account_of,
            equity=self.equity,
            last_equity=self.last_equity,
            cash=self.equity - self.unlisted_usd - self._worth(),
            buying_power=self.buying_power,
            is_blocked=self.is_blocked,
            paid_in=self.paid_in,
        )

    def positions(self) -> Listing[Position]:
        self._begin("positions")
        return self._positions()

    def _positions(self) -> Listing[Position]:
        shown = () if self.shows_nothing else (*self._ours(), *self.unexplained)
        return Listing(shown, self._unread("position"))

    def _worth(self) -> Decimal:
        counted = () if self.counts_nothing else (*self._ours(), *self.unexplained)
        return sum((each.market_value for each in counted), Decimal(0))

    def position(self, symbol: Symbol) -> Position | None:
        self._begin("position")
        if any(each.name == symbol for each in self._unread("position")):
            raise ContractError(f"GET /positions/{symbol}: qty is null")
        return next((each for each in self._positions() if each.symbol == symbol), None)

    def _ours(self) -> list[Position]:
        symbols = sorted({order.symbol for order in self.book.values()})
        return [
            Position(symbol=s, qty=Decimal(self.held(s)), average_price=Decimal(10), market_price=Decimal(10))
            for s in symbols
            if self.held(s)
        ]

    def open_orders(self, symbol: Symbol) -> Listing[BrokerOrder]:
        self._begin("orders")
        known = [o for o in self.book.values() if o.client_order_id not in self.unlisted]
        return listing(order for order in known if order.symbol == symbol and not order.status.is_final)

    def _unread(self, what: str) -> tuple[Unread, ...]:
        return tuple(each for each in self.unread if each.what == what)

    def orders(self, *, since: datetime) -> Listing[BrokerOrder]:
        self._begin("orders")
        known = [order for order in self.book.values() if order.client_order_id not in self.unlisted]
        return Listing(tuple(order for order in known if order.submitted_at > since), self._unread("order"))

    def order(self, client_order_id: str) -> BrokerOrder | None:
        self._begin("order")
        self.looked.append(client_order_id)
        if self.unseen:
            self.unseen -= 1
            return None
        found = self.by_client_id(client_order_id)
        is_known = found is not None and client_order_id not in self.forgotten
        return self._nested(found) if found is not None and is_known else None

    def submit(self, request: OrderRequest) -> BrokerOrder:
        self._begin("submit")
        if self.by_client_id(request.client_order_id) is not None:
            raise BrokerError(422, DUPLICATE, "client_order_id must be unique")
        if request.side is Side.SELL and request.qty > self.available(request.symbol):
            self.oversells += 1
            raise BrokerError(403, NO_SHARES, "insufficient qty available for order")
        if words := self.refuses(request):
            self.refused.append(request)
            raise BrokerError(403, NO_SHARES, words)
        self.requests.append(request)
        parent = self._take_in(request)
        self._end("submit")
        return self._nested(parent)

    def cancel(self, order_id: str) -> None:
        self._begin("cancel")
        self.cancels.append(order_id)
        if order_id not in self.book and any(row.order_id == order_id for row in self.unread):
            return
        order = self.book[order_id]
        if not order.status.is_final and order_id not in self.silent_cancels:
            self._set(order_id, status=OrderStatus.PENDING_CANCEL)
            if not self.hangs:
                self.settle_cancels()
        self._end("cancel")

    # -- what happens at the venue -------------------------------------------------------------------------------

    def fill(
        self,
        client_order_id: str,
        shares: Decimal | int | None = None,
        price: str = "10.00",
        *,
        leg: str = "",
        rival_sleeps: bool = False,
    ) -> None:
        """Fill an order (or its stop or target leg) with some shares, all that remain unless told.

        The other exit of a pair shrinks by as much, unless the venue is slow to tell it.
        """
        order = self.find(client_order_id, leg)
        shares = order.remaining_qty if shares is None else Decimal(shares)
        value = order.filled_qty * (order.filled_average_price or Decimal(0)) + shares * Decimal(price)
        filled = order.filled_qty + shares
        done = filled == order.qty
        self._set(
            order.order_id,
            filled_qty=filled,
            filled_average_price=value / filled,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_at=self.clock.now() if done else None,
        )
        if done and order.order_class == OrderClass.BRACKET and order.side is Side.BUY:
            self._arm(order.order_id)
        elif not rival_sleeps:
            for rival in self._rivals(order):
                left = rival.qty - shares
                ended = {"status": OrderStatus.CANCELED} if done or left <= rival.filled_qty else {"qty": left}
                self._set(rival.order_id, **ended)

    def rest(self, side: Side, shares: int, limit: str, client_order_id: str = "by-hand") -> str:
        """Let an order of AAA stand that no lifecycle has sent; return its id."""
        request = OrderRequest(
            client_order_id=client_order_id,
            symbol=Symbol("AAA"),
            side=side,
            qty=Decimal(shares),
            order_type=OrderType.LIMIT,
            limit_price=Decimal(limit),
        )
        return self._take_in(request).order_id

    def settle_cancels(self) -> None:
        """Every pending cancel goes through, with what hangs on the order."""
        for order in list(self.book.values()):
            if order.status is OrderStatus.PENDING_CANCEL:
                self.end(order.order_id, OrderStatus.CANCELED)

    def end(self, order_id: str, status: OrderStatus) -> None:
        """End an order; its unarmed legs and its rival end with it."""
        order = self.book[order_id]
        self._set(order_id, status=status)
        for other in (*self._legs(order_id), *self._rivals(order)):
            unseen = other.order_id in self.silent_cancels
            if (
                not other.status.is_final
                and not unseen
                and (order.side is Side.SELL or order.status is not OrderStatus.FILLED)
            ):
                self._set(other.order_id, status=OrderStatus.CANCELED)

    def say(self, client_order_id: str, status: OrderStatus, *, leg: str = "") -> None:
        """Show another status, whatever is true."""
        self._set(self.find(client_order_id, leg).order_id, status=status, status_text=f"{status}?")

    # -- what can be asked ---------------------------------------------------------------------------------------

    def by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        return next((o for o in self.book.values() if o.client_order_id == client_order_id), None)

    def find(self, client_order_id: str, leg: str = "") -> BrokerOrder:
        order = self.by_client_id(f"{client_order_id}{leg and '.' + leg}") or self.by_client_id(client_order_id)
        assert order is not None, f"no order {client_order_id}"
        return order

    def held(self, symbol: Symbol) -> Decimal:
        """Shares bought less shares sold."""
        signed = {Side.BUY: 1, Side.SELL: -1}
        ours = sum((signed[o.side] * o.filled_qty for o in self.book.values() if o.symbol == symbol), Decimal(0))
        return ours - self.sold_elsewhere.get(symbol, 0)

    def available(self, symbol: Symbol) -> Decimal:
        """Shares held that no open sale has taken already; the two of a pair take theirs once."""
        sells = [o for o in self.book.values() if o.symbol == symbol and o.side is Side.SELL and not o.status.is_final]
        entries = [(o, self._parent(o)) for o in sells if not o.client_order_id.endswith(".stop")]
        taken = [o for o, entry in entries if entry is None or entry.status is OrderStatus.FILLED]
        return self.held(symbol) - sum((o.remaining_qty for o in taken), Decimal(0))

    def live(self, side: Side) -> list[BrokerOrder]:
        """Open orders of one side, legs of a working entry left out."""
        found = [(o, self._parent(o)) for o in self.book.values() if o.side is side and not o.status.is_final]
        return [
            o
            for o, entry in found
            if entry is None or (side, entry.side) != (Side.SELL, Side.BUY) or entry.status.is_final
        ]

    def _parent(self, order: BrokerOrder) -> BrokerOrder | None:
        return self.book.get(order.parent_order_id or "")

    def _begin(self, method: str) -> None:
        if self.outage is not None:
            raise self.outage
        if method in self.broken:
            raise self.broken[method]
        if method in self.refusals:
            raise self.refusals.pop(method)
        if method in self.down:
            self.down.remove(method)
            raise TransientError(f"{method}: no connection")

    def _end(self, method: str) -> None:
        if method in self.lost:
            self.lost.remove(method)
            raise TransientError(f"{method}: answer lost")

    def _take_in(self, request: OrderRequest) -> BrokerOrder:
        number = f"o{len(self.book) + 1}"
        parent = self._order(number, request.client_order_id, request, request.order_type, request.side)
        is_pair = request.order_class is OrderClass.OCO
        limit = request.target_price if is_pair else request.limit_price
        self.book[number] = replace(parent, status=OrderStatus.NEW, limit_price=limit, stop_price=None)
        if request.order_class is OrderClass.BRACKET and "target" in self.legs_made:
            self._leg(number, request, "target", OrderType.LIMIT)
        if request.order_class is not OrderClass.SIMPLE and "stop" in self.legs_made:
            self._leg(number, request, "stop", OrderType.STOP)
        return self.book[number]

    def _leg(self, parent: str, request: OrderRequest, name: str, order_type: OrderType) -> None:
        number = f"{parent}-{name}"
        leg = self._order(number, f"{request.client_order_id}.{name}", request, order_type, Side.SELL)
        self.book[number] = replace(
            leg,
            parent_order_id=parent,
            status=OrderStatus.HELD,
            limit_price=request.target_price if name == "target" else None,
            stop_price=request.stop_price if name == "stop" else None,
        )

    def _order(
        self, number: str, client_order_id: str, request: OrderRequest, order_type: OrderType, side: Side
    ) -> BrokerOrder:
        now = self.clock.now()
        return BrokerOrder(
            order_id=number,
            client_order_id=client_order_id,
            symbol=request.symbol,
            side=side,
            order_type=order_type.value,
            order_class=request.order_class.value,
            status=OrderStatus.NEW,
            status_text="new",
            qty=request.qty,
            filled_qty=Decimal(0),
            filled_average_price=None,
            limit_price=None,
            stop_price=None,
            submitted_at=now,
            updated_at=now,
        )

    def _arm(self, parent: str) -> None:
        for leg in self._legs(parent):
            if leg.limit_price is not None:
                self._set(leg.order_id, status=OrderStatus.NEW)

    def _set(self, order_id: str, **changes: object) -> None:
        order = self.book[order_id]
        self.book[order_id] = replace(order, updated_at=self.clock.now(), **changes)  # type: ignore[arg-type]

    def _legs(self, parent: str) -> list[BrokerOrder]:
        return [o for o in self.book.values() if o.parent_order_id == parent]

    def _rivals(self, order: BrokerOrder) -> list[BrokerOrder]:
        """The other exit of a bracket or pair."""
        if order.side is Side.BUY:
            return []
        head = order.parent_order_id or order.order_id
        exits = [o for o in (self.book[head], *self._legs(head)) if o.side is Side.SELL]
        return [o for o in exits if o.order_id != order.order_id and not o.status.is_final]

    def _nested(self, order: BrokerOrder) -> BrokerOrder:
        return replace(self.book[order.order_id], legs=tuple(self._legs(order.order_id)))
