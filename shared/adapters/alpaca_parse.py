"""Alpaca's JSON into our values: the one place where its money, times and words are read.

Every function raises ValueError naming the field, what was expected and what was found; `parsed` turns that into a
ContractError that also names the call.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import numpy as np

from shared.core.errors import ContractError
from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.market import Asset, Bars, FloatArray, Headline, Quote, Snapshot
from shared.core.orders import BrokerOrder, OrderStatus
from shared.core.portfolio import Account, Position
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.text.addresses import web_address
from shared.core.unread import Unread, one_word
from shared.core.values import (
    ZERO,
    Side,
    Symbol,
    parse_utc,
    require,
    require_at_least,
    require_positive,
    require_symbol,
    tidy,
)

ACTIVE = "ACTIVE"
ORDER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
"""Ids that may become part of a path."""

UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, ArithmeticError)
"""What reading foreign JSON may raise, whatever its members turn out to be."""

_STATUSES = {status.value: status for status in OrderStatus}
_SHOWN_CHARACTERS = 120
_RAW_CHARACTERS = 600
_MAX_DIGITS = 18
"""No honest amount of money or shares has more before its point."""

CRYPTO_NOTIONAL_MIN = Decimal(10)
"""USD. A smaller order for a coin is refused, and no answer of the broker says so before."""

_PRICES = ("current_price", "lastday_price", "avg_entry_price")
"""What a position is valued at, the best first: before a first trade there is yesterday's price, in a halt its cost."""
_CRYPTO = "crypto"
_SHARES = frozenset({"us_equity", _CRYPTO})
"""Asset classes of which one unit is worth its price; an option's is worth a hundred times that."""


def parsed[R, T](where: str, read: Callable[[R], T], raw: R) -> T:
    """Read one answer, or say where it is wrong.

    Raises
    ------
    ContractError
        Naming the call, the field, what was expected and what was found.
    """
    try:
        return read(raw)
    except UNREADABLE as error:
        raise ContractError(f"{where}: {error}") from error


def as_object(raw: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    _expect(isinstance(raw, dict), what, raw, "an object")
    return raw  # type: ignore[no-any-return]


def member(raw: Any, name: str) -> Any:
    """A member that an answer must have; null stands for nothing found."""
    raw = as_object(raw, "answer")
    require(name in raw, name, sorted(raw)[:5], "in the answer")
    return raw[name]


def as_list(raw: Any, what: str) -> Sequence[Any]:
    """A JSON array."""
    _expect(isinstance(raw, list), what, raw, "a list")
    return raw  # type: ignore[no-any-return]


def read_each[T](read: Callable[[Any], T], what: str) -> Callable[[Any], list[T]]:
    """Read a list; an error names the item's place."""

    def read_list(raw: Any) -> list[T]:
        items = []
        for index, item in enumerate(as_list(raw, what)):
            try:
                items.append(read(item))
            except UNREADABLE as error:
                raise ValueError(f"{what}[{index}]: {error}") from error
        return items

    return read_list


def sift[T](what: str, rows: Iterable[tuple[str, Any]], read: Callable[[str, Any], T]) -> tuple[list[T], list[Unread]]:
    """Read row by row: one that cannot be read costs itself and is told of.

    Parameters
    ----------
    what : str
        Of what kind the rows are ("quote").
    rows : iterable of (str, object)
        Each with the symbol that it is of, as spelled.
    read : callable
        Of both; raises as every reader here does.
    """
    good, bad = [], []
    for name, raw in rows:
        try:
            good.append(read(name, raw))
        except UNREADABLE as error:
            bad.append(Unread(what=what, name=one_word(name), fault=str(error), raw=shown(raw)))
    return good, bad


def shown(raw: Any) -> str:
    """A row's JSON, shortened for a person's eye."""
    text = json.dumps(raw, default=str, ensure_ascii=True)
    return text if len(text) <= _RAW_CHARACTERS else f"{text[:_RAW_CHARACTERS]}..."


def named(raw: Any, member_name: str = "symbol") -> str:
    """The symbol that a row says it is of, as far as it says one."""
    name = raw.get(member_name) if isinstance(raw, dict) else None
    return name if isinstance(name, str) else ""


def read_account(raw: Any) -> Account:
    """`GET /account`. Blocked is an account that is not active or carries any of the flags that stop it trading.

    A new account may have no last close, and few have a day's deposits: what is absent there is 0.
    """
    raw = as_object(raw, "account")
    flags = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    return Account(
        account_id=_text(raw, "id"),
        equity=_positive(raw, "equity"),
        last_equity=_optional_money(raw, "last_equity") or ZERO,
        cash=_money(raw, "cash"),
        buying_power=_money(raw, "buying_power"),
        is_blocked=_text(raw, "status") != ACTIVE or any(_flag(raw, name) for name in flags),
        paid_in=_optional_money(raw, "intraday_adjustments") or ZERO,
    )


def read_account_id(raw: Any) -> str:
    """The id alone of `GET /account`."""
    return _text(as_object(raw, "account"), "id")


def read_clock(raw: Any) -> datetime:
    """`GET /clock`: the broker's own time, in UTC."""
    return _instant(as_object(raw, "clock"), "timestamp")


def read_position(raw: Any) -> Position:
    """One of `GET /positions`."""
    raw = as_object(raw, "position")
    kind = _word(raw, "asset_class", "us_equity")
    require(kind in _SHARES, "asset_class", kind, " or ".join(sorted(_SHARES)))
    return Position(
        symbol=_symbol(raw),
        qty=tidy(_money(raw, "qty")),
        average_price=_money(raw, "avg_entry_price"),
        market_price=_money(raw, next((name for name in _PRICES if raw.get(name) is not None), _PRICES[0])),
    )


def position_or_unread(raw: Any) -> Position | Unread:
    """One of `GET /positions`, read or kept as it came."""
    try:
        return read_position(raw)
    except UNREADABLE as error:
        value = _guessed(lambda: abs(_money(raw, "market_value")), None)
        return Unread(what="position", fault=str(error), market_value=value, name=_name(raw), raw=shown(raw))


def order_or_unread(raw: Any) -> BrokerOrder | Unread | None:
    """One of `GET /orders`, read or kept as it came; None for one that cannot be read and is over."""
    try:
        return read_order(raw)
    except UNREADABLE as error:
        status = _guessed(lambda: _STATUSES.get(_text(raw, "status")), None)
        if status is not None and status.is_final:
            return None
        order_id, side = (_guessed(lambda name=name: _text(raw, name), "") for name in ("id", "side"))  # type: ignore[misc]
        order_id = order_id if ORDER_ID.fullmatch(order_id) else ""
        return Unread(what="order", fault=str(error), order_id=order_id, side=side, name=_name(raw), raw=shown(raw))


def row_id(raw: Any) -> str:
    """What tells a row from others, also where it cannot be read."""
    return _guessed(lambda: _text(raw, "id"), "") or repr(raw)


def submitted_at(raw: Any) -> datetime | None:
    """When a row's order was sent, None where it does not say."""
    named = (_guessed(lambda name=name: _instant(raw, name), None) for name in ("submitted_at", "created_at"))  # type: ignore[misc]
    return next((at for at in named if at is not None), None)


def _guessed[T](read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except UNREADABLE:
        return otherwise


def _name(raw: Any) -> str:
    return one_word(_guessed(lambda: _text(raw, "symbol"), ""))


def read_order(raw: Any, parent_order_id: str | None = None) -> BrokerOrder:
    """One order with its legs. A status we do not know is UNKNOWN, with Alpaca's word kept."""
    raw = as_object(raw, "order")
    order_id, status = _text(raw, "id"), _text(raw, "status")
    legs = read_each(lambda leg: read_order(leg, order_id), "legs")(raw.get("legs") or [])
    submitted = "submitted_at" if raw.get("submitted_at") is not None else "created_at"
    updated = "updated_at" if raw.get("updated_at") is not None else submitted
    return BrokerOrder(
        order_id=order_id,
        client_order_id=_text(raw, "client_order_id"),
        symbol=_symbol(raw),
        side=Side(_text(raw, "side")),
        order_type=_text(raw, "type" if raw.get("type") else "order_type"),
        order_class=_word(raw, "order_class", "simple"),
        status=_STATUSES.get(status, OrderStatus.UNKNOWN),
        status_text=status,
        qty=_quantity(raw, "qty"),
        filled_qty=_quantity(raw, "filled_qty"),
        filled_average_price=_optional_money(raw, "filled_avg_price"),
        limit_price=_optional_money(raw, "limit_price"),
        stop_price=_optional_money(raw, "stop_price"),
        submitted_at=_instant(raw, submitted),
        updated_at=_instant(raw, updated),
        filled_at=_instant(raw, "filled_at") if raw.get("filled_at") is not None else None,
        parent_order_id=parent_order_id,
        replaced_by=_word(raw, "replaced_by", "") or None,
        legs=tuple(legs),
    )


def read_asset(raw: Any) -> Asset | None:
    """One of `GET /assets`; None for an instrument whose symbol is none of ours (some carry odd suffixes)."""
    raw = as_object(raw, "asset")
    symbol = _text(raw, "symbol")
    if not is_symbol(symbol):
        return None
    return Asset(
        symbol=Symbol(symbol),
        name=raw.get("name") or symbol,
        exchange=raw.get("exchange") or "",
        asset_class=_text(raw, "class"),
        is_tradable=_flag(raw, "tradable") and raw.get("status") == "active",
        is_fractionable=_flag(raw, "fractionable"),
        lot=_lot(raw),
    )


def _lot(raw: Mapping[str, Any]) -> Lot:
    """Steps and least order of a coin, as the broker tells them; equities, of which it tells none, in whole shares."""
    if raw.get("class") != _CRYPTO:
        return WHOLE_SHARES
    step, least = (_positive(raw, name) for name in ("min_trade_increment", "min_order_size"))
    return Lot(qty_step=tidy(step), qty_min=tidy(least), notional_min=CRYPTO_NOTIONAL_MIN)


def read_snapshot(symbol: str, raw: Any, today: date) -> Snapshot | None:
    """One of `GET /stocks/snapshots`; None without a trade.

    Until a day has its own daily bar Alpaca still shows the last session's as `dailyBar`: that one is then the previous
    day's, and the day's own numbers are 0.
    """
    raw = as_object(raw, "snapshot")
    trade, quote = raw.get("latestTrade"), raw.get("latestQuote")
    if trade is None:
        return None
    day, previous = raw.get("dailyBar"), raw.get("prevDailyBar")
    if day is not None and _instant(day, "t").astimezone(NEW_YORK).date() < today:
        day, previous = None, day
    return Snapshot(
        symbol=Symbol(symbol),
        last_price=_number(trade, "p"),
        last_at=_instant(trade, "t"),
        bid=_not_negative(quote, "bp") if quote else 0.0,
        ask=_not_negative(quote, "ap") if quote else 0.0,
        day_open=_not_negative(day, "o") if day else 0.0,
        day_high=_not_negative(day, "h") if day else 0.0,
        day_low=_not_negative(day, "l") if day else 0.0,
        day_close=_not_negative(day, "c") if day else 0.0,
        day_volume=_not_negative(day, "v") if day else 0.0,
        previous_close=_not_negative(previous, "c") if previous else 0.0,
        previous_volume=_not_negative(previous, "v") if previous else 0.0,
        previous_at=_instant(previous, "t") if previous else None,
    )


def read_quote(symbol: str, raw: Any) -> Quote:
    """One of `GET /stocks/quotes/latest`."""
    raw = as_object(raw, "quote")
    return Quote(
        symbol=Symbol(symbol),
        bid=_money(raw, "bp"),
        ask=_money(raw, "ap"),
        bid_size=int(_number(raw, "bs")),
        ask_size=int(_number(raw, "as")),
        at=_instant(raw, "t"),
    )


def bad_bar(raw: Sequence[Any]) -> Any:
    """The first of some bars that cannot be read by itself; all of them where it is their order that is wrong."""
    for bar in raw:
        if sift("bar", [("", [bar])], lambda _, one: read_bars(one))[1]:
            return bar
    return raw


def read_bars(raw: Sequence[Any]) -> Bars:
    """Bars of one symbol, in Alpaca's order. Prices must be positive, volumes not negative, times ascending."""
    if not raw:
        return Bars.empty()
    columns = {name: _column(raw, name) for name in "ohlcv"}
    for name in "ohlc":
        require(bool(np.all(columns[name] > 0)), name, columns[name].min(), "positive")
    require(bool(np.all(columns["v"] >= 0)), "v", columns["v"].min(), "not negative")
    return Bars(
        start_s=np.fromiter((_epoch_s(_text(bar, "t")) for bar in raw), np.int64, len(raw)),
        open=columns["o"],
        high=columns["h"],
        low=columns["l"],
        close=columns["c"],
        volume=columns["v"],
    )


def read_split(kind: str, raw: Any) -> tuple[Symbol, date, float]:
    """One of `GET /corporate-actions` that changes what a share is: symbol, date from which it holds, price factor.

    A factor that the row does not tell is NaN. Of a unit that is split into share and warrant no price follows from
    the rates, so neither that of the unit nor that of the share is known.
    """
    raw = as_object(raw, kind)
    if kind == "unit_splits":
        return _as_symbol(raw, "new_symbol"), _day(raw, "effective_date"), math.nan
    symbol, on = _symbol(raw), _day(raw, "ex_date")
    try:
        if kind == "stock_dividends":
            return symbol, on, 1.0 / (1.0 + _above_zero(raw, "rate"))
        return symbol, on, _above_zero(raw, "old_rate") / _above_zero(raw, "new_rate")
    except UNREADABLE:
        return symbol, on, math.nan


def splits_of(found: Sequence[tuple[Symbol, date, float]]) -> dict[Symbol, Splits]:
    """Splits by symbol. The same action told twice is one; two of a date that differ are one of unknown ratio."""
    by_symbol: dict[Symbol, dict[date, float]] = {}
    for symbol, on, factor in found:
        of_symbol = by_symbol.setdefault(symbol, {})
        stated = of_symbol.get(on, factor)
        of_symbol[on] = factor if math.isclose(stated, factor, rel_tol=1e-6) else math.nan
    return {symbol: _splits(of_symbol) for symbol, of_symbol in by_symbol.items()}


def _splits(factor_on: Mapping[date, float]) -> Splits:
    dates = sorted(factor_on)
    midnights = [int(datetime.combine(on, time(), NEW_YORK).timestamp()) for on in dates]
    return Splits(from_s=np.array(midnights, np.int64), factor=np.array([factor_on[on] for on in dates], np.float64))


def read_headline(raw: Any) -> Headline:
    """One of `GET /news`; symbols that are none of ours are left out, entities such as `&#39;` are resolved.

    An address that is no web address is none.
    """
    raw = as_object(raw, "news")
    symbols = as_list(raw.get("symbols") or [], "symbols")
    return Headline(
        news_id=str(_need(raw, "id")),
        published_at=_instant(raw, "created_at"),
        source=raw.get("source") or "",
        headline=html.unescape(_text(raw, "headline")).strip(),
        summary=html.unescape(raw.get("summary") or "").strip(),
        symbols=tuple(Symbol(name) for name in symbols if isinstance(name, str) and is_symbol(name)),
        url=web_address(url) if isinstance(url := raw.get("url"), str) else "",
    )


def _need(raw: Mapping[str, Any], name: str) -> Any:
    value = raw.get(name)
    if value is None:
        raise ValueError(f"{name} is missing" if name not in raw else f"{name} is null")
    return value


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = _need(raw, name)
    _expect(isinstance(value, str) and value != "", name, value, "text")
    return value  # type: ignore[no-any-return]


def _word(raw: Mapping[str, Any], name: str, otherwise: str) -> str:
    """Text that may be left out, null or empty."""
    value = raw.get(name)
    return otherwise if value is None or value == "" else _text(raw, name)


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    """A boolean that Alpaca leaves out at times: absent is false."""
    value = raw.get(name)
    _expect(value is None or isinstance(value, bool), name, value, "true or false")
    return bool(value)


def _symbol(raw: Mapping[str, Any]) -> Symbol:
    return _as_symbol(raw, "symbol")


def _as_symbol(raw: Mapping[str, Any], name: str) -> Symbol:
    symbol = _text(raw, name)
    require_symbol(name, symbol)
    return Symbol(symbol)


def is_symbol(text: str) -> bool:
    """Whether a text can be a symbol of ours."""
    try:
        require_symbol("symbol", text)
    except ValueError:
        return False
    return True


def _money(raw: Mapping[str, Any], name: str) -> Decimal:
    """Money comes as text in the trading API and as a JSON number in market data; both are read exactly as written."""
    value = _need(raw, name)
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    _expect(known, name, value, "a decimal number")
    try:
        money = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} must be a decimal number, got {_short(value)}") from None
    require(money.is_finite(), name, value, "finite")
    require(money == ZERO or money.adjusted() < _MAX_DIGITS, name, _short(value), f"under {_MAX_DIGITS} digits")
    return money


def _positive(raw: Mapping[str, Any], name: str) -> Decimal:
    money = _money(raw, name)
    require_positive(name, money)
    return money


def _optional_money(raw: Mapping[str, Any], name: str) -> Decimal | None:
    return None if raw.get(name) is None else _money(raw, name)


def _quantity(raw: Mapping[str, Any], name: str) -> Decimal:
    qty = _money(raw, name)
    require_at_least(name, qty, 0)
    return tidy(qty)


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = _need(raw, name)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    _expect(known and math.isfinite(value), name, value, "a finite number")
    return float(value)


def _not_negative(raw: Mapping[str, Any], name: str) -> float:
    value = _number(raw, name)
    require(value >= 0, name, value, "not negative")
    return value


def _above_zero(raw: Mapping[str, Any], name: str) -> float:
    value = _number(raw, name)
    require(value > 0, name, value, "positive")
    return value


def _day(raw: Mapping[str, Any], name: str) -> date:
    value = _text(raw, name)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a date, got {_short(value)}: {error}") from error


def _instant(raw: Mapping[str, Any], name: str) -> datetime:
    value = _text(raw, name)
    try:
        return parse_utc(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be an instant, got {_short(value)}: {error}") from error


def _column(raw: Sequence[Any], name: str) -> FloatArray:
    try:
        values = [bar[name] for bar in raw]
        if not set(map(type, values)) <= {int, float}:
            strange = next(value for value in values if type(value) not in {int, float})
            raise ValueError(f"{name} must be finite numbers, got {_short(strange)}")
        column = np.array(values, np.float64)
    except KeyError:
        raise ValueError(f"{name} is missing") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{name} must be finite numbers: {error}") from error
    require(bool(np.all(np.isfinite(column))), name, "NaN", "finite numbers")
    return column


@lru_cache(maxsize=4096)
def _epoch_s(text: str) -> int:
    """Seconds since 1970 of a bar's start, which it has in common with the bars of all other symbols."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"t must be an instant with its offset, got {text!r}")
    return int(at.timestamp())


def _expect(condition: bool, name: str, value: object, expected: str) -> None:
    """Like `require`, for values of any size: an error shows the first of them."""
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {_short(value)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
