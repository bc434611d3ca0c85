"""What sells a position: prices that a broker can take, at any bid that a market may show."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.order_exit import beyond_exits, can_pair, exit_limit, exit_request, pair_request
from shared.core.orders import OrderClass, OrderType
from shared.core.values import BASE_GAP, Side, tick_size
from tests.support.orders import PLAN, exit_id, protect_id


@pytest.mark.parametrize(
    ("bid", "limit"),
    [("10.00", "9.98"), ("9.99", "9.97"), ("0.5000", "0.4990"), ("1.00", "0.9980"), ("0.0001", "0.0001")],
)
def test_an_exit_limit_lies_a_fifth_of_a_percent_under_the_bid_and_never_under_the_smallest_tick(
    bid: str, limit: str
) -> None:
    assert exit_limit(Decimal(bid)) == Decimal(limit)


@pytest.mark.parametrize(
    ("rivals", "limit"),
    [
        (("9.50",), "9.98"),
        (("9.97",), "9.98"),
        (("9.98",), "9.99"),
        (("9.98", "9.50"), "9.99"),
        (("9.99",), "10.00"),
        (("10.00",), "9.98"),
        (("11.00",), "9.98"),
    ],
)
def test_an_exit_limit_goes_above_this_accounts_own_bids_where_it_still_sells(
    rivals: tuple[str, ...], limit: str
) -> None:
    assert exit_limit(Decimal("10.00"), tuple(map(Decimal, rivals))) == Decimal(limit)


@given(ticks=st.integers(1, 10**7), rivals=st.lists(st.integers(1, 10**7), max_size=3))
def test_an_exit_limit_is_a_price_that_sells_at_any_bid(ticks: int, rivals: list[int]) -> None:
    bid = Decimal(ticks) / 10_000
    limit = exit_limit(bid, tuple(Decimal(n) / 10_000 for n in rivals))
    assert 0 < limit <= bid
    assert limit % tick_size(limit) == 0 or limit <= bid


def test_an_exit_is_a_market_order_or_a_limit_for_the_session_it_is_sent_in() -> None:
    market = exit_request(PLAN, exit_id(), Decimal(100), None, is_regular=True)
    assert (market.order_type, market.limit_price, market.extended_hours) == (OrderType.MARKET, None, False)
    assert (market.side, market.qty, market.symbol) == (Side.SELL, Decimal(100), PLAN.symbol)
    assert (market.order_class, market.client_order_id) == (OrderClass.SIMPLE, exit_id())
    limit = exit_request(PLAN, exit_id(), Decimal(40), Decimal("9.98"), is_regular=True)
    assert (limit.order_type, limit.limit_price, limit.extended_hours) == (OrderType.LIMIT, Decimal("9.98"), False)
    assert exit_request(PLAN, exit_id(), Decimal(40), Decimal("9.98"), is_regular=False).extended_hours


def test_a_pair_guards_at_the_plans_prices_or_sells_under_the_bid() -> None:
    guard = pair_request(PLAN, protect_id(), Decimal(100))
    assert (guard.target_price, guard.stop_price) == (PLAN.target_price, PLAN.stop_price)
    assert (guard.order_class, guard.order_type, guard.side) == (OrderClass.OCO, OrderType.LIMIT, Side.SELL)
    assert (guard.qty, guard.client_order_id, guard.symbol) == (Decimal(100), protect_id(), PLAN.symbol)
    sale = pair_request(PLAN, protect_id(), Decimal(100), Decimal("9.97"))
    assert (sale.target_price, sale.stop_price) == (Decimal("9.97"), PLAN.stop_price)
    fallen = pair_request(PLAN, protect_id(), Decimal(100), Decimal("9.70"))
    assert (fallen.target_price, fallen.stop_price) == (Decimal("9.70"), Decimal("9.69"))


def test_a_stop_fits_under_a_target_of_more_than_a_cent() -> None:
    assert not can_pair(BASE_GAP)
    assert can_pair(BASE_GAP + Decimal("0.0001"))


@pytest.mark.parametrize(
    ("limit", "bid", "is_regular", "words"),
    [
        ("9.81", "9.79", True, ""),
        ("9.80", "9.79", True, "ask 9.80 not above the stop 9.80 by 0.01"),
        ("9.70", "9.69", True, "ask 9.70 not above the stop 9.80 by 0.01"),
        ("9.70", "9.69", False, "ask 9.70 not above the stop 9.80 by 0.01"),
        ("10.39", "10.38", True, ""),
        ("10.40", "10.39", True, "ask 10.40 not under the target 10.40 by 0.01"),
        ("10.50", "10.49", False, "ask 10.50 not under the target 10.40 by 0.01"),
        ("9.82", "9.81", False, ""),
        ("9.82", "9.80", False, "bid 9.80 at the stop 9.80 already"),
        ("9.82", "9.80", True, ""),
    ],
)
def test_an_entry_is_priced_between_its_exits(limit: str, bid: str, is_regular: bool, words: str) -> None:
    plan = replace(PLAN, worst_price=Decimal("10.50"))
    assert beyond_exits(plan, Decimal(limit), Decimal(bid), is_regular=is_regular) == words
