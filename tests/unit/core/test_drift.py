"""Population stability: nothing moves, everything moves, and what usually moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.drift import PSI_MIN, FeatureReference, drift_of, drifted_share, drifts, reference_of, shares_in

RNG = np.random.default_rng(5)
NORMAL = RNG.normal(0, 1, 20_000)


def test_the_same_distribution_has_not_drifted() -> None:
    found = drift_of(reference_of("x", NORMAL), RNG.normal(0, 1, 5_000))
    assert found.psi < 0.01
    assert not found.has_drifted


def test_a_shift_by_a_standard_deviation_has_drifted() -> None:
    found = drift_of(reference_of("x", NORMAL), RNG.normal(1, 1, 5_000))
    assert found.psi > PSI_MIN
    assert found.kl > 0.2
    assert found.has_drifted


def test_the_index_of_two_bins_is_the_formula_by_hand() -> None:
    reference = FeatureReference(name="x", edges=(0.0,), shares=(0.5, 0.5), missing=0.0)
    found = drift_of(reference, np.array([-1.0, 1.0, 1.0, 1.0]))
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert found.psi == pytest.approx(expected, abs=2e-3)
    assert found.kl == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5), abs=2e-3)


def test_values_that_go_missing_are_drift() -> None:
    values = np.where(RNG.random(5_000) < 0.5, np.nan, RNG.normal(0, 1, 5_000))
    assert drift_of(reference_of("x", NORMAL), values).has_drifted


def test_a_feature_that_differs_from_week_to_week_drifts_only_beyond_its_habit() -> None:
    weeks = [np.full(500, level) + RNG.normal(0, 0.01, 500) for level in RNG.uniform(0, 1, 20)]
    slow = reference_of("volatility", np.concatenate(weeks), weeks)
    assert slow.limit > 1
    assert not drift_of(slow, weeks[3]).has_drifted
    assert drift_of(slow, np.full(500, 9.0)).has_drifted


def test_features_are_told_the_farthest_beyond_its_limit_first() -> None:
    references = [reference_of(name, NORMAL) for name in ("still", "moved")]
    found = drifts(references, np.stack([NORMAL[:3000], NORMAL[:3000] + 2], axis=1))
    assert [one.name for one in found] == ["moved", "still"]
    assert drifted_share(found) == 0.5
    assert drifted_share(()) == 0.0


def test_columns_that_are_not_the_references_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        drifts([reference_of("x", NORMAL)], np.zeros((5, 2)))


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=200),
    found=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=200),
)
def test_shares_add_up_and_both_distances_are_never_negative(values: list[float], found: list[float]) -> None:
    reference = reference_of("x", np.array(values))
    assert shares_in(reference, np.array(found)).sum() == pytest.approx(1)
    drift = drift_of(reference, np.array(found))
    assert drift.psi >= 0
    assert drift.kl >= -1e-12
    assert drift_of(reference, np.array(values)).psi == pytest.approx(0, abs=1e-9)
