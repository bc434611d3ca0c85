"""One symbol on one day of the seeded market, minute by minute.

The midpoint follows the common factors, the symbol's own fat-tailed noise and three kinds of structure whose strength
is `edge` (0: none): a slow latent drift that volume gives away, a transitory component of liquid names that comes
back within about half an hour, and what news does to a gapper. Trades happen around the midpoint inside the quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shared.core.market import FloatArray, IntArray
from simulation.market.synthetic_plan import EventKind, MarketEvent
from simulation.market.synthetic_shape import Shape
from simulation.market.synthetic_universe import ListedSymbol, ListingKind

BoolArray = NDArray[np.bool_]

UNITS_PER_USD = 10_000
"""Prices are whole numbers of this part of a dollar, so that sums and comparisons are exact."""

_TAIL_DOF = 5.0
_OVERNIGHT_VOL = 0.26
_OVERNIGHT_MAX = 0.025
"""Log return; without news nothing gaps by 4 %."""
_VOL_MEMORY = 0.94
_VOL_SHOCK = 0.16
_MOMENTUM = 0.068
_REVERSION = 0.24
_MOMENTUM_WEIGHT = {
    ListingKind.SMALL: 1.0,
    ListingKind.MID: 0.45,
    ListingKind.LARGE: 0.45,
    ListingKind.FUND: 0.45,
    ListingKind.CRYPTO: 1.0,
}
_LIQUID = frozenset({ListingKind.MID, ListingKind.LARGE})
_HALF_LIVES_MIN = (25.0, 45.0, 25.0)
"""Of the latent volatility, drift and transitory component."""
_DRIFT_MEMORY_MIN = _HALF_LIVES_MIN[1] / float(np.log(2))
_DRIFT_MIN = 85.0
_EARLY_SHARE = 0.09
_HALT_MOVE = 0.055
CRYPTO_UNITS = 10_000
"""Crypto volumes are whole numbers of this part of a coin."""
HALT_MIN = 5
_MAX_HALTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a symbol carries into a day: log of its last midpoint, regular close in USD, log of its volatility."""

    log_mid: float
    close: float
    log_vol: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayContext:
    """What a symbol meets on a day: the day's shape, the common log returns (n,), its event, and the regime's weights.

    `own_vol` multiplies the symbol's own volatility, `momentum` the latent drift, `volume` the day's volume.
    """

    shape: Shape
    common: FloatArray
    event: MarketEvent | None
    own_vol: float
    momentum: float
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticDay:
    """The m minutes in which the symbol traded, and where it stands after the last.

    `minute` (m,) counts on the day's grid. `prices` (4, m) are open, high, low, close of trades in price units on the
    tick, `mids` (4, m) the midpoints in USD at which they happened, `half` (m,) half the spread in USD before
    rounding; `high_first` (m,) tells which extreme came first. `volume` (m,) in shares (ten-thousandths of a coin for
    crypto). `halts` holds the first minute of each halt.
    """

    minute: IntArray
    prices: IntArray
    mids: FloatArray
    half: FloatArray
    high_first: BoolArray
    volume: IntArray
    halts: tuple[int, ...]
    after: State


def simulate(
    listing: ListedSymbol, context: DayContext, before: State, rng: np.random.Generator, edge: float
) -> SyntheticDay:
    """Draw one symbol-day. Its bits depend on the arguments only."""
    shape, event = context.shape, context.event
    shock, night = rng.standard_normal(2)
    tail = float(np.clip(np.sqrt((_TAIL_DOF - 2) / rng.chisquare(_TAIL_DOF)), 0.35, 3.5))
    normal = rng.standard_normal((7, shape.n))
    uniform = rng.random((4, shape.n))

    log_vol = _VOL_MEMORY * before.log_vol + _VOL_SHOCK * float(shock)
    drift = _MOMENTUM * edge * context.momentum * _MOMENTUM_WEIGHT[listing.kind]
    own_vol = listing.day_vol * context.own_vol * float(np.exp(log_vol - 0.08)) * tail
    own_vol /= float(np.sqrt(1 + 2 * _DRIFT_MEMORY_MIN * drift**2))  # structure takes the place of noise
    if event is not None:
        own_vol = float(np.hypot(own_vol, event.own_vol))
    pull = 0.01 * (np.log(listing.price) - before.log_mid)
    start = before.log_mid + pull + float(np.clip(_OVERNIGHT_VOL * own_vol * night, -_OVERNIGHT_MAX, _OVERNIGHT_MAX))

    latent = _slow(normal[1:4])
    minute_vol = own_vol * shape.vol * np.exp(0.35 * latent[0] - 0.06)
    if event is not None:
        minute_vol *= _event_vol(event, shape)
    # The return of a minute is the move into it, so that the night's comes before the first.
    returns = context.common + minute_vol * normal[0]
    regular = shape.regular
    returns[regular] += drift * own_vol * shape.vol[regular] * latent[1, regular]
    log_mid = start + np.cumsum(returns)
    if listing.kind in _LIQUID:
        log_mid += (_REVERSION * edge * own_vol) * shape.depth * latent[2]
    if event is not None:
        log_mid += _event_path(event, shape, before, start)

    halts = () if event is None else _halts(event, log_mid, shape)
    expected = listing.day_units * context.volume * float(np.exp(0.55 * (np.log(tail) + log_vol))) * shape.volume
    expected = expected * np.exp(0.35 * edge * (np.abs(latent[1]) - 0.8) + 0.3 * latent[0])
    expected *= 0.55 + 0.56 * np.abs(normal[0])
    if event is not None:
        expected = _event_volume(event, shape, expected, listing.day_units)
    volume = _volume(listing, expected, normal[4], uniform[0], halts)
    traded = _Traded(
        minute=np.flatnonzero(volume),
        volume=volume,
        log_mid=log_mid,
        minute_vol=minute_vol,
        halts=halts,
        log_vol=log_vol,
    )
    return _trades(listing, context, before, traded, reach=np.abs(normal[5:7]), uniform=uniform[1:])


def quotes(day: SyntheticDay) -> tuple[IntArray, IntArray, IntArray]:
    """Path, bid and ask of shape (m, 4) in price units: open, the two extremes in their order, close."""
    prices, mids = day.prices, day.mids
    first, second = np.where(day.high_first, 1, 2), np.where(day.high_first, 2, 1)
    column = np.arange(len(day.minute))
    path = np.stack([prices[0], prices[first, column], prices[second, column], prices[3]], axis=1)
    mid = np.stack([mids[0], mids[first, column], mids[second, column], mids[3]], axis=1)
    half = day.half[:, None]
    bid, ask = _to_units(mid - half, np.floor), _to_units(mid + half, np.ceil)
    return path, np.maximum(bid, 1), np.maximum(ask, bid + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traded:
    minute: IntArray
    volume: IntArray
    log_mid: FloatArray
    minute_vol: FloatArray
    halts: tuple[int, ...]
    log_vol: float


@lru_cache(maxsize=8)
def _decay(n: int) -> tuple[FloatArray, FloatArray]:
    """Powers that turn white noise into three stationary AR(1) series with a cumulative sum, each of shape (3, n)."""
    phi = 0.5 ** (1 / np.array(_HALF_LIVES_MIN))[:, None]
    powers = phi ** np.arange(n)
    gain = np.sqrt(1 - phi**2) / powers
    gain[:, 0] = 1
    return powers, gain


def _slow(noise: FloatArray) -> FloatArray:
    powers, gain = _decay(noise.shape[1])
    series: FloatArray = np.cumsum(noise * gain, axis=1) * powers
    return series


def _event_vol(event: MarketEvent, shape: Shape) -> FloatArray:
    """What multiplies the volatility of each minute of an event day."""
    vol = np.ones(shape.n)
    since_news = (np.arange(shape.n) - event.news_i).clip(0)
    if event.kind is EventKind.GAP:
        early, regular = slice(event.news_i, shape.open_i), slice(shape.open_i, None)
        vol[early] = 1.5 + 3.0 * np.exp(-since_news[early] / 15.0)
        vol[regular] = 1.0 + 0.5 * np.exp(-shape.since_open_min[regular] / 45.0)
    else:
        vol[event.news_i :] = 2.0 + 4.0 * np.exp(-since_news[event.news_i :] / 15.0)
    return vol


def _event_path(event: MarketEvent, shape: Shape, before: State, start: float) -> FloatArray:
    """Log move that the event adds at each minute."""
    minutes = np.arange(shape.n)
    since_news = (minutes - event.news_i).clip(0)
    if event.kind is EventKind.AFTER_HOURS:
        after: FloatArray = event.jump * (1 - np.exp(-since_news / event.pace_min))
        return after
    # The gap is measured from the regular close, wherever after-hours trading and the night had led.
    jump = event.jump + np.log(before.close) - start
    path: FloatArray = jump * (1 - np.exp(-since_news / event.pace_min))
    since_open = shape.since_open_min.clip(0, shape.close_i - shape.open_i)
    path += event.drift * (1 - np.exp(-since_open / _DRIFT_MIN))
    since_squeeze = (minutes - event.squeeze_i).clip(0)
    ramp = np.minimum(since_squeeze / event.squeeze_rise_min, 1.0)
    fading = np.exp(-(since_squeeze - event.squeeze_rise_min).clip(0) / event.squeeze_fade_min)
    path += event.squeeze * ramp * (0.25 + 0.75 * fading)
    return path


def _halts(event: MarketEvent, log_mid: FloatArray, shape: Shape) -> tuple[int, ...]:
    """Volatility pauses after a five-minute move beyond the band, at most two a day."""
    if event.kind is not EventKind.GAP:
        return ()
    moves = np.abs(log_mid[HALT_MIN:] - log_mid[:-HALT_MIN])
    minutes = np.flatnonzero(moves > _HALT_MOVE) + HALT_MIN + 1
    minutes = minutes[(minutes > shape.open_i + HALT_MIN) & (minutes < shape.close_i - 4 * HALT_MIN)]
    halts: list[int] = []
    for minute in minutes.tolist():
        if len(halts) < _MAX_HALTS and (not halts or minute >= halts[-1] + 3 * HALT_MIN):
            halts.append(minute)
    return tuple(halts)


def _event_volume(event: MarketEvent, shape: Shape, expected: FloatArray, day_units: float) -> FloatArray:
    """Expected volume on an event day: more of it, early, and from the minute of the news."""
    minutes = np.arange(shape.n)
    since_news = minutes - event.news_i
    if event.kind is EventKind.AFTER_HOURS:
        burst = np.where(since_news >= 0, np.exp(-since_news.clip(0) / 20.0), 0)
        late: FloatArray = expected + event.volume * day_units * 0.05 * burst / 20.0
        return late
    fading = 0.45 + 0.55 * np.exp(-shape.since_open_min.clip(0) / 80.0)
    expected = expected * np.where(since_news >= 0, 1 + (event.volume - 1) * fading, 1)
    is_early = (since_news >= 0) & (minutes < shape.open_i)
    early = np.where(is_early, 0.35 + np.exp(-since_news.clip(0) / 25.0) + np.exp(shape.since_open_min / 40.0), 0)
    expected += event.volume * day_units * _EARLY_SHARE * early / early.sum()
    return expected


def _volume(
    listing: ListedSymbol, expected: FloatArray, noise: FloatArray, uniform: FloatArray, halts: tuple[int, ...]
) -> IntArray:
    """Whole units per minute, 0 where nothing traded: the fewer prints expected, the likelier."""
    scale = CRYPTO_UNITS if listing.kind is ListingKind.CRYPTO else 1
    for halt in halts:  # what could not trade meets at the reopening
        expected[halt + HALT_MIN] += 0.6 * expected[halt : halt + HALT_MIN].sum()
    chance = -np.expm1(-expected / listing.trade_units)
    volume = np.maximum(np.rint(expected / chance * np.exp(0.55 * noise - 0.15) * scale), 1)
    volume[uniform >= chance] = 0
    for halt in halts:
        volume[halt : halt + HALT_MIN] = 0
    return volume.astype(np.int64)


def _trades(
    listing: ListedSymbol,
    context: DayContext,
    before: State,
    traded: _Traded,
    *,
    reach: FloatArray,
    uniform: FloatArray,
) -> SyntheticDay:
    """Round the midpoints' path into trades inside the quote."""
    shape, at = context.shape, traded.minute
    step = np.diff(traded.log_mid, append=traded.log_mid[-1])[at]
    open_, close = np.exp(traded.log_mid[at]), np.exp(traded.log_mid[at] + 0.8 * step)
    reach = 0.5 * reach[:, at] * traded.minute_vol[at]
    high = np.maximum(open_, close) * (1 + reach[0])
    low = np.minimum(open_, close) * (1 - reach[1])

    active = 1.0 if context.event is None else 0.62
    half = open_ * (listing.spread_bp * active / 20_000) * shape.spread[at]
    # Rounding bid and ask outwards adds a tick on average.
    tick = np.where(open_ >= 1, 0.01, 0.0001)
    half = np.maximum(half - 0.5 * tick, 0.05 * tick)
    side = 1.8 * uniform[:2, at] - 0.9
    first = _to_units(open_ + side[0] * half, np.rint)
    last = _to_units(close + side[1] * half, np.rint)
    top = np.maximum(np.maximum(first, last), _to_units(high + 0.5 * half, np.rint))
    bottom = np.minimum(np.minimum(first, last), _to_units(low - 0.5 * half, np.rint))
    regular = np.flatnonzero((at >= shape.open_i) & (at < shape.close_i))
    return SyntheticDay(
        minute=at,
        prices=np.stack([first, top, bottom, last]),
        mids=np.stack([open_, high, low, close]),
        half=half,
        high_first=uniform[2, at] < np.where(last > first, 0.35, 0.65),
        volume=traded.volume[at],
        halts=traded.halts,
        after=State(
            log_mid=float(traded.log_mid[-1]),
            close=float(last[regular[-1]]) / UNITS_PER_USD if len(regular) else before.close,
            log_vol=traded.log_vol,
        ),
    )


def _to_units(usd: FloatArray, rounding: np.ufunc) -> IntArray:
    """Price units on the tick: cents from a dollar up, hundredths of a cent below."""
    units: FloatArray = rounding(usd * 100) * 100
    if len(usd) and usd.min() < 1:
        units = np.where(usd >= 1, units, np.maximum(rounding(usd * UNITS_PER_USD), 1))
    return units.astype(np.int64)
