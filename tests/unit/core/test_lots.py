"""What quantities an asset is ordered in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.core.lots import WHOLE_SHARES, Lot


def test_shares_are_bought_whole_and_of_any_worth() -> None:
    assert Lot(qty_step=Decimal(1), qty_min=Decimal(1), notional_min=Decimal(0)) == WHOLE_SHARES


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qty_step": Decimal(0)}, "qty_step must be finite and > 0"),
        ({"qty_step": Decimal("NaN")}, "qty_step must be finite and > 0"),
        ({"qty_min": Decimal(-1)}, "qty_min must be finite and >= 0"),
        ({"notional_min": Decimal("Infinity")}, "notional_min must be finite and >= 0"),
    ],
)
def test_a_lot_that_nothing_could_be_ordered_in_is_refused_by_name(changes: dict[str, Decimal], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Lot(**changes)
