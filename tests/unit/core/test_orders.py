"""Orders as they are asked for and as the broker tells of them: what is refused, and with which words."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.core.orders import (
    MAX_CLIENT_ORDER_ID,
    BrokerOrder,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from shared.core.values import Side, Symbol
from tests.support.orders import NOW

NAIVE = NOW.replace(tzinfo=None)
LIMIT = OrderRequest(
    client_order_id="id",
    symbol=Symbol("AAA"),
    side=Side.BUY,
    qty=Decimal(1),
    order_type=OrderType.LIMIT,
    limit_price=Decimal("10.01"),
)
BRACKET = replace(LIMIT, order_class=OrderClass.BRACKET, stop_price=Decimal("9.80"), target_price=Decimal("10.40"))

ORDER = BrokerOrder(
    order_id="o1",
    client_order_id="id",
    symbol=Symbol("AAA"),
    side=Side.BUY,
    order_type="limit",
    order_class="simple",
    status=OrderStatus.NEW,
    status_text="new",
    qty=Decimal(10),
    filled_qty=Decimal(0),
    filled_average_price=None,
    limit_price=Decimal("10.01"),
    stop_price=None,
    submitted_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"client_order_id": ""}, "client_order_id must be 1 to 48 characters, got ''"),
        (
            {"client_order_id": "x" * (MAX_CLIENT_ORDER_ID + 1)},
            f"client_order_id must be 1 to 48 characters, got '{'x' * 49}'",
        ),
        (
            {"symbol": "a b"},
            "symbol must be a symbol of 1 to 12 characters A-Z 0-9 . / -, a letter or digit first, got 'a b'",
        ),
        ({"qty": Decimal(0)}, "qty must be finite and > 0, got Decimal('0')"),
        ({"limit_price": Decimal(0)}, "limit_price must be finite and > 0, got Decimal('0')"),
        ({"stop_price": Decimal(0)}, "stop_price must be finite and > 0, got Decimal('0')"),
        ({"target_price": Decimal(0)}, "target_price must be finite and > 0, got Decimal('0')"),
        ({"limit_price": None}, "limit_price must be given for a limit order, got None"),
    ],
)
def test_an_order_that_no_broker_would_take_is_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(LIMIT, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("order_class", [OrderClass.BRACKET, OrderClass.OCO])
@pytest.mark.parametrize(
    ("stop", "target", "found"),
    [(None, Decimal(11), "(None, Decimal('11'))"), (Decimal(9), None, "(Decimal('9'), None)")],
)
def test_an_order_with_legs_needs_both_prices(
    order_class: OrderClass, stop: Decimal | None, target: Decimal | None, found: str
) -> None:
    message = f"stop_price, target_price must be given for {order_class}, got {found}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(BRACKET, order_class=order_class, stop_price=stop, target_price=target)


def test_legs_are_for_the_regular_session() -> None:
    message = "extended_hours must be false: legs exist in the regular session only, got True"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(BRACKET, extended_hours=True)
    assert replace(LIMIT, extended_hours=True).extended_hours


def test_what_an_order_may_leave_out() -> None:
    assert replace(LIMIT, client_order_id="x").client_order_id == "x"
    market = replace(LIMIT, order_type=OrderType.MARKET, limit_price=None)
    assert (market.time_in_force, market.order_class, market.extended_hours) == (
        TimeInForce.DAY,
        OrderClass.SIMPLE,
        False,
    )
    assert replace(BRACKET, order_class=OrderClass.OCO, limit_price=None).limit_price is None
    assert replace(LIMIT, client_order_id="x" * MAX_CLIENT_ORDER_ID, qty=Decimal(1)).qty == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"symbol": "a b"},
            "symbol must be a symbol of 1 to 12 characters A-Z 0-9 . / -, a letter or digit first, got 'a b'",
        ),
        ({"filled_qty": -1}, "filled_qty must be finite and >= 0, got -1"),
        ({"submitted_at": NAIVE}, f"submitted_at must be an aware UTC datetime, got {NAIVE!r}"),
        ({"updated_at": NAIVE}, f"updated_at must be an aware UTC datetime, got {NAIVE!r}"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(ORDER, **changes)  # type: ignore[arg-type]


def test_what_remains_is_what_was_asked_less_what_was_filled() -> None:
    assert (ORDER.remaining_qty, replace(ORDER, filled_qty=Decimal(4)).remaining_qty) == (Decimal(10), Decimal(6))


FINAL = {"filled", "canceled", "expired", "replaced", "rejected", "done_for_day"}
WORKING = {"new", "partially_filled", "accepted", "pending_new"}


@pytest.mark.parametrize("status", OrderStatus)
def test_every_status_is_final_or_working_or_neither(status: OrderStatus) -> None:
    assert (status.is_final, status.is_working) == (status in FINAL, status in WORKING)
