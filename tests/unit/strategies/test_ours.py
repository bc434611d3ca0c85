"""Our own strategies know no later bar, keep to their bounds, and trade."""

from __future__ import annotations

import numpy as np
import pytest

from shared.core.market import Timeframe
from shared.strategies.breakout import Breakout
from shared.strategies.catalogue import installed
from shared.strategies.dip_buyer import DipBuyer
from shared.strategies.protocol import Rule, StateRule, Strategy, parameters_of
from shared.strategies.sma_cross import SmaCross
from tests.support.bars import data_file
from training.engines import trades_of
from training.strategy_check import check_strategy, made_bars
from training.sweeps.market import read_market

OURS = (SmaCross(), DipBuyer(), Breakout())


@pytest.mark.parametrize(
    "strategy", [*OURS, SmaCross(fast=2, slow=150), DipBuyer(span=60, hold=1), Breakout(span=78)], ids=str
)
def test_no_row_knows_a_later_bar(strategy: Strategy) -> None:
    check = check_strategy(strategy, made_bars())
    assert check.faults == ()
    assert check.compared > 10_000


def test_no_row_of_daily_bars_knows_a_later_one_from_the_first_on() -> None:
    path = data_file("lean/equity_daily.parquet")
    if path is None:
        pytest.skip("no real bars: lean/equity_daily.parquet is not there")
    market = read_market(path, Timeframe.DAY_1, symbols=["AAPL"])
    (part,) = market.symbols.values()
    assert check_strategy(SmaCross(), part.bars[:400]).faults == ()


@pytest.mark.parametrize("strategy", OURS, ids=str)
def test_it_trades_a_made_series(strategy: Strategy) -> None:
    trades = trades_of(strategy, made_bars(20))
    assert len(trades) > 3
    assert np.isfinite(trades.growth).all()


@pytest.mark.parametrize("kind", [type(each) for each in OURS])
def test_bounds_are_inclusive_and_held(kind: type[Strategy]) -> None:
    for item in parameters_of(kind):
        low, high = item.metadata["low"], item.metadata["high"]
        assert low <= item.default <= high
        assert item.metadata["what"]
        for outside in (low - 1, high + 1, float("nan"), True, "2", None):
            with pytest.raises(ValueError, match=item.name):
                kind(**{item.name: outside})


def test_every_rule_of_the_folder_is_looked_at_here() -> None:
    rules = {name for name, kind in installed().strategies.items() if issubclass(kind, Rule | StateRule)}
    assert {strategy.name for strategy in OURS} <= rules
    assert installed().faults == {}


def test_cross_is_known_as_soon_as_the_slow_mean_is() -> None:
    """A series that ends at the bar that makes the slow mean says what a longer one says of that bar."""
    bars = made_bars(1)
    cross = SmaCross(fast=2, slow=40)
    for n in (39, 40, 41):
        assert np.array_equal(cross.wishes(bars[:n]).enter, cross.wishes(bars).enter[:n])
