"""Metrics against cases whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.models import random_dataset
from training.evaluate import calibration_error, move_metrics, signal_metrics

DATA = random_dataset(1, rows=4000, features=3)


def test_constant_base_rates_score_exactly_the_base_line() -> None:
    base = np.broadcast_to(np.bincount(DATA.outcome, minlength=3) / len(DATA), (len(DATA), 3))
    found = signal_metrics(base, DATA, DATA, cost_bp=10)
    assert found["log_loss"] == pytest.approx(found["log_loss_base"])
    assert found["brier"] == pytest.approx(found["brier_base"])
    assert found["auc_up"] == found["auc_direction"] == 0.5


def test_a_seer_scores_perfectly_and_earns_the_best_decile_less_costs() -> None:
    seer = np.where(np.eye(3)[DATA.outcome] == 1, 0.98, 0.01)
    found = signal_metrics(seer, DATA, DATA, cost_bp=10)
    assert found["auc_up"] == found["auc_down"] == found["auc_direction"] == 1.0
    assert found["top_decile_hit_rate"] == 1.0
    assert found["all_net_bp"] == pytest.approx(1e4 * DATA.exit_return.mean() - 10)


def test_a_forecast_of_volatility_alone_shows_no_direction() -> None:
    p_none = np.where(DATA.outcome == 1, 0.9, 0.1)
    found = signal_metrics(np.stack([(1 - p_none) / 2, p_none, (1 - p_none) / 2], axis=1), DATA, DATA, cost_bp=0)
    assert found["auc_up"] > 0.7
    assert found["auc_direction"] == 0.5


def test_calibration_error_is_zero_for_honest_and_large_for_boastful_probabilities() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    happened = rng.random(50_000) < p
    assert calibration_error(p, happened) < 0.01
    assert calibration_error(np.clip(2 * p - 0.5, 0, 1), happened) > 0.1


def test_move_metrics_of_the_truth_are_perfect() -> None:
    found = move_metrics(DATA.move, DATA, DATA, cost_bp=10)
    assert found["rank_correlation"] == pytest.approx(1.0)
    assert found["mae_bp"] == 0.0
    assert found["top_decile_net_bp"] == pytest.approx(1e4 * np.sort(DATA.move)[-400:].mean() - 10)


def test_rows_of_chosen_dates_keep_their_columns_together() -> None:
    part = DATA.on(DATA.dates[2:4])
    assert set(part.day) == {2, 3}
    assert len(part) == int(np.isin(DATA.day, (2, 3)).sum())
    assert np.array_equal(part.move, DATA.move[np.isin(DATA.day, (2, 3))])
    assert len(replace(DATA).on(())) == 0
