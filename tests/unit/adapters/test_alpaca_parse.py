"""Alpaca's JSON, whole and broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.alpaca import order_fields
from shared.adapters.alpaca_parse import (
    CRYPTO_NOTIONAL_MIN,
    parsed,
    read_account,
    read_account_id,
    read_asset,
    read_bars,
    read_clock,
    read_each,
    read_headline,
    read_order,
    read_position,
    read_quote,
    read_snapshot,
)
from shared.core.errors import ContractError
from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.orders import OrderClass, OrderRequest, OrderStatus, OrderType, TimeInForce
from shared.core.values import Side, Symbol
from tests.support.alpaca_answers import ACCOUNT, ASSET, BAR, HEADLINE, ORDER, POSITION, QUOTE, SNAPSHOT

TODAY = date(2025, 10, 15)


def snapshot(raw: Any) -> Any:
    return read_snapshot("AAPL", raw, TODAY)


def quote(raw: Any) -> Any:
    return read_quote("AAPL", raw)


def bars(raw: Any) -> Any:
    return read_bars([raw])


def without(raw: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != name}


def test_an_order_is_read_with_exact_money_and_times() -> None:
    order = read_order(ORDER)
    assert order.order_id == ORDER["id"]
    assert (order.symbol, order.side, order.status, order.status_text) == ("AAPL", Side.BUY, OrderStatus.NEW, "new")
    assert (order.qty, order.filled_qty, order.remaining_qty) == (Decimal(15), Decimal(0), Decimal(15))
    assert order.limit_price == Decimal("107.00")
    assert str(order.limit_price) == "107.00"
    assert order.stop_price is None
    assert order.submitted_at == datetime(2025, 10, 15, 13, 30, 0, 123456, tzinfo=UTC)
    assert (order.order_type, order.order_class) == ("limit", "simple")
    assert order.legs == ()


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.UNKNOWN}))
def test_every_documented_status_is_known(status: OrderStatus) -> None:
    assert read_order({**ORDER, "status": status.value}).status is status


@pytest.mark.parametrize("word", ["pending_levitation", "NEW", "unknown"])
def test_a_status_invented_since_is_unknown_with_its_word_kept(word: str) -> None:
    order = read_order({**ORDER, "status": word})
    assert (order.status, order.status_text) == (OrderStatus.UNKNOWN, word)
    assert not order.status.is_final
    assert not order.status.is_working


def test_legs_carry_their_parent_s_id() -> None:
    order = read_order(
        {**ORDER, "order_class": "bracket", "legs": [{**ORDER, "id": "leg-1"}, {**ORDER, "id": "leg-2"}]}
    )
    assert [leg.order_id for leg in order.legs] == ["leg-1", "leg-2"]
    assert {leg.parent_order_id for leg in order.legs} == {order.order_id}


def test_a_position_before_its_first_trade_of_the_day_has_yesterday_s_price() -> None:
    assert read_position(POSITION).market_price == Decimal("120.0")
    assert read_position({**POSITION, "current_price": None}).market_price == Decimal("119.0")
    assert read_position({**POSITION, "qty": "-5"}).qty == -5


@pytest.mark.parametrize(
    ("changes", "blocked"),
    [
        ({}, False),
        ({"trading_blocked": True}, True),
        ({"account_blocked": True}, True),
        ({"trade_suspended_by_user": True}, True),
        ({"status": "ACCOUNT_UPDATED"}, True),
        ({"trading_blocked": None, "account_blocked": None}, False),
    ],
)
def test_an_account_that_may_not_trade_is_blocked(changes: dict[str, Any], blocked: bool) -> None:
    account = read_account({**ACCOUNT, **changes})
    assert account.is_blocked is blocked
    assert account.equity == Decimal("103820.56")


@pytest.mark.parametrize("absent", [{}, {"last_equity": None, "intraday_adjustments": None}])
def test_an_account_without_a_last_close_or_deposits_has_none(absent: dict[str, Any]) -> None:
    raw = {name: value for name, value in ACCOUNT.items() if name != "last_equity"}
    account = read_account({**raw, **absent})
    assert (account.last_equity, account.paid_in, account.opening_equity) == (Decimal(0), Decimal(0), Decimal(0))


def test_what_was_paid_in_is_part_of_what_the_day_opened_with() -> None:
    account = read_account({**ACCOUNT, "intraday_adjustments": "1000.50"})
    assert account.opening_equity == Decimal("104529.74")


def test_an_account_has_its_id_whatever_else_of_it_cannot_be_read() -> None:
    assert read_account_id({"id": ACCOUNT["id"], "equity": None}) == ACCOUNT["id"]


def test_fields_that_alpaca_leaves_out_at_times_do_no_harm() -> None:
    asset = read_asset(without(without(ASSET, "easy_to_borrow"), "fractionable"))
    assert asset is not None
    assert asset.is_tradable
    assert not asset.is_fractionable
    assert read_asset({**ASSET, "symbol": "odd symbol"}) is None
    assert not read_account(without(ACCOUNT, "trade_suspended_by_user")).is_blocked
    assert read_order(without(without(ORDER, "legs"), "updated_at")).updated_at == read_order(ORDER).submitted_at
    assert read_order({**ORDER, "submitted_at": None}).submitted_at == datetime(2025, 10, 15, 13, 29, 59, tzinfo=UTC)
    assert read_headline({**HEADLINE, "summary": None, "symbols": None}).symbols == ()


COIN = {"class": "crypto", "symbol": "BTC/USD", "min_order_size": "0.000010", "min_trade_increment": "1E-9"}


def test_an_equity_is_ordered_in_whole_shares_whatever_it_says_of_fractions() -> None:
    asset = read_asset({**ASSET, "min_order_size": "0.5", "min_trade_increment": "0.001"})
    assert asset is not None
    assert (asset.is_fractionable, asset.lot) == (True, WHOLE_SHARES)


@pytest.mark.parametrize("changes", [{}, {"min_order_size": 1e-05, "min_trade_increment": 1e-09}])
def test_a_coin_is_ordered_in_the_steps_that_the_broker_tells(changes: dict[str, Any]) -> None:
    asset = read_asset({**ASSET, **COIN, **changes})
    assert asset is not None
    assert asset.lot == Lot(
        qty_step=Decimal("0.000000001"), qty_min=Decimal("0.00001"), notional_min=CRYPTO_NOTIONAL_MIN
    )
    assert (str(asset.lot.qty_min), CRYPTO_NOTIONAL_MIN) == ("0.00001", Decimal(10))


@pytest.mark.parametrize("name", ["min_order_size", "min_trade_increment"])
@pytest.mark.parametrize("value", [None, "0", "-1", "NaN", "small", True])
def test_a_coin_whose_steps_nobody_knows_is_no_asset_of_ours(name: str, value: object) -> None:
    with pytest.raises(ContractError, match=name):
        parsed("GET /assets", read_asset, {**ASSET, **COIN, name: value})


@pytest.mark.parametrize(("qty", "text"), [("0.5", "0.5"), ("100.000", "100"), ("0.000000001", "1E-9"), ("0", "0")])
def test_an_order_and_a_position_may_be_of_any_quantity(qty: str, text: str) -> None:
    order = read_order({**ORDER, "qty": qty, "filled_qty": qty, "legs": None})
    assert (str(order.qty), str(order.filled_qty), order.remaining_qty) == (text, text, Decimal(0))
    assert str(read_position({**POSITION, "qty": f"-{qty}"}).qty).lstrip("-") == text


@pytest.mark.parametrize(("qty", "text"), [("1E-9", "0.000000001"), ("1E+2", "100"), ("0.2500", "0.25")])
def test_an_order_is_sent_with_a_quantity_as_alpaca_writes_it(qty: str, text: str) -> None:
    request = OrderRequest(
        client_order_id="i-exit-0",
        symbol=Symbol("BTC/USD"),
        side=Side.SELL,
        qty=Decimal(qty),
        order_type=OrderType.MARKET,
    )
    assert order_fields(request)["qty"] == text


@pytest.mark.parametrize("inactive", [{"status": "inactive"}, {"tradable": False}, {"tradable": None}])
def test_an_asset_that_is_inactive_or_not_tradable_says_so(inactive: dict[str, Any]) -> None:
    asset = read_asset({**ASSET, **inactive})
    assert asset is not None
    assert not asset.is_tradable


def test_a_snapshot_shows_the_day_and_the_day_before() -> None:
    found = read_snapshot("AAPL", SNAPSHOT, TODAY)
    assert found is not None
    assert (found.last_price, found.bid, found.ask) == (251.3, 251.29, 251.32)
    assert (found.day_open, found.day_high, found.day_low, found.day_close) == (249.5, 252.0, 248.9, 251.3)
    assert (found.day_volume, found.previous_close, found.previous_volume) == (1_000_000.0, 247.77, 35_478_000.0)
    assert found.last_at == datetime(2025, 10, 15, 14, 0, 1, 123456, tzinfo=UTC)


def test_before_the_day_has_a_bar_the_last_session_s_bar_is_the_previous_day() -> None:
    stale = {**SNAPSHOT, "dailyBar": SNAPSHOT["prevDailyBar"], "prevDailyBar": {**SNAPSHOT["prevDailyBar"], "c": 1.0}}
    found = read_snapshot("AAPL", stale, TODAY)
    assert found is not None
    assert (found.previous_close, found.previous_volume) == (247.77, 35_478_000.0)
    assert (found.day_open, found.day_high, found.day_low, found.day_close, found.day_volume) == (0, 0, 0, 0, 0)


def test_a_snapshot_without_a_trade_is_none_and_one_without_quote_or_bars_has_zeros() -> None:
    assert snapshot({**SNAPSHOT, "latestTrade": None}) is None
    found = snapshot({"latestTrade": SNAPSHOT["latestTrade"], "latestQuote": None, "dailyBar": None})
    assert (found.bid, found.ask, found.day_open, found.previous_close) == (0, 0, 0, 0)


def test_quotes_are_read_exactly_as_written() -> None:
    found = read_quote("AAPL", QUOTE)
    assert (str(found.bid), str(found.ask), found.bid_size, found.ask_size) == ("251.29", "251.32", 2, 1)
    assert read_quote("AAPL", {**QUOTE, "bp": 0.1 + 0.2}).bid == Decimal("0.30000000000000004")


def test_bars_become_arrays() -> None:
    found = read_bars([BAR, {**BAR, "t": "2025-10-15T09:31:00-04:00", "c": 250}])
    assert found.start_s.tolist() == [1760535000, 1760535060]
    assert found.close.tolist() == [249.9, 250.0]
    assert found.volume.dtype == np.dtype(np.float64)
    assert found.start_s.dtype == np.dtype(np.int64)
    assert len(read_bars([])) == 0


def test_a_headline_is_unescaped_and_keeps_only_symbols_of_ours() -> None:
    found = read_headline({**HEADLINE, "headline": " Apple&#39;s day ", "symbols": ["AAPL", "BTCUSD", "$x", 5]})
    assert found.headline == "Apple's day"
    assert found.symbols == ("AAPL", "BTCUSD")
    assert found.news_id == "24843171"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://news.example/1?a=b", "https://news.example/1?a=b"),
        ("javascript:alert(1)", ""),
        ("https://news.example@evil.example/", ""),
        ("https://news.example/" + "x" * 1024, ""),
        (None, ""),
        (5, ""),
    ],
)
def test_a_headline_keeps_an_address_that_a_person_may_open(url: object, kept: str) -> None:
    assert read_headline({**HEADLINE, "url": url}).url == kept


READERS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "order": (read_order, ORDER),
    "account": (read_account, ACCOUNT),
    "position": (read_position, POSITION),
    "asset": (read_asset, ASSET),
    "snapshot": (snapshot, SNAPSHOT),
    "quote": (quote, QUOTE),
    "bar": (bars, BAR),
    "headline": (read_headline, HEADLINE),
}


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("order", {"qty": "-1.5"}, "qty must be finite and >= 0, got Decimal('-1.5')"),
        ("order", {"qty": None}, "qty is null"),
        ("order", {"qty": True}, "qty must be a decimal number, got True"),
        ("order", {"limit_price": "NaN"}, "limit_price must be finite"),
        ("order", {"limit_price": "abc"}, "limit_price must be a decimal number, got 'abc'"),
        ("order", {"limit_price": float("inf")}, "limit_price must be finite"),
        ("order", {"filled_qty": "-1"}, "filled_qty must be finite and >= 0"),
        ("order", {"side": "sideways"}, "'sideways' is not a valid Side"),
        ("order", {"submitted_at": "2025-10-15T13:30:00"}, "submitted_at must be an instant"),
        ("order", {"submitted_at": 5}, "submitted_at must be text, got 5"),
        ("order", {"status": ""}, "status must be text"),
        ("order", {"legs": [1]}, r"legs[0]: order must be an object, got 1"),
        ("order", {"legs": "x"}, "legs must be a list, got 'x'"),
        ("order", {"symbol": "AAPL251219C00200000"}, "symbol must be a symbol"),
        ("account", {"equity": None}, "equity is null"),
        ("account", {"buying_power": "lots"}, "buying_power must be a decimal number"),
        ("account", {"trading_blocked": "yes"}, "trading_blocked must be true or false"),
        ("position", {"qty": "1e30"}, "qty must be under 18 digits"),
        ("position", {"qty": "NaN"}, "qty must be finite"),
        ("position", {"qty": None}, "qty is null"),
        ("position", {"asset_class": "us_option"}, "asset_class must be crypto or us_equity, got 'us_option'"),
        ("position", dict.fromkeys(("current_price", "lastday_price", "avg_entry_price")), "avg_entry_price is null"),
        ("order", {"order_class": 5}, "order_class must be text"),
        ("order", {"submitted_at": "0001-01-01T00:00:00+05:00"}, "submitted_at must be an instant"),
        ("asset", {"class": None}, "class is null"),
        ("snapshot", {"latestTrade": {"p": 1.0}}, "t is missing"),
        ("snapshot", {"latestTrade": {"p": float("nan"), "t": BAR["t"]}}, "p must be a finite number"),
        ("snapshot", {"latestTrade": {"p": -1.0, "t": BAR["t"]}}, "last_price must be finite and > 0"),
        ("snapshot", {"latestTrade": []}, "attribute"),
        ("quote", {"bp": -1}, "bid must be finite and >= 0"),
        ("quote", {"as": "many"}, "as must be a finite number"),
        ("quote", {"t": None}, "t is null"),
        ("bar", {"c": None}, "c must be finite numbers, got None"),
        ("bar", {"c": float("nan")}, "c must be finite numbers"),
        ("bar", {"l": -1}, "l must be positive"),
        ("bar", {"v": -1}, "v must be not negative"),
        ("bar", {"h": "high"}, "h must be finite numbers"),
        ("bar", {"h": "12.5"}, "h must be finite numbers, got '12.5'"),
        ("bar", {"o": True}, "o must be finite numbers, got True"),
        ("bar", {"v": 10**400}, "v must be finite numbers"),
        ("snapshot", {"prevDailyBar": {**BAR, "c": -1.0}}, "c must be not negative"),
        ("bar", {"t": "2025-10-15T13:30:00"}, "t must be an instant with its offset"),
        ("headline", {"created_at": None}, "created_at is null"),
        ("headline", {"symbols": "AAPL"}, "symbols must be a list"),
    ],
)
def test_nonsense_is_a_contract_error_that_names_call_and_field(
    kind: str, changes: dict[str, Any], reason: str
) -> None:
    read, good = READERS[kind]
    with pytest.raises(ContractError) as caught:
        parsed("GET /thing", read, {**good, **changes})
    assert str(caught.value).startswith("GET /thing: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", sorted(READERS))
@pytest.mark.parametrize("raw", [None, [], "text", 5, {}], ids=repr)
def test_what_is_no_such_thing_at_all_is_a_contract_error(kind: str, raw: Any) -> None:
    read, _ = READERS[kind]
    if kind == "snapshot" and raw == {}:
        pytest.skip("a snapshot of nothing is a symbol without a trade")
    with pytest.raises(ContractError, match="GET /thing: "):
        parsed("GET /thing", read, raw)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data(), kind=st.sampled_from(sorted(READERS)), junk=JUNK)
def test_any_junk_in_any_field_is_read_or_a_contract_error(data: st.DataObject, kind: str, junk: object) -> None:
    read, good = READERS[kind]
    name = data.draw(st.sampled_from(sorted(good)))
    try:
        parsed("GET /thing", read, {**good, name: junk})
    except ContractError:
        return


def test_an_error_in_a_list_names_the_place() -> None:
    with pytest.raises(ContractError, match=r"GET /orders: orders\[1\]: qty is missing"):
        parsed("GET /orders", read_each(read_order, "orders"), [ORDER, without(ORDER, "qty")])


def request(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "client_order_id": "i-entry-1",
        "symbol": Symbol("AAPL"),
        "side": Side.BUY,
        "qty": 10,
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal("100.10"),
    }
    return OrderRequest(**{**fields, **changes})


BASE = {
    "symbol": "AAPL",
    "qty": "10",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "client_order_id": "i-entry-1",
}
LEGS = {"stop_price": Decimal("99.5"), "target_price": Decimal("102")}
LEG_FIELDS = {"take_profit": {"limit_price": "102"}, "stop_loss": {"stop_price": "99.5"}}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (request(), {**BASE, "limit_price": "100.10"}),
        (request(extended_hours=True), {**BASE, "limit_price": "100.10", "extended_hours": True}),
        (request(order_type=OrderType.MARKET, limit_price=None), {**BASE, "type": "market"}),
        (
            request(order_type=OrderType.STOP, limit_price=None, stop_price=Decimal("0.9876"), side=Side.SELL),
            {**BASE, "type": "stop", "side": "sell", "stop_price": "0.9876"},
        ),
        (
            request(order_class=OrderClass.BRACKET, time_in_force=TimeInForce.GTC, **LEGS),
            {**BASE, "limit_price": "100.10", "time_in_force": "gtc", "order_class": "bracket", **LEG_FIELDS},
        ),
        (
            request(order_class=OrderClass.OCO, side=Side.SELL, **LEGS),
            {**BASE, "side": "sell", "order_class": "oco", **LEG_FIELDS},
        ),
    ],
    ids=["limit", "extended", "market", "stop", "bracket", "oco"],
)
def test_an_order_is_spelled_as_alpaca_documents_it(order: OrderRequest, expected: dict[str, Any]) -> None:
    assert order_fields(order) == expected


def test_the_brokers_clock_is_read_as_utc() -> None:
    raw = {"timestamp": "2026-10-14T10:00:30.123456789-04:00", "is_open": True}
    assert read_clock(raw) == datetime(2026, 10, 14, 14, 0, 30, 123456, tzinfo=UTC)
    with pytest.raises(ValueError, match="timestamp"):
        read_clock({"timestamp": "soon"})
