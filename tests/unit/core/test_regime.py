"""What the regime model's answer means."""

from __future__ import annotations

import numpy as np
import pytest

from shared.core.policy import EntryRule
from shared.core.regime import UNKNOWN, Regime, view_of
from shared.core.sessions import Session


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
    rule = EntryRule(
        edge_min=0.1,
        net_move_min_bp=0.0,
        sessions=frozenset({Session.REG_AM}),
        session_factors={Session.REG_AM: 2.0},
        regime_factors={Regime.STRESSED: 1.5},
    )
    assert rule.edge_least(Session.REG_AM, Regime.STRESSED) == pytest.approx(0.3)
    assert rule.edge_least(Session.REG_AM, Regime.CALM) == pytest.approx(0.2)
    assert rule.edge_least(Session.REG_MID, None) == pytest.approx(0.1)
