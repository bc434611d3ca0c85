"""The trading floor: where orders meet the tape, at their arrival and at each later point."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from shared.core.values import ZERO, Side, from_epoch
from simulation.venue.book import Book
from simulation.venue.calendar import ONE_DAY, new_york_date
from simulation.venue.config import VenueConfig
from simulation.venue.matching import (
    best_price,
    eligible,
    fill_price,
    first_point,
    is_marketable,
    is_waiting_for_stop,
    trail_offset,
    volume_share,
)
from simulation.venue.orders import AT_ONCE, Order, VenueOrderType, VenueStatus, VenueTimeInForce
from simulation.venue.tape_view import Strip, TapeView


class Floor:
    """Working orders against one date's tape.

    Parameters
    ----------
    view : TapeView
        The tape by date.
    book : Book
        The orders; every move goes through it.
    config : VenueConfig
        Volume share and slippage.
    now : datetime
        UTC instant at which the floor opens; the exchange moves it.
    """

    def __init__(self, view: TapeView, book: Book, config: VenueConfig, now: datetime) -> None:
        self.view = view
        self.book = book
        self.config = config
        self.now = now
        self.on = new_york_date(now)
        self._next: dict[str, tuple[datetime, int]] = {}
        self._soonest: tuple[datetime, str] | None = None
        self._used: dict[str, tuple[date, int, Decimal]] = {}

    def upcoming(self) -> tuple[datetime, str] | None:
        """When and in which symbol the next thing can happen to a working order on this date; None if nothing."""
        if self.book.changed:
            for symbol in self.book.changed:
                self._next.pop(symbol, None)
                self._look_ahead(symbol)
            self.book.changed.clear()
            self._soonest = min(((at, symbol) for symbol, (at, _) in self._next.items()), default=None)
        return self._soonest

    def _look_ahead(self, symbol: str) -> None:
        strip = self.view.strip(symbol, self.on)
        points = [
            first_point(order, strip, order.scan_from, self.config.volume_share) for order in self.book.live[symbol]
        ]
        index = min((point for point in points if point is not None), default=None)
        if index is not None:
            self._next[symbol] = (from_epoch(int(strip.at_s[index])), index)

    def roll(self) -> None:
        """Go over to the next date: trailing stops keep their mark, resting limits lose their place."""
        for symbol, orders in self.book.live.items():
            strip = self.view.strip(symbol, self.on)
            for order in orders:
                if order.hwm is not None and is_waiting_for_stop(order):
                    order.hwm = best_price(order, strip, len(strip))
                order.has_rested = False
                order.scan_on, order.scan_from = self.on + ONE_DAY, 0
            self.book.changed.add(symbol)
        self.on += ONE_DAY

    def arrive(self, order: Order) -> None:
        """Meet the quote that stands now, with what is left of its point's volume share."""
        strip = self.view.strip(order.symbol, self.on)
        now_s = self.now.timestamp()
        index = strip.index_at(now_s)
        order.scan_on, order.scan_from = self.on, index + 1
        if order.type is VenueOrderType.TRAILING_STOP and order.hwm is None:
            order.hwm = self.view.mark(order.symbol, self.now)
        self.book.changed.add(order.symbol)
        is_closed = not self._in_session(order, now_s) or index < 0 or strip.is_halted(now_s)
        if is_closed or order.time_in_force in {VenueTimeInForce.OPG, VenueTimeInForce.CLS}:
            if order.time_in_force in AT_ONCE:
                self.book.end(order, VenueStatus.CANCELED, self.now)
            return
        if is_waiting_for_stop(order) and self._is_touched(order, float(strip.price[index])):
            self._trigger(order, strip, index)
        if not is_waiting_for_stop(order) and order.is_live:
            if is_marketable(order, strip, index):
                self._take(order, strip, index)
            else:
                order.has_rested = True
        if order.is_open and order.time_in_force in AT_ONCE:
            self.book.end(order, VenueStatus.CANCELED, self.now)

    def _in_session(self, order: Order, now_s: float) -> bool:
        if order.is_crypto:
            return True
        sessions = self.view.sessions(self.on)
        if sessions is None:
            return False
        starts, ends = (sessions[0], sessions[3]) if order.extended_hours else (sessions[1], sessions[2])
        return starts <= now_s < ends

    @staticmethod
    def _is_touched(order: Order, price: float) -> bool:
        if order.stop_price is None:
            return False
        stop = float(order.stop_price)
        return price <= stop if order.side is Side.SELL else price >= stop

    def match(self, symbol: str) -> None:
        """Let every order of a symbol trade that can at its next point, oldest first."""
        _, index = self._next[symbol]
        strip = self.view.strip(symbol, self.on)
        for order in tuple(self.book.live[symbol]):
            if not order.is_live or order.scan_from > index:
                continue
            if first_point(order, strip, order.scan_from, self.config.volume_share) != index:
                continue
            if eligible(order, strip, order.scan_from)[: index - order.scan_from].any():
                order.has_rested = True
            if is_waiting_for_stop(order):
                self._trigger(order, strip, index)
            order.scan_from = index + 1
            if self._can_trade(order, strip, index):
                self._take(order, strip, index)
            elif order.acts_as is VenueOrderType.LIMIT:
                order.has_rested = True
        self.book.changed.add(symbol)

    def _trigger(self, order: Order, strip: Strip, index: int) -> None:
        if order.type is VenueOrderType.TRAILING_STOP:
            order.hwm = best_price(order, strip, index)
            offset = trail_offset(order, strip.price[:1] * 0 + float(order.hwm))
            order.stop_price = order.hwm + Decimal(repr(round(float(offset[0]), 4)))
        self.book.trigger(order, self.now)

    def _can_trade(self, order: Order, strip: Strip, index: int) -> bool:
        return order.is_live and first_point(order, strip, index, self.config.volume_share) == index

    def _take(self, order: Order, strip: Strip, index: int) -> None:
        share = volume_share(strip, index, self.config.volume_share, is_crypto=order.is_crypto)
        used = self._used.get(order.symbol)
        spent = used[2] if used is not None and used[:2] == (self.on, index) else ZERO
        qty = min(order.remaining, share - spent)
        if order.side is Side.SELL and not self.config.allow_shorting:
            held = self.book.account.held(order.symbol)
            if held <= 0:
                self.book.cancel(order, self.now)
                return
            qty = min(qty, held)
        if qty <= 0 or (order.time_in_force is VenueTimeInForce.FOK and qty < order.remaining):
            return
        self._used[order.symbol] = (self.on, index, spent + qty)
        price = fill_price(order, strip, index, qty, self.config)
        self.book.fill(order, qty, price, self.now, on=self.on, index=index)

    def ask(self, symbol: str) -> Decimal | None:
        """Ask that stands now, in USD; None where there is none."""
        strip = self.view.strip(symbol, self.on)
        index = strip.index_at(self.now.timestamp())
        ask = float(strip.ask[index]) if index >= 0 else 0.0
        return Decimal(repr(ask)) if ask > 0 else None
