"""What a day of the seeded market is about, before any symbol trades: regime, market and sector paths, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from shared.core.market import FloatArray, TradingDay
from simulation.market.synthetic_shape import Grid, Shape, crypto_grid, equity_grid
from simulation.market.synthetic_universe import SECTORS, ListedSymbol, ListingKind, generator


class MarketRegime(StrEnum):
    """State of the market factor; it changes only overnight."""

    CALM = "calm"
    TRENDING = "trending"
    STRESSED = "stressed"


MARKET_DAY_VOL = {MarketRegime.CALM: 0.0055, MarketRegime.TRENDING: 0.0070, MarketRegime.STRESSED: 0.0180}
"""Standard deviation of the market's daily log return in each regime."""

IDIOSYNCRATIC_VOL = {MarketRegime.CALM: 0.90, MarketRegime.TRENDING: 1.0, MarketRegime.STRESSED: 1.35}
"""What multiplies every symbol's own volatility in each regime."""

_TRANSITIONS = {
    MarketRegime.CALM: (0.91, 0.06, 0.03),
    MarketRegime.TRENDING: (0.08, 0.88, 0.04),
    MarketRegime.STRESSED: (0.10, 0.06, 0.84),
}
_SECTOR_DAY_VOL = 0.0045
_CRYPTO_DAY_VOL = 0.024
_OVERNIGHT_SHARE = 0.30
"""Part of the day's variance that arrives between 20:00 and 04:00."""

GAP_MEAN_DRIFT = -0.0125
"""Mean log drift from open to close of a small company that gapped up.

Its mean simple return is about half the day's variance higher: -0.8 %, as measured on US stocks from 2015 to 2017."""

_RUNNER_SHARE = 0.25
_RUNNER_DRIFT = 0.075


class EventKind(StrEnum):
    """When the news of a symbol's day arrives."""

    GAP = "gap"
    AFTER_HOURS = "after_hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvent:
    """News that moves one symbol on one day.

    `news_i` is the minute of the story on the day's grid and `jump` the log move that it causes; after a gap, `drift`
    is the expected log move from open to close and `is_runner` whether buyers follow. The price takes the news in with
    a time constant of `pace_min`; `own_vol` is added to the symbol's daily volatility. `squeeze` is a log spike from
    minute `squeeze_i` that rises and mostly comes back in its own time. `sentiment` is +1 or -1, what the headline
    sounds like; `volume` multiplies the day's volume.
    """

    symbol: str
    kind: EventKind
    news_i: int
    jump: float
    sentiment: int
    volume: float
    pace_min: float
    own_vol: float
    drift: float = 0.0
    is_runner: bool = False
    squeeze: float = 0.0
    squeeze_i: int = 0
    squeeze_rise_min: float = 1.0
    squeeze_fade_min: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """Common ground of all equities on one session date.

    `market` (n,) and `sectors` (8, n) are log returns per minute; the first element holds the night before. `trend`
    is +1, -1, or 0 outside a trending regime.
    """

    day: TradingDay
    grid: Grid
    regime: MarketRegime
    trend: int
    market: FloatArray
    sectors: FloatArray
    events: Mapping[str, MarketEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoPlan:
    """Common ground of the crypto pairs on one New York date: log returns per minute of shape (n,)."""

    grid: Grid
    market: FloatArray


def day_plans(
    seed: int, listings: Sequence[ListedSymbol], days: Sequence[TradingDay], edge: float
) -> tuple[DayPlan, ...]:
    """Plans of consecutive session dates, each from its own generator and the regime of the day before."""
    rng = generator(seed, "regime", days[0].on)
    regime = list(MarketRegime)[int(rng.choice(3, p=(0.5, 0.35, 0.15)))]
    trend = _new_trend(rng)
    plans = []
    for day in days:
        rng = generator(seed, "plan", day.on)
        before, regime = regime, list(MarketRegime)[int(rng.choice(3, p=_TRANSITIONS[regime]))]
        fresh = _new_trend(rng)
        trend = fresh if before is not regime else trend
        direction = trend if regime is MarketRegime.TRENDING else 0
        plans.append(_day_plan(rng, listings, day, regime=regime, trend=direction, edge=edge))
    return tuple(plans)


def crypto_plan(seed: int, on: date) -> CryptoPlan:
    """The crypto factor of a date."""
    rng = generator(seed, "crypto", on)
    grid = crypto_grid(on)
    vol = _CRYPTO_DAY_VOL * float(np.clip(np.exp(rng.normal(-0.1, 0.4)), 0.4, 2.5))
    noise: FloatArray = rng.standard_t(4, grid.shape.n) / np.sqrt(2)  # of unit variance
    return CryptoPlan(grid=grid, market=vol * grid.shape.vol * noise)


def _new_trend(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.6 else -1


def _day_plan(
    rng: np.random.Generator,
    listings: Sequence[ListedSymbol],
    day: TradingDay,
    *,
    regime: MarketRegime,
    trend: int,
    edge: float,
) -> DayPlan:
    grid = equity_grid(day)
    drift = {MarketRegime.CALM: 0.0005, MarketRegime.TRENDING: 0.0, MarketRegime.STRESSED: -0.0012}[regime]
    drift += 0.35 * edge * trend * MARKET_DAY_VOL[regime]
    market = _factor(rng, grid.shape, MARKET_DAY_VOL[regime], drift)
    sector_vol = _SECTOR_DAY_VOL * IDIOSYNCRATIC_VOL[regime]
    sectors = np.stack([_factor(rng, grid.shape, sector_vol, 0.0) for _ in SECTORS])
    events = {event.symbol: event for event in _events(rng, listings, grid.shape, edge)}
    return DayPlan(day=day, grid=grid, regime=regime, trend=trend, market=market, sectors=sectors, events=events)


def _factor(rng: np.random.Generator, shape: Shape, day_vol: float, drift: float) -> FloatArray:
    """A factor's returns: fat-tailed noise in the shape of the day, a night, and a drift in the regular session."""
    vol = day_vol * float(np.clip(np.exp(rng.normal(-0.06, 0.35)), 0.4, 2.5))
    returns: FloatArray = vol * np.sqrt(1 - _OVERNIGHT_SHARE) * shape.vol * rng.standard_normal(shape.n)
    returns[0] += vol * np.sqrt(_OVERNIGHT_SHARE) * float(np.clip(rng.standard_t(4) / np.sqrt(2), -4, 4))
    returns[shape.regular] += drift / (shape.close_i - shape.open_i)
    return returns


def _events(rng: np.random.Generator, listings: Sequence[ListedSymbol], shape: Shape, edge: float) -> list[MarketEvent]:
    """Gappers before the open, mostly small companies, and a few results after the close; no symbol twice."""
    small = [listing.symbol for listing in listings if listing.kind is ListingKind.SMALL]
    larger = [listing.symbol for listing in listings if listing.kind in {ListingKind.MID, ListingKind.LARGE}]
    n_small, n_larger = len(small), len(larger)
    gappers = rng.choice(n_small, size=min(n_small, 5 + int(rng.poisson(n_small / 36))), replace=False)
    others = rng.choice(n_larger, size=min(n_larger, int(rng.poisson(n_larger / 60)) + 4), replace=False)
    events = [_small_gap(rng, small[i], shape, edge) for i in gappers]
    # The last four of the larger names report after the close, the others before the open.
    events += [_larger_gap(rng, larger[i], shape) for i in others[:-4]]
    events += [_after_hours(rng, larger[i], shape) for i in others[-4:]]
    return events


def _small_gap(rng: np.random.Generator, symbol: str, shape: Shape, edge: float) -> MarketEvent:
    gap = min(0.40, 0.042 + float(np.exp(rng.normal(-3.2, 0.95))))
    is_up = rng.random() < 0.78
    is_runner = rng.random() < _RUNNER_SHARE
    # Two kinds of day whose mixture has the mean above; after a gap down nothing is expected on average.
    drift = GAP_MEAN_DRIFT + _RUNNER_DRIFT * (1.0 if is_runner else -_RUNNER_SHARE / (1 - _RUNNER_SHARE))
    size = float(np.exp(rng.normal(1.75 + 4.0 * (gap - 0.08), 0.45)))
    confirmation = (0.30 if is_runner else -0.12) * edge
    return MarketEvent(
        symbol=symbol,
        kind=EventKind.GAP,
        # Most stories break between 06:00 and 09:00, enough of them before the rough scan at 07:00.
        news_i=int(rng.integers(5, 178) if rng.random() < 0.55 else rng.integers(178, shape.open_i - 25)),
        jump=float(np.log1p(gap if is_up else -0.8 * gap)),
        sentiment=(1 if is_up else -1) * (1 if rng.random() < 0.88 else -1),
        volume=size * float(np.exp(confirmation)),
        pace_min=float(rng.uniform(1.5, 14)),
        own_vol=0.02 + 0.30 * gap,
        drift=drift if is_up else drift - GAP_MEAN_DRIFT,
        is_runner=is_runner,
        squeeze=float(rng.choice((-1.0, 1.0)) * rng.uniform(0.06, 0.15)) if rng.random() < 0.45 else 0.0,
        squeeze_i=shape.open_i + int(rng.integers(6, 150)),
        squeeze_rise_min=float(rng.uniform(3, 14)),
        squeeze_fade_min=float(rng.uniform(10, 50)),
    )


def _larger_gap(rng: np.random.Generator, symbol: str, shape: Shape) -> MarketEvent:
    sign = 1 if rng.random() < 0.55 else -1
    return MarketEvent(
        symbol=symbol,
        kind=EventKind.GAP,
        news_i=int(rng.integers(60, shape.open_i - 30)),
        jump=sign * float(rng.uniform(0.02, 0.09)),
        sentiment=sign * (1 if rng.random() < 0.88 else -1),
        volume=float(np.exp(rng.normal(1.0, 0.3))),
        pace_min=float(rng.uniform(1, 8)),
        own_vol=0.012,
        drift=sign * 0.003,
    )


def _after_hours(rng: np.random.Generator, symbol: str, shape: Shape) -> MarketEvent:
    sign = 1 if rng.random() < 0.55 else -1
    return MarketEvent(
        symbol=symbol,
        kind=EventKind.AFTER_HOURS,
        news_i=shape.close_i + int(rng.integers(1, 30)),
        jump=sign * float(rng.uniform(0.025, 0.11)),
        sentiment=sign * (1 if rng.random() < 0.88 else -1),
        volume=float(np.exp(rng.normal(0.5, 0.25))),
        pace_min=float(rng.uniform(1, 6)),
        own_vol=0.0,
    )
