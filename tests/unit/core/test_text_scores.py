"""Narrative and price in deviations from the symbol's own past, and nothing of what comes later."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.market import Bars
from shared.core.text.narratives import ScorePast
from shared.core.text.scores import MOST_Z, PriceReading, decayed, known_by, narrative_z, price_reading
from shared.core.text.stories import SymbolText
from tests.support.bars import pick
from tests.support.told import narrative, story, untold
from training.strategy_check import made_bars

AT = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
BARS = made_bars(6)
FIELDS = [item.name for item in fields(PriceReading)]


def same(one: PriceReading, other: PriceReading, count: int) -> bool:
    return all(np.array_equal(getattr(one, n)[:count], getattr(other, n)[:count], equal_nan=True) for n in FIELDS)


def changed(bars: Bars, **columns: Any) -> Bars:
    own = {item.name: getattr(bars, item.name) for item in fields(Bars)}
    return Bars(**own | columns)


def test_a_score_halves_every_ninety_minutes() -> None:
    assert decayed(0.8, AT, AT) == 0.8
    assert decayed(-0.8, AT, AT + 90 * MIN) == pytest.approx(-0.4)
    assert decayed(0.8, AT, AT + 180 * MIN) == pytest.approx(0.2)


@pytest.mark.parametrize("score", [None, math.nan, 5.0, -1.0001, 1e308, -math.inf])
def test_what_is_no_score_is_not_known(score: float | None) -> None:
    assert math.isnan(decayed(score, AT, AT))


def test_a_narrative_is_not_known_before_it_was_told() -> None:
    assert math.isnan(decayed(0.8, AT, AT - timedelta(microseconds=1)))


def test_a_first_narrative_is_held_against_the_prior() -> None:
    assert narrative_z(0.4, ScorePast()) == pytest.approx(1.0)
    assert narrative_z(0.0, ScorePast()) == 0


def test_two_scores_that_happen_to_be_alike_make_no_event_of_a_third() -> None:
    past = ScorePast().then(0.5).then(0.5)
    assert 0.5 < narrative_z(0.7, past) < 2


def test_a_long_past_outweighs_the_prior() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0.3, 0.1, 2000).clip(-1, 1)
    past = ScorePast()
    for score in scores:
        past = past.then(float(score))
    assert narrative_z(0.5, past) == pytest.approx((0.5 - scores.mean()) / scores.std(), abs=0.1)


@settings(max_examples=300)
@given(
    st.floats(-1, 1),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
)
def test_no_past_makes_more_than_a_bounded_z(score: float, count: int, mean: float, squares: float) -> None:
    z = narrative_z(score, ScorePast(count=count, mean=mean, squares=squares))
    assert math.isnan(z) or abs(z) <= MOST_Z


@settings(max_examples=100)
@given(st.lists(st.floats(-1, 1), max_size=30), st.floats(-1, 1))
def test_a_past_that_scores_make_gives_a_z_that_rises_with_the_score(scores: list[float], score: float) -> None:
    past = ScorePast()
    for each in scores:
        past = past.then(each)
    assert narrative_z(score, past) <= narrative_z(min(1.0, score + 0.1), past)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, len(BARS) - 1), st.integers(0, 2**16))
def test_no_price_reading_knows_a_later_bar(cut: int, seed: int) -> None:
    whole = price_reading(BARS)
    assert same(whole, price_reading(BARS[:cut]), cut)
    factor = np.exp(np.random.default_rng(seed).normal(0, 0.1, len(BARS)))
    factor[:cut] = 1.0
    columns = {name: getattr(BARS, name) * factor for name in ("open", "high", "low", "close", "volume")}
    assert same(whole, price_reading(changed(BARS, **columns)), cut)


def test_a_price_score_lies_within_one_and_is_known_from_the_slow_mean_on() -> None:
    found = price_reading(BARS)
    assert np.isnan(found.score[:49]).all()
    assert np.abs(found.score[49:]).max() <= 1
    assert np.isnan(found.z[: 49 + 78]).all()
    assert np.abs(found.z[49 + 78 :]).max() <= MOST_Z


def test_a_rise_scores_above_and_a_fall_below() -> None:
    n = len(BARS)
    for sign in (1, -1):
        close = 40 * np.exp(sign * 0.001 * np.arange(n) + 0.0005 * np.sin(np.arange(n)))
        bars = changed(BARS, open=close, close=close, high=close * 1.001, low=close * 0.999)
        assert sign * price_reading(bars).score[-1] > 0.2


def test_a_move_on_much_volume_counts_twice_as_much_as_one_on_little() -> None:
    volume, found = BARS.volume.copy(), []
    for factor in (0.01, 50.0):
        volume[-1] = BARS.volume[-37:-1].mean() * factor
        found.append(price_reading(changed(BARS, volume=volume)).score[-1])
    assert found[1] == 2 * found[0] != 0


def test_volume_that_is_always_the_same_is_no_event() -> None:
    volume = np.full(len(BARS), 1000.0)
    volume[-1] = 1001.0
    assert abs(price_reading(changed(BARS, volume=volume)).volume_z[-1]) < 0.1


def test_a_price_that_never_moved_has_no_score() -> None:
    flat = np.full(len(BARS), 40.0)
    found = price_reading(changed(BARS, open=flat, close=flat, high=flat + 0.01, low=flat - 0.01))
    assert np.isnan(found.score).all()
    assert np.isnan(found.rsi_14).all()


@pytest.mark.parametrize("count", [0, 1, 2, 20, 60])
def test_few_bars_give_nothing_and_raise_nothing(count: int) -> None:
    found = price_reading(BARS[:count])
    assert found.z.shape == (count,)
    assert np.isnan(found.z).all()


def test_bars_without_prices_give_nothing() -> None:
    nothing = np.full(len(BARS), np.nan)
    found = price_reading(changed(BARS, open=nothing, high=nothing, low=nothing, close=nothing))
    assert np.isnan(found.score).all()


def test_holes_in_the_bars_are_left_out() -> None:
    kept = np.random.default_rng(3).random(len(BARS)) > 0.3
    assert np.isfinite(price_reading(pick(BARS, kept)).z[-1])


def test_only_what_was_received_and_told_by_then_is_known() -> None:
    later = story(AT + MIN, "later")
    now = story(AT, "now")
    old = story(AT - timedelta(hours=24), "old")
    text = SymbolText(stories=(old, now, later), narrative=narrative(AT + MIN))
    assert known_by(text, AT) == SymbolText(stories=(now,))
    told = untold(AT, narrative(AT).status.UNGROUNDED)
    assert known_by(SymbolText(narrative=told, fault="f"), AT) == SymbolText(narrative=told, fault="f")
