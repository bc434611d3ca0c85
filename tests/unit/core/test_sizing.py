"""Sizes: the smallest bound binds, and no bound is ever exceeded."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.lots import Lot
from shared.core.sizing import Basis, Bound, SizingInputs, kelly_stake, size

ROOMY = SizingInputs(
    equity=Decimal(100_000),
    limit_price=Decimal("10.00"),
    worst_price=Decimal("10.00"),
    stop_price=Decimal("9.00"),
    target_price=Decimal("12.00"),
    p_win=1.0,
    daily_volatility=0.0001,
    adv_shares=10**9,
    buying_power=Decimal(10**9),
    held_exposure=Decimal(0),
    trade_risk_fraction=Decimal(1),
    kelly_fraction=Decimal(10),
    volatility_target_fraction=Decimal(1),
    adv_max_fraction=Decimal("0.01"),
    symbol_exposure_max_fraction=Decimal(100),
)
"""Every bound is far away."""

BINDING = [
    (Bound.TRADE_RISK, {"trade_risk_fraction": Decimal("0.005")}, 500),
    (Bound.KELLY, {"kelly_fraction": Decimal("0.25"), "p_win": 0.4}, 2500),  # f* = 0.4 - 0.6 / 2 = 0.1
    (Bound.VOLATILITY, {"volatility_target_fraction": Decimal("0.005"), "daily_volatility": 0.02}, 2500),
    (Bound.LIQUIDITY, {"adv_shares": 12_345}, 123),
    (Bound.SYMBOL_EXPOSURE, {"symbol_exposure_max_fraction": Decimal("0.1"), "held_exposure": Decimal(4001)}, 599),
    (Bound.BUYING_POWER, {"buying_power": Decimal("1239.99")}, 123),
]


@pytest.mark.parametrize(("bound", "changes", "shares"), BINDING)
def test_each_bound_binds_in_its_turn(bound: Bound, changes: dict[str, object], shares: int) -> None:
    sized = size(replace(ROOMY, **changes))  # type: ignore[arg-type]
    assert (sized.binding, sized.qty) == (bound, Decimal(shares))
    assert sized.bounds[bound] == shares
    assert list(sized.bounds) == [each for each in Bound if each not in {Bound.AUTOMATION, Bound.COMMITTEE}]


@pytest.mark.parametrize(("step", "qty"), [("1", "123"), ("0.001", "123.999"), ("0.25", "123.75"), ("1e-9", "123.999")])
def test_a_size_rounds_down_to_the_step_of_its_lot_in_one_spelling(step: str, qty: str) -> None:
    sized = size(replace(ROOMY, buying_power=Decimal("1239.99"), lot=Lot(qty_step=Decimal(step))))
    assert (str(sized.qty), sized.binding) == (qty, Bound.BUYING_POWER)
    assert str(sized.bounds[Bound.LIQUIDITY]) == "10000000"


def test_the_first_bound_wins_a_tie() -> None:
    sized = size(replace(ROOMY, adv_shares=10_000, buying_power=Decimal(1000)))
    assert sized.bounds[Bound.LIQUIDITY] == sized.bounds[Bound.BUYING_POWER] == 100
    assert sized.binding is Bound.LIQUIDITY


@pytest.mark.parametrize(
    ("bound", "changes"),
    [
        (Bound.TRADE_RISK, {"equity": Decimal(0)}),
        (Bound.KELLY, {"p_win": 0.0}),
        (Bound.KELLY, {"p_win": 1 / 3}),  # a fair bet at two to one
        (Bound.VOLATILITY, {"daily_volatility": math.nan}),
        (Bound.VOLATILITY, {"daily_volatility": 0.0}),
        (Bound.VOLATILITY, {"daily_volatility": -0.1}),
        (Bound.VOLATILITY, {"daily_volatility": math.inf}),
        (Bound.LIQUIDITY, {"adv_shares": 99}),
        (Bound.SYMBOL_EXPOSURE, {"held_exposure": Decimal(10**8)}),
        (Bound.BUYING_POWER, {"buying_power": Decimal("9.99")}),
        (Bound.BUYING_POWER, {"buying_power": Decimal(-5)}),
    ],
)
def test_a_bound_without_room_gives_no_shares(bound: Bound, changes: dict[str, object]) -> None:
    sized = size(replace(ROOMY, **changes))  # type: ignore[arg-type]
    assert (sized.qty, sized.binding) == (Decimal(0), bound)


def test_slippage_counts_as_risk_and_not_against_the_odds() -> None:
    """f* = 0.4 - 0.6 / 2 = 0.1 at the limit of 10; the risk of a share is 1.25 at the worst price."""
    sized = size(replace(ROOMY, worst_price=Decimal("10.25"), kelly_fraction=Decimal("0.25"), p_win=0.4))
    assert (sized.binding, sized.qty) == (Bound.KELLY, Decimal(2000))


def test_exactly_one_share_of_room_gives_one_share() -> None:
    assert size(replace(ROOMY, buying_power=Decimal("10.00"))).qty == 1


def test_sums_are_exact_decimals() -> None:
    """In binary floats 0.07 / 0.01 is 7.000000000000001 and 0.29 / 0.01 is 28.999999999999996."""
    cent = Decimal("0.0100")
    prices = {"limit_price": cent, "worst_price": cent, "stop_price": cent / 2, "target_price": 2 * cent}
    cheap = replace(ROOMY, **prices)  # type: ignore[arg-type]
    assert size(replace(cheap, buying_power=Decimal("0.29"))).qty == 29
    assert size(replace(cheap, buying_power=Decimal("0.07"))).qty == 7


def test_a_quotient_just_under_a_whole_number_rounds_down() -> None:
    """Twenty-eight digits of quotient would round this up to 3 shares for a cent too little."""
    tight = replace(
        ROOMY, limit_price=Decimal(3), worst_price=Decimal(3), stop_price=Decimal(1), target_price=Decimal(9)
    )
    assert size(replace(tight, buying_power=Decimal("8.999999999999999999999999999"))).qty == 2


@pytest.mark.parametrize(
    ("p_win", "win", "loss", "stake"),
    [(0.6, "1", "1", "0.2"), (0.5, "2", "1", "0.25"), (0.5, "1", "1", "0"), (0.1, "1", "1", "0"), (1.0, "1", "5", "1")],
)
def test_kelly_stakes_edge_over_odds(p_win: float, win: str, loss: str, stake: str) -> None:
    assert kelly_stake(p_win, Decimal(win), Decimal(loss)) == Decimal(stake)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_price": Decimal("10.00")},
        {"target_price": Decimal("10.00")},
        {"stop_price": Decimal(0)},
        {"worst_price": Decimal("-1")},
        {"limit_price": Decimal("10.01")},
        {"limit_price": Decimal("9.00")},
        {"adv_shares": -1},
    ],
)
def test_prices_out_of_order_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(ROOMY, **changes)  # type: ignore[arg-type]


def cents(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n) / 100)


STEPS = ("1", "0.001", "0.000000001")
"""Whole shares, thousandths, and the least part of a coin."""


@st.composite
def inputs(draw: st.DrawFn) -> SizingInputs:
    stop = draw(cents(1, 50_000))
    limit = stop + draw(cents(1, 5_000))
    worst = limit + draw(cents(0, 500))
    fractions = st.integers(0, 10_000).map(lambda n: Decimal(n) / 10_000)
    return SizingInputs(
        equity=draw(cents(0, 10**8)),
        limit_price=limit,
        worst_price=worst,
        stop_price=stop,
        target_price=worst + draw(cents(1, 10_000)),
        p_win=draw(st.floats(0, 1)),
        daily_volatility=draw(st.floats(0, 1) | st.just(math.nan)),
        adv_shares=draw(st.integers(0, 10**9)),
        buying_power=draw(cents(0, 10**8)),
        held_exposure=draw(cents(0, 10**7)),
        trade_risk_fraction=draw(fractions),
        kelly_fraction=draw(fractions),
        volatility_target_fraction=draw(fractions),
        adv_max_fraction=draw(fractions),
        symbol_exposure_max_fraction=draw(fractions),
        lot=Lot(qty_step=Decimal(draw(st.sampled_from(STEPS)))),
    )


def reservation(i: SizingInputs) -> dict[Bound, tuple[Fraction, Fraction]]:
    """What each bound allows and what one unit takes of it, in exact fractions."""
    f = Fraction
    loss = f(i.worst_price - i.stop_price)
    odds = f(i.target_price - i.limit_price) / f(i.limit_price - i.stop_price)
    p = f(Decimal(repr(i.p_win)))
    found = {
        Bound.TRADE_RISK: (f(i.equity) * f(i.trade_risk_fraction), loss),
        Bound.KELLY: (f(i.equity) * f(i.kelly_fraction) * max(f(0), p - (1 - p) / odds), loss),
        Bound.LIQUIDITY: (i.adv_shares * f(i.adv_max_fraction), f(1)),
        Bound.SYMBOL_EXPOSURE: (
            max(f(0), f(i.equity) * f(i.symbol_exposure_max_fraction) - f(i.held_exposure)),
            f(i.worst_price),
        ),
        Bound.BUYING_POWER: (f(i.buying_power), f(i.worst_price)),
    }
    if i.daily_volatility > 0:
        per_share = f(i.worst_price) * f(Decimal(repr(i.daily_volatility)))
        found[Bound.VOLATILITY] = (f(i.equity) * f(i.volatility_target_fraction), per_share)
    return found


@given(i=inputs())
def test_a_size_never_exceeds_any_bound_and_one_step_more_would(i: SizingInputs) -> None:
    sized = size(i)
    tolerance = Fraction(1, 10**15)  # products of Decimals carry 28 digits
    reservations = reservation(i)
    if Bound.VOLATILITY not in reservations:
        assert sized.qty == 0
        return
    for allowed, per_share in reservations.values():
        assert Fraction(sized.qty) * per_share <= allowed * (1 + tolerance)
    allowed, per_share = reservations[sized.binding]
    assert Fraction(sized.qty + i.lot.qty_step) * per_share > allowed * (1 - tolerance)


@given(i=inputs(), more=cents(0, 10**8))
def test_more_equity_never_gives_fewer_shares(i: SizingInputs, more: Decimal) -> None:
    assert size(replace(i, equity=i.equity + more)).qty >= size(i).qty


@given(i=inputs(), higher=st.floats(0, 1))
def test_a_better_chance_never_gives_fewer_shares(i: SizingInputs, higher: float) -> None:
    assume(i.p_win is not None and higher >= i.p_win)
    assert size(replace(i, p_win=higher)).qty >= size(i).qty


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"worst_price": Decimal(0)}, "worst_price must be finite and > 0, got Decimal('0')"),
        ({"stop_price": Decimal(0)}, "stop_price must be finite and > 0, got Decimal('0')"),
        ({"adv_shares": -1}, "adv_shares must be finite and >= 0, got -1"),
        (
            {"stop_price": Decimal(10)},
            "prices must be stop < limit <= worst < target, "
            "got (Decimal('10'), Decimal('10.00'), Decimal('10.00'), Decimal('12.00'))",
        ),
    ],
)
def test_what_cannot_be_sized_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(ROOMY, **changes)  # type: ignore[arg-type]


BASIS = Basis(p_win=0.6, daily_volatility=0.02, adv_shares=1000)


@pytest.mark.parametrize("changes", [{"p_win": 0}, {"p_win": 1}, {"daily_volatility": 0}, {"adv_shares": 0}])
def test_a_size_may_rest_on_nothing_at_all(changes: dict[str, float]) -> None:
    made = replace(BASIS, **changes)  # type: ignore[arg-type]
    assert all(getattr(made, name) == value for name, value in changes.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p_win": 1.01}, "p_win must be in [0, 1], got 1.01"),
        ({"p_win": -0.01}, "p_win must be in [0, 1], got -0.01"),
        ({"daily_volatility": -0.01}, "daily_volatility must be finite and >= 0, got -0.01"),
        ({"daily_volatility": math.nan}, "daily_volatility must be finite and >= 0, got nan"),
        ({"adv_shares": -1}, "adv_shares must be finite and >= 0, got -1"),
    ],
)
def test_what_no_size_can_rest_on_is_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(BASIS, **changes)  # type: ignore[arg-type]
