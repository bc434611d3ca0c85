"""Thresholds of an entry, and the prices it would carry."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import BASIS_POINTS, Quote
from shared.core.policy import EntryPrices, PolicyCode, Score, entry_prices, judge
from shared.core.sessions import Session
from shared.core.settings import PolicySettings
from shared.core.values import BASE_GAP, Symbol, tick_size

POLICY = PolicySettings(edge_min=0.1, net_move_min_bp=3.0, entry_sessions=(Session.REG_AM,))
GOOD = Score(p_up=0.5, p_none=0.25, p_down=0.25, expected_move=0.002)


def quote(bid: str | Decimal, ask: str | Decimal) -> Quote:
    at = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)
    return Quote(symbol=Symbol("AAA"), bid=Decimal(bid), ask=Decimal(ask), bid_size=1, ask_size=1, at=at)


def prices(
    of: Quote,
    atr: str | Decimal,
    *,
    stop_atr: str = "2",
    target_atr: str = "3",
    stop_min_bp: str = "30",
    cap: str = "30",
) -> EntryPrices:
    return entry_prices(
        of,
        Decimal(atr),
        stop_atr=Decimal(stop_atr),
        target_atr=Decimal(target_atr),
        stop_min_bp=Decimal(stop_min_bp),
        slippage_max_bp=Decimal(cap),
    )


def verdict(score: Score = GOOD, **changes: object) -> PolicyCode:
    asked: dict[str, object] = {"cost_bp": 5.0, "session": Session.REG_AM}
    return judge(score, policy=POLICY, **(asked | changes))  # type: ignore[arg-type]


def test_a_score_over_every_threshold_enters() -> None:
    assert verdict() is PolicyCode.ENTER


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"score": replace(GOOD, p_up=0.34)}, PolicyCode.EDGE_TOO_SMALL),
        ({"cost_bp": 17.01}, PolicyCode.MOVE_TOO_SMALL),
        ({"cost_bp": math.nan}, PolicyCode.MOVE_TOO_SMALL),
    ],
)
def test_each_reason_refuses(changes: dict[str, object], code: PolicyCode) -> None:
    assert verdict(**changes) is code  # type: ignore[arg-type]


def test_thresholds_themselves_pass() -> None:
    exact = replace(POLICY, edge_min=0.25)
    score = replace(GOOD, expected_move=0.0008)
    assert judge(score, cost_bp=5.0, session=Session.REG_AM, policy=exact) is PolicyCode.ENTER


def test_chances_are_taken_among_touched_barriers() -> None:
    assert GOOD.edge == 0.25
    assert GOOD.p_win == pytest.approx(2 / 3)
    assert Score(p_up=0, p_none=1, p_down=0, expected_move=0).p_win == 0


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_its_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="p_up must be in"):
        replace(GOOD, p_up=bad)


def test_prices_of_a_usual_quote() -> None:
    made = prices(quote("9.99", "10.01"), "0.05")
    assert made == EntryPrices(
        arrival=Decimal("10.00"),
        limit=Decimal("10.01"),
        worst=Decimal("10.03"),
        stop=Decimal("9.91"),
        target=Decimal("10.16"),
    )


def test_a_tiny_atr_keeps_the_least_stop_distance() -> None:
    assert prices(quote("99.99", "100.01"), "0.001").stop == Decimal("99.70")


def test_outside_the_regular_session_the_stop_lies_two_spreads_under_the_ask_at_least() -> None:
    def made(atr: str, *, is_extended: bool) -> EntryPrices:
        return entry_prices(
            quote("9.95", "10.05"),
            Decimal(atr),
            stop_atr=Decimal(2),
            target_atr=Decimal(3),
            stop_min_bp=Decimal(1),
            slippage_max_bp=Decimal(30),
            is_extended=is_extended,
        )

    assert made("0.02", is_extended=False).stop == Decimal("10.01")
    assert (made("0.02", is_extended=True).stop, made("0.02", is_extended=True).target) == (
        Decimal("9.85"),
        Decimal("10.35"),
    )
    assert made("0.2", is_extended=True).stop == Decimal("9.65"), "the wider counts"


def test_a_spread_beyond_the_cap_leaves_the_ask_as_the_worst_price() -> None:
    made = prices(quote("9.00", "10.00"), "0.05")
    assert made.worst == made.limit == Decimal("10.00")


def test_an_atr_larger_than_the_price_stops_at_the_last_tick() -> None:
    assert prices(quote("1.99", "2.01"), "5").stop == Decimal("0.01")


@pytest.mark.parametrize(("bid", "ask"), [("0", "10"), ("10", "0"), ("10.01", "10.00")])
def test_a_one_sided_or_crossed_quote_has_no_prices(bid: str, ask: str) -> None:
    with pytest.raises(ValueError, match="quote must be two-sided"):
        prices(quote(bid, ask), "0.05")


def test_an_atr_that_is_not_positive_has_no_prices() -> None:
    with pytest.raises(ValueError, match="atr must be finite and > 0"):
        prices(quote("9.99", "10.01"), "0")


@pytest.mark.parametrize(
    ("bid", "ask"), [("0.0001", "0.0001"), ("0.00001", "0.0202"), ("0.0001", "0.0002"), ("0.0099", "0.0100")]
)
def test_a_quote_without_a_tick_of_room_for_a_stop_has_no_prices(bid: str, ask: str) -> None:
    with pytest.raises(ValueError, match="room for a stop"):
        prices(quote(bid, ask), "0.01")


def test_the_lowest_quote_with_prices_stops_at_the_last_tick() -> None:
    assert prices(quote("0.0001", "0.0101"), "0.01").stop == Decimal("0.0001")


@pytest.mark.parametrize("ask", ["0.0300", "0.4817", "0.9999", "1.00", "1.01", "7.00"])
def test_stop_and_target_keep_a_cent_from_every_entry_price_also_where_the_tick_is_smaller(ask: str) -> None:
    made = prices(quote(Decimal(ask) - tick_size(Decimal(ask)), ask), "0.0001", stop_min_bp="1", cap="30")
    assert made.limit - made.stop >= Decimal("0.01")
    assert made.target - made.worst >= Decimal("0.01")


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    """Two-sided quotes from just over a cent to ten thousand dollars, on the tick."""
    subpenny = st.integers(101, 10_000).map(lambda n: Decimal(n) / 10_000)
    pennies = st.integers(100, 1_000_000).map(lambda n: Decimal(n) / 100)
    ask = draw(subpenny | pennies)
    ticks = draw(st.integers(0, 500))
    bid = max(Decimal("0.0001"), ask - ticks * tick_size(ask))
    return quote(bid, ask)


@given(
    of=quotes(),
    atr=st.integers(1, 10**6).map(lambda n: Decimal(n) / 10_000),
    stop_atr=st.sampled_from(["0.1", "1", "2", "20"]),
    reward=st.sampled_from(["0", "0.1", "1", "3"]),
    stop_min_bp=st.sampled_from(["1", "30", "5000"]),
    cap=st.sampled_from(["0", "1", "30", "1000"]),
)
def test_prices_stand_in_order_on_legal_ticks_for_any_quote(
    *, of: Quote, atr: Decimal, stop_atr: str, reward: str, stop_min_bp: str, cap: str
) -> None:
    target_atr = str(Decimal(stop_atr) + Decimal(reward))
    made = prices(of, atr, stop_atr=stop_atr, target_atr=target_atr, stop_min_bp=stop_min_bp, cap=cap)
    assert 0 < made.stop <= made.limit - BASE_GAP
    assert made.limit <= made.worst <= made.target - BASE_GAP
    for price in (made.stop, made.limit, made.worst, made.target):
        assert price % tick_size(price) == 0
    assert made.arrival == of.mid
    assert made.limit >= of.ask
    assert made.worst == made.limit or made.worst <= of.mid * (1 + Decimal(cap) / BASIS_POINTS)
