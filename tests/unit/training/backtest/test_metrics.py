"""Figures against values worked out by hand, by scipy, or printed in the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.backtest.metrics import (
    annualised,
    benchmark_figures,
    brier,
    deviations,
    drawdowns,
    max_drawdown,
    profit_factor,
    run_figures,
    sharpe,
    sortino,
    split,
    t_statistic,
    trade_figures,
)
from training.backtest.overfit import (
    best_column,
    deflated_sharpe,
    expected_max_sharpe,
    kurtosis,
    overfitting,
    probabilistic_sharpe,
    shuffled,
    skewness,
    variance_of_ratios,
)
from training.backtest.spec import BacktestOutcome

RETURNS = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02])
numbers = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=40)


def test_sharpe_and_sortino_by_hand() -> None:
    assert sharpe(RETURNS) == pytest.approx(0.005 / math.sqrt(0.00175 / 5))
    assert sortino(RETURNS) == pytest.approx(0.005 / math.sqrt(0.0005 / 6))
    assert annualised(1.0) == pytest.approx(math.sqrt(252))


def test_t_is_scipys() -> None:
    assert t_statistic(RETURNS) == pytest.approx(stats.ttest_1samp(RETURNS, 0).statistic)


def test_moments_are_scipys() -> None:
    values = np.random.default_rng(1).gamma(2, 1, 500)
    assert skewness(values) == pytest.approx(stats.skew(values))
    assert kurtosis(values) == pytest.approx(stats.kurtosis(values, fisher=False))


def test_drawdown_by_hand() -> None:
    assert max_drawdown(np.array([100.0, 120.0, 90.0, 130.0, 117.0])) == pytest.approx(0.25)
    assert max_drawdown(np.array([1.0, 2.0, 3.0])) == 0


@given(numbers)
def test_drawdown_lies_between_nothing_and_everything(values: list[float]) -> None:
    found = drawdowns(np.cumprod(1 + np.array(values)))
    assert ((found >= 0) & (found < 1)).all()


def test_profit_factor_without_losses_is_infinite() -> None:
    assert profit_factor(np.array([3.0, -1.0, 1.0])) == 4
    assert profit_factor(np.array([1.0])) == math.inf
    assert math.isnan(profit_factor(np.array([])))


def test_what_cannot_be_told_is_nan() -> None:
    assert math.isnan(sharpe(np.array([0.01])))
    assert math.isnan(sharpe(np.zeros(5)))
    assert math.isnan(trade_figures([]).win_rate)


@pytest.mark.parametrize("value", [0.001, -0.001, 0.1, 1e-7, -3.7, 12.3, 1e5])
@pytest.mark.parametrize("n", [2, 3, 50, 250])
def test_equal_returns_have_no_ratio_of_any_kind(value: float, n: int) -> None:
    equity = 1e5 * (1 + min(max(value, -0.1), 0.1)) ** np.arange(n + 1)
    for returns in (np.full(n, value), equity[1:] / equity[:-1] - 1):
        for ratio in (sharpe, sortino, t_statistic, skewness, kurtosis):
            assert math.isnan(ratio(returns)), ratio
        found = deflated_sharpe(returns, trials=3)
        assert math.isnan(found.ratio)
        assert math.isnan(found.probability)
        assert deviations(returns) == 0
    levels = benchmark_figures("held", equity[1:] / equity[0])
    assert math.isnan(levels.sharpe)
    assert levels.volatility == 0


def test_losses_that_are_but_rounding_make_no_sortino() -> None:
    assert math.isnan(sortino(np.array([0.01, 0.02, -1e-18, 0.03])))
    assert sortino(np.array([0.01, 0.02, -1e-6, 0.03])) > 0


def test_small_returns_that_do_differ_have_their_ratio() -> None:
    assert sharpe(1e-6 * RETURNS) == pytest.approx(sharpe(RETURNS))
    assert sortino(1e-6 * RETURNS) == pytest.approx(sortino(RETURNS))


def test_a_trial_of_equal_returns_is_neither_the_best_nor_part_of_the_spread() -> None:
    noise = np.random.default_rng(6).normal(0.0005, 0.01, (120, 4))
    steady = np.full((120, 1), 0.0001)
    both = np.hstack([steady, noise])
    assert best_column(both) == 1 + best_column(noise)
    assert variance_of_ratios(both) == pytest.approx(variance_of_ratios(noise))
    assert variance_of_ratios(np.hstack([steady, noise[:, :1]])) is None
    assert overfitting(both, 10).probability <= 1
    assert math.isfinite(deflated_sharpe(noise[:, 0], trials=2, variance=variance_of_ratios(both[:, :2])).probability)


def test_expected_best_and_deflated_ratio_are_those_of_the_paper() -> None:
    """Their example: annual ratio 2.5 over five years, 100 trials of variance 1/2, skew -3, kurtosis 10."""
    threshold = expected_max_sharpe(100, 0.5 / 250)
    assert threshold == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), threshold, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    fewer = expected_max_sharpe(46, 0.5 / 250)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), fewer, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)


def test_expected_best_is_what_a_simulation_shows() -> None:
    best = np.random.default_rng(2).normal(0, 0.1, (4000, 50)).max(axis=1).mean()
    assert expected_max_sharpe(50, 0.01) == pytest.approx(best, rel=0.02)


def test_more_trials_make_the_same_returns_less_of_a_proof() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 250)
    found = [deflated_sharpe(returns, trials=trials).probability for trials in (1, 10, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[2] + 0.2


def test_a_trial_that_is_truly_better_is_no_overfitting_and_noise_is_a_coin() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.01, (240, 12))
    assert 0.2 < overfitting(noise, 10).probability < 0.8
    better = noise.copy()
    better[:, 3] += 0.004
    assert overfitting(better, 10).probability < 0.02


def test_a_trial_that_was_fitted_to_each_half_is_overfitting() -> None:
    """Ten trials, each of which gains in two blocks of ten and loses in the others."""
    returns = np.full((100, 10), -0.001) + np.random.default_rng(5).normal(0, 1e-5, (100, 10))
    for k in range(10):
        returns[10 * k : 10 * k + 10, k] += 0.02
    assert overfitting(returns, 10).probability > 0.95


def test_order_of_trades_changes_the_drawdown_and_not_the_sum() -> None:
    net = np.array([100.0, -50.0, 30.0, -80.0, 60.0])
    found = shuffled(net, 1000, halt_at=0.1, runs=300)
    assert found.paths[:, -1] == pytest.approx(np.full(len(found.paths), 1060.0))
    assert found.drawdown[0] <= found.drawdown[-1]
    assert 0 < found.ruin < 1
    assert shuffled(np.array([]), 1000, halt_at=0.05).loss == 0


def test_the_brier_score_of_a_miss_and_a_hit_is_one_half() -> None:
    assert brier(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == 0.5


def test_splits_cut_trades_without_rest(outcome: BacktestOutcome) -> None:
    whole, parts = trade_figures(outcome.trades), split(outcome.trades, lambda trade: trade.symbol)
    assert sum(part.trades for part in parts.values()) == whole.trades
    assert sum(part.net_usd for part in parts.values()) == pytest.approx(whole.net_usd)


def test_run_figures_follow_from_the_days(outcome: BacktestOutcome) -> None:
    found = run_figures(outcome.days)
    assert found.total_return == pytest.approx(np.prod([1 + day.day_return for day in outcome.days]) - 1)
    assert 0 < found.exposure <= 1
    assert 0 < found.time_in_market <= 1
    assert found.turnover > 0
