"""The market's regime: what the regime model's answer means, and what it is asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.core.market import FloatArray
from shared.core.values import require


class Regime(StrEnum):
    """States of the market, by rising volatility of the index: the order of the model's outputs."""

    CALM = "calm"
    NORMAL = "normal"
    STRESSED = "stressed"


REGIME_NAMES: tuple[str, ...] = tuple(regime.value for regime in Regime)
REGIME_FEATURES = ("spy_volatility_20d", "spy_return_20d")
"""Volatility and trend of the first market symbol, as of the previous close: one regime a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeView:
    """The most probable regime with the probabilities of all, in their order.

    `regime` is None where nobody can tell: no trusted model, or no history of the index. Then nothing depends on it.
    """

    regime: Regime | None = None
    probabilities: tuple[float, ...] = ()


UNKNOWN = RegimeView()


def view_of(answer: FloatArray | Sequence[float]) -> RegimeView:
    """Read the regime model's answer for one row, shape (3,); NaN in it means that nobody can tell."""
    probabilities = np.asarray(answer, np.float64)
    require(probabilities.shape == (len(Regime),), "regime answer", probabilities.shape, f"({len(Regime)},)")
    if not np.isfinite(probabilities).all():
        return UNKNOWN
    best = tuple(Regime)[int(probabilities.argmax())]
    return RegimeView(regime=best, probabilities=tuple(map(float, probabilities)))
