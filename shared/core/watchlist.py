"""Scanners: what makes a symbol worth watching, and the day's list that comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.core.market import BASIS_POINTS, Bars, FloatArray, Snapshot
from shared.core.values import Symbol, require_at_least, require_symbol

RVOL_WINDOW_BARS = 3
"""Fifteen minutes of 5-minute bars."""

ATR_BARS = 14


class Why(StrEnum):
    """Why a symbol is watched, most telling first: the first that applies is recorded."""

    HELD = "held"
    GAP = "gap"
    RVOL_SPIKE = "rvol-spike"
    RANGE_EXPANSION = "range-expansion"
    DAY_HIGH = "day-high"
    STORY = "story"
    EARNINGS_MOVE = "after-hours-move"
    CORE = "core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One symbol of the list. `score` ranks within its reason; gap is a fraction, rvol a ratio; 0 where unknown."""

    symbol: Symbol
    why: Why
    score: float
    gap: float = 0.0
    rvol: float = 0.0

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_at_least("rvol", self.rvol, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """Thresholds of both scanners; USD, shares, basis points, ratios as the names say."""

    price_min_usd: float
    price_max_usd: float
    gap_min_fraction: float
    rvol_min: float
    dollar_volume_min_usd: float
    spread_max_bp: float
    float_proxy_max_shares: float
    range_min_atr: float


def gap_of[Price: (float, FloatArray)](price: Price, previous_close: Price) -> Price:
    """Price over the previous close, less one: of one symbol, or of many at once."""
    return price / previous_close - 1


def gap_fraction(snapshot: Snapshot) -> float:
    """Last price over the previous close, less one; NaN without a previous close."""
    if snapshot.previous_close <= 0:
        return math.nan
    return gap_of(snapshot.last_price, snapshot.previous_close)


def spread_bp(snapshot: Snapshot) -> float:
    """Spread over mid in basis points; infinite where a side is missing or crossed."""
    if not 0 < snapshot.bid <= snapshot.ask:
        return math.inf
    return (snapshot.ask - snapshot.bid) / ((snapshot.ask + snapshot.bid) / 2) * float(BASIS_POINTS)


def gappers(snapshots: Iterable[Snapshot], limits: ScanLimits) -> tuple[Snapshot, ...]:
    """Symbols in the price range that gap far enough and trade tightly enough, largest gap first."""
    found = [
        snapshot
        for snapshot in snapshots
        if limits.price_min_usd <= snapshot.last_price <= limits.price_max_usd
        and abs(gap_fraction(snapshot)) >= limits.gap_min_fraction
        and spread_bp(snapshot) <= limits.spread_max_bp
    ]
    return tuple(sorted(found, key=lambda s: (-abs(gap_fraction(s)), s.symbol)))


def is_liquid(snapshot: Snapshot, limits: ScanLimits) -> bool:
    """Whether a symbol trades enough, at a price and a spread that can be traded, whatever it did today."""
    return (
        snapshot.last_price >= limits.price_min_usd
        and snapshot.previous_volume * snapshot.previous_close >= limits.dollar_volume_min_usd
        and spread_bp(snapshot) <= limits.spread_max_bp
    )


def movers(snapshots: Iterable[Snapshot], limits: ScanLimits, most: int) -> tuple[Snapshot, ...]:
    """Liquid symbols at any price that turned over most against yesterday, for the intraday scan to look at closely."""
    found = [s for s in snapshots if is_liquid(s, limits)]
    found.sort(key=lambda s: (-s.day_volume / max(s.previous_volume, 1.0), s.symbol))
    return tuple(found[:most])


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """Median day of the last 20 sessions: shares and USD."""

    median_volume: float
    median_dollar_volume: float


def liquidity(daily: Bars) -> Liquidity:
    """Liquidity from daily bars, oldest first; zero without any."""
    if not len(daily):
        return Liquidity(median_volume=0.0, median_dollar_volume=0.0)
    volume, close = daily.volume[-20:], daily.close[-20:]
    return Liquidity(
        median_volume=float(np.median(volume)),
        median_dollar_volume=float(np.median(volume * close)),
    )


def premarket_pick(snapshot: Snapshot, daily: Bars, rvol: float, limits: ScanLimits) -> Watched | None:
    """A gapper that is active, liquid and small enough in float to stay on the list."""
    usual = liquidity(daily)
    if (
        rvol >= limits.rvol_min
        and usual.median_dollar_volume >= limits.dollar_volume_min_usd
        and usual.median_volume <= limits.float_proxy_max_shares
    ):
        gap = gap_fraction(snapshot)
        return Watched(symbol=snapshot.symbol, why=Why.GAP, score=abs(gap) * math.log1p(rvol), gap=gap, rvol=rvol)
    return None


def true_range_mean(bars: Bars) -> float:
    """Mean true range of the last 14 bars, in USD; NaN with fewer than two."""
    if len(bars) < 2:
        return math.nan
    previous: FloatArray = bars.close[:-1]
    high, low = bars.high[1:], bars.low[1:]
    ranges = np.maximum(high, previous) - np.minimum(low, previous)
    return float(np.mean(ranges[-ATR_BARS:]))


def intraday_pick(symbol: Symbol, past: Bars, today: Bars, rvol: float, limits: ScanLimits) -> Watched | None:
    """A symbol that woke up: volume spike, range expansion, or a new high of the day on more than usual volume.

    Parameters
    ----------
    past, today : Bars
        5-minute bars of earlier sessions and of today, closed.
    rvol : float
        Volume of the last 15 minutes over its usual at this time.
    """
    if len(today) <= RVOL_WINDOW_BARS:
        return None
    recent, before = today[-RVOL_WINDOW_BARS:], today[:-RVOL_WINDOW_BARS]
    atr = true_range_mean(past.then(before) if len(past) else before)
    stretch = float(recent.high.max() - recent.low.min()) / atr if atr > 0 else 0.0
    if rvol >= limits.rvol_min:
        return Watched(symbol=symbol, why=Why.RVOL_SPIKE, score=rvol, rvol=rvol)
    if stretch >= limits.range_min_atr and rvol >= 1:
        return Watched(symbol=symbol, why=Why.RANGE_EXPANSION, score=stretch, rvol=rvol)
    if recent.high.max() > before.high.max() and rvol >= 1:
        return Watched(symbol=symbol, why=Why.DAY_HIGH, score=rvol, rvol=rvol)
    return None


def merge(core: Sequence[Symbol], picks: Iterable[Watched], keep: Sequence[Watched], most: int) -> tuple[Watched, ...]:
    """The day's list: picks ranked within their reason, then what is kept, then the core, at most `most` symbols.

    A symbol appears once, under the first reason that brought it.
    """
    order = list(Why)
    ranked = sorted(picks, key=lambda w: (order.index(w.why), -w.score, w.symbol))
    chosen: dict[Symbol, Watched] = {}
    base = [Watched(symbol=symbol, why=Why.CORE, score=0.0) for symbol in core]
    for watched in (*ranked, *keep, *base):
        if len(chosen) < most:
            chosen.setdefault(watched.symbol, watched)
    return tuple(chosen.values())
