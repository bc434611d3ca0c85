"""Rows of tables in a case: today's, and those of older code that counted whole shares."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.records import RENAMED, renamed
from shared.ports import Row
from shared.stages.evidence.case_parts import decision_of, fill_of
from tests.support.orders import NOW
from tests.support.ports import fake_ports

DECIDED: Row = {"verdict": "refused", "refused_by": "SPREAD", "decided_at": "2025-10-15T14:00:00Z", "bound": "kelly"}
FILLED: Row = {
    "role": "entry",
    "side": "buy",
    "price_usd": "10.01",
    "session": "REG-AM",
    "slippage_bp": 1.0,
    "occurred_at": "2025-10-15T14:00:00Z",
    "client_order_id": "i-entry-0",
}


@pytest.mark.parametrize(
    ("cells", "qty", "bounds"),
    [
        ({"qty": "0.25", "bounds": '{"kelly":"0.25","liquidity":"7"}'}, "0.25", {"kelly": "0.25", "liquidity": "7"}),
        ({"qty_shares": 100, "bounds": '{"kelly":100,"liquidity":250}'}, "100", {"kelly": "100", "liquidity": "250"}),
        ({"qty_shares": 0}, "0", None),
        ({}, None, None),
    ],
)
def test_a_decision_tells_its_size_and_what_each_bound_allowed(
    cells: Row, qty: str | None, bounds: dict[str, str] | None
) -> None:
    found = decision_of(fake_ports(NOW), {**DECIDED, **cells})
    assert found.qty == (None if qty is None else Decimal(qty))
    assert found.bounds == (None if bounds is None else {name: Decimal(text) for name, text in bounds.items()})


@pytest.mark.parametrize(("cells", "qty"), [({"qty": "0.000000001"}, "1e-9"), ({"qty_shares": 30}, "30")])
def test_a_fill_tells_its_quantity(cells: Row, qty: str) -> None:
    assert fill_of({**FILLED, **cells}).qty == Decimal(qty)


def test_renaming_leaves_todays_rows_and_all_other_columns_as_they_are() -> None:
    row: Row = {"qty": "1", "adv_shares": 5, "note": None}
    assert renamed(row) == row
    assert renamed(dict.fromkeys(RENAMED.values(), 7)) == dict.fromkeys(RENAMED, 7)
