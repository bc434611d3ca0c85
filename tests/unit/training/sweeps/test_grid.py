"""A grid is read whole and refused with what is wrong, before anything long begins."""

from __future__ import annotations

import re

import pytest

from shared.core.errors import StrategyError
from shared.strategies.sma_cross import SmaCross
from training.sweeps import grid as module
from training.sweeps.grid import read_grid


def test_every_combination_that_the_strategy_takes_is_a_set() -> None:
    grid = read_grid("sma-cross.v1", "fast=5,20 slow=10,30,30")
    assert grid.axes == {"fast": (5, 20), "slow": (10, 30)}
    assert grid.sets == (SmaCross(fast=5, slow=10), SmaCross(fast=5, slow=30), SmaCross(fast=20, slow=30))
    assert grid.refused == 1
    assert grid.values(grid.sets[1]) == {"fast": 5, "slow": 30}


def test_no_grid_is_the_defaults_alone() -> None:
    grid = read_grid("sma-cross.v1", "")
    assert (grid.sets, grid.refused, dict(grid.axes)) == ((SmaCross(),), 0, {})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.v1", "", "no strategy is named 'none.v1': there are breakout.v1, "),
        ("../evil.v1", "", "no strategy is named '../evil.v1'"),
        ("momentum.v1", "", "momentum.v1 is neither a rule nor a rule of state"),
        ("dip-buyer.v1", "band", "--grid 'band': expected NAME=VALUE,VALUE"),
        ("dip-buyer.v1", "band=", "--grid 'band=': expected NAME=VALUE,VALUE"),
        ("dip-buyer.v1", "band=1,,2", "expected NAME=VALUE,VALUE"),
        ("dip-buyer.v1", "band=1, 2", "expected NAME=VALUE,VALUE"),
        ("dip-buyer.v1", "band=1 band=2", "--grid names band more than once"),
        ("dip-buyer.v1", "bend=1", "dip-buyer.v1 has no parameter 'bend': it has band, hold, span, stop_atr"),
        ("dip-buyer.v1", "cooldown_min=1", "has no parameter 'cooldown_min'"),
        ("dip-buyer.v1", "hold=1.5", "dip-buyer.v1.hold must be a whole number from 1 to 78, got '1.5'"),
        ("dip-buyer.v1", "band=wide", "dip-buyer.v1.band must be a number from 0.5 to 5.0, got 'wide'"),
        ("dip-buyer.v1", "band=2,nan", "dip-buyer.v1.band must be a number from 0.5 to 5.0, got nan"),
        ("dip-buyer.v1", "band=2,6", "dip-buyer.v1.band must be a number from 0.5 to 5.0, got 6"),
        (
            "sma-cross.v1",
            "fast=50 slow=10,20",
            "refuses every combination of the grid; the last one: slow must be",
        ),
    ],
)
def test_grid_that_cannot_be_swept_is_refused_with_what_is_wrong(name: str, text: str, said: str) -> None:
    with pytest.raises(StrategyError, match=re.escape(said)):
        read_grid(name, text)


def test_more_sets_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SETS", 3)
    with pytest.raises(StrategyError, match="4 combinations, at most 3"):
        read_grid("dip-buyer.v1", "band=1,2 hold=1,2")
