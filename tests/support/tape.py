"""A tape made by hand, point by point, for tests that must know exactly what trades when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType

import numpy as np

from shared.core.market import Asset, Bars, FloatArray, Headline, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.values import Symbol
from simulation.market.tape import BasePrices, Halt

POINTS = 4
DAY_S = 86_400


def ny(on: date, at: time | str) -> datetime:
    """UTC instant of a New York wall time ("09:30" or "09:30:15")."""
    wall = time.fromisoformat(at) if isinstance(at, str) else at
    return datetime.combine(on, wall, NEW_YORK).astimezone(UTC)


def prices(
    on: date,
    start: str,
    path: Sequence[Sequence[float]],
    *,
    volume: float | Sequence[float] = 40_000,
    spread: float = 0.02,
    base_s: int = 60,
) -> BasePrices:
    """Consecutive bars from a New York wall time on.

    Parameters
    ----------
    path : sequence of four prices per bar
        Traded price at each of the bar's points, in USD.
    volume : float or one per bar
        Shares of each bar; a quarter trades at each point.
    spread : float
        Ask less bid in USD, centred on the traded price.
    """
    points = np.asarray(path, dtype=np.float64).reshape(-1, POINTS)
    n = len(points)
    first = int(ny(on, start).timestamp())
    bars = Bars(
        start_s=first + base_s * np.arange(n, dtype=np.int64),
        open=points[:, 0].copy(),
        high=points.max(axis=1),
        low=points.min(axis=1),
        close=points[:, 3].copy(),
        volume=np.broadcast_to(np.asarray(volume, dtype=np.float64), (n,)).copy(),
    )
    return BasePrices(
        bars=bars, path=points, bid=np.round(points - spread / 2, 4), ask=np.round(points + spread / 2, 4)
    )


def flat(price: float, bars: int) -> list[list[float]]:
    """A path that stands still."""
    return [[price] * POINTS for _ in range(bars)]


def joined(*parts: BasePrices) -> BasePrices:
    """One day's bars out of consecutive stretches."""
    bars = parts[0].bars
    for part in parts[1:]:
        bars = bars.then(part.bars)
    stacked = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("path", "bid", "ask")}
    return BasePrices(bars=bars, **stacked)


class HandTape:
    """A small market out of explicit prices.

    Parameters
    ----------
    on : date
        The day that is traded.
    days : mapping
        Base prices by symbol and date.
    base_s : int
        Length of the base bars in seconds.
    halts, news : sequence
    splits : mapping
        As the tape gives them.
    """

    def __init__(
        self,
        on: date,
        days: Mapping[tuple[str, date], BasePrices],
        *,
        base_s: int = 60,
        halts: Sequence[Halt] = (),
        news: Sequence[Headline] = (),
        splits: Mapping[str, Splits] = MappingProxyType({}),
    ) -> None:
        self.splits = splits
        self._days = dict(days)
        self._on = on
        self._base_s = base_s
        self._halts = tuple(halts)
        self._news = tuple(sorted(news, key=lambda item: item.published_at))
        self._dates = sorted({day for _, day in days} | {on})
        self._assets = {symbol: _asset(symbol) for symbol in sorted({symbol for symbol, _ in days})}
        text = repr([(key, value.path.tolist()) for key, value in sorted(days.items())])
        self._content_id = hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def base_s(self) -> int:
        return self._base_s

    @property
    def on(self) -> date:
        return self._on

    @property
    def content_id(self) -> str:
        return self._content_id

    @property
    def assets(self) -> Mapping[str, Asset]:
        return self._assets

    @property
    def session_dates(self) -> Sequence[date]:
        return self._dates

    def base(self, symbol: str, on: date) -> BasePrices:
        none = np.empty((0, POINTS))
        return self._days.get((symbol, on)) or BasePrices(bars=Bars.empty(), path=none, bid=none, ask=none)

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        if timeframe.seconds < self._base_s:
            return Bars.empty()
        days = [self._days[symbol, on].bars for on in self._dates if (symbol, on) in self._days]
        whole = Bars.empty()
        for on, bars in zip([on for on in self._dates if (symbol, on) in self._days], days, strict=True):
            whole = whole.then(_aggregate(bars, on, timeframe))
        return whole.between(int(start.timestamp()), int(np.ceil(end.timestamp())))

    def halts(self, on: date) -> Sequence[Halt]:
        return [halt for halt in self._halts if halt.start_at.astimezone(NEW_YORK).date() == on]

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        return [item for item in self._news if start <= item.published_at < end]


def _asset(symbol: str) -> Asset:
    crypto = "/" in symbol
    return Asset(
        symbol=Symbol(symbol),
        name=f"{symbol} by hand",
        exchange="CRYPTO" if crypto else "NASDAQ",
        asset_class="crypto" if crypto else "us_equity",
        is_tradable=True,
        is_fractionable=crypto,
    )


def _aggregate(bars: Bars, on: date, timeframe: Timeframe) -> Bars:
    midnight = int(ny(on, time(0)).timestamp())
    if timeframe is Timeframe.DAY_1:
        opens, closes = midnight + int(9.5 * 3600), midnight + 16 * 3600
        regular = bars.between(opens, closes)
        priced = regular if len(regular) else bars
        return _one_bar(midnight, priced, float(bars.volume.sum()))
    length = timeframe.seconds
    groups = (bars.start_s - midnight) // length
    parts = [
        _one_bar(int(midnight + group * length), _where(bars, groups == group), None) for group in np.unique(groups)
    ]
    whole = Bars.empty()
    for part in parts:
        whole = whole.then(part)
    return whole


def _where(bars: Bars, mask: np.ndarray) -> Bars:
    index = np.flatnonzero(mask)
    return bars[slice(int(index[0]), int(index[-1]) + 1)]


def _one_bar(start_s: int, bars: Bars, volume: float | None) -> Bars:
    total = float(bars.volume.sum()) if volume is None else volume
    return Bars(
        start_s=np.array([start_s], np.int64),
        open=_row(bars.open[0]),
        high=_row(bars.high.max()),
        low=_row(bars.low.min()),
        close=_row(bars.close[-1]),
        volume=_row(total),
    )


def _row(value: float) -> FloatArray:
    return np.array([value], np.float64)


def walk(seed: int, bars: int, *, price: float = 10.0, step: float = 0.02) -> list[list[float]]:
    """A seeded random walk of prices in whole cents, four points a bar."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, step, bars * POINTS)
    levels = np.maximum(np.round(price + np.cumsum(moves), 2), 0.5)
    return [[float(level) for level in row] for row in levels.reshape(-1, POINTS)]


def trading_days(until: date, count: int) -> list[date]:
    """The last weekdays up to and with a date (holidays are not known here)."""
    found: list[date] = []
    on = until
    while len(found) < count:
        if on.weekday() < 5:
            found.append(on)
        on -= timedelta(days=1)
    return found[::-1]


def market(on: date, symbols: Iterable[str], *, days: int = 5, bars: int = 960, volume: float = 8_000) -> HandTape:
    """Random walks over whole days from 04:00 for several symbols; a pair with a slash trades from midnight."""
    made = {}
    for number, symbol in enumerate(symbols):
        for offset, day in enumerate(trading_days(on, days)):
            path = walk(1000 * number + offset, bars, price=20.0 + number)
            made[symbol, day] = prices(day, "00:00" if "/" in symbol else "04:00", path, volume=volume)
    return HandTape(on, made)
