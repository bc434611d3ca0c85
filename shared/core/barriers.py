"""Which of two prices a market touches first: the one rule of labels and of the shadow book."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.core.market import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Of m paths, shape (m,): which left by the lower price, which by the upper, and the bar in which.

    A path that touches neither has no bar: there `at` is the number of bars looked at.
    """

    down: NDArray[np.bool_]
    up: NDArray[np.bool_]
    at: IntArray


def first_touch(
    low: FloatArray, high: FloatArray, inside: NDArray[np.bool_], *, lower: FloatArray, upper: FloatArray
) -> Touched:
    """Find the first bar that reaches either price. One that reaches both counts as down: its path is unknown.

    Parameters
    ----------
    low, high : float64 of shape (m, n)
        Of n bars of each path.
    inside : bool of shape (m, n)
        Bars that count.
    lower, upper : float64 of shape (m,)
    """
    width = low.shape[1]
    down_at = _first(inside & (low <= lower[:, None]))
    up_at = _first(inside & (high >= upper[:, None]))
    down = (down_at < width) & (down_at <= up_at)
    up = (up_at < width) & ~down
    return Touched(down=down, up=up, at=np.minimum(down_at, up_at))


def _first(hits: NDArray[np.bool_]) -> IntArray:
    """Column of the first hit of each row, the number of columns where there is none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1), hits.shape[1])
