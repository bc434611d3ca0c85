"""A seeded market that looks like one: the tape of a sandbox day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np

from shared.core.errors import SettingsError
from shared.core.market import Asset, Bars, Headline, Timeframe, TradingDay
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.values import from_epoch
from simulation.market import synthetic_table
from simulation.market.aggregate import daily, resample
from simulation.market.days import DayEdges
from simulation.market.synthetic_day import CRYPTO_UNITS, HALT_MIN, UNITS_PER_USD, quotes
from simulation.market.synthetic_news import headlines
from simulation.market.synthetic_plan import MarketEvent, MarketRegime
from simulation.market.synthetic_universe import ListingKind
from simulation.market.synthetic_world import SyntheticWorld
from simulation.market.tape import BasePrices, Halt

_EMPTY = BasePrices(bars=Bars.empty(), path=np.empty((0, 4)), bid=np.empty((0, 4)), ask=np.empty((0, 4)))
_RECENT_DAYS = 400


class SyntheticTape:
    """An invented market of US equities, SPY, QQQ, BTC/USD and ETH/USD, whole and repeatable from a seed.

    Every symbol-day has a generator of its own, derived from (seed, symbol, date): the same arguments give the same
    bits in every process, in whatever order the tape is read. Another kind of processor leaves other last bits in the
    latent path, and the same prices and volumes, which are rounded, but for one of them in some 20,000 markets.

    Parameters
    ----------
    seed : int
        Another seed is another market.
    on : date
        The day to be traded, a session date of XNYS.
    n_symbols : int
        Invented equities, besides the four named above.
    history_days : int
        Session dates before `on`.
    edge : float
        Strength of what can be learned from the past, 0 to 2. At 0 returns are unpredictable, but for what news does to
        gappers; at 1 a boosted-tree classifier on 5-minute features tells an upper barrier from a lower one out of
        sample with an AUC of 0.54 to 0.58; at 2 with about 0.64. The gappers' mean loss does not depend on it.
    cache_dir : Path, optional
        Folder where the market is kept; without it, it is built anew (some seconds).

    Raises
    ------
    SettingsError
        If `on` is no session date or a number is out of range.

    Notes
    -----
    Hourly and four-hour bars are aligned to New York wall time (see `simulation.market.aggregate`).
    """

    def __init__(
        self,
        seed: int,
        on: date,
        *,
        n_symbols: int = 320,
        history_days: int = 60,
        edge: float = 1.0,
        cache_dir: Path | None = None,
    ) -> None:
        _require_range("n_symbols", n_symbols, 20, 2000)
        _require_range("history_days", history_days, 1, 750)
        _require_range("edge", edge, 0, 2)
        self._world = SyntheticWorld(seed=seed, on=on, n_symbols=n_symbols, history_days=history_days, edge=edge)
        self._on = on
        world = self._world
        self._table = synthetic_table.cached(world, cache_dir) if cache_dir else synthetic_table.build(world)
        self._index = {listing.symbol: i for i, listing in enumerate(world.listings)}
        self._assets = {str(listing.asset.symbol): listing.asset for listing in world.listings}
        self._edges = DayEdges.of(world.dates, world.days)
        self._crypto_edges = self._edges.around_the_clock()
        self._daily: dict[str, Bars] = {}
        self._news: dict[date, tuple[Headline, ...]] = {}
        self._recent: OrderedDict[tuple[str, date], BasePrices] = OrderedDict()

    @property
    def base_s(self) -> int:
        """60: one-minute bars."""
        return 60

    @property
    def on(self) -> date:
        """The day that is to be traded."""
        return self._on

    @property
    def content_id(self) -> str:
        """Hash of seed, parameters and the generator's version."""
        return self._world.content_id

    @property
    def assets(self) -> Mapping[str, Asset]:
        """By symbol, sorted."""
        return self._assets

    @property
    def session_dates(self) -> Sequence[date]:
        """Session dates, ascending; the last is `on`. Crypto also trades on the dates between them."""
        return tuple(day.on for day in self._world.days)

    @property
    def trading_days(self) -> Sequence[TradingDay]:
        """The session dates with their open and close."""
        return self._world.days

    @property
    def splits(self) -> Mapping[str, Splits]:
        """None; `simulation.market.splits` adds some."""
        return {}

    @property
    def regimes(self) -> Mapping[date, MarketRegime]:
        """Ground truth: the market's regime on each session date."""
        return {on: plan.regime for on, plan in self._world.plans.items()}

    def events(self, on: date) -> Mapping[str, MarketEvent]:
        """Ground truth: what happens to which symbol on a session date."""
        return self._world.plans[on].events

    def base(self, symbol: str, on: date) -> BasePrices:
        """One-minute bars of a symbol on a New York date, with path and quotes; empty where it did not trade."""
        key = (symbol, on)
        prices = self._recent.get(key)
        if prices is None:
            prices = self._draw(symbol, on)
            self._recent[key] = prices
            if len(self._recent) > max(_RECENT_DAYS, len(self._assets) + 50):
                self._recent.popitem(last=False)
        return prices

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars that start in [start, end), exact aggregates of the one-minute bars."""
        start_s, end_s = int(np.ceil(start.timestamp())), int(np.ceil(end.timestamp()))
        if timeframe is Timeframe.DAY_1:
            return self._daily_bars(symbol).between(start_s, end_s)
        first, last = synthetic_table.date_range(
            self._world.dates, start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
        )
        if first >= last:
            return Bars.empty()
        if timeframe is Timeframe.MIN_1:
            days = [self.base(symbol, on).bars for on in self._world.dates[first:last]]
            return _joined(days).between(start_s, end_s)
        i = self._index[symbol]
        bars = self._table.bars(self._world.listings[i], i, first, last)
        if timeframe is not Timeframe.MIN_5:
            bars = resample(bars, self._edges, timeframe.seconds)
        return bars.between(start_s, end_s)

    def halts(self, on: date) -> Sequence[Halt]:
        """Volatility pauses of a date, oldest first."""
        if on not in self._world.plans:
            return ()
        d = self._world.dates.index(on)
        start_s = self._world.plans[on].grid.start_s
        mine = self._table.halts[self._table.halts[:, 1] == d]
        halts = [
            Halt(
                symbol=self._world.listings[i].symbol,
                start_at=from_epoch(start_s + 60 * minute),
                end_at=from_epoch(start_s + 60 * (minute + HALT_MIN)),
                reason="volatility pause",
            )
            for i, _, minute in mine.tolist()
        ]
        return tuple(sorted(halts, key=lambda halt: (halt.start_at, halt.symbol)))

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Headlines published in [start, end), oldest first."""
        first, last = synthetic_table.date_range(
            self._world.dates, start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
        )
        found: list[Headline] = []
        for on in self._world.dates[first:last]:
            if on not in self._news:
                self._news[on] = headlines(self._world, on)
            found += [item for item in self._news[on] if start <= item.published_at < end]
        return tuple(found)

    def _daily_bars(self, symbol: str) -> Bars:
        if symbol not in self._daily:
            i = self._index[symbol]
            listing = self._world.listings[i]
            edges = self._crypto_edges if listing.kind is ListingKind.CRYPTO else self._edges
            self._daily[symbol] = daily(self._table.bars(listing, i, 0, len(self._world.dates)), edges)
        return self._daily[symbol]

    def _draw(self, symbol: str, on: date) -> BasePrices:
        i = self._index[symbol]
        listing = self._world.listings[i]
        grid = self._world.grid(listing, on)
        if grid is None:
            return _EMPTY
        d = (on - self._world.dates[0]).days
        day = self._world.draw(listing, on, self._table.state(i, d))
        path, bid, ask = quotes(day)
        usd = day.prices / UNITS_PER_USD
        return BasePrices(
            bars=Bars(
                start_s=grid.start_s + 60 * day.minute.astype(np.int64),
                open=usd[0],
                high=usd[1],
                low=usd[2],
                close=usd[3],
                volume=day.volume / (float(CRYPTO_UNITS) if listing.kind is ListingKind.CRYPTO else 1.0),
            ),
            path=path / UNITS_PER_USD,
            bid=bid / UNITS_PER_USD,
            ask=ask / UNITS_PER_USD,
        )


def _joined(days: Sequence[Bars]) -> Bars:
    traded = [bars for bars in days if len(bars)]
    if not traded:
        return Bars.empty()
    names = ("start_s", "open", "high", "low", "close", "volume")
    return Bars(**{name: np.concatenate([getattr(bars, name) for bars in traded]) for name in names})


def _require_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name} must be in [{low}, {high}], got {value}")
