"""Alpaca's JSON of orders, account, positions, assets and activities: members in its spelling, money as strings."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from shared.core.market import Asset, TradingDay
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at
from shared.core.values import ZERO, iso, plain
from simulation.venue.account import Fill, VenuePosition
from simulation.venue.book import VENUE_IDS
from simulation.venue.calendar import new_york_date
from simulation.venue.engine import Exchange
from simulation.venue.orders import Order, VenueOrderClass, VenueOrderType, VenueStatus

Json = dict[str, Any]

SIX_PLACES = Decimal("0.000001")
MAINTENANCE = Decimal("0.3")


@cache
def asset_id(symbol: str) -> str:
    """Id of an asset, the same on every tape."""
    return str(uuid.uuid5(VENUE_IDS, f"asset:{symbol}"))


def account_id(exchange: Exchange) -> str:
    """Id of the one account of a tape's venue."""
    return _account_id(exchange.tape.content_id)


@lru_cache(maxsize=8)
def _account_id(content_id: str) -> str:
    return str(uuid.uuid5(VENUE_IDS, f"{content_id}:account"))


def money(value: Decimal) -> str:
    """USD with at most six decimals, exact cents kept."""
    return plain(value.quantize(SIX_PLACES))


def optional(value: Decimal | None) -> str | None:
    """Decimal as text, null where there is none."""
    return None if value is None else money(value) if value.as_tuple().exponent else plain(value)


def moment(at: datetime | None) -> str | None:
    """Instant as RFC 3339, null where there is none."""
    return None if at is None else iso(at)


def order_json(order: Order, *, nested: bool = False, hwm: Callable[[Order], Decimal | None] | None = None) -> Json:
    """Order as Alpaca shows it.

    Parameters
    ----------
    nested : bool
        Whether legs are rolled up under `legs`; else it is null.
    hwm : callable or None
        Gives a trailing stop's present high-water mark.
    """
    mark = hwm(order) if hwm is not None else order.hwm
    legs = [order_json(leg, hwm=hwm) for leg in order.legs] if nested and order.legs else None
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": moment(order.created_at),
        "updated_at": moment(order.updated_at),
        "submitted_at": moment(order.created_at),
        "filled_at": moment(order.filled_at),
        "expired_at": moment(order.expired_at),
        "expires_at": moment(order.expires_at),
        "canceled_at": moment(order.canceled_at),
        "failed_at": None,
        "replaced_at": moment(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "crypto" if order.is_crypto else "us_equity",
        "notional": None,
        "qty": plain(order.qty),
        "filled_qty": plain(order.filled_qty),
        "filled_avg_price": optional(order.filled_avg_price),
        "order_class": "" if order.order_class is VenueOrderClass.SIMPLE else order.order_class.value,
        "order_type": order.type.value,
        "type": order.type.value,
        "side": order.side.value,
        "position_intent": _intent(order),
        "time_in_force": order.time_in_force.value,
        "limit_price": optional(order.limit_price),
        "stop_price": optional(_stop_price(order, mark)),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": optional(order.trail_percent),
        "trail_price": optional(order.trail_price),
        "hwm": optional(mark),
        "subtag": None,
        "source": None,
    }


def receipt_json(order: Order) -> Json:
    """Order as the answer to its submission shows it: taken, not yet matched."""
    body = order_json(order, nested=True)
    for each in (body, *(body["legs"] or ())):
        each.update(filled_qty="0", filled_avg_price=None, filled_at=None, canceled_at=None)
        each["updated_at"] = each["created_at"]
    if order.status is not VenueStatus.HELD:
        body["status"] = (VenueStatus.PENDING_NEW if order.activates_at is None else VenueStatus.ACCEPTED).value
    for leg in body["legs"] or ():
        leg["status"] = VenueStatus.HELD.value
    return body


def _intent(order: Order) -> str:
    opens = order.role == "entry" and order.side == "buy"
    return f"{order.side.value}_to_{'open' if opens else 'close'}"


def _stop_price(order: Order, mark: Decimal | None) -> Decimal | None:
    if order.type is not VenueOrderType.TRAILING_STOP or order.stop_price is not None or mark is None:
        return order.stop_price
    distance = order.trail_price if order.trail_price is not None else mark * (order.trail_percent or ZERO) / 100
    return mark - distance if order.side == "sell" else mark + distance


def account_json(exchange: Exchange) -> Json:
    """Account as Alpaca shows it since July 2026: no day-trade members."""
    account, marks = exchange.account, exchange.marks()
    long, short = account.market_value(marks)
    equity = exchange.equity()
    reserved = exchange.book.reserved_cash()
    power = account.buying_power(marks, reserved) - exchange.beside.value
    margin = (long - short) / max(exchange.config.margin_multiplier, 1)
    free_cash = max(account.cash - reserved, ZERO)
    return {
        "id": account_id(exchange),
        "account_number": "PA" + account_id(exchange).replace("-", "")[:10].upper(),
        "admin_configurations": {},
        "user_configurations": None,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "buying_power": money(power),
        "regt_buying_power": money(power),
        "effective_buying_power": money(power),
        "non_marginable_buying_power": money(free_cash),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "cash": money(
            account.cash - exchange.beside.value
        ),  # what a person holds beside was paid from the same account
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "portfolio_value": money(equity),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "created_at": iso(exchange.started_at),
        "multiplier": str(exchange.config.margin_multiplier),
        "shorting_enabled": exchange.config.allow_shorting,
        "equity": money(equity),
        "last_equity": money(exchange.last_equity()),
        "long_market_value": money(long),
        "short_market_value": money(short),
        "position_market_value": money(long + short),
        "initial_margin": money(margin),
        "maintenance_margin": money((long - short) * MAINTENANCE),
        "last_maintenance_margin": "0",
        "sma": money(equity),
        "balance_asof": new_york_date(exchange.now).isoformat(),
        "crypto_tier": 1,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }


def position_json(exchange: Exchange, position: VenuePosition) -> Json:
    """Position as Alpaca shows it, marked at the last traded price."""
    symbol, qty = position.symbol, position.qty
    price = exchange.mark(symbol)
    on = new_york_date(exchange.now)
    close = exchange.view.previous_close(symbol, on)
    last_day = price if close is None else Decimal(repr(close))
    value, cost = qty * price, position.cost
    profit = value - cost
    # What was held overnight is measured from the last close, what was opened today from its cost.
    day_cost = qty * last_day if new_york_date(position.opened_at) < on else cost
    day_profit = value - day_cost
    reserved, _ = exchange.book.reserved_to_sell(symbol)
    asset = exchange.tape.assets[symbol]
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": asset.exchange,
        "asset_class": asset.asset_class,
        "asset_marginable": not position.is_crypto,
        "qty": plain(qty),
        "qty_available": plain(max(qty - reserved, ZERO) if qty > 0 else qty),
        "side": "long" if qty > 0 else "short",
        "avg_entry_price": money(position.avg_entry_price),
        "market_value": money(value),
        "cost_basis": money(cost),
        "unrealized_pl": money(profit),
        "unrealized_plpc": money(profit / abs(cost)) if cost else "0",
        "unrealized_intraday_pl": money(day_profit),
        "unrealized_intraday_plpc": money(day_profit / abs(day_cost)) if day_cost else "0",
        "current_price": money(price),
        "lastday_price": money(last_day),
        "change_today": money(price / last_day - 1) if last_day else "0",
        "swap_rate": None,
        "avg_entry_swap_rate": None,
        "usd": None,
    }


def asset_json(asset: Asset) -> Json:
    """Asset as Alpaca shows it."""
    is_crypto = asset.asset_class == "crypto"
    body: Json = {
        "id": asset_id(str(asset.symbol)),
        "class": asset.asset_class,
        "exchange": asset.exchange,
        "symbol": str(asset.symbol),
        "name": asset.name,
        "status": "active",
        "tradable": asset.is_tradable,
        "marginable": not is_crypto,
        "maintenance_margin_requirement": 100 if is_crypto else 30,
        "margin_requirement_long": "100" if is_crypto else "30",
        "margin_requirement_short": "100" if is_crypto else "30",
        "shortable": not is_crypto,
        "easy_to_borrow": not is_crypto,
        "fractionable": asset.is_fractionable,
        "attributes": [],
    }
    if is_crypto:
        body.update(min_order_size="0.000000001", min_trade_increment="0.000000001", price_increment="0.000000001")
    return body


def clock_json(exchange: Exchange) -> Json:
    """Clock as Alpaca shows it, in New York time."""
    now, calendar = exchange.now, exchange.calendar
    on = new_york_date(now)
    day = calendar.day(on)
    is_open = day is not None and day.open_at <= now < day.close_at
    opens = day if day is not None and now < day.open_at else calendar.next_day(on)
    closes = day if day is not None and now < day.close_at else calendar.next_day(on)
    return {
        "timestamp": now.astimezone(NEW_YORK).isoformat(),
        "is_open": is_open,
        "next_open": opens.open_at.astimezone(NEW_YORK).isoformat(),
        "next_close": closes.close_at.astimezone(NEW_YORK).isoformat(),
    }


def calendar_json(day: TradingDay) -> Json:
    """Trading day as Alpaca shows it, wall times in New York."""
    return {
        "date": day.on.isoformat(),
        "open": f"{day.open_at.astimezone(NEW_YORK):%H:%M}",
        "close": f"{day.close_at.astimezone(NEW_YORK):%H:%M}",
        "session_open": f"{pre_open_at(day).astimezone(NEW_YORK):%H%M}",
        "session_close": f"{aft_close_at(day).astimezone(NEW_YORK):%H%M}",
    }


def fill_json(exchange: Exchange, fill: Fill) -> Json:
    """FILL activity of an execution."""
    return {
        "id": _activity_id(exchange, fill, "fill"),
        "account_id": account_id(exchange),
        "activity_type": "FILL",
        "transaction_time": iso(fill.at),
        "type": "partial_fill" if fill.leaves_qty else "fill",
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "leaves_qty": plain(fill.leaves_qty),
        "order_id": fill.order_id,
        "cum_qty": plain(fill.cum_qty),
        "order_status": fill.order_status.value,
    }


def fee_json(exchange: Exchange, fill: Fill) -> Json:
    """FEE activity of an execution; crypto fees are CFEE."""
    is_crypto = exchange.view.is_crypto(fill.symbol)
    return {
        "id": _activity_id(exchange, fill, "fee"),
        "account_id": account_id(exchange),
        "activity_type": "CFEE" if is_crypto else "FEE",
        "date": new_york_date(fill.at).isoformat(),
        "created_at": iso(fill.at),
        "net_amount": plain(-fill.fee),
        "description": "crypto fee" if is_crypto else "SEC and TAF fees",
        "symbol": fill.symbol,
        "qty": plain(fill.qty),
        "status": "executed",
    }


def _activity_id(exchange: Exchange, fill: Fill, kind: str) -> str:
    """Sortable by time and sequence, as Alpaca's are."""
    tail = uuid.uuid5(VENUE_IDS, f"{exchange.tape.content_id}:{kind}:{fill.seq}")
    return f"{fill.at:%Y%m%d%H%M%S}{fill.at.microsecond // 1000:03d}::{tail}"
