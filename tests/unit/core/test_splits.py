"""Splits: one arithmetic for every price that is held against an earlier one."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import Bars, Snapshot
from shared.core.splits import NO_SPLITS, Splits, factors, in_terms_of, snapshot_in_terms_of, split_like, whole_ratios
from shared.core.values import Symbol

DAY_S = 86_400


def splits(*pairs: tuple[int, float]) -> Splits:
    """Splits by day and factor."""
    return Splits(from_s=np.array([day * DAY_S for day, _ in pairs]), factor=np.array([factor for _, factor in pairs]))


def bars(days: int, price: float = 10.0) -> Bars:
    prices = np.full(days, price)
    return Bars(
        start_s=np.arange(days) * DAY_S + 3600,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=np.full(days, 1000.0),
    )


def test_only_splits_between_a_price_and_the_instant_enter() -> None:
    three = splits((2, 0.5), (4, 5.0), (6, 3.0))
    found = in_terms_of(bars(6), three, 5 * DAY_S)
    assert found.close.tolist() == [25.0, 25.0, 50.0, 50.0, 10.0, 10.0]
    assert found.volume.tolist() == [400.0, 400.0, 200.0, 200.0, 1000.0, 1000.0]


def test_bars_that_no_split_reaches_are_the_very_bars() -> None:
    whole = bars(5)
    assert in_terms_of(whole, NO_SPLITS, 9 * DAY_S) is whole
    assert in_terms_of(whole, splits((7, 2.0)), 6 * DAY_S) is whole
    assert in_terms_of(whole, splits((0, 2.0)), 6 * DAY_S) is whole


def test_a_split_of_unknown_ratio_leaves_no_price_before_it() -> None:
    found = in_terms_of(bars(4), splits((2, math.nan)), 4 * DAY_S)
    assert np.isnan(found.close).tolist() == [True, True, False, False]


ratios = st.sampled_from([0.5, 2.0, 5.0, 7.0, 2 / 3, 0.8, 1 / 30])


@given(
    old=st.lists(ratios, max_size=3),
    new=st.lists(ratios, max_size=3),
    price=st.floats(0.01, 1e4),
)
def test_what_lies_before_or_after_a_window_does_not_change_a_bit_of_it(
    old: list[float], new: list[float], price: float
) -> None:
    """Live asks for some months of splits, training knows all: both must come to the same bits."""
    part = [(20 + day, factor) for day, factor in enumerate(new)]
    ancient = [(day, factor) for day, factor in enumerate(old)]
    later = [(60, 7.0), (61, 0.3)]
    window = bars(40, price)[10:]
    short = in_terms_of(window, splits(*part), 50 * DAY_S)
    long = in_terms_of(window, splits(*ancient, *part, *later), 50 * DAY_S)
    assert short.close.tobytes() == long.close.tobytes()
    assert short.volume.tobytes() == long.volume.tobytes()


@given(ratios=st.lists(ratios, max_size=4), price=st.floats(0.01, 1e4))
def test_dollars_are_left_as_they_are(ratios: list[float], price: float) -> None:
    whole = bars(20, price)
    found = in_terms_of(whole, splits(*((5 + k, ratio) for k, ratio in enumerate(ratios))), 20 * DAY_S)
    np.testing.assert_allclose(found.close * found.volume, whole.close * whole.volume)


def test_factors_of_no_splits_are_one() -> None:
    assert factors(NO_SPLITS, np.array([0, 10]), 5).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("pairs", [((2, 0.0),), ((2, -1.0),), ((2, 2.0), (2, 3.0)), ((3, 2.0), (2, 3.0))])
def test_splits_check_themselves(pairs: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        splits(*pairs)


def seen(*, last_day: int, previous_day: int | None) -> Snapshot:
    return Snapshot(
        symbol=Symbol("AAA"),
        last_price=3.0,
        last_at=datetime.fromtimestamp(last_day * DAY_S + 40_000, UTC),
        bid=2.99,
        ask=3.01,
        day_open=0.0,
        day_high=0.0,
        day_low=0.0,
        day_close=0.0,
        day_volume=0.0,
        previous_close=2.0,
        previous_volume=1000.0,
        previous_at=None if previous_day is None else datetime.fromtimestamp(previous_day * DAY_S, UTC),
    )


def test_a_snapshots_previous_close_is_brought_over_the_night() -> None:
    found = snapshot_in_terms_of(seen(last_day=5, previous_day=4), splits((5, 5.0)), 5 * DAY_S)
    assert (found.last_price, found.previous_close, found.previous_volume) == (3.0, 10.0, 200.0)


def test_a_symbol_that_has_not_traded_since_its_split_shows_no_gap() -> None:
    found = snapshot_in_terms_of(seen(last_day=4, previous_day=4), splits((5, 5.0)), 5 * DAY_S)
    assert (found.last_price, found.previous_close) == (15.0, 10.0)


def test_a_close_of_some_sessions_ago_is_brought_over_all_of_them() -> None:
    found = snapshot_in_terms_of(seen(last_day=5, previous_day=1), splits((2, 0.5), (4, 3.0)), 5 * DAY_S)
    assert found.previous_close == 3.0


@pytest.mark.parametrize(("previous_day", "factor"), [(4, math.nan), (None, 5.0)])
def test_a_previous_close_whose_terms_are_not_known_is_unknown(previous_day: int | None, factor: float) -> None:
    found = snapshot_in_terms_of(seen(last_day=5, previous_day=previous_day), splits((5, factor)), 5 * DAY_S)
    assert (found.previous_close, found.previous_volume, found.last_price) == (0.0, 0.0, 3.0)


@pytest.mark.parametrize(
    ("ratio", "looks_like"),
    [
        (5.0, "1:5"),
        (2.04, "1:2"),
        (0.51, "2:1"),
        (0.14, "7:1"),
        (29.0, "1:29"),
        (1.85, "1:2"),
        (0.1, "10:1"),
        (1.0, ""),
        (1.5, ""),
        (0.67, ""),
        (2.45, ""),
        (0.4, ""),
        (0.0, ""),
        (math.nan, ""),
        (math.inf, ""),
    ],
)
def test_a_move_over_night_looks_like_a_split_near_a_whole_ratio_alone(ratio: float, looks_like: str) -> None:
    assert split_like(ratio) == looks_like


@given(st.floats(1e-6, 1e6))
def test_a_file_and_a_morning_ask_one_rule(move: float) -> None:
    """A file holds many nights against it at once, a morning one: the same looks like a split to both."""
    found = float(whole_ratios(np.array([1.0, move, math.nan]))[1])
    looks_like = split_like(move)
    assert bool(looks_like) == (not math.isnan(found))
    if looks_like:
        before, after = map(int, looks_like.split(":"))
        assert found == pytest.approx(after / before)
        assert abs(math.log(move / found)) <= 0.1 + 1e-9


def test_what_is_no_price_looks_like_no_split() -> None:
    assert np.isnan(whole_ratios(np.array([0.0, -2.0, math.nan, math.inf, -math.inf]))).all()
