"""Figures of performance against numbers worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.figures import curve_of, drawdowns, results_by, results_of, session_returns


def positions(*realised: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "realised_usd": list(realised),
            "r": [value / 100 for value in realised],
            "bp": [value / 10 for value in realised],
            "slippage_bp": 2.0,
            "session": ["REG-AM" if at % 2 else "PRE" for at in range(len(realised))],
        }
    )


def equity(*sessions: tuple[float, ...]) -> pd.DataFrame:
    rows = [
        {"on": f"2026-10-{day:02d}", "equity_usd": value, "exposure_usd": 100.0, "session": "REG-AM"}
        for day, values in enumerate(sessions, start=1)
        for value in values
    ]
    return pd.DataFrame(rows, columns=["on", "equity_usd", "exposure_usd", "session"])


def test_results_are_those_of_a_worked_example() -> None:
    found = results_of(positions(100.0, -50.0, 200.0, -50.0))
    assert (found.positions, found.wins, found.losses) == (4, 2, 2)
    assert found.realised_usd == 200.0
    assert found.expectancy_usd == 50.0
    assert (found.expectancy_r, found.expectancy_bp) == (0.5, 5.0)
    assert found.win_rate == 0.5
    assert found.profit_factor == 3.0
    assert found.payoff == 3.0


def test_nothing_closed_has_no_rates_and_no_loss_has_no_profit_factor() -> None:
    nothing = results_of(positions())
    assert (nothing.positions, nothing.realised_usd) == (0, 0.0)
    assert nothing.expectancy_usd is nothing.win_rate is nothing.profit_factor is None
    assert results_of(positions(5.0)).profit_factor is None


def test_groups_add_up_to_the_whole() -> None:
    all_of_them = positions(100.0, -50.0, 25.0)
    groups = results_by(all_of_them, "session")
    assert list(groups.index) == ["PRE", "REG-AM"]
    assert groups["realised_usd"].sum() == results_of(all_of_them).realised_usd
    assert groups.loc["PRE", "positions"] == 2


def test_a_sessions_return_is_from_the_close_before() -> None:
    returns = session_returns(equity((100.0, 110.0), (105.0, 99.0)))
    assert list(returns) == pytest.approx([0.1, 99 / 110 - 1])


def test_curve_is_that_of_a_worked_example() -> None:
    curve = curve_of(equity((100.0, 110.0), (110.0, 88.0), (88.0, 96.8)))
    assert curve is not None
    mean, spread = 0.0, math.sqrt((0.1**2 + 0.2**2 + 0.1**2) / 2)
    assert curve.sessions == 3
    assert curve.change == pytest.approx(-0.032)
    assert curve.sharpe == pytest.approx(mean / spread * math.sqrt(252), abs=1e-9)
    assert curve.volatility == pytest.approx(spread * math.sqrt(252))
    assert [curve.drawdown, curve.drawdown_usd] == pytest.approx([0.2, 22.0])


def test_sortino_counts_only_falls() -> None:
    curve = curve_of(equity((100.0, 110.0), (110.0, 104.5), (104.5, 114.95)))
    assert curve is not None
    downside = math.sqrt(0.05**2 / 3)
    assert curve.sortino == pytest.approx(0.05 / downside * math.sqrt(252))


def test_one_session_has_no_sharpe_and_no_points_have_no_curve() -> None:
    one = curve_of(equity((100.0, 101.0)))
    assert one is not None
    assert one.sharpe is one.sortino is one.volatility is None
    assert curve_of(equity()) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40))
def test_drawdown_is_a_fraction_and_zero_at_every_peak(values: list[float]) -> None:
    points = equity(tuple(values))
    found = drawdowns(points)
    assert found.between(0, 1).all()
    assert (found[points["equity_usd"] == points["equity_usd"].cummax()] == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1_000_000, 1_000_000).map(lambda cents: cents / 100), max_size=40))
def test_wins_and_losses_never_exceed_the_positions(realised: list[float]) -> None:
    found = results_of(positions(*realised))
    assert found.wins + found.losses <= found.positions == len(realised)
    assert found.realised_usd == pytest.approx(sum(realised), abs=1e-6)
