"""The backtest against a day that host, storage, HTTP and the venue's process have run: the same decisions."""

from __future__ import annotations

import pytest

from sandbox.parity import app_day, backtest_rows, compare
from sandbox.prepared import Prepared
from simulation.market.scenario import Scenario
from tests.support.days import DayRuns

pytestmark = [pytest.mark.slow]


def test_backtest_decides_orders_and_fills_as_the_app_does(
    day_runs: DayRuns, world: Scenario, prepared: Prepared
) -> None:
    day_runs.outcomes(["first"])
    left = app_day(day_runs.storage("first").parent, world)
    found = compare(left.rows, backtest_rows(world, prepared, left))
    assert found.differences == ()
    assert found.fraction == 1
    assert found.compared["signals"] > 1000
    assert found.compared["decisions"] > 0
    assert left.answers
    assert found.compared["narratives"] > 10
