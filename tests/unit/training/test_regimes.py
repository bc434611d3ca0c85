"""The regime mixture: named by volatility, alike whatever the draw, exported to the bit it matters."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from shared.adapters.scorer import verified
from shared.contracts.model_card import REGIME_MODEL, ModelCard
from shared.core.features import FEATURE_NAMES
from shared.core.market import FloatArray
from shared.core.regime import Regime
from tests.support.models import CREATED_AT, EXPIRES_ON, random_dataset
from training import cards, export, regimes
from training.regimes import COLUMNS, fit_regimes


def market(sessions: int = 120) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Volatility and trend of sessions, and which of three states each came from."""
    rng = np.random.default_rng(4)
    state = np.repeat([0, 1, 2], sessions // 3)
    volatility = np.array([0.005, 0.011, 0.028])[state] * np.exp(rng.normal(0, 0.08, state.size))
    trend = np.array([0.02, 0.0, -0.06])[state] + rng.normal(0, 0.01, state.size)
    return np.stack([volatility, trend], axis=1), state


def test_regimes_are_the_states_by_rising_volatility() -> None:
    rows, state = market()
    found = fit_regimes(rows, seed=1)(rows).argmax(axis=1)
    assert (found == state).mean() > 0.97


def test_rows_in_another_order_give_the_same_regimes() -> None:
    rows, _ = market()
    shuffled = np.random.default_rng(0).permutation(rows)
    one, other = fit_regimes(rows, seed=1), fit_regimes(shuffled, seed=9)
    assert one(rows) == pytest.approx(other(rows), abs=1e-6)


def test_a_session_without_history_has_no_regime() -> None:
    rows, _ = market()
    found = fit_regimes(rows, seed=1)(np.array([[np.nan, 0.0], [0.01, 0.0]]))
    assert np.isnan(found[0]).all()
    assert found[1].sum() == pytest.approx(1)


def test_too_few_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="sessions"):
        fit_regimes(market()[0][:19], seed=1)


def test_the_export_answers_as_the_mixture_and_passes_the_apps_checks() -> None:
    rows, _ = market()
    mixture = fit_regimes(rows, seed=1)
    asked = regimes.parity_rows(rows, seed=2)
    assert len(asked) >= 10_000
    assert np.isnan(asked).any()
    assert export.require_parity(regimes.to_onnx(mixture), asked, mixture(asked.astype(float))) <= 1e-5
    draft = partial(
        ModelCard,
        version="v1",
        trained_from=EXPIRES_ON,
        trained_to=EXPIRES_ON,
        judged_from=EXPIRES_ON,
        judged_to=EXPIRES_ON,
        created_at=CREATED_AT,
        expires_on=EXPIRES_ON,
        code_revision="",
        label="regimes",
    )
    packed = cards.packed_regimes(draft, cards.regime_metrics(mixture, rows, rows[:5]), mixture, rows, 2)
    assert isinstance(packed.card, ModelCard)
    assert packed.card.name == REGIME_MODEL
    predictor = verified(packed.card, packed.onnx)
    asked_in_the_app = np.full((1, len(FEATURE_NAMES)), np.nan)
    asked_in_the_app[0, list(COLUMNS)] = 0.03, -0.08
    assert predictor.predict(asked_in_the_app)[0].argmax() == list(Regime).index(Regime.STRESSED)
    assert packed.card.metrics["share_calm"] == pytest.approx(1 / 3, abs=0.05)


def test_each_session_counts_once() -> None:
    data = random_dataset(2, rows=600)
    data.features[:, list(COLUMNS)] = np.stack([data.day, data.day], axis=1)
    data.features[data.day == 3, COLUMNS[0]] = np.nan
    assert regimes.session_rows(data)[:, 0].tolist() == [0, 1, 2, 4, 5]
