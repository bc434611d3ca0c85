"""Money, ticks, checks and instants."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.values import (
    CENT,
    SUBPENNY,
    Rounding,
    floor_to_step,
    floor_to_tick,
    from_epoch,
    iso,
    parse_utc,
    plain,
    require_at_least,
    require_fraction,
    require_positive,
    require_symbol,
    require_utc,
    round_to_tick,
    stop_under,
    target_over,
    tick_size,
    tidy,
    to_float,
    to_price,
)

AT = datetime(2025, 10, 15, 13, 30, tzinfo=UTC)
PRICES = st.decimals("0.0001", "100000", places=7).filter(lambda price: price > 0)


@pytest.mark.parametrize(("price", "tick"), [("0.9999", SUBPENNY), ("1", CENT), ("1.0001", CENT), ("500", CENT)])
def test_the_tick_is_a_cent_from_one_dollar_up(price: str, tick: Decimal) -> None:
    assert tick_size(Decimal(price)) == tick


@pytest.mark.parametrize(
    ("price", "rounding", "rounded"),
    [
        ("10.005", Rounding.DOWN, "10.00"),
        ("10.005", Rounding.UP, "10.01"),
        ("10.005", Rounding.NEAREST, "10.00"),
        ("10.015", Rounding.NEAREST, "10.02"),
        ("0.12345", Rounding.UP, "0.1235"),
        ("0.99995", Rounding.UP, "1.0000"),
        ("7", Rounding.NEAREST, "7.00"),
    ],
)
def test_prices_round_to_the_tick(price: str, rounding: Rounding, rounded: str) -> None:
    assert round_to_tick(Decimal(price), rounding) == Decimal(rounded)


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "0.00004"])
def test_a_price_that_no_venue_takes_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="price"):
        round_to_tick(Decimal(price), Rounding.DOWN)


@given(price=PRICES)
def test_rounding_moves_less_than_a_tick_in_its_own_direction(price: Decimal) -> None:
    down, up = round_to_tick(price, Rounding.DOWN), round_to_tick(price, Rounding.UP)
    assert down <= price <= up
    assert up - down in (0, tick_size(price))
    assert round_to_tick(price) in (down, up)
    assert round_to_tick(up, Rounding.DOWN) == up


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_never_becomes_money(value: float) -> None:
    with pytest.raises(ValueError, match="price must be finite"):
        to_price(value)


@pytest.mark.parametrize("value", [0.00004, 1e-9, 5e-324])
def test_a_float_above_zero_and_under_the_smallest_tick_is_that_tick(value: float) -> None:
    assert to_price(value) == to_price(value, Rounding.UP) == Decimal("0.0001")
    assert floor_to_tick(Decimal(repr(value))) == Decimal("0.0001")


@pytest.mark.parametrize("value", [0.0, -0.00004])
def test_a_float_that_is_not_above_zero_is_no_price(value: float) -> None:
    with pytest.raises(ValueError, match="price must be finite and positive"):
        to_price(value)


def test_a_stop_moves_down_and_a_target_up_where_they_lie_too_near() -> None:
    half = Decimal("0.5000")
    assert stop_under(half, Decimal("0.4999")) == Decimal("0.4900")
    assert stop_under(half, Decimal("0.4899")) == Decimal("0.4899")
    assert stop_under(Decimal("0.0100"), half) == Decimal("0.0001"), "no room is left"
    assert target_over(half, Decimal("0.5001")) == Decimal("0.5100")
    assert target_over(half, Decimal("0.5101")) == Decimal("0.5101")
    assert target_over(Decimal("0.9999"), half) == Decimal("1.01"), "on the tick of a dollar"


def test_a_float_becomes_the_decimal_it_prints_as() -> None:
    assert to_price(0.1 + 0.2) == Decimal("0.3000")
    assert to_price(249.1) == Decimal("249.10")
    assert to_float(Decimal("249.10")) == 249.1


CHECKS: list[tuple[Callable[[str, object], None], object, object]] = [
    (require_utc, AT, AT.replace(tzinfo=None)),  # type: ignore[list-item]
    (require_utc, AT, AT.astimezone(timezone(timedelta(hours=-4)))),  # type: ignore[list-item]
    (lambda n, v: require_at_least(n, v, 1), 1, 0),  # type: ignore[arg-type]
    (lambda n, v: require_at_least(n, v, 1), Decimal(1), Decimal("NaN")),  # type: ignore[arg-type]
    (require_positive, 1e-9, 0),  # type: ignore[list-item]
    (require_positive, 1, math.inf),  # type: ignore[list-item]
    (require_fraction, 1.0, 1.0000001),  # type: ignore[list-item]
    (require_fraction, 0.0, math.nan),  # type: ignore[list-item]
    (require_symbol, "BRK.B", "brk.b"),  # type: ignore[list-item]
    (require_symbol, "BTC/USD", ""),  # type: ignore[list-item]
    (require_symbol, "ABCDEFGHIJKL", "ABCDEFGHIJKLM"),  # type: ignore[list-item]
    (require_symbol, "A1", "Ä"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("check", "good", "bad"), CHECKS)
def test_a_check_lets_the_good_pass_and_names_field_and_value_of_the_bad(
    check: Callable[[str, object], None], good: object, bad: object
) -> None:
    check("the_field", good)
    with pytest.raises(ValueError, match="the_field must be") as refused:
        check("the_field", bad)
    assert repr(bad) in str(refused.value)


@given(at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_reads_back_as_it_was_written(at: datetime) -> None:
    assert iso(at).endswith("Z")
    assert parse_utc(iso(at)) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-10-15T13:30:00Z", AT),
        ("2025-10-15T09:30:00-04:00", AT),
        ("2025-10-15T13:30:00.123456789Z", AT.replace(microsecond=123456)),
        ("2025-10-15T13:30:00.5Z", AT.replace(microsecond=500_000)),
        ("2025-10-15T09:30:00.123456789-04:00", AT.replace(microsecond=123456)),
    ],
)
def test_instants_of_every_spelling_are_read(text: str, at: datetime) -> None:
    assert parse_utc(text) == at


@pytest.mark.parametrize("text", ["2025-10-15T13:30:00", "2025-10-15", "noon", ""])
def test_an_instant_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"offset|isoformat"):
        parse_utc(text)


def test_an_epoch_second_is_an_instant_in_utc() -> None:
    assert from_epoch(AT.timestamp()) == AT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100", "100"),
        ("1E+2", "100"),
        ("100.00", "100"),
        ("0.100", "0.1"),
        ("1E-9", "0.000000001"),
        ("-0.50", "-0.5"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E-9", "0"),
        ("123456789012345678.123456789012", "123456789012345678.123456789012"),
    ],
)
def test_a_quantity_has_one_spelling(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
    assert str(tidy(Decimal(value))) in {text, format(Decimal(text), "G")}


QUANTITIES = st.decimals("0", "1e15", places=12)
STEPS = st.sampled_from([Decimal(1), Decimal("0.001"), Decimal("1e-9"), Decimal("0.003")])


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e20", max_value="1e20"))
def test_tidying_changes_no_number_and_adding_zeros_changes_no_spelling(value: Decimal) -> None:
    assert tidy(value) == value
    text = format(value, "f")
    assert plain(tidy(value)) == plain(value) == plain(Decimal(f"{text}00" if "." in text else f"{text}.00"))


@given(amount=QUANTITIES, step=STEPS)
def test_a_quantity_on_its_step_is_at_most_the_amount_and_within_one_step_of_it(amount: Decimal, step: Decimal) -> None:
    found = floor_to_step(amount, step)
    assert Fraction(found) <= Fraction(amount) < Fraction(found) + Fraction(step)
    assert (Fraction(found) / Fraction(step)).denominator == 1
    assert floor_to_step(found, step) == found


@given(amount=QUANTITIES, step=STEPS, price=st.decimals("0.0001", "100000", places=4))
def test_what_money_buys_is_never_one_step_too_many_or_too_few(amount: Decimal, step: Decimal, price: Decimal) -> None:
    steps = Fraction(floor_to_step(amount, step, price)) / Fraction(step)
    assert steps == Fraction(amount) / Fraction(price) / Fraction(step) // 1


@pytest.mark.parametrize("amount", ["0", "-0.01", "-1e9"])
def test_nothing_and_less_than_nothing_buy_nothing(amount: str) -> None:
    assert str(floor_to_step(Decimal(amount), Decimal("0.001"), Decimal(10))) == "0"


def test_the_least_of_floats_as_a_price_is_no_error() -> None:
    assert floor_to_step(Decimal(10**8), Decimal("1e-9"), Decimal(repr(5e-324))) > 10**300
