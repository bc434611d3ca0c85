"""Numbers with their units, times with their zones."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from dashboard import units

AT = datetime(2026, 10, 14, 13, 35, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (units.usd(1234.5), "1,234.50 USD"),
        (units.usd(-0.001, sign=True), "0.00 USD"),
        (units.usd(12.3, sign=True), "+12.30 USD"),
        (units.price(0.1234), "0.1234 USD"),
        (units.price(12.3), "12.30 USD"),
        (units.percent(0.1234), "12.3 %"),
        (units.bp(3.518, sign=True), "+3.5 bp"),
        (units.ratio(1.234, "R"), "1.23 R"),
        (units.minutes(61), "61 min"),
        (units.minutes(150), "2.5 h"),
        (units.quantity(100.0), "100"),
        (units.quantity(Decimal("1E+2")), "100"),
        (units.quantity(Decimal(12_345)), "12,345"),
        (units.quantity(12_345.5), "12,345.5"),
        (units.quantity(Decimal("0.000000001")), "0.000000001"),
        (units.quantity(1e-9), "0.000000001"),
        (units.quantity(Decimal("0.09975")), "0.09975"),
        (units.quantity(0.0), "0"),
        (units.quantity(math.nan), "n/a"),
        (units.figure(119041.0), "119,041"),
        (units.figure(0.01630646), "0.01631"),
        (units.slot("0935"), "09:35"),
        (units.et(AT), "09:35:02 ET"),
        (units.both(AT, ZoneInfo("Europe/Berlin")), "09:35:02 ET (15:35:02 CEST)"),
        (units.both(AT, ZoneInfo("America/Toronto")), "09:35:02 ET"),
    ],
)
def test_a_figure_carries_its_unit(found: str, expected: str) -> None:
    assert found == expected


def test_what_is_not_there_is_said_to_be_not_there() -> None:
    makers = (units.usd, units.price, units.percent, units.bp, units.ratio, units.whole, units.minutes)
    assert {make(value) for make in makers for value in (None, math.nan)} == {units.NOTHING}
    assert units.et(None) == units.both(None, UTC) == units.NOTHING
