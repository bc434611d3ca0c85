"""Calibration makes boastful probabilities honest, leaves honest ones alone, and survives the export."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.core.features import FEATURE_NAMES
from shared.core.market import FloatArray
from tests.support.models import random_dataset
from training import export, fit
from training.calibrate import (
    METHODS,
    NEUTRAL,
    Method,
    StraightLine,
    Unseen,
    brier,
    choose_calibrator,
    cross_entropy,
    fit_calibrator,
    reliability,
)

RULE = fit.FitRule(trees=40, threads=1)


def told(seed: int, boast: float, rows: int = 8_000) -> tuple[FloatArray, NDArray[np.int8]]:
    """Probabilities whose logits are `boast` times the true ones, and what came of the true ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (rows, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    outcome = (rng.random(rows)[:, None] > true.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(np.int8)
    said = np.exp(boast * logits)
    return said / said.sum(axis=1, keepdims=True), outcome


def folds(boast: float) -> list[Unseen]:
    found = []
    for seed in range(3):
        p, outcome = told(seed, boast)
        found.append(Unseen(p=p, outcome=outcome, weight=np.ones(outcome.size)))
    return found


@pytest.mark.parametrize("method", ["isotonic", "beta"])
def test_boastful_probabilities_become_honest_on_rows_that_the_calibrator_has_not_seen(method: Method) -> None:
    p, outcome = told(1, boast=3.0)
    calibrator = fit_calibrator(method, p, outcome, np.ones(outcome.size))
    fresh, came = told(2, boast=3.0)
    assert brier(calibrator(fresh), came) < brier(fresh, came) - 0.02
    assert calibrator(fresh).sum(axis=1) == pytest.approx(1)


def test_the_method_with_the_least_brier_score_is_chosen() -> None:
    calibrator, scores = choose_calibrator(folds(3.0))
    assert set(scores) == set(METHODS)
    assert calibrator.method == min(scores, key=lambda method: scores[method])
    assert calibrator.method != "none"


def test_a_method_that_makes_one_fold_worse_is_not_chosen() -> None:
    """Two periods boast, the third understates: curves of the others would make it worse still."""
    mixed = [*folds(3.0)[:2], *folds(0.5)[2:]]
    calibrator, scores = choose_calibrator(mixed)
    assert calibrator.method == "none"
    assert min(scores, key=lambda method: scores[method]) != "none"


def test_a_single_fold_leaves_probabilities_alone() -> None:
    assert choose_calibrator(folds(3.0)[:1]) == (NEUTRAL, {})


def test_no_curve_promises_certainty_or_is_steeper_than_float32_bears() -> None:
    p = np.repeat([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01]], 500, axis=0)
    outcome = np.repeat(np.array([0, 1], np.int8), 500)
    for method in METHODS[1:]:
        calibrator = fit_calibrator(method, p, outcome, np.ones(1000))
        assert calibrator(p).max() < 1
        assert calibrator(p).min() > 0
    line = fit_calibrator("isotonic", *told(1, 3.0), np.ones(8_000)).curves[0]
    assert isinstance(line, StraightLine)
    assert max(np.diff(line.y) / np.diff(line.x)) <= 20 + 1e-9
    assert list(line.x) == sorted(set(line.x))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), boast=st.floats(0.2, 5))
def test_isotonic_curves_never_fall(seed: int, boast: float) -> None:
    for curve in fit_calibrator("isotonic", *told(seed, boast, 600), np.ones(600)).curves:
        assert isinstance(curve, StraightLine)
        assert (np.diff(curve.y) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_calibrator_is_exported_with_the_trees(method: Method) -> None:
    data, rows = random_dataset(3), random_dataset(4)
    model = fit.fit_signal(data, RULE, 3)
    calibrator = fit_calibrator(method, fit.predict(model, rows.features), rows.outcome, rows.weight)
    onnx = export.to_onnx(model, len(FEATURE_NAMES), calibrator)
    asked = export.parity_rows(rows.features, seed=5)
    assert len(asked) >= 10_000
    assert export.require_parity(onnx, asked, calibrator(fit.predict(model, asked))) <= 1e-5
    if method != "none":
        assert not np.allclose(export.score_onnx(onnx, asked), fit.predict(model, asked), atol=1e-3)


def test_the_reliability_curve_of_honest_probabilities_lies_on_the_diagonal() -> None:
    p, outcome = told(1, boast=1.0, rows=40_000)
    for part in reliability(p[:, 2], outcome == 2):
        assert part.rows == 4_000
        assert part.p_mean == pytest.approx(part.frequency, abs=0.025)


def test_reliability_bins_hold_every_row_once() -> None:
    p = np.random.default_rng(6).uniform(0, 1, 1003)
    bins = reliability(p, p > 0.5)
    assert sum(each.rows for each in bins) == 1003
    assert bins[0].frequency == 0
    assert bins[-1].frequency == 1
    assert [each.rows for each in reliability(p[:3], p[:3] > 0.5)] == [1, 1, 1]
    assert reliability(p[:0], p[:0] > 0.5) == ()


def test_cross_entropy_of_known_rows() -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    outcome = np.array([0, 2], np.int8)
    assert cross_entropy(p, outcome) == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert cross_entropy(2 * p, outcome, np.array([1.0, 0.0])) == pytest.approx(-np.log(0.5))
