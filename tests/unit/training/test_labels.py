"""The triple barrier: next-bar execution, pessimistic ties, session end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.market import Bars
from shared.core.sessions import Session
from training.labels import DOWN, NONE, UP, BarrierRule, Labels, average_uniqueness, triple_barrier

START_S = 1_760_535_000
RULE = BarrierRule(up_atr=2, down_atr=2, horizon_min=20, cost_bp=0)


def bars(rows: Sequence[tuple[float, float, float, float]], starts: Sequence[int] | None = None) -> Bars:
    """Bars of (open, high, low, close), five minutes apart."""
    open_, high, low, close = (np.array(part, float) for part in zip(*rows, strict=True))
    start_s = START_S + 300 * np.array(range(len(rows)) if starts is None else starts, np.int64)
    return Bars(start_s=start_s, open=open_, high=high, low=low, close=close, volume=np.ones(len(rows)))


def label(today: Bars, row: int = 0, atr: float = 1.0, close_bar: int = 1000, rule: BarrierRule = RULE) -> Labels:
    return triple_barrier(
        today, np.full(len(today), atr), np.array([row]), close_s=START_S + 300 * close_bar, rule=rule
    )


FLAT = (100.0, 100.5, 99.5, 100.0)


def test_entry_is_the_next_open_and_the_decision_bar_cannot_fill_or_stop_it() -> None:
    found = label(bars([(100, 150, 50, 100), (110, 110.5, 109.5, 110), (110, 113, 109.5, 112), FLAT]))
    assert found.outcome[0] == UP
    assert found.exit_return[0] == pytest.approx(112 / 110 - 1)


def test_a_bar_that_touches_both_barriers_is_a_loss() -> None:
    found = label(bars([FLAT, FLAT, (100, 103, 97, 101), FLAT]))
    assert found.outcome[0] == DOWN
    assert found.exit_return[0] == pytest.approx(-0.02)


def test_the_first_barrier_touched_decides() -> None:
    up_then_down = bars([FLAT, (100, 102.5, 99.5, 101), (101, 101, 95, 96), FLAT])
    assert label(up_then_down).outcome[0] == UP


def test_a_gap_through_the_stop_is_left_at_the_open() -> None:
    found = label(bars([FLAT, FLAT, (95, 96, 94, 95), FLAT]))
    assert found.exit_return[0] == pytest.approx(-0.05)


def test_no_barrier_within_the_horizon_is_none_at_the_horizon_close() -> None:
    rows = [FLAT, FLAT, FLAT, FLAT, (100, 101, 99.5, 100.7), (100, 120, 80, 100)]
    found = label(bars(rows))
    assert found.outcome[0] == NONE
    assert found.exit_return[0] == found.move[0] == pytest.approx(0.007)


def test_the_session_end_closes_and_no_bar_after_it_counts() -> None:
    found = label(bars([FLAT, (100, 101, 99.5, 100.4), (100, 120, 80, 100), FLAT]), close_bar=2)
    assert found.outcome[0] == NONE
    assert found.move[0] == pytest.approx(0.004)


def test_the_horizon_is_time_not_bars() -> None:
    found = label(bars([FLAT, FLAT, (100, 120, 99.5, 119)], starts=[0, 1, 5]))
    assert found.outcome[0] == NONE


def test_without_a_next_bar_or_an_atr_or_right_before_a_halt_nothing_is_known() -> None:
    today = bars([FLAT, FLAT, FLAT], starts=[0, 1, 8])
    assert not label(today, row=2).known[0]
    assert not label(today, row=1).known[0]
    assert not label(today, row=0, atr=np.nan).known[0]
    assert label(today, row=0).known[0]


def test_the_move_is_clipped() -> None:
    found = label(bars([FLAT, (100, 150, 100, 150), (150, 150, 150, 150)]), rule=BarrierRule(move_clip=0.1, cost_bp=0))
    assert found.move[0] == pytest.approx(0.1)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60), horizon=st.integers(1, 15))
def test_vectorised_labels_equal_a_walk_bar_by_bar(seed: int, n: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    close = 100 + np.cumsum(rng.normal(0, 1, n))
    open_ = np.concatenate([[100.0], close[:-1] + rng.normal(0, 0.3, n - 1)])
    high, low = np.maximum(open_, close) + rng.random(n), np.minimum(open_, close) - rng.random(n)
    starts = np.sort(rng.choice(np.arange(2 * n), n, replace=False))
    today = Bars(start_s=START_S + 300 * starts, open=open_, high=high, low=low, close=close, volume=np.ones(n))
    atr = rng.uniform(0.5, 2, n)
    rule = BarrierRule(up_atr=1.5, down_atr=1.0, horizon_min=5 * horizon, width_min_bp=80.0)
    close_s = START_S + 300 * int(rng.integers(1, 2 * n))
    found = triple_barrier(today, atr, np.arange(n), close_s=close_s, rule=rule)
    for row in range(n):
        expected = _walk(today, float(atr[row]), row, close_s, rule)
        assert bool(found.known[row]) == (expected is not None)
        if expected is not None:
            assert (found.outcome[row], found.exit_return[row]) == (expected[0], pytest.approx(expected[1]))


def _walk(today: Bars, atr: float, row: int, close_s: int, rule: BarrierRule) -> tuple[int, float] | None:
    decided_s = int(today.start_s[row]) + 300
    if row + 1 >= len(today) or today.start_s[row + 1] - decided_s > 300 or today.start_s[row + 1] >= close_s:
        return None
    if today.start_s[row + 1] >= decided_s + rule.horizon_min * 60:
        return None
    entry = float(today.open[row + 1])
    stop = max(rule.down_atr * atr, entry * rule.width_min_bp / 1e4)
    cost = entry * rule.cost_bp / 1e4
    upper, lower = entry + cost + stop * rule.up_atr / rule.down_atr, entry + cost - stop
    last = entry
    for k in range(row + 1, len(today)):
        if today.start_s[k] >= min(decided_s + rule.horizon_min * 60, close_s):
            break
        if today.low[k] <= lower:
            return DOWN, min(lower, float(today.open[k])) / entry - 1
        if today.high[k] >= upper:
            return UP, max(upper, float(today.open[k])) / entry - 1
        last = float(today.close[k])
    return NONE, last / entry - 1


def test_costs_are_inside_both_barriers() -> None:
    """At 1 % of cost a barrier of 2 % pays 2 % net only at 3 %, and 2 % net are lost at 1 %."""
    rule = replace(RULE, cost_bp=100)
    not_enough = bars([FLAT, (100, 102.5, 99.5, 102), (102, 102.5, 101, 102), FLAT])
    assert label(not_enough, rule=RULE).outcome[0] == UP
    assert label(not_enough, rule=rule).outcome[0] == NONE
    enough = label(bars([FLAT, (100, 103.5, 99.5, 103), FLAT]), rule=rule)
    assert enough.outcome[0] == UP
    assert enough.exit_return[0] - 0.01 == pytest.approx(0.02)
    lost = label(bars([FLAT, (100, 100.5, 98.9, 99), FLAT]), rule=rule)
    assert lost.outcome[0] == DOWN
    assert lost.exit_return[0] - 0.01 == pytest.approx(-0.02)


def test_a_barrier_is_never_nearer_than_the_least_width() -> None:
    rule = replace(RULE, width_min_bp=500)
    assert label(bars([FLAT, (100, 103, 99.5, 102), FLAT]), rule=rule).outcome[0] == NONE


def test_each_session_has_its_own_horizon() -> None:
    rule = replace(RULE, session_horizons=((Session.REG_PM, 5),))
    assert rule.horizon_of(Session.REG_PM) == 5
    assert rule.horizon_of(Session.REG_AM) == 20
    today = bars([FLAT, FLAT, (100, 103, 99.5, 102), FLAT, FLAT])
    rows = np.array([0, 1])
    found = triple_barrier(today, np.ones(5), rows, close_s=START_S + 9000, rule=RULE, horizon_s=np.array([300, 1200]))
    assert found.outcome.tolist() == [NONE, UP]


def test_a_label_ends_with_the_last_bar_it_looked_at() -> None:
    found = label(bars([FLAT, FLAT, (100, 103, 99.5, 102), FLAT, FLAT, FLAT]))
    assert found.outcome[0] == UP
    assert found.end_s[0] == START_S + 300 * 5  # the move at the horizon looks on after the barrier


def test_uniqueness_of_labels_that_share_nothing_is_1_and_of_twins_a_half() -> None:
    assert average_uniqueness(np.array([0, 600]), np.array([600, 1200])).tolist() == [1.0, 1.0]
    assert average_uniqueness(np.array([0, 0]), np.array([900, 900])).tolist() == [0.5, 0.5]
    assert average_uniqueness(np.array([0, 300]), np.array([600, 900])).tolist() == [0.75, 0.75]
    assert average_uniqueness(np.array([], np.int64), np.array([], np.int64)).size == 0


@given(spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=30))
def test_uniqueness_equals_a_count_bar_by_bar(spans: list[tuple[int, int]]) -> None:
    start = START_S + 300 * np.array([a for a, _ in spans])
    end = start + 300 * np.array([length for _, length in spans])
    found = average_uniqueness(start, end)
    for k, (a, length) in enumerate(spans):
        shared_by = [sum(b <= bar < b + other for b, other in spans) for bar in range(a, a + length)]
        assert found[k] == pytest.approx(np.mean([1 / count for count in shared_by]))
    assert ((found > 0) & (found <= 1 + 1e-12)).all()
