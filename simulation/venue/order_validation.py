"""Whether an order may enter: Alpaca's checks against market, account and our other orders, and when it may work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal

from shared.core.market import TradingDay
from shared.core.sessions import aft_close_at, new_york_instant, pre_open_at
from shared.core.values import CENT, ZERO, Side, plain
from simulation.venue.book import Book
from simulation.venue.calendar import TradingCalendar, new_york_date
from simulation.venue.orders import Order, VenueOrderClass, VenueOrderType, VenueRequest, VenueRole, VenueTimeInForce
from simulation.venue.refusals import (
    Refusal,
    insufficient_buying_power,
    insufficient_qty,
    invalid,
    wash_trade,
)
from simulation.venue.requests import check_crypto, check_increment, check_whole_shares

GTC_LIFE = timedelta(days=90)
OPG_SHUTS_BEFORE = timedelta(minutes=2)
CLS_SHUTS_BEFORE = timedelta(minutes=10)
AUCTIONS_OPEN = time(19, 0)
COLLAR_EDGE = Decimal(50)
COLLARS = (Decimal("1.04"), Decimal("1.025"))
"""A market buy is valued above the quote: 4 % under 50 $, 2.5 % from there (Alpaca, "Buying Power")."""


def check_instrument(request: VenueRequest, *, is_crypto: bool) -> None:
    """Lots, ticks and what the asset class allows.

    Raises
    ------
    Refusal
        422.
    """
    if is_crypto:
        check_crypto(request)
        return
    check_whole_shares(request.qty)
    for name in ("limit_price", "stop_price"):
        check_increment(name, getattr(request, name))
    check_increment("take_profit.limit_price", request.take_profit)
    check_increment("stop_loss.stop_price", request.stop_loss)
    check_increment("stop_loss.limit_price", request.stop_loss_limit)


def check_exits(request: VenueRequest, mark: Decimal) -> None:
    """Exits lie at least a cent beyond the base price in USD: the entry's limit or else the last price.

    A pair's base price is its own limit, under which the stop lies.

    Raises
    ------
    Refusal
        422 with the base price.
    """
    if request.order_class is VenueOrderClass.SIMPLE:
        return
    is_pair = request.order_class is VenueOrderClass.OCO
    base = request.limit_price or request.stop_price or mark
    sign = 1 if (request.side is Side.BUY) != is_pair else -1
    relation = (">=", "+", "<=", "-") if sign > 0 else ("<=", "-", ">=", "+")
    if request.take_profit is not None and not is_pair and (request.take_profit - base) * sign < CENT:
        message = f"take_profit.limit_price must be {relation[0]} base_price {relation[1]} 0.01"
        raise Refusal(422, 42210000, message, {"base_price": plain(base)})
    if request.stop_loss is not None and (base - request.stop_loss) * sign < CENT:
        message = f"stop_loss.stop_price must be {relation[2]} base_price {relation[3]} 0.01"
        raise Refusal(422, 42210000, message, {"base_price": plain(base)})


def reserve_price(request: VenueRequest, ask: Decimal) -> Decimal:
    """USD per share that an open buy order takes from the buying power."""
    if request.limit_price is not None:
        return request.limit_price
    if request.stop_price is not None:
        return request.stop_price
    return ask * COLLARS[ask >= COLLAR_EDGE]


def check_funds(
    book: Book,
    request: VenueRequest,
    *,
    price: Decimal,
    marks: Mapping[str, Decimal],
    is_crypto: bool,
    replaced: Order | None = None,
) -> None:
    """Buys fit the buying power, sells fit what is held and free.

    Parameters
    ----------
    price : Decimal
        USD per share the order is valued at.
    replaced : Order or None
        The order that this one takes the place of; its own claims do not count.

    Raises
    ------
    Refusal
        403 with code 40310000.
    """
    account, symbol = book.account, request.symbol
    held = account.held(symbol)
    if request.side is Side.SELL and (held > 0 or not book.config.allow_shorting):
        reserved, related = book.reserved_to_sell(symbol, without=replaced)
        if request.qty > held - reserved:
            raise insufficient_qty(symbol, request.qty, held, reserved, related)
        return
    if request.side is Side.BUY and held < 0:
        if request.qty > -held:
            raise insufficient_qty(symbol, request.qty, -held, ZERO, [])
        return
    reserved_cash = book.reserved_cash(without=replaced)
    power = max(account.cash - reserved_cash, ZERO) if is_crypto else account.buying_power(marks, reserved_cash)
    cost = request.qty * price
    if cost > power:
        raise insufficient_buying_power(power, cost)


def check_wash(book: Book, request: VenueRequest, replaced: Order | None = None) -> None:
    """No order of this account stands on the other side where the two could meet; groups are exempt, and their exits.

    Raises
    ------
    Refusal
        403 with code 40310000 and the order that stands there.
    """
    if not book.config.wash_trade_check or request.order_class is not VenueOrderClass.SIMPLE:
        return
    for other in book.live[request.symbol]:
        if other.side is request.side or other.role is not VenueRole.ENTRY or other is replaced:
            continue
        if request.type is not VenueOrderType.LIMIT or other.type is not VenueOrderType.LIMIT:
            raise wash_trade(other.id, "opposite side market/stop order exists")
        assert request.limit_price is not None
        assert other.limit_price is not None
        gap = request.limit_price - other.limit_price
        if (gap >= 0) if request.side is Side.BUY else (gap <= 0):
            raise wash_trade(other.id, "opposite side limit order exists")


def working_day(calendar: TradingCalendar, at: datetime, *, extended: bool) -> TradingDay:
    """Session that an order sent at `at` belongs to: the present date's until its last trade, then the next."""
    on = new_york_date(at)
    day = calendar.day(on)
    if day is not None and at < (aft_close_at(day) if extended else day.close_at):
        return day
    return calendar.next_day(on)


def check_auction(calendar: TradingCalendar, force: VenueTimeInForce, at: datetime) -> None:
    """Auction orders are taken from 19:00 until shortly before their auction.

    Raises
    ------
    Refusal
        422.
    """
    day = calendar.day(new_york_date(at))
    if day is None or force not in {VenueTimeInForce.OPG, VenueTimeInForce.CLS}:
        return
    shuts = day.open_at - OPG_SHUTS_BEFORE if force is VenueTimeInForce.OPG else day.close_at - CLS_SHUTS_BEFORE
    if shuts <= at < new_york_instant(day, AUCTIONS_OPEN):
        raise invalid(f"{force.value} orders are not accepted at this time of day")


def plan_times(
    calendar: TradingCalendar, request: VenueRequest, at: datetime, *, is_crypto: bool, base_s: int
) -> tuple[datetime | None, datetime | None]:
    """When an order starts to work (None: at once) and when it expires (None: at once or never).

    Raises
    ------
    Refusal
        422 for auction orders sent when their auction is closed for entry.
    """
    if is_crypto:
        return None, at + GTC_LIFE
    force = request.time_in_force
    day = working_day(calendar, at, extended=request.extended_hours)
    starts = pre_open_at(day) if request.extended_hours else day.open_at
    check_auction(calendar, force, at)
    if force is VenueTimeInForce.OPG:
        return starts, day.open_at + timedelta(seconds=base_s)
    ends = aft_close_at(day) if request.extended_hours else day.close_at
    if force is VenueTimeInForce.GTC:
        ends = at + GTC_LIFE
    return (None if starts <= at else starts), (None if force in {VenueTimeInForce.IOC, VenueTimeInForce.FOK} else ends)
