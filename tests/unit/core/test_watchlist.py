"""Scanners at their thresholds, and the list that comes of them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import Bars, Snapshot
from shared.core.values import Symbol
from shared.core.watchlist import (
    ScanLimits,
    Watched,
    Why,
    gap_fraction,
    gappers,
    intraday_pick,
    liquidity,
    merge,
    movers,
    premarket_pick,
    spread_bp,
    true_range_mean,
)

AAA, BBB, CCC = Symbol("AAA"), Symbol("BBB"), Symbol("CCC")
LIMITS = ScanLimits(
    price_min_usd=1.0,
    price_max_usd=10.0,
    gap_min_fraction=0.04,
    rvol_min=3.0,
    dollar_volume_min_usd=1e6,
    spread_max_bp=100.0,
    float_proxy_max_shares=5e7,
    range_min_atr=2.0,
)
SEEN = Snapshot(
    symbol=AAA,
    last_price=5.25,
    last_at=datetime(2025, 10, 15, 11, 0, tzinfo=UTC),
    bid=5.24,
    ask=5.26,
    day_open=5.0,
    day_high=5.3,
    day_low=5.0,
    day_close=5.25,
    day_volume=1e6,
    previous_close=5.0,
    previous_volume=1e6,
)


def bars(*ranges: tuple[float, float], volume: float = 1e6, first: int = 0) -> Bars:
    """Bars of given low and high that close in the middle."""
    low, high = (np.array(column, dtype=np.float64) for column in zip(*ranges, strict=True))
    mid = (low + high) / 2
    starts = 300 * np.arange(first, first + len(ranges))
    return Bars(start_s=starts, open=mid, high=high, low=low, close=mid, volume=np.full(len(ranges), volume))


QUIET = [(9.9, 10.1)] * 20


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"last_price": 10.0, "previous_close": 9.0, "bid": 9.99, "ask": 10.01}, True),
        ({"last_price": 10.01, "previous_close": 9.0}, False),
        ({"last_price": 1.0, "previous_close": 0.9, "bid": 0.999, "ask": 1.001}, True),
        ({"last_price": 0.99, "previous_close": 0.9, "bid": 0.99, "ask": 0.99}, False),
        ({"previous_close": 5.04}, True),  # 4.17 %
        ({"previous_close": 5.06}, False),  # 3.75 %
        ({"previous_close": 5.5}, True),  # a gap down counts too
        ({"previous_close": 0.0}, False),
        ({"bid": 5.20, "ask": 5.30}, False),
        ({"bid": 0.0}, False),
        ({"bid": 5.27}, False),
    ],
)
def test_a_gapper_is_in_the_price_range_far_and_tight(changes: dict[str, float], passes: bool) -> None:
    assert bool(gappers([replace(SEEN, **changes)], LIMITS)) is passes  # type: ignore[arg-type]


def test_gappers_come_largest_gap_first_then_by_symbol() -> None:
    down = replace(SEEN, symbol=BBB, previous_close=6.0)
    same = replace(SEEN, symbol=CCC)
    assert [s.symbol for s in gappers([same, SEEN, down], LIMITS)] == [BBB, AAA, CCC]


def test_gap_and_spread_are_unknown_where_a_side_is_missing() -> None:
    assert math.isnan(gap_fraction(replace(SEEN, previous_close=0.0)))
    assert gap_fraction(SEEN) == pytest.approx(0.05)
    assert spread_bp(replace(SEEN, bid=0.0)) == math.inf
    assert spread_bp(SEEN) == pytest.approx(38.095, rel=1e-4)


def test_movers_are_liquid_and_ranked_by_turnover() -> None:
    busy = replace(SEEN, symbol=BBB, last_price=500.0, day_volume=5e6)
    thin = replace(SEEN, symbol=CCC, previous_volume=1e5, day_volume=9e9)
    cheap = replace(SEEN, symbol=Symbol("DDD"), last_price=0.5)
    wide = replace(SEEN, symbol=Symbol("EEE"), ask=6.0)
    assert [s.symbol for s in movers([SEEN, busy, thin, cheap, wide], LIMITS, 5)] == [BBB, AAA]
    assert [s.symbol for s in movers([SEEN, busy], LIMITS, 1)] == [BBB]


def test_liquidity_is_the_median_of_the_last_twenty_days() -> None:
    days = bars(*[(9.0, 11.0)] * 21).then(bars((9.0, 11.0), volume=9e9, first=21))
    assert liquidity(days).median_volume == 1e6
    assert liquidity(days).median_dollar_volume == 1e7
    assert liquidity(Bars.empty()).median_dollar_volume == 0


@pytest.mark.parametrize(
    ("volume", "rvol", "passes"),
    [
        (1e6, 3.0, True),
        (1e6, 2.99, False),
        (9.9e4, 5.0, False),
        (5e7, 5.0, True),
        (5.1e7, 5.0, False),
        (1e6, math.nan, False),
    ],
)
def test_a_premarket_pick_is_active_liquid_and_small(volume: float, rvol: float, passes: bool) -> None:
    found = premarket_pick(SEEN, bars(*[(9.0, 11.0)] * 20, volume=volume), rvol, LIMITS)
    assert (found is not None) is passes
    if found:
        assert (found.why, found.rvol) == (Why.GAP, rvol)
        assert found.score == pytest.approx(0.05 * math.log1p(rvol))


def test_true_range_bridges_gaps_between_bars() -> None:
    assert true_range_mean(bars((9.0, 10.0), (12.0, 13.0))) == pytest.approx(3.5)
    assert math.isnan(true_range_mean(bars((9.0, 10.0))))


@pytest.mark.parametrize(
    ("recent", "rvol", "why"),
    [
        ([(9.9, 10.1)] * 3, 3.0, Why.RVOL_SPIKE),
        ([(9.8, 10.0), (9.9, 10.1), (9.9, 10.2)], 1.0, Why.RANGE_EXPANSION),
        ([(9.9, 10.1), (9.9, 10.11), (9.9, 10.1)], 1.0, Why.DAY_HIGH),
        ([(9.9, 10.11)] * 3, 0.99, None),
        ([(9.8, 10.0), (9.9, 10.1), (9.9, 10.2)], 0.5, None),
        ([(9.9, 10.1)] * 3, 2.9, None),
    ],
)
def test_what_woke_up_is_told_by_its_first_reason(
    recent: list[tuple[float, float]], rvol: float, why: Why | None
) -> None:
    today = bars(*QUIET, *recent, first=100)
    found = intraday_pick(AAA, bars(*QUIET), today, rvol, LIMITS)
    assert (found.why if found else None) is why
    without_past = intraday_pick(AAA, Bars.empty(), today, rvol, LIMITS)
    assert (without_past.why if without_past else None) is why


def test_the_first_quarter_of_an_hour_is_too_early_to_tell() -> None:
    assert intraday_pick(AAA, bars(*QUIET), bars(*[(9.9, 11.0)] * 3, first=100), 50.0, LIMITS) is None


def watched(symbol: str, why: Why, score: float = 1.0) -> Watched:
    return Watched(symbol=Symbol(symbol), why=why, score=score)


def test_the_list_ranks_picks_by_reason_then_score_before_what_is_kept_and_the_core() -> None:
    picks = [watched("BBB", Why.STORY, 9), watched("CCC", Why.GAP, 1), watched("DDD", Why.GAP, 2)]
    found = merge([Symbol("SPY"), CCC], picks, [watched("AAA", Why.GAP)], 10)
    assert [(w.symbol, w.why) for w in found] == [
        ("DDD", Why.GAP),
        ("CCC", Why.GAP),
        ("BBB", Why.STORY),
        ("AAA", Why.GAP),
        ("SPY", Why.CORE),
    ]


@given(
    picks=st.lists(st.builds(watched, st.sampled_from("ABCDEFG"), st.sampled_from(Why), st.floats(-5, 5))),
    kept=st.lists(st.builds(watched, st.sampled_from("DEFGHI"), st.sampled_from(Why))),
    core=st.lists(st.sampled_from("GHIJ").map(Symbol)),
    most=st.integers(0, 12),
)
def test_a_symbol_is_on_the_list_once_and_the_list_is_bounded(
    picks: list[Watched], kept: list[Watched], core: list[Symbol], most: int
) -> None:
    found = merge(core, picks, kept, most)
    symbols = [w.symbol for w in found]
    everyone = {w.symbol for w in (*picks, *kept)} | set(core)
    assert len(set(symbols)) == len(symbols) == min(most, len(everyone))
    assert merge(core, reversed(picks), kept, most) == found or repeats(picks)


def repeats(picks: list[Watched]) -> bool:
    """Whether two picks rank alike, so that their order may tell."""
    ranks = [(w.symbol, w.why, w.score) for w in picks]
    return len(set(ranks)) < len(ranks)


@pytest.mark.parametrize("changes", [{"symbol": "aaa"}, {"rvol": -1.0}, {"rvol": math.nan}])
def test_a_watched_symbol_checks_itself(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        replace(watched("AAA", Why.GAP), **changes)  # type: ignore[arg-type]
