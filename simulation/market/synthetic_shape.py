"""The shape of a day: how volume, volatility and spreads are spread over its minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from shared.core.market import FloatArray, TradingDay
from shared.core.sessions import aft_close_at, pre_open_at
from simulation.market.days import midnight_s

PRE_VARIANCE = 0.06
AFT_VARIANCE = 0.02
REGULAR_VARIANCE = 1 - PRE_VARIANCE - AFT_VARIANCE
PRE_VOLUME = 0.012
AFT_VOLUME = 0.010
OPENING_AUCTION = 0.012
CLOSING_AUCTION = 0.065
FULL_SESSION_MIN = 390


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Profiles over the `n` minutes of a day; every array has shape (n,).

    `variance` and `volume` are shares of the day's total, `spread` multiplies the usual spread, `since_open_min` is
    negative before the open. `depth` is the volatility of a minute against that of a quiet regular one, at most 1.6.
    The regular session is [open_i, close_i).
    """

    n: int
    open_i: int
    close_i: int
    variance: FloatArray
    vol: FloatArray
    volume: FloatArray
    spread: FloatArray
    since_open_min: FloatArray
    depth: FloatArray

    @property
    def regular(self) -> slice:
        """Minutes of the regular session."""
        return slice(self.open_i, self.close_i)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The minutes of one date: epoch second of the first, and their shape."""

    start_s: int
    shape: Shape


def equity_grid(day: TradingDay) -> Grid:
    """04:00 to the end of after-hours trading."""
    start = pre_open_at(day)
    minutes = [int((at - start).total_seconds()) // 60 for at in (day.open_at, day.close_at, aft_close_at(day))]
    return Grid(start_s=int(start.timestamp()), shape=_equity_shape(minutes[0], minutes[1], minutes[2]))


def crypto_grid(on: date) -> Grid:
    """Midnight to midnight in New York; 23 or 25 hours where the clocks change."""
    start = midnight_s(on)
    return Grid(start_s=start, shape=_crypto_shape((midnight_s(on + timedelta(days=1)) - start) // 60))


@lru_cache(maxsize=8)
def _equity_shape(open_i: int, close_i: int, n: int) -> Shape:
    t = np.arange(n, dtype=float)
    since, left = t - open_i, close_i - t
    pre, aft = since < 0, left <= 0
    regular = ~pre & ~aft
    # A half day holds less trading and less news, though not in proportion to its length.
    length = ((close_i - open_i) / FULL_SESSION_MIN) ** 0.75

    variance = np.where(regular, 1 + 5 * np.exp(-since.clip(0) / 18) + 0.9 * np.exp(-left.clip(0) / 15), 0)
    variance *= REGULAR_VARIANCE * length / variance.sum()
    variance += PRE_VARIANCE * _share(np.where(pre, 0.4 + np.exp(since.clip(max=0) / 60), 0))
    variance += AFT_VARIANCE * _share(np.where(aft, 0.15 + np.exp(left.clip(max=0) / 25), 0))

    volume = np.where(regular, 1 + 2.6 * np.exp(-since.clip(0) / 22) + 1.5 * np.exp(-left.clip(0) / 22), 0)
    volume *= (1 - OPENING_AUCTION - CLOSING_AUCTION) * length / volume.sum()
    volume[open_i] += OPENING_AUCTION * length
    volume[close_i - 1] += CLOSING_AUCTION * length
    volume += PRE_VOLUME * _share(np.where(pre, 0.08 + np.exp(since.clip(max=0) / 70), 0))
    volume += AFT_VOLUME * _share(np.where(aft, 0.06 + np.exp(left.clip(max=0) / 18), 0))

    spread = np.where(pre, 2.0 + 1.6 * (1 - np.exp(since.clip(max=0) / 90)), 1.0)
    spread = np.where(aft, 2.4 + 1.6 * (1 - np.exp(left.clip(max=0) / 60)), spread)
    spread = np.where(regular, 0.92 + 1.1 * np.exp(-since.clip(0) / 9), spread)
    return _shape(open_i, close_i, variance=variance, volume=volume, spread=spread, since=since)


@lru_cache(maxsize=4)
def _crypto_shape(n: int) -> Shape:
    hour = np.arange(n) / 60.0
    # Busiest while New York is at its desks, quietest in its night.
    activity = 1 + 0.45 * np.exp(-(((hour - 11) / 4.0) ** 2)) - 0.25 * np.exp(-(((hour - 3) / 3.0) ** 2))
    return _shape(
        0,
        n,
        variance=_share(activity),
        volume=_share(activity**1.6),
        spread=1.15 - 0.1 * activity,
        since=np.arange(n, dtype=float),
    )


def _shape(
    open_i: int, close_i: int, *, variance: FloatArray, volume: FloatArray, spread: FloatArray, since: FloatArray
) -> Shape:
    depth = np.minimum(np.sqrt(variance / np.median(variance[open_i:close_i])), 1.6)
    arrays = (variance, np.sqrt(variance), volume, spread, since, depth)
    for array in arrays:
        array.setflags(write=False)
    return Shape(
        n=len(variance),
        open_i=open_i,
        close_i=close_i,
        variance=variance,
        vol=arrays[1],
        volume=volume,
        spread=spread,
        since_open_min=since,
        depth=depth,
    )


def _share(weights: FloatArray) -> FloatArray:
    return weights / weights.sum()
