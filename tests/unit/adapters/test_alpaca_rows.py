"""The account of a person who also trades by hand: what cannot be read is kept beside what can, row by row."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.alpaca_parse import order_or_unread, position_or_unread, read_order, read_position, submitted_at
from shared.core.orders import BrokerOrder
from shared.core.portfolio import Position, exposure_by_symbol
from shared.core.unread import Unread
from tests.support.alpaca_answers import ORDER, POSITION

OPTION = "AAPL251219C00200000"


@pytest.mark.parametrize(
    ("changes", "qty", "value"),
    [
        ({"symbol": "MSFT", "qty": "0.5"}, "0.5", "60.0"),
        ({"qty": "100.250"}, "100.25", "12030.0"),
        ({"symbol": "BTCUSD", "asset_class": "crypto", "qty": "0.0123", "current_price": "60000"}, "0.0123", "738.0"),
        ({"symbol": "BRK.B"}, "5", "600.0"),
        ({"symbol": "BF/B"}, "5", "600.0"),
        ({"symbol": "ABC.WS", "qty": "7"}, "7", "840.0"),
        ({"qty": "-0.5", "side": "short"}, "-0.5", "60.0"),
        ({"current_price": None}, "5", "595.0"),
        ({"current_price": None, "lastday_price": None}, "5", "500.0"),
        ({"asset_class": None, "side": "sideways"}, "5", "600.0"),
    ],
)
def test_a_foreign_position_that_has_a_symbol_and_a_price_is_read(
    changes: dict[str, Any], qty: str, value: str
) -> None:
    found = position_or_unread({**POSITION, **changes})
    assert isinstance(found, Position)
    assert str(found.qty) == qty
    assert dict(exposure_by_symbol([found])) == {found.symbol: Decimal(value)}


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"symbol": OPTION, "asset_class": "us_option", "market_value": "-410.0"}, OPTION, "410.0"),
        ({"symbol": "BC PRA"}, "BC_PRA", "600.0"),
        ({"symbol": "abc.cv"}, "abc.cv", "600.0"),
        ({"qty": None}, "AAPL", "600.0"),
        ({"avg_entry_price": "NaN", "market_value": None}, "AAPL", None),
        ({"symbol": None}, "", "600.0"),
        ({"symbol": "x; position in AAPL|" * 9}, "x__position_in_AAPL_x__position_in_AAPL_", "600.0"),
    ],
)
def test_a_position_that_cannot_be_read_keeps_its_name_its_text_and_what_it_is_worth(
    changes: dict[str, Any], name: str, value: str | None
) -> None:
    found = position_or_unread({**POSITION, **changes})
    assert isinstance(found, Unread)
    assert (found.what, found.name) == ("position", name)
    assert found.market_value == (None if value is None else Decimal(value))
    assert found.fault
    assert '"asset_id"' in found.raw


@pytest.mark.parametrize(
    ("changes", "name", "side"),
    [
        ({"qty": None, "notional": "50"}, "AAPL", "buy"),
        ({"qty": "-0.5", "side": "sell"}, "AAPL", "sell"),
        ({"symbol": OPTION, "asset_class": "us_option"}, OPTION, "buy"),
        ({"symbol": None, "side": None, "order_class": "mleg", "legs": [{**ORDER, "symbol": OPTION}]}, "", ""),
        ({"symbol": "", "side": "", "order_class": "mleg", "legs": [{**ORDER, "id": "l", "symbol": None}]}, "", ""),
        ({"side": "sideways"}, "AAPL", "sideways"),
        ({"status": None}, "AAPL", "buy"),
        ({"status": "pending_levitation", "qty": None}, "AAPL", "buy"),
    ],
)
def test_an_open_order_that_cannot_be_read_keeps_what_is_needed_to_name_and_to_cancel_it(
    changes: dict[str, Any], name: str, side: str
) -> None:
    found = order_or_unread({**ORDER, **changes})
    assert isinstance(found, Unread)
    assert (found.what, found.name, found.side, found.order_id) == ("order", name, side, ORDER["id"])


@pytest.mark.parametrize("changes", [{"type": "levitate", "order_type": "levitate"}, {"order_class": "mleg"}])
def test_an_order_of_a_kind_unknown_to_us_is_read_where_the_rest_of_it_can_be(changes: dict[str, Any]) -> None:
    assert isinstance(order_or_unread({**ORDER, **changes}), BrokerOrder)


@pytest.mark.parametrize("status", ["filled", "canceled", "expired", "rejected"])
def test_an_order_by_amount_that_is_over_is_nobody_s_concern(status: str) -> None:
    assert order_or_unread({**ORDER, "qty": None, "status": status}) is None


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["", "NaN", "-0", "1e999999999", "0.5", "9" * 5000, "0001-01-01T00:00:00+05:00", "9999-12-31"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@st.composite
def broken(draw: st.DrawFn, row: dict[str, Any]) -> Any:
    """A real row with some of its fields replaced or gone, now and then one in its legs."""
    made = copy.deepcopy(row)
    if draw(st.integers(0, 30)) == 0:
        return draw(JUNK)
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=5)):
        if draw(st.booleans()):
            made[name] = draw(JUNK)
        else:
            made.pop(name, None)
    if "legs" in row and draw(st.booleans()):
        made["legs"] = [{**row, draw(st.sampled_from(sorted(row))): draw(JUNK)}]
    return made


@given(raw=broken(POSITION))
def test_no_position_however_broken_is_an_error(raw: Any) -> None:
    found = position_or_unread(raw)
    if isinstance(found, Position):
        assert found == read_position(raw)
        return
    assert len(found.name) <= 40
    assert len(found.raw) < 1000


@given(raw=broken(ORDER))
def test_no_order_however_broken_is_an_error(raw: Any) -> None:
    found = order_or_unread(raw)
    submitted_at(raw)
    if isinstance(found, BrokerOrder):
        assert found == read_order(raw)


def test_an_id_that_could_become_another_path_is_none() -> None:
    found = order_or_unread({**ORDER, "id": "../account", "qty": None})
    assert isinstance(found, Unread)
    assert found.order_id == ""
