"""What a case file works out: contributions, later moves, extremes, sums of fills, samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.case_figures import Traded, extremes_bp, move_after, move_bp, occlusion, sample, traded
from shared.core.market import Bars, FloatArray
from shared.core.values import Side

AT = datetime(2025, 10, 15, 16, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAID = Decimal(100)


def bars(*closes: float, first: datetime = AT) -> Bars:
    """Five-minute bars that reach one above and below their close."""
    close = np.array(closes, np.float64)
    start_s = int(first.timestamp()) + 300 * np.arange(close.size)
    return Bars(start_s=start_s, open=close, high=close + 1, low=close - 1, close=close, volume=close)


def linear(weights: FloatArray, move_weights: FloatArray) -> object:
    def predict(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        known = np.nan_to_num(rows)
        return known @ weights, known @ move_weights

    return predict


@given(
    row=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    usual=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)
def test_a_linear_models_contributions_are_its_weights_times_the_distance(row: list[float], usual: list[float]) -> None:
    weights, moves = np.array([1.0, -2.0, 0.5]), np.array([0.0, 0.1, 0.0])
    found = occlusion(np.array(row), np.array(usual), linear(weights, moves), most=3)  # type: ignore[arg-type]
    edges = {shift.index: shift.edge for shift in found}
    for k in range(3):
        assert edges.get(k, 0.0) == pytest.approx(weights[k] * (row[k] - usual[k]), abs=1e-9)
    assert [abs(s.edge) for s in found] == sorted((abs(s.edge) for s in found), reverse=True)


def test_only_what_moves_is_named_and_no_more_than_asked() -> None:
    row, usual = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 0.0, 0.0])
    predict = linear(np.array([9.0, 1.0, 2.0, 0.0]), np.zeros(4))
    assert [s.index for s in occlusion(row, usual, predict, most=5)] == [2, 1]  # type: ignore[arg-type]
    assert [s.index for s in occlusion(row, usual, predict, most=1)] == [2]  # type: ignore[arg-type]


def test_a_missing_feature_is_a_value_like_any_other() -> None:
    (shift,) = occlusion(np.array([np.nan]), np.array([2.0]), linear(np.array([1.0]), np.array([3.0])), most=1)  # type: ignore[arg-type]
    assert (shift.edge, shift.expected_move) == (-2.0, -6.0)


@pytest.mark.parametrize(
    ("after", "seen_until", "expected"),
    [
        (15, 60, 300.0),  # the close of 16:10 to 16:15
        (14, 60, 200.0),  # that bar is not closed yet
        (60, 60, 500.0),  # the last close there is
        (60, 59, None),  # bars do not reach so far
        (4, 60, None),  # nothing has closed since
    ],
)
def test_a_later_move_is_that_of_the_last_close_by_then(after: int, seen_until: int, expected: float | None) -> None:
    day = bars(101, 102, 103, 104, 105)
    found = move_after(day, AT, after * MINUTE, PAID, seen_until=AT + seen_until * MINUTE)
    assert found == expected


def test_a_symbol_that_trades_no_more_has_no_later_move() -> None:
    before = bars(101, 102, first=AT - 30 * MINUTE)
    assert move_after(before, AT, 15 * MINUTE, PAID, seen_until=AT + 60 * MINUTE) is None
    assert move_after(Bars.empty(), AT, 15 * MINUTE, PAID, seen_until=AT + 60 * MINUTE) is None


def test_extremes_are_those_of_the_bars_that_touch_the_time_held() -> None:
    day = bars(101, 120, 90, 130)
    assert extremes_bp(day, AT + 6 * MINUTE, AT + 12 * MINUTE, PAID) == (2100.0, -1100.0)
    assert extremes_bp(day, AT + 1 * MINUTE, AT + 2 * MINUTE, PAID) == (200.0, 0.0)
    assert extremes_bp(day, AT + 60 * MINUTE, AT + 61 * MINUTE, PAID) is None


def test_a_move_is_in_basis_points_of_the_earlier_price() -> None:
    assert move_bp(100.5, PAID) == 50.0
    assert move_bp(99.0, PAID) == -100.0


def test_each_side_of_the_fills_is_summed_by_itself() -> None:
    fills = [(Side.BUY, Decimal(qty), Decimal(price)) for qty, price in ((30, "10.00"), (10, "10.04"))]
    fills.append((Side.SELL, Decimal(40), Decimal("11")))
    assert traded(fills, Side.BUY) == Traded(qty=Decimal(40), average=Decimal("10.010000"))
    assert traded(fills, Side.SELL) == Traded(qty=Decimal(40), average=Decimal("11.000000"))
    assert traded([], Side.BUY) == Traded(qty=Decimal(0), average=None)


@given(st.lists(st.text(min_size=1), unique=True), st.integers(0, 10))
def test_a_sample_is_a_part_in_order_and_the_same_again(ids: list[str], most: int) -> None:
    found = sample(ids, most, "2025-10-15")
    assert found == [item for item in ids if item in found]
    assert len(found) == min(most, len(ids))
    assert found == sample(ids, most, "2025-10-15")


def test_another_day_takes_another_sample() -> None:
    ids = [f"case-{k}" for k in range(100)]
    assert sample(ids, 10, "2025-10-15") != sample(ids, 10, "2025-10-16")
