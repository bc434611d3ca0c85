"""One strategy, three speeds: jumping, stepping and the app's own stage decide the same at the same bars."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pytest

from shared.core.market import Bars
from shared.strategies import Rule, StateRule, Strategy
from shared.strategies.breakout import Breakout
from shared.strategies.dip_buyer import DipBuyer
from shared.strategies.sma_cross import SmaCross
from tests.support.bars import data_file
from training.engines import Trades, asked_rows, asked_wishes, split_days, step, step_state, trades_of
from training.engines.staged import staged
from training.strategy_check import made_bars
from training.sweeps.market import read_market

SERIES = 1_000
EACH = 50
"""Series that one test looks at: a failure names a few, and workers share them."""


def stepped(strategy: Strategy, bars: Bars) -> Trades:
    """The plain engine, flat at each close as the app is."""
    days = split_days(bars)
    closing = days.closing(len(bars))
    if isinstance(strategy, Rule):
        wishes = asked_wishes(strategy, bars, days)
        return step(bars, dataclasses.replace(wishes, enter=wishes.enter & ~closing, leave=wishes.leave | closing))
    assert isinstance(strategy, StateRule)
    return step_state(bars, strategy, None, dataclasses.replace(asked_rows(strategy, bars, days), is_closing=closing))


def same(one: Trades, other: Trades) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(Trades))


def drawn(seed: int) -> tuple[Strategy, Bars]:
    """A strategy with parameters, and two days of a seeded series on a grid of a cent with the days before them."""
    rng = np.random.default_rng(seed)
    strategy: Strategy
    match seed % 3:
        case 0:
            fast = int(rng.integers(2, 8))
            strategy = SmaCross(fast=fast, slow=fast + int(rng.integers(1, 20)))
        case 1:
            span, hold = (int(rng.integers(low, 30)) for low in (5, 1))
            band, stop_atr = (float(rng.uniform(0.5, high)) for high in (2.0, 3.0))
            strategy = DipBuyer(span=span, band=band, stop_atr=stop_atr, hold=hold)
        case _:
            strategy = Breakout(span=int(rng.integers(5, 40)), trail=float(rng.uniform(0.001, 0.01)))
    bars = made_bars(3, seed=seed, price=float(rng.uniform(2, 400)), deviation=float(rng.uniform(5e-4, 6e-3)))
    tick = {name: np.round(getattr(bars, name), 2) for name in ("open", "high", "low", "close")}
    return strategy, dataclasses.replace(bars, **tick)


@pytest.mark.parametrize("first", range(0, SERIES, EACH))
def test_all_three_make_the_same_trades_of_random_series(first: int) -> None:
    trades = 0
    for seed in range(first, first + EACH):
        strategy, bars = drawn(seed)
        fast = trades_of(strategy, bars)
        assert same(fast, stepped(strategy, bars)), f"stepping differs, seed {seed}"
        assert same(fast, staged(strategy, bars)), f"the app's stage differs, seed {seed}"
        trades += len(fast)
    assert trades > EACH


@pytest.mark.parametrize("strategy", [SmaCross(), DipBuyer(), Breakout()], ids=lambda each: str(each.name))
def test_all_three_make_the_same_trades_of_recorded_bars(strategy: Strategy) -> None:
    path = data_file("intraday/us101_5min_2025.parquet")
    if path is None:
        pytest.skip("no recorded bars: set GATEHOUSE_DATA")
    since, until = date(2025, 11, 3), date(2025, 11, 4)
    market = read_market(path, strategy.needs.timeframe, since=since, until=until)
    trades = 0
    for symbol, part in list(market.symbols.items())[::5]:
        fast = trades_of(strategy, part.bars, days=part.days)
        assert same(fast, staged(strategy, part.bars, days=part.days)), symbol
        trades += len(fast)
    assert trades > 20
