"""The exchange: time moves by `advance`, orders meet the tape, and nothing else happens.

Pure and deterministic: no wall time, no I/O, no randomness. `advance` jumps from one thing that can happen to the
next, found by vectorised search on each symbol that has working orders; one jump and many small steps give the same
log.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.core.market import Asset
from shared.core.values import Side, require_utc
from simulation.market.days import CALENDAR
from simulation.market.tape import Tape
from simulation.venue.account import VenueAccount
from simulation.venue.beside import Beside
from simulation.venue.book import Book, Due
from simulation.venue.calendar import ONE_DAY, TradingCalendar, midnight, new_york_date
from simulation.venue.config import VenueConfig
from simulation.venue.execution import Floor
from simulation.venue.journal import LogEntry, VenueEvent
from simulation.venue.matching import (
    best_price,
)
from simulation.venue.order_factory import make_order, make_replacement, replacement_request
from simulation.venue.order_validation import (
    check_exits,
    check_funds,
    check_instrument,
    check_wash,
    plan_times,
    reserve_price,
)
from simulation.venue.orders import (
    Order,
    ReplaceRequest,
    VenueOrderType,
    VenueRequest,
    VenueRole,
    VenueStatus,
    VenueTimeInForce,
)
from simulation.venue.refusals import Refusal, duplicate_client_order_id, invalid, not_found
from simulation.venue.tape_view import TapeView

INSTANT = timedelta(microseconds=1)


class Exchange:
    """One account at one venue on one tape.

    Parameters
    ----------
    tape : Tape
        The market.
    config : VenueConfig
        The venue's choices.
    calendar : TradingCalendar
        Trading days; XNYS unless given.
    start : datetime or None
        UTC instant at which the exchange begins; midnight New York of the tape's day unless given.
    """

    def __init__(
        self,
        tape: Tape,
        config: VenueConfig | None = None,
        *,
        calendar: TradingCalendar | None = None,
        start: datetime | None = None,
    ) -> None:
        self.tape = tape
        self.config = config or VenueConfig()
        self.calendar = calendar or CALENDAR
        self.view = TapeView(tape, self.calendar)
        self.account = VenueAccount(self.config)
        self.book = Book(tape.content_id, self.config, self.account)
        self.beside = Beside()
        start = start or midnight(tape.on)
        require_utc("start", start)
        self._floor = Floor(self.view, self.book, self.config, start)
        self.started_at = self.now
        self.closing_equity: list[tuple[datetime, Decimal]] = []
        self._closes_at = self._close_of(new_york_date(self.now))

    @property
    def now(self) -> datetime:
        """Instant up to which everything has happened."""
        return self._floor.now

    # -- what can be asked ---------------------------------------------------------------------------------------

    @property
    def log(self) -> list[LogEntry]:
        """Every order event so far, oldest first."""
        return self.book.log

    def order(self, order_id: str) -> Order:
        """Order by the venue's id.

        Raises
        ------
        Refusal
            404.
        """
        found = self.book.orders.get(order_id)
        if found is None:
            raise not_found(f"order not found for {order_id}")
        return found

    def order_by_client_id(self, client_order_id: str) -> Order:
        """Order by the client's id.

        Raises
        ------
        Refusal
            404.
        """
        found = self.book.by_client_order_id.get(client_order_id)
        if found is None:
            raise not_found(f"order not found for {client_order_id}")
        return found

    def asset(self, symbol: str) -> Asset:
        """Asset of the tape by symbol; crypto pairs also without their slash.

        Raises
        ------
        Refusal
            422.
        """
        assets = self.tape.assets
        found = assets.get(symbol)
        if found is None:
            found = next(
                (asset for name, asset in assets.items() if "/" in name and name.replace("/", "") == symbol), None
            )
        if found is None:
            raise invalid(f'asset "{symbol}" not found')
        return found

    def mark(self, symbol: str, at: datetime | None = None) -> Decimal:
        """Last traded price in USD; zero where the tape knows none."""
        return self.view.mark(symbol, at or self.now)

    def marks(self, at: datetime | None = None) -> dict[str, Decimal]:
        """Last traded price of every held symbol, in USD."""
        return {symbol: self.mark(symbol, at) for symbol in self.account.positions}

    def equity(self) -> Decimal:
        """Cash plus positions at their last price, in USD."""
        return self.account.equity(self.marks())

    def last_equity(self) -> Decimal:
        """Equity at the previous session's regular close, in USD."""
        today = midnight(self._floor.on)
        return next((equity for at, equity in reversed(self.closing_equity) if at < today), self.config.cash)

    def buying_power(self) -> Decimal:
        """What can still be bought, in USD."""
        return self.account.buying_power(self.marks(), self.book.reserved_cash())

    def high_water_mark(self, order: Order) -> Decimal | None:
        """Best price a trailing stop has seen, in USD; None for other orders."""
        if order.hwm is None or order.is_triggered or not order.is_live or order.scan_on != self._floor.on:
            return order.hwm
        strip = self.view.strip(order.symbol, self._floor.on)
        return best_price(order, strip, strip.index_at(self.now.timestamp()) + 1)

    # -- what can be done ----------------------------------------------------------------------------------------

    def submit(self, request: VenueRequest) -> Order:
        """Take an order in and match it with the standing quote.

        Raises
        ------
        Refusal
            403 or 422; nothing has changed then.
        """
        asset = self.asset(request.symbol)
        if not asset.is_tradable:
            raise invalid(f'asset "{request.symbol}" is not tradable')
        if request.client_order_id in self.book.by_client_order_id:
            raise duplicate_client_order_id()
        is_crypto = asset.asset_class == "crypto"
        check_instrument(request, is_crypto=is_crypto)
        symbol, mark = str(asset.symbol), self.mark(str(asset.symbol))
        if mark <= 0 and request.limit_price is None and request.stop_price is None:
            raise invalid(f'no price is known for asset "{symbol}"')
        check_exits(request, mark)
        price = reserve_price(request, self._floor.ask(symbol) or mark)
        check_wash(self.book, request)
        check_funds(self.book, request, price=price, marks=self.marks(), is_crypto=is_crypto)
        times = plan_times(self.calendar, request, self.now, is_crypto=is_crypto, base_s=self.tape.base_s)
        order = make_order(self.book, request, symbol=symbol, is_crypto=is_crypto, at=self.now, times=times)
        order.reserve_price = price
        self._enter(order)
        return order

    def replace(self, order_id: str, changes: ReplaceRequest) -> Order:
        """Put a new order in the place of a working one.

        Raises
        ------
        Refusal
            404, 403 or 422; nothing has changed then.
        """
        old = self.order(order_id)
        if old.status.is_final:
            raise invalid(f'order is already in "{old.status.value}" state')
        if old.status not in {VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED, VenueStatus.HELD}:
            raise invalid("unable to replace order, order isn't sent to exchange yet")
        if changes.client_order_id in self.book.by_client_order_id:
            raise duplicate_client_order_id()
        request = replacement_request(old, changes, self.config)
        check_instrument(request, is_crypto=old.is_crypto)
        price = reserve_price(request, self._floor.ask(old.symbol) or self.mark(old.symbol))
        if old.is_armed:
            if old.role is VenueRole.ENTRY:
                check_wash(self.book, request, replaced=old)
            check_funds(self.book, request, price=price, marks=self.marks(), is_crypto=old.is_crypto, replaced=old)
        order = make_replacement(self.book, old, request, at=self.now)
        order.reserve_price = price
        if request.time_in_force is not old.time_in_force:
            _, order.expires_at = plan_times(
                self.calendar, request, self.now, is_crypto=old.is_crypto, base_s=self.tape.base_s
            )
        self.book.substitute(old, order, self.now)
        self.book.note(order, VenueEvent.HELD if order.status is VenueStatus.HELD else VenueEvent.NEW, self.now)
        if order.is_armed:
            self._floor.arrive(order)
        return order

    def cancel(self, order_id: str) -> None:
        """Cancel an order and what hangs on it.

        Raises
        ------
        Refusal
            404, or 422 if the order is final.
        """
        order = self.order(order_id)
        if order.status.is_final:
            raise invalid(f'order is already in "{order.status.value}" state')
        self.book.cancel(order, self.now)

    def cancel_all(self) -> list[Order]:
        """Cancel every open order and return those that were open."""
        was_open = [order for order in self.book.orders.values() if order.is_open]
        for order in was_open:
            if order.is_open:
                self.book.cancel(order, self.now)
        return was_open

    def close_position(self, symbol: str, qty: Decimal | None = None) -> Order:
        """Send the market order that closes a position or part of it.

        Raises
        ------
        Refusal
            404 where nothing is held; 403 where open orders hold the shares.
        """
        held = self.account.held(symbol)
        if not held:
            raise not_found("position does not exist")
        is_crypto = self.view.is_crypto(symbol)
        request = VenueRequest(
            symbol=symbol,
            side=Side.SELL if held > 0 else Side.BUY,
            qty=abs(held) if qty is None else qty,
            type=VenueOrderType.MARKET,
            time_in_force=VenueTimeInForce.GTC if is_crypto else VenueTimeInForce.DAY,
        )
        return self.submit(request)

    def apply_corporate_action(self, symbol: str, kind: str) -> None:
        """Refuse a split, merger or the like of a symbol in which there is a position or an open order.

        Raises
        ------
        Refusal
            422: this venue does not adjust positions or orders.
        """
        self.asset(symbol)
        if self.account.held(symbol) or self.book.live[symbol]:
            raise Refusal(
                422,
                42210000,
                f"corporate action {kind} of {symbol} is not supported while it is held or has open orders",
                {"symbol": symbol},
            )

    def advance(self, to: datetime) -> None:
        """Let everything happen that the tape holds up to and with `to` (UTC); an earlier time changes nothing."""
        require_utc("to", to)
        while True:
            at, due, subject = self._upcoming()
            if at > to:
                break
            self._floor.now = max(self.now, at)
            self._happen(due, subject)
        self._floor.now = max(self.now, to)

    # -- how it happens ------------------------------------------------------------------------------------------

    def _upcoming(self) -> tuple[datetime, Due, Order | str | None]:
        best: tuple[datetime, Due, Order | str | None] = (midnight(self._floor.on + ONE_DAY), Due.ROLL, None)
        if self._closes_at is not None and (self._closes_at, Due.CLOSE) < best[:2]:
            best = (self._closes_at, Due.CLOSE, None)
        timed = self.book.next_timed()
        if timed is not None and timed[:2] < best[:2]:
            best = timed
        match = self._floor.upcoming()
        if match is not None and (match[0], Due.MATCH) < best[:2]:
            best = (match[0], Due.MATCH, match[1])
        return best

    def _happen(self, due: Due, subject: Order | str | None) -> None:
        if due is Due.ROLL:
            self._floor.roll()
            self._closes_at = self._close_of(self._floor.on)
        elif due is Due.CLOSE:
            assert self._closes_at is not None
            self.closing_equity.append((self._closes_at, self.account.equity(self.marks(self._closes_at - INSTANT))))
            self._closes_at = None
        elif isinstance(subject, str):
            self._floor.match(subject)
        elif isinstance(subject, Order):
            if due is Due.EXPIRE:
                self.book.expire(subject, self.now)
            else:
                self.book.set_status(subject, VenueStatus.NEW, VenueEvent.NEW, self.now)

    def _close_of(self, on: date) -> datetime | None:
        day = self.calendar.day(on)
        return day.close_at if day is not None and day.close_at >= self.now else None

    def _enter(self, order: Order) -> None:
        self.book.add(order)
        self.book.note(order, VenueEvent.PENDING_NEW, self.now)
        for leg in order.legs:
            self.book.add(leg)
            self.book.note(leg, VenueEvent.ARMED if leg.is_armed else VenueEvent.HELD, self.now)
        if order.activates_at is None:
            self.book.set_status(order, VenueStatus.NEW, VenueEvent.NEW, self.now)
        else:
            self.book.set_status(order, VenueStatus.ACCEPTED, VenueEvent.ACCEPTED, self.now)
        for each in (order, *order.legs):
            if each.is_live:
                self._floor.arrive(each)
