"""Both engines make the same trades; nothing fills where it was decided."""

from __future__ import annotations

import doctest
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import StrategyError
from shared.core.market import Bars, FloatArray
from shared.strategies import HeldPosition, Move, StateRule, Wishes, sma_cross
from shared.strategies.sma_cross import SmaCross
from training.engines import Costs, ExitCause, Trades, run, step, step_state


class Made(StateRule):
    """A rule of state whose features are the closes."""

    name = "made.v1"

    def features(self, bars: Bars) -> FloatArray:
        return bars.close[:, None]


def bars_of(*rows: tuple[float, float, float, float]) -> Bars:
    """Bars of (open, high, low, close)."""
    table = np.array(rows, np.float64)
    return Bars(
        start_s=60 * np.arange(len(rows)),
        open=table[:, 0],
        high=table[:, 1],
        low=table[:, 2],
        close=table[:, 3],
        volume=np.ones(len(rows)),
    )


def walk(seed: int, n: int, tick: float = 0.01) -> Bars:
    """A random walk on a coarse grid, with gaps, so that prices meet orders exactly."""
    rng = np.random.default_rng(seed)
    close = np.round((20 + np.cumsum(rng.normal(0, 0.05, n))) / tick) * tick
    open_ = np.round((np.r_[close[:1], close[:-1]] + rng.normal(0, 0.02, n)) / tick) * tick
    high = np.maximum(open_, close) + tick * rng.integers(0, 4, n)
    low = np.minimum(open_, close) - tick * rng.integers(0, 4, n)
    return Bars(start_s=60 * np.arange(n), open=open_, high=high, low=low, close=close, volume=np.ones(n))


def flags(n: int, *at: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = np.zeros(n, np.bool_)
    found[list(at)] = True
    return found


def same(a: Trades, b: Trades) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Trades))


FLAT = (10.0, 10.5, 9.5, 10.0)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 400),
    busy=st.floats(0, 0.5),
    width=st.sampled_from([None, 0.03, 0.2, 2.0]),
    hold=st.sampled_from([0, 1, 2, 17]),
    fee=st.sampled_from([0.0, 0.001]),
)
def test_jumping_engine_makes_the_trades_of_the_stepping_one(  # noqa: PLR0917 - hypothesis names them all
    seed: int, n: int, busy: float, width: float | None, hold: int, fee: float
) -> None:
    bars = walk(seed, n)
    rng = np.random.default_rng(seed + 1)
    some = rng.random(n) < 0.7
    wishes = Wishes(
        enter=rng.random(n) < busy,
        leave=rng.random(n) < busy,
        stop=None if width is None else np.where(some, bars.close - width, np.nan),
        target=None if width is None else np.where(rng.random(n) < 0.7, bars.close + width, np.nan),
        hold_bars=hold,
    )
    costs = Costs(fee=fee, slippage=fee / 2)
    assert same(run(bars, wishes, costs), step(bars, wishes, costs))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 300))
@settings(max_examples=50, deadline=None)
def test_sma_cross_as_a_rule_of_state_makes_the_same_trades(seed: int, n: int) -> None:
    bars, cross = walk(seed, n), SmaCross(fast=3, slow=9)

    class AsState(Made):
        def features(self, bars: Bars) -> FloatArray:
            wishes = cross.wishes(bars)
            return np.column_stack([wishes.enter, wishes.leave]).astype(np.float64)

        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            if held is None:
                return Move.ENTER if row[0] else Move.STAY
            return Move.LEAVE if row[1] else Move.STAY

    assert same(run(bars, cross.wishes(bars)), step_state(bars, AsState()))


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 299))
@settings(max_examples=50, deadline=None)
def test_later_bars_change_no_earlier_wish_and_no_earlier_trade(seed: int, cut: int) -> None:
    bars, other = walk(seed, 300), walk(seed + 1, 300)
    spliced = Bars(**{f.name: np.r_[getattr(bars, f.name)[:cut], getattr(other, f.name)[cut:]] for f in fields(Bars)})
    cross = SmaCross(fast=5, slow=20)
    assert np.array_equal(cross.wishes(bars).enter[:cut], cross.wishes(spliced).enter[:cut])
    done = [run(of, cross.wishes(of)) for of in (bars, spliced)]
    ended = [[(a, b) for a, b in zip(t.entry_bar, t.exit_bar, strict=True) if b < cut] for t in done]
    assert ended[0] == ended[1]


def test_nothing_fills_on_the_bar_of_its_decision() -> None:
    bars = bars_of(FLAT, (11.0, 11.5, 10.5, 11.0), (12.0, 12.5, 11.5, 12.0), (13.0, 13.5, 12.5, 13.0))
    trades = run(bars, Wishes(enter=flags(4, 0), leave=flags(4, 2)))
    assert (trades.entry_bar.item(), trades.entry_price.item()) == (1, 11.0)
    assert (trades.exit_bar.item(), trades.exit_price.item()) == (3, 13.0)


def test_wish_of_the_last_bar_never_fills() -> None:
    bars = bars_of(FLAT, FLAT, FLAT)
    assert len(run(bars, Wishes(enter=flags(3, 2), leave=flags(3)))) == 0
    trades = run(bars, Wishes(enter=flags(3, 0), leave=flags(3, 2)))
    assert (trades.why.item(), trades.exit_bar.item()) == (ExitCause.OPEN, 3)


@pytest.mark.parametrize(
    ("later", "price", "why"),
    [
        ((10.0, 10.5, 9.0, 10.0), 9.2, ExitCause.STOP),
        ((9.0, 9.1, 8.5, 9.0), 9.0, ExitCause.STOP),  # opens below the stop
        ((10.0, 11.0, 9.9, 10.0), 10.8, ExitCause.TARGET),
        ((11.0, 11.5, 10.9, 11.0), 11.0, ExitCause.TARGET),  # opens above the target
        ((10.0, 11.0, 9.0, 10.0), 9.2, ExitCause.STOP),  # both: the worse is believed
    ],
)
def test_protective_orders_fill_at_their_price_or_at_the_open_beyond_it(
    later: tuple[float, float, float, float], price: float, why: ExitCause
) -> None:
    bars = bars_of(FLAT, FLAT, later, FLAT)
    stop, target = np.full(4, 9.2), np.full(4, 10.8)
    trades = run(bars, Wishes(enter=flags(4, 0), leave=flags(4), stop=stop, target=target))
    assert (trades.exit_bar.item(), trades.exit_price.item(), trades.why.item()) == (2, price, why)


def test_time_limit_counts_from_the_bar_of_the_entry() -> None:
    trades = run(bars_of(*[FLAT] * 6), Wishes(enter=flags(6, 0), leave=flags(6), hold_bars=3))
    assert (trades.entry_bar.item(), trades.exit_bar.item(), trades.why.item()) == (1, 4, ExitCause.TIME_LIMIT)


def test_costs_are_paid_each_way_and_by_an_open_trade_once() -> None:
    bars = bars_of(FLAT, FLAT, FLAT, FLAT)
    costs = Costs(fee=0.01, slippage=0.02)
    closed = run(bars, Wishes(enter=flags(4, 0), leave=flags(4, 1)), costs)
    assert closed.growth.item() == pytest.approx(0.98 * 0.99 / (1.02 * 1.01))
    open_ = run(bars, Wishes(enter=flags(4, 0), leave=flags(4)), costs)
    assert open_.growth.item() == pytest.approx(1 / (1.02 * 1.01))
    assert closed.total_growth == closed.growth.item()


def test_wishes_of_another_length_are_refused() -> None:
    bars = bars_of(FLAT, FLAT)
    for engine in (run, step):
        with pytest.raises(ValueError, match="one per bar, 2"):
            engine(bars, Wishes(enter=flags(3), leave=flags(3)))
    with pytest.raises(ValueError, match="stop"):
        Wishes(enter=flags(3), leave=flags(3), stop=np.zeros(2))


def test_rule_of_state_sees_how_long_and_how_high_it_is() -> None:
    seen: list[HeldPosition | None] = []

    class Watcher(Made):
        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            seen.append(held)
            return Move.ENTER if held is None else Move.LEAVE if held.bars_held == 2 else Move.STAY

    bars = bars_of(FLAT, (10.0, 12.0, 9.5, 10.0), (10.0, 11.0, 9.5, 10.0), FLAT, FLAT)
    trades = step_state(bars, Watcher())
    assert seen[2] == HeldPosition(entry_bar=1, entry_price=10.0, bars_held=2, highest=12.0)
    assert (trades.entry_bar.tolist(), trades.exit_bar.tolist()) == ([1, 4], [3, 5])


def test_rule_of_state_cannot_leave_what_it_does_not_hold() -> None:
    class Leaver(Made):
        def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
            return Move.LEAVE

    with pytest.raises(StrategyError, match="can be made while flat"):
        step_state(bars_of(FLAT, FLAT), Leaver())


def test_the_example_of_the_cross_runs() -> None:
    assert doctest.testmod(sma_cross).failed == 0


def test_sma_cross_refuses_means_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="slow"):
        SmaCross(fast=50, slow=10)
