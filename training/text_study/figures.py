"""Figures of text against returns, how sure they are, and what the same figures are of shuffled text.

Every figure is a ratio of sums over dates, or over symbols: so a resample is a product of counts and sums. Dates are
resampled in blocks, for returns of neighbouring dates share sessions and all symbols of a date share the market.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.core.market import FloatArray, IntArray

NAN: Final = float("nan")
FIFTHS: Final = 5
LEVEL: Final = 0.95
_SUMS: Final = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its confidence interval of `LEVEL`."""

    value: float
    low: float
    high: float

    @property
    def side(self) -> int:
        """1 above zero, -1 below, 0 where zero is inside or nothing is known."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFigures:
    """Figures of events; returns in excess of the market's where that is known.

    Attributes
    ----------
    events, dates, symbols : int
    ic : float
        Spearman's rank correlation of score and return.
    hit_rate : float
        Share of returns that have their score's sign, of those where both have one.
    mean : float
        Mean return in the direction of the score's sign, before costs; `net` after them.
    spread : float
        Mean return of the highest fifth of scores less that of the lowest, after the costs of both.
    """

    events: int
    dates: int
    symbols: int
    ic: float
    hit_rate: float
    mean: float
    net: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """Score and return of m events, with what is summed of each.

    Build it with `of`. `on` and `code`, int64 of shape (m,), are the dates and symbols that are resampled; `parts`,
    float64 of shape (m, _SUMS), is what figures are ratios of.
    """

    score: FloatArray
    value: FloatArray
    on: IntArray
    code: IntArray
    parts: FloatArray
    cost: float

    @classmethod
    def of(cls, score: FloatArray, value: FloatArray, on: IntArray, code: IntArray, cost: float) -> EventData:
        """Sums of events.

        Parameters
        ----------
        score, value : float64 of shape (m,)
        cost : float
            Of a trade, there and back, as a fraction.
        """
        x, y = centred_ranks(score), centred_ranks(value)
        side, moved = np.sign(score), np.sign(value)
        fifth = parts_of(score, FIFTHS)
        top, bottom = fifth == FIFTHS - 1, fifth == 0
        decided = (side != 0) & (moved != 0)
        columns = (
            np.ones(x.size), x, y, x * x, y * y, x * y,
            decided & (side == moved), decided, side * value, side != 0,
            top * value, top, bottom * value, bottom,
        )  # fmt: skip
        parts = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
        return cls(score=score, value=value, on=on, code=code, parts=parts, cost=cost)

    def figures(self) -> EventFigures:
        """Of all events."""
        ratios = _ratios(self.parts.sum(axis=0, keepdims=True), self.cost)
        dates, symbols = np.unique(self.on).size, np.unique(self.code).size
        found = {name: float(values[0]) for name, values in ratios.items()}
        return EventFigures(events=int(self.score.size), dates=dates, symbols=symbols, **found)

    def resampled(self, groups: IntArray, *, draws: int, block: int, seed: int) -> dict[str, FloatArray]:
        """Figures of resamples by name, float64 of shape (draws,).

        Parameters
        ----------
        groups : int64 of shape (m,)
            What is drawn whole: dates or symbols.
        block : int
            Neighbouring groups that are drawn together.
        """
        distinct, where = np.unique(groups, return_inverse=True)
        sums = np.zeros((distinct.size, _SUMS))
        np.add.at(sums, where, self.parts)
        return _ratios(block_counts(distinct.size, draws=draws, block=block, seed=seed) @ sums, self.cost)


def _ratios(sums: FloatArray, cost: float) -> dict[str, FloatArray]:
    """Figures of rows of sums (k, _SUMS), float64 of shape (k,) each; NaN where there is nothing to divide by."""
    n, x, y, xx, yy, xy, hits, decided, gain, sided, top, tops, bottom, bottoms = sums.T
    with np.errstate(all="ignore"):
        spread_x, spread_y = xx - x * x / n, yy - y * y / n
        known = (spread_x > 1e-12 * n) & (spread_y > 1e-12 * n)
        ic = np.where(known, (xy - x * y / n) / np.sqrt(spread_x * spread_y), NAN)
        mean = gain / sided
        return {
            "ic": ic,
            "hit_rate": hits / decided,
            "mean": mean,
            "net": mean - cost,
            "spread": top / tops - bottom / bottoms - 2 * cost,
        }


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, equal values share the mean of theirs."""
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    found: FloatArray = (np.cumsum(count) - (count - 1) / 2)[where]
    return found


def centred_ranks(values: FloatArray) -> FloatArray:
    """Ranks from -1/2 to 1/2, equal values share theirs."""
    found: FloatArray = (_ranks(values) - 0.5) / max(values.size, 1) - 0.5
    return found


def parts_of(values: FloatArray, parts: int) -> IntArray:
    """Part of each value, from 0, of so many of equal size; equal values are in the same one."""
    found: IntArray = np.minimum((_ranks(values) - 0.5) / max(values.size, 1) * parts, parts - 1).astype(np.int64)
    return found


def block_counts(groups: int, *, draws: int, block: int, seed: int) -> FloatArray:
    """How often each group is in each resample of a circular block bootstrap, float64 of shape (draws, groups)."""
    block = max(1, min(block, groups))
    rng = np.random.default_rng([seed, groups, block])
    starts = rng.integers(0, groups, (draws, math.ceil(groups / block)))
    drawn = ((starts[:, :, None] + np.arange(block)) % groups).reshape(draws, -1)[:, :groups]
    counts = np.zeros((draws, groups))
    np.add.at(counts, (np.arange(draws)[:, None], drawn), 1.0)
    return counts


def interval(value: float, drawn: FloatArray) -> Interval:
    """The middle of the draws around a figure."""
    known = drawn[np.isfinite(drawn)]
    if known.size < drawn.size / 2 or not known.size:
        return Interval(value=value, low=NAN, high=NAN)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value=value, low=float(low), high=float(high))


def chance_of(value: float, drawn: FloatArray, blocks: int) -> float:
    """Two-sided p of a figure being zero, by the deviation of its resamples and Student's t.

    Parameters
    ----------
    blocks : int
        That were resampled: few of them know little of their deviation. t becomes a normal deviate by Wallace (1959).
    """
    known = drawn[np.isfinite(drawn)]
    deviation = float(known.std(ddof=1)) if known.size > 1 else 0.0
    if not (math.isfinite(value) and deviation > 0 and blocks > 1):
        return NAN
    free, t = blocks - 1, value / deviation
    normal = (8 * free + 1) / (8 * free + 3) * math.sqrt(free * math.log1p(t * t / free))
    return math.erfc(normal / math.sqrt(2))


def discoveries(chances: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) q of each p: the share of false ones among all that are as unlikely or more."""
    p = np.array(chances, np.float64)
    known = np.flatnonzero(np.isfinite(p))
    found = np.full(p.size, NAN)
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * order.size / np.arange(1, order.size + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found.tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleControl:
    """A rank correlation among those of shuffled text.

    Attributes
    ----------
    name, says : str
        What was shuffled.
    values : float64 of shape (runs,)
    p : float
        Share of shuffles, with the real one among them, whose correlation is as far from zero.
    """

    name: str
    says: str
    values: FloatArray
    p: float


def control(name: str, says: str, found: float, values: FloatArray) -> ShuffleControl:
    """Hold a rank correlation to those of shuffles."""
    beyond = int((np.abs(values) >= abs(found) - 1e-15).sum())
    p = (1 + beyond) / (1 + values.size) if math.isfinite(found) else NAN
    return ShuffleControl(name=name, says=says, values=values, p=p)


def rank_correlation(x: FloatArray, y: FloatArray) -> float:
    """Pearson's correlation of ranks already centred; NaN where either does not move."""
    if x.size < 2:
        return NAN
    a, b = x - x.mean(), y - y.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 1e-12 * x.size else NAN
