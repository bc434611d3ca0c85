"""Narrative against price, each in deviations from the symbol's own past. Pure; NaN where a figure is not known.

Nothing here looks ahead: a narrative counts from the instant it was told, a price score from the close of its bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from shared.core.market import Bars, FloatArray
from shared.core.text.narratives import ScorePast
from shared.core.text.stories import SymbolText

HALF_LIFE_MIN: Final = 90.0
STORY_AGE: Final = timedelta(hours=24)
"""What is older is no news."""
PRIOR_SPREAD: Final = 0.4
PRIOR_WEIGHT: Final = 10
"""What is believed of a symbol's narrative scores before there are any: as if ten had been told, of mean 0 and this
deviation. Most symbols have had few, and the deviation of two that happen to be alike would make a third one an event.
Labelled headlines deviate by some 0.4 from their mean, so a first narrative of 0.4 is one deviation.
"""
MOST_Z: Final = 4.0
"""No figure counts for more deviations than these."""

VOLUME_BARS: Final = 36
LEAST_VOLUME_DEVIATION: Final = 0.1
"""Of the logarithm of volume: where bars trade alike, one more share is no event."""
PAST_BARS: Final = 78
"""Bars before a bar that its price score is held against: one regular session of five minutes."""
LEAST_DEVIATION: Final = 0.05
"""Of a price score, under what any of 99.9 % of real bars see (0.076): where a price stands still, a twitch is none."""
RSI_UNIT: Final = 25.0
GAP_UNIT: Final = 5.0
MACD_UNIT: Final = 0.5
"""Two usual deviations of each part of the price score, so that none of them drowns the others: RSI points, and ATR.
Measured on 101 US symbols, 2025: one deviation is 12.6 points, 2.4 ATR and 0.25 ATR.
"""


def known_by(text: SymbolText, at: datetime) -> SymbolText:
    """What of a symbol's text was known at an instant: received or told by then, and not more than a day before."""
    told = text.narrative
    return replace(
        text,
        stories=tuple(story for story in text.stories if at - STORY_AGE < story.received_at <= at),
        narrative=told if told is not None and at - STORY_AGE < told.told_at <= at else None,
    )


def decayed(score: float | None, told_at: datetime, at: datetime) -> float:
    """A narrative's score at an instant, halved every `HALF_LIFE_MIN`; NaN before it was told, and outside [-1, 1]."""
    age_min = (at - told_at).total_seconds() / 60
    if score is None or not abs(score) <= 1 or age_min < 0:
        return math.nan
    return score * math.exp2(-age_min / HALF_LIFE_MIN)


def narrative_z(score: float, past: ScorePast) -> float:
    """How many deviations a score lies from the symbol's own, at most `MOST_Z`; NaN of a past that no scores make.

    Mean and deviation are shrunk to the prior: those of a normal distribution with unknown mean and variance (normal
    inverse gamma) once the past's scores have been seen.
    """
    count, mean, squares = past.count, past.mean, past.squares
    if not (0 <= count < 1e9 and abs(mean) <= 1 and 0 <= squares <= 4 * count):
        return math.nan
    weight = PRIOR_WEIGHT + count
    between = PRIOR_WEIGHT * count / weight * mean * mean
    deviation = math.sqrt((PRIOR_WEIGHT * PRIOR_SPREAD * PRIOR_SPREAD + squares + between) / weight)
    return _bounded((score - count * mean / weight) / deviation)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReading:
    """What the tape says at each of n bars; float64 of shape (n,) each, row t from bars up to t, NaN in the warm-up.

    Attributes
    ----------
    rsi_14 : RSI(14), from 0 to 100
    atr_14 : ATR(14) in USD
    ma_gap : SMA 10 less SMA 50, in ATR
    macd : MACD(12, 26, 9) histogram, in ATR
    volume_z : log1p of volume in deviations from the `VOLUME_BARS` bars before
    score : the price score, in [-1, 1]
    z : that score in deviations from the `PAST_BARS` bars before, at most `MOST_Z`
    """

    rsi_14: FloatArray
    atr_14: FloatArray
    ma_gap: FloatArray
    macd: FloatArray
    volume_z: FloatArray
    score: FloatArray
    z: FloatArray


def price_reading(bars: Bars) -> PriceReading:
    """Read the tape at every bar.

    The price score is the mean of RSI, gap and MACD, each squashed by tanh in its unit, credited by the volume it
    happened on: half of it counts on usual volume or less, all of it from two deviations on. So a move that nobody
    takes part in says little of what is in the price.
    """
    import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

    close, n = bars.close, len(bars)
    if n < 2 or not np.isfinite(close).any():
        return PriceReading(**dict.fromkeys(PriceReading.__dataclass_fields__, np.full(n, np.nan)))
    with np.errstate(all="ignore"):
        # Of a price that has never moved TA-Lib's RSI is 0: the figure of the hardest fall.
        has_moved = np.maximum.accumulate(np.abs(np.diff(close, prepend=close[0]))) > 0
        rsi = np.where(has_moved, talib.RSI(close, 14), np.nan)
        atr = talib.ATR(bars.high, bars.low, close, 14)
        unit = np.where(atr > 0, atr, np.nan)
        gap = (talib.SMA(close, 10) - talib.SMA(close, 50)) / unit
        macd = talib.MACD(close, 12, 26, 9)[2] / unit
        volume_z = _z_before(np.log1p(bars.volume), VOLUME_BARS, LEAST_VOLUME_DEVIATION)
        parts = np.tanh((rsi - 50) / RSI_UNIT) + np.tanh(gap / GAP_UNIT) + np.tanh(macd / MACD_UNIT)
        credit = np.clip(0.5 + np.nan_to_num(volume_z) / 4, 0.5, 1.0)
        score = parts / 3 * credit
        z = np.clip(_z_before(score, PAST_BARS, LEAST_DEVIATION), -MOST_Z, MOST_Z)
    return PriceReading(rsi_14=rsi, atr_14=atr, ma_gap=gap, macd=macd, volume_z=volume_z, score=score, z=z)


def _z_before(values: FloatArray, bars: int, least: float) -> FloatArray:
    """Deviations of each value from the `bars` values before it, shape (n,); NaN where one of them is.

    Their deviation counts as `least` at least.
    """
    found = np.full(values.size, np.nan)
    if values.size <= bars:
        return found
    # A copy, whose rows are summed alike however many there are: a value does not depend on what follows.
    before = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(values, bars)[:-1])
    found[bars:] = (values[bars:] - before.mean(axis=1)) / np.maximum(before.std(axis=1), least)
    return found


def _bounded(z: float) -> float:
    return z if math.isnan(z) else max(-MOST_Z, min(MOST_Z, z))
