"""Splits: prices and volumes of the past in the terms of a later day.

A split changes what a share is over night. Whatever compares a price with an earlier one, live or in training, brings
the earlier one into the later one's terms here, so that equal bars and splits give equal bits everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shared.core.market import Bars, FloatArray, IntArray, Snapshot
from shared.core.values import require

WHOLE_RATIO_TOLERANCE: Final = 0.1
"""How far, in log price, a move may lie from a whole ratio and still be what a split looks like."""
SPLIT_LOG_MIN: Final = math.log(2) - WHOLE_RATIO_TOLERANCE
"""Log price of the least move that looks like a split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """When prices of one symbol change their terms, arrays of shape (n,).

    Attributes
    ----------
    from_s : int64
        First midnight (New York, UTC epoch seconds) of the new terms, strictly increasing.
    factor : float64
        What a price before is multiplied by, and a volume divided by: 5 where one share is made of five, 0.5 where two
        are made of one. NaN where there was a split whose ratio is not known.
    """

    from_s: IntArray
    factor: FloatArray

    def __post_init__(self) -> None:
        require(self.from_s.shape == self.factor.shape, "factor", self.factor.shape, f"shape {self.from_s.shape}")
        require(bool(np.all(np.diff(self.from_s) > 0)), "from_s", self.from_s, "strictly increasing")
        require(bool(np.all((self.factor > 0) | np.isnan(self.factor))), "factor", self.factor, "positive or NaN")

    def __len__(self) -> int:
        return int(self.from_s.size)

    def between(self, start_s: int, end_s: int) -> Splits:
        """Those that hold from an instant in [start_s, end_s) on."""
        lo, hi = np.searchsorted(self.from_s, (start_s, end_s))
        return Splits(from_s=self.from_s[lo:hi], factor=self.factor[lo:hi])


NO_SPLITS: Final = Splits(from_s=np.empty(0, np.int64), factor=np.empty(0))


def factors(splits: Splits, start_s: IntArray, at_s: int) -> FloatArray:
    """What prices of some instants are multiplied by to stand in the terms of a later one.

    Only splits after a price and not after `at_s` enter, the later first: what lies before the prices or is still to
    come cannot reach a bit of it.

    Parameters
    ----------
    start_s : int64 of shape (n,)
        UTC epoch seconds, ascending or not.
    at_s : int
        UTC epoch seconds.

    Returns
    -------
    float64 of shape (n,)
        NaN where a factor is not known.
    """
    known = int(np.searchsorted(splits.from_s, at_s, side="right"))
    following = np.append(np.cumprod(splits.factor[:known][::-1])[::-1], 1.0)
    return following[np.searchsorted(splits.from_s[:known], start_s, side="right")]


def in_terms_of(bars: Bars, splits: Splits, at_s: int) -> Bars:
    """Bars in the terms of an instant: the very bars where no split lies between, NaN before one of unknown ratio.

    Parameters
    ----------
    at_s : int
        UTC epoch seconds: a day's midnight gives that day's terms.
    """
    if not len(splits) or not len(bars):
        return bars
    factor = factors(splits, bars.start_s, at_s)
    if bool(np.all(factor == 1.0)):
        return bars
    return Bars(
        start_s=bars.start_s,
        open=bars.open * factor,
        high=bars.high * factor,
        low=bars.low * factor,
        close=bars.close * factor,
        volume=bars.volume / factor,
    )


def snapshot_in_terms_of(snapshot: Snapshot, splits: Splits, at_s: int) -> Snapshot:
    """A snapshot whose last price, previous close and volume stand in the terms of an instant.

    The day's own figures are in them already; bid and ask tell a spread, which has no terms. Where a factor is not
    known the previous close and volume are 0, which is unknown.
    """
    if not len(splits):
        return snapshot
    previous_s = 0 if snapshot.previous_at is None else int(snapshot.previous_at.timestamp())
    last, previous = factors(splits, np.array([int(snapshot.last_at.timestamp()), previous_s]), at_s).tolist()
    if math.isnan(last + previous) or (snapshot.previous_at is None and previous != 1.0):
        return replace(snapshot, previous_close=0.0, previous_volume=0.0)
    return replace(
        snapshot,
        last_price=snapshot.last_price * last,
        previous_close=snapshot.previous_close * previous,
        previous_volume=snapshot.previous_volume / previous,
    )


def split_like(ratio: float) -> str:
    """The whole ratio that a price's move over night looks like, `2:1` or `1:5`; empty where it looks like none.

    Parameters
    ----------
    ratio : float
        Price after the night over the price before.
    """
    if not (ratio > 0 and math.isfinite(ratio)) or abs(math.log(ratio)) < SPLIT_LOG_MIN:  # most nights, at no cost
        return ""
    found = float(whole_ratios(np.array([ratio]))[0])
    if math.isnan(found):
        return ""
    return f"1:{found:.0f}" if found > 1 else f"{1 / found:.0f}:1"


def whole_ratios(moves: FloatArray) -> FloatArray:
    """The whole ratio that each of some moves over night looks like, 5 or 1/5; NaN where it looks like none.

    Parameters
    ----------
    moves : float64 of shape (n,)
        Price after the night over the price before.
    """
    with np.errstate(all="ignore"):
        size = np.abs(np.log(moves))
        whole = np.clip(np.rint(np.exp(size)), 2.0, 1e9)
        fits = np.isfinite(size) & (np.abs(size - np.log(whole)) <= WHOLE_RATIO_TOLERANCE)
        return np.where(fits, np.where(moves > 1, whole, 1 / whole), np.nan)
