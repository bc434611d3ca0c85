"""What is swept is what the app would have asked and heard, bar by bar; nothing is held over a night."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import StrategyError
from shared.core.features.history import midnight_s, new_york_clock
from shared.core.market import Bars, FloatArray, Timeframe
from shared.core.order_states import ExitReason
from shared.core.policy import PolicyCode
from shared.strategies import HeldPosition, Move, Needs, Rule, StateRule, Wishes
from shared.strategies.breakout import Breakout
from shared.strategies.dip_buyer import DipBuyer
from shared.strategies.momentum import Momentum
from shared.strategies.protocol import Advice, rows_of
from shared.strategies.sma_cross import SmaCross
from tests.support.bars import day_starts, pick, random_walk
from tests.support.strategies import slice_at
from training.engines import ExitCause, Trades, asked_rows, asked_wishes, run, split_days, step, step_state, trades_of

ON = date(2026, 10, 30)
"""The last session before New York's clocks go back."""


def sessions(count: int, *, seed: int = 1, holes: float = 0.0, slots: tuple[int, int] = (114, 192)) -> Bars:
    """5-minute bars of so many sessions, from ON on; `holes` is the share of bars that did not trade."""
    on = [ON + timedelta(days=k) for k in range(2 * count + 4) if (ON + timedelta(days=k)).weekday() < 5][:count]
    rng = np.random.default_rng(seed)
    bars = random_walk(rng, np.concatenate([day_starts(each, *slots) for each in on]), 40.0, 0.004)
    return pick(bars, rng.random(len(bars)) >= holes) if holes else bars


def heard_live(strategy: Rule | StateRule, bars: Bars, t: int) -> Advice:
    """What the app hears at the close of bar t, flat."""
    return strategy.advise(slice_at(bars, t))[0]


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    holes=st.sampled_from([0.0, 0.3, 0.8]),
    strategy=st.sampled_from([SmaCross(fast=3, slow=9), DipBuyer(span=5, band=0.8), DipBuyer()]),
)
def test_wish_of_every_bar_is_what_the_app_would_have_heard(seed: int, holes: float, strategy: Rule) -> None:
    bars = sessions(5, seed=seed, holes=holes)
    wishes = asked_wishes(strategy, bars)
    for t in range(seed % 7, len(bars), 7):
        heard = heard_live(strategy, bars, t)
        assert (heard.code is PolicyCode.ENTER, heard.leave is ExitReason.SIGNAL) == (wishes.enter[t], wishes.leave[t])
        if heard.faults:
            assert not wishes.enter[t]
            assert not wishes.leave[t]
        elif wishes.stop is not None:
            assert np.array_equal(heard.stop, wishes.stop[t], equal_nan=True)


def test_rule_of_state_is_shown_the_rows_of_the_app() -> None:
    bars, strategy = sessions(4, holes=0.2), Breakout(span=10)
    shown = asked_rows(strategy, bars)
    days = split_days(bars)
    for start, first, end in days.windows(strategy):
        assert np.array_equal(rows_of(strategy, bars[start : first + 3])[-1], shown.rows[first + 2], equal_nan=True)
        assert set(shown.shown_from[first:end].tolist()) == {start}
    heard = [heard_live(strategy, bars, t).code is PolicyCode.ENTER for t in range(len(bars))]
    entered = shown.rows[:, 1] == 1
    assert heard == entered.tolist()
    assert 0 < sum(heard) < len(bars)


def test_days_with_too_little_before_them_are_not_asked() -> None:
    bars = sessions(4)  # 78 bars each
    asked = [first for _, first, _ in split_days(bars).windows(SmaCross())]  # needs 150
    assert asked == [156, 234]
    wishes = asked_wishes(SmaCross(fast=2, slow=3), bars)
    assert not wishes.enter[:156].any()
    assert wishes.enter[156:].any()


def test_memory_ends_where_the_app_reads_no_further() -> None:
    """Ten sessions of the market, in which a symbol may have traded seldom."""
    whole = sessions(14)
    own, _ = new_york_clock(whole.start_s)
    dates = np.unique(own)
    seldom = pick(whole, np.isin(own, dates[[0, 1, 12, 13]]))
    assert [first for _, first, _ in split_days(seldom).windows(SmaCross())] == [156, 234]
    days = split_days(seldom, Timeframe.MIN_5, dates)
    assert [first for _, first, _ in days.windows(SmaCross())] == []
    assert [first for _, first, _ in days.windows(Breakout())] == [78, 234]


def test_bars_of_days_are_asked_once() -> None:
    hours = sessions(40, slots=(114, 115))
    days = split_days(replace(hours, start_s=np.array([midnight_s(ON + timedelta(days=k)) for k in range(40)])))
    assert list(days.windows(SmaCross())) == [(0, 0, 40)]
    assert not days.closing(40).any()


def test_asking_begins_where_it_is_told_and_remembers_what_was_before() -> None:
    bars, strategy = sessions(5), DipBuyer(span=5, band=0.8)
    start_s = int(bars.start_s[3 * 78])
    cut = asked_wishes(strategy, bars, split_days(bars).since(bars, start_s))
    whole = asked_wishes(strategy, bars)
    assert not cut.enter[: 3 * 78].any()
    assert np.array_equal(cut.enter[3 * 78 :], whole.enter[3 * 78 :])
    assert whole.enter[: 3 * 78].any()


def dates_of(bars: Bars, at: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
    return list(new_york_clock(bars.start_s)[0][at].tolist())


@pytest.mark.parametrize("strategy", [SmaCross(fast=2, slow=5), DipBuyer(span=5, band=0.5), Breakout(span=5)])
@pytest.mark.parametrize("holes", [0.0, 0.7])
def test_nothing_is_held_over_a_night(strategy: Rule | StateRule, holes: float) -> None:
    bars = sessions(30, holes=holes, seed=5)
    trades = trades_of(strategy, bars)
    assert len(trades)
    assert trades.exit_bar.max() < len(bars)
    assert dates_of(bars, trades.entry_bar) == dates_of(bars, trades.exit_bar)
    held = trades_of(strategy, bars, flat_at_close=False)
    closed = held.exit_bar < len(bars)
    assert not closed.all() or dates_of(bars, held.entry_bar) != dates_of(bars, held.exit_bar)


def test_position_is_left_at_the_open_of_the_days_last_bar() -> None:
    class Always(Rule):
        name = "always.v1"

        def wishes(self, bars: Bars) -> Wishes:
            return Wishes(enter=np.ones(len(bars), np.bool_), leave=np.zeros(len(bars), np.bool_))

    bars = sessions(2)
    trades = trades_of(Always(), bars)
    assert trades.entry_bar.tolist() == [1, 79]
    assert trades.exit_bar.tolist() == [77, 155]
    assert trades.exit_price.tolist() == bars.open[[77, 155]].tolist()
    assert set(trades.why.tolist()) == {ExitCause.SIGNAL}


def test_rule_of_state_counts_bars_from_the_first_that_it_is_shown() -> None:
    seen: list[HeldPosition] = []

    class Watcher(StateRule):
        name = "watcher.v1"
        needs = Needs(history_bars=10)

        def features(self, bars: Bars) -> FloatArray:
            return bars.close[:, None]

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            if held is None:
                return Move.ENTER
            seen.append(held)
            return Move.STAY

    bars = sessions(2)
    trades_of(Watcher(), bars)
    # The second day is shown from bar 68 on; it is entered at its bar 79.
    assert {held.entry_bar for held in seen} == {11}
    assert [held.bars_held for held in seen] == list(range(1, 76))
    window = bars[68:83]
    assert seen[3] == HeldPosition.since(window, float(bars.start_s[79]), float(bars.open[79]))


@given(seed=st.integers(0, 2**32 - 1), holes=st.sampled_from([0.0, 0.5, 0.95]))
@settings(max_examples=20, deadline=None)
def test_both_engines_and_both_forms_leave_alike_at_the_close(seed: int, holes: float) -> None:
    bars, rule = sessions(4, seed=seed, holes=holes), DipBuyer(span=5, band=0.5)

    class AsState(StateRule):
        name = "as-state.v1"
        needs = DipBuyer.needs

        def features(self, bars: Bars) -> FloatArray:
            wishes = rule.wishes(bars)
            return np.column_stack([wishes.enter, wishes.leave]).astype(np.float64)

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            if held is None:
                return Move.ENTER if row[0] else Move.STAY
            return Move.LEAVE if row[1] else Move.STAY

    class Bare(Rule):
        name = "bare.v1"
        needs = DipBuyer.needs

        def wishes(self, bars: Bars) -> Wishes:
            return replace(rule.wishes(bars), stop=None, hold_bars=0)

    def same(a: Trades, b: Trades) -> bool:
        return np.array_equal(a.entry_bar, b.entry_bar) and np.array_equal(a.exit_bar, b.exit_bar)

    fast = trades_of(Bare(), bars)
    assert same(fast, trades_of(AsState(), bars))
    closing, wishes = split_days(bars).closing(len(bars)), asked_wishes(Bare(), bars)
    assert same(fast, step(bars, replace(wishes, enter=wishes.enter & ~closing, leave=wishes.leave | closing)))


def test_engines_take_a_series_as_it_is_where_no_days_are_given() -> None:
    bars, rule = sessions(2), Breakout(span=5)
    rows = rows_of(rule, bars)
    entered = np.flatnonzero(rows[:, 1] == 1)
    assert step_state(bars, rule).entry_bar[0] == entered[0] + 1
    assert len(run(bars, SmaCross(fast=2, slow=5).wishes(bars)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ZeroDivisionError("x"), r"odd.v1 raised ZeroDivisionError: x \(2026-10-30\)"),
        (None, r"must return Wishes, got NoneType \(2026-10-30\)"),
        (Wishes(enter=np.zeros(3, np.bool_), leave=np.zeros(3, np.bool_)), "enter must hold one bool for each of 78"),
    ],
)
def test_unusable_answer_names_strategy_and_day(answer: object, said: str) -> None:
    class Odd(Rule):
        name = "odd.v1"

        def wishes(self, bars: Bars) -> Wishes:
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[return-value]

    with pytest.raises(StrategyError, match=said):
        trades_of(Odd(), sessions(2))


def test_time_limit_that_changes_from_day_to_day_is_refused() -> None:
    class Changing(Rule):
        name = "changing.v1"

        def wishes(self, bars: Bars) -> Wishes:
            none = np.zeros(len(bars), np.bool_)
            return Wishes(enter=none, leave=none, hold_bars=int(bars.start_s[0]) // 86_400 % 5)

    with pytest.raises(StrategyError, match="hold_bars must be the same on every day"):
        trades_of(Changing(), sessions(3))


def test_strategy_of_models_cannot_be_swept() -> None:
    with pytest.raises(StrategyError, match="neither a rule nor a rule of state"):
        trades_of(Momentum(), sessions(2))


def test_no_bars_make_no_trades() -> None:
    for strategy in (SmaCross(), Breakout()):
        assert len(trades_of(strategy, Bars.empty())) == 0
