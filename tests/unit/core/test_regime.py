"""What the regime model's answer means."""

from __future__ import annotations

import numpy as np
import pytest

from shared.core.regime import UNKNOWN, Regime, view_of
from shared.core.sessions import Session
from shared.core.settings import PolicySettings


def test_the_most_probable_regime_is_named() -> None:
    view = view_of(np.array([0.1, 0.2, 0.7]))
    assert view.regime is Regime.STRESSED
    assert view.probabilities == (0.1, 0.2, 0.7)


def test_an_answer_that_is_no_number_means_nobody_knows() -> None:
    assert view_of(np.array([np.nan, 0.5, 0.5])) == UNKNOWN


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="regime answer"):
        view_of(np.array([0.5, 0.5]))


def test_thresholds_are_the_product_of_session_and_regime_factors_and_1_where_nothing_is_known() -> None:
    policy = PolicySettings(edge_min=0.1, edge_factor_morning=2.0, edge_factor_stressed=1.5)
    assert policy.edge_least(Session.REG_AM, Regime.STRESSED) == pytest.approx(0.3)
    assert policy.edge_least(Session.REG_AM, Regime.CALM) == pytest.approx(0.2)
    assert policy.edge_least(Session.REG_MID, None) == pytest.approx(0.1)
