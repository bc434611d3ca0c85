"""Every order the venue knows, and the moves they can make: accept, arm, fill, cancel, expire, replace.

Each move changes the order, its group and the account together and writes one line to the log, so that no state is
ever reached in silence.
"""

from __future__ import annotations

import heapq
import uuid
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum

from shared.core.values import ZERO, Side
from simulation.venue.account import Fill, VenueAccount
from simulation.venue.config import VenueConfig
from simulation.venue.journal import LogEntry, VenueEvent, entry_of
from simulation.venue.orders import STOPS, Order, VenueOrderClass, VenueStatus

VENUE_IDS = uuid.UUID("5f6b1f0e-8f0c-5a51-9d0a-2f3f0c7e4a11")
"""Namespace of every id the venue hands out."""


class Due(IntEnum):
    """What comes first among things of one instant."""

    ROLL = 0
    EXPIRE = 1
    CLOSE = 2
    ACTIVATE = 3
    MATCH = 4


class Book:
    """Orders by id and by symbol, with their log.

    Parameters
    ----------
    content_id : str
        Names the tape; ids are hashes of it and a counter.
    config : VenueConfig
        The venue's choices.
    account : VenueAccount
        Takes the fills.
    """

    def __init__(self, content_id: str, config: VenueConfig, account: VenueAccount) -> None:
        self.config = config
        self.account = account
        self.log: list[LogEntry] = []
        self.orders: dict[str, Order] = {}
        self.by_client_order_id: dict[str, Order] = {}
        self.live: defaultdict[str, list[Order]] = defaultdict(list)
        self.changed: set[str] = set()
        self._timed: list[tuple[datetime, Due, int, Order]] = []
        self._content_id = content_id

    def next_id(self) -> tuple[int, str]:
        """Sequence number and id of the next order."""
        seq = len(self.orders) + 1
        return seq, str(uuid.uuid5(VENUE_IDS, f"{self._content_id}:order:{seq}"))

    def add(self, order: Order) -> None:
        """Take a new order in, whatever its status."""
        self.orders[order.id] = order
        self.by_client_order_id[order.client_order_id] = order
        if order.is_live:
            self._enlist(order)

    def _enlist(self, order: Order) -> None:
        self.live[order.symbol].append(order)
        self.live[order.symbol].sort(key=lambda each: each.seq)
        self.changed.add(order.symbol)
        for at, due in ((order.activates_at, Due.ACTIVATE), (order.expires_at, Due.EXPIRE)):
            if at is not None:
                heapq.heappush(self._timed, (at, due, order.seq, order))

    def next_timed(self) -> tuple[datetime, Due, Order] | None:
        """When the next order starts to work or expires; None where none ever does."""
        while self._timed:
            at, due, _, order = self._timed[0]
            if order.is_live and (due is Due.EXPIRE or order.status is VenueStatus.ACCEPTED):
                return at, due, order
            heapq.heappop(self._timed)
        return None

    def note(self, order: Order, event: VenueEvent, at: datetime) -> None:
        """Write one line of the log."""
        order.updated_at = at
        self.log.append(
            entry_of(
                order,
                event,
                seq=len(self.log) + 1,
                at=at,
                position=self.account.held(order.symbol),
                cash=self.account.cash,
            )
        )

    def set_status(self, order: Order, status: VenueStatus, event: VenueEvent, at: datetime) -> None:
        """Move an order to a status and note it."""
        order.status = status
        if status.is_final and order in self.live[order.symbol]:
            self.live[order.symbol].remove(order)
        self.changed.add(order.symbol)
        self.note(order, event, at)

    def trigger(self, order: Order, at: datetime) -> None:
        """A stop was touched: it becomes a working order, and its sibling leaves the book."""
        order.is_triggered = True
        order.has_rested = False
        if order.status is VenueStatus.HELD:
            order.status = VenueStatus.NEW
        self.changed.add(order.symbol)
        self.note(order, VenueEvent.TRIGGERED, at)
        for rival in order.rivals:
            self.end(rival, VenueStatus.CANCELED, at)

    def fill(self, order: Order, qty: Decimal, price: Decimal, at: datetime, *, on: date, index: int) -> None:
        """Execute `qty` at `price` USD at a point of the tape, and let the group follow."""
        fee = self.account.fee(order, price, qty)
        order.filled_qty += qty
        order.filled_notional += qty * price
        order.fees += fee
        is_done = order.remaining == ZERO
        order.status = VenueStatus.FILLED if is_done else VenueStatus.PARTIALLY_FILLED
        order.updated_at = at
        order.filled_at = at if is_done else None
        if is_done:
            self.live[order.symbol].remove(order)
        self.changed.add(order.symbol)
        fill = Fill(
            seq=len(self.log) + 1,
            at=at,
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            fee=fee,
            cum_qty=order.filled_qty,
            leaves_qty=order.remaining,
            order_status=order.status,
        )
        self.account.book(fill, is_crypto=order.is_crypto)
        self.log.append(
            entry_of(
                order,
                VenueEvent.FILL if is_done else VenueEvent.PARTIAL_FILL,
                seq=fill.seq,
                at=at,
                position=self.account.held(order.symbol),
                cash=self.account.cash,
                fill_qty=qty,
                fill_price=price,
                fee=fee,
            )
        )
        self._settle_group(order, at, on=on, index=index)

    def _settle_group(self, order: Order, at: datetime, *, on: date, index: int) -> None:
        for rival in order.rivals:
            if order.status is VenueStatus.FILLED:
                self.end(rival, VenueStatus.CANCELED, at)
            elif rival.is_open and rival.qty != rival.filled_qty + order.remaining:
                rival.qty = rival.filled_qty + order.remaining
                self.note(rival, VenueEvent.RESIZED, at)
        if order.status is VenueStatus.FILLED and order.legs and order.order_class is not VenueOrderClass.OCO:
            for leg in order.legs:
                if leg.is_open:
                    self._arm(leg, at, on=on, index=index)

    def _arm(self, leg: Order, at: datetime, *, on: date, index: int) -> None:
        leg.is_armed = True
        leg.scan_on, leg.scan_from = on, index + 1
        stays_held = leg.type in STOPS and bool(leg.rivals) and self.config.armed_stop_status == "held"
        leg.status = VenueStatus.HELD if stays_held else VenueStatus.NEW
        self._enlist(leg)
        self.note(leg, VenueEvent.ARMED, at)

    def cancel(self, order: Order, at: datetime) -> None:
        """Cancel at the client's wish; what hangs on the order goes with it."""
        self.set_status(order, VenueStatus.PENDING_CANCEL, VenueEvent.PENDING_CANCEL, at)
        self.end(order, VenueStatus.CANCELED, at)
        for other in order.group:
            self.end(other, VenueStatus.CANCELED, at)

    def end(self, order: Order, status: VenueStatus, at: datetime) -> None:
        """Cancel or expire an order that is still open; nothing else is touched."""
        if not order.is_open:
            return
        if status is VenueStatus.EXPIRED:
            order.expired_at = at
            self.set_status(order, status, VenueEvent.EXPIRED, at)
        else:
            order.canceled_at = at
            self.set_status(order, status, VenueEvent.CANCELED, at)

    def expire(self, order: Order, at: datetime) -> None:
        """End an order whose time is over; exits that were waiting for it can never arm and go too."""
        self.end(order, VenueStatus.EXPIRED, at)
        for leg in order.legs:
            if not leg.is_armed:
                self.end(leg, VenueStatus.CANCELED, at)

    def substitute(self, old: Order, new: Order, at: datetime) -> None:
        """Put a replacement in the place of an order, in its group too."""
        old.replaced_by, old.replaced_at, new.replaces = new.id, at, old.id
        new.parent, new.legs = old.parent, old.legs
        if old.parent is not None:
            old.parent.legs = [new if leg is old else leg for leg in old.parent.legs]
        for leg in new.legs:
            leg.parent = new
        old.legs = []
        self.set_status(old, VenueStatus.REPLACED, VenueEvent.REPLACED, at)
        self.add(new)

    def reserved_to_sell(self, symbol: str, *, without: Order | None = None) -> tuple[Decimal, list[str]]:
        """Shares that working sell orders hold, and these orders' ids; the two exits of a group count once.

        `without` leaves an order and its sibling out: what they hold is theirs already.
        """
        total, ids = ZERO, []
        left_out = [] if without is None else [without, *without.rivals]
        for order in self.live[symbol]:
            first = min((each.seq for each in (order, *order.rivals) if each.is_live), default=order.seq)
            if order.side is Side.SELL and order not in left_out and order.seq == first:
                total += order.remaining
                ids.append(order.id)
        return total, ids

    def reserved_cash(self, *, without: Order | None = None) -> Decimal:
        """Buying power in USD that open buy orders have taken, but for the order `without`."""
        open_buys = (order for orders in self.live.values() for order in orders if order.side is Side.BUY)
        return sum((order.remaining * order.reserve_price for order in open_buys if order is not without), ZERO)
