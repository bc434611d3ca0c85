"""A cheap seeded market: minute bars of 20 symbols with gaps, thin names and halts, and its quotes as a port."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from shared.adapters.alpaca_parse import read_quote, sift
from shared.core.errors import TransientError
from shared.core.market import Asset, Bars, FloatArray, Headline, IntArray, Quote, Snapshot, Timeframe, TradingDay
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.unread import BySymbol
from shared.core.values import Symbol, from_epoch, iso
from shared.ports import Clock
from simulation.faults.options import Faults
from simulation.market.tape import BasePrices, Halt
from simulation.venue.calendar import midnight
from simulation.venue.tape_view import BoolArray, TapeView

SYMBOLS = tuple(Symbol(f"S{chr(65 + n)}") for n in range(20))
BEFORE_OPEN = timedelta(minutes=15)
EARLY = timedelta(minutes=75)
"""How long before the open a day begins, and where entries before it are enabled."""
CARRIED_FROM, CARRIED_TO = timedelta(minutes=25), timedelta(minutes=10)
"""A symbol that is carried over night is halted from so long before the close until so long after the next open."""
AFTER_CLOSE = timedelta(hours=4)
QUOTE_STANDS_S = 15
"""A quote is sent anew until the next point of its bar; without one it grows old."""
_POINTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a symbol is like: price in USD, volatility of a minute, shares a minute, half the spread in USD."""

    price: float
    sigma: float
    volume: float
    half_spread: float
    is_thin: bool

    @property
    def adv_shares(self) -> int:
        """Average daily volume."""
        return int(self.volume * 390)


class SimTape:
    """`Tape` of some session dates, all of it drawn from one generator.

    Parameters
    ----------
    seed : int
        Of everything that follows.
    days : sequence of TradingDay
        Dates that are to be traded, ascending.
    faults : Faults
        How thin, halted and jumpy the symbols are.
    before_open : timedelta
        How long before each open the tape begins.
    carried : collection of str
        Symbols halted over the first night.
    splits : mapping of Symbol to Fraction
        New shares for each old one, of those that are split in the first night: the price changes by the inverse.
    """

    base_s = 60

    def __init__(
        self,
        seed: int,
        days: Sequence[TradingDay],
        faults: Faults,
        *,
        before_open: timedelta = BEFORE_OPEN,
        carried: Collection[str] = (),
        splits: Mapping[Symbol, Fraction] = MappingProxyType({}),
    ) -> None:
        self._before_open = before_open
        self._carried = carried
        self._rng = np.random.default_rng([seed, 1])
        self._faults = faults
        self.days = tuple(days)
        self.on = days[-1].on
        self.content_id = f"sim-{seed}"
        self.session_dates = tuple(day.on for day in days)
        self.traits = {symbol: self._traits() for symbol in SYMBOLS}
        self.assets: Mapping[str, Asset] = _ASSETS
        self.splits: Mapping[str, Splits] = {}  # its daily bars are adjusted already
        self._halts = {day.on: self._make_halts(day) for day in days}
        self._bases: dict[tuple[str, date], BasePrices] = {}
        last = {symbol: traits.price for symbol, traits in self.traits.items()}
        self._closes: dict[date, dict[Symbol, float]] = {}
        for day in days:
            self._make_day(day, last)
            for symbol, ratio in splits.items() if day is days[0] else ():
                last[symbol] = round(last[symbol] / float(ratio), 2)
            self._closes[day.on] = dict(last)

    def _traits(self) -> Traits:
        rng = self._rng
        price = float(np.round(np.exp(rng.uniform(np.log(4), np.log(250))), 2))
        is_thin = bool(rng.random() < self._faults.thin)
        spread_bp = rng.uniform(10, 60) if is_thin else rng.uniform(1, 6)
        return Traits(
            price=price,
            sigma=float(rng.uniform(4e-4, 1.6e-3)),
            volume=float(rng.uniform(60, 1200) if is_thin else rng.uniform(8e3, 2e5)),
            half_spread=max(0.01, round(price * spread_bp / 20_000, 2)),
            is_thin=is_thin,
        )

    def _make_halts(self, day: TradingDay) -> tuple[Halt, ...]:
        rng, halts = self._rng, []
        for symbol in SYMBOLS:
            if rng.random() < self._faults.halts:
                start = day.open_at + timedelta(minutes=int(rng.integers(5, 390)))
                length = timedelta(minutes=int(rng.choice([5, 5, 10, 30, 120])))
                halts.append(Halt(symbol=symbol, start_at=start, end_at=start + length, reason="LUDP"))
        for symbol in (each for each in SYMBOLS if each in self._carried):
            if day is self.days[0]:
                start, end = day.close_at - CARRIED_FROM, day.close_at + AFTER_CLOSE
                halts.append(Halt(symbol=symbol, start_at=start, end_at=end, reason="T1"))
            elif day is self.days[1]:
                start, end = day.open_at - self._before_open, day.open_at + CARRIED_TO
                halts.append(Halt(symbol=symbol, start_at=start, end_at=end, reason="T1"))
        return tuple(halts)

    def _make_day(self, day: TradingDay, last: dict[Symbol, float]) -> None:
        rng = self._rng
        starts_at, ends_at = day.open_at - self._before_open, day.close_at + AFTER_CLOSE
        n = int((ends_at - starts_at).total_seconds()) // 60
        start_s = int(starts_at.timestamp()) + 60 * np.arange(n, dtype=np.int64)
        regular = (start_s >= day.open_at.timestamp()) & (start_s < day.close_at.timestamp())
        noise = rng.standard_normal((len(SYMBOLS), n * _POINTS))
        lots = rng.gamma(2.0, 0.5, (len(SYMBOLS), n))
        for row, symbol in enumerate(SYMBOLS):
            traits = self.traits[symbol]
            moves = noise[row] * (traits.sigma / 2)
            if rng.random() < self._faults.gaps:
                at = rng.integers(0, n * _POINTS, 3)
                moves[at] += rng.choice([-0.05, -0.03, -0.01, 0.02], 3)
            # Prices drift back to where the day began, so that no symbol wanders off in a long day.
            price = last[symbol] * np.exp(np.cumsum(moves))
            path = np.maximum(np.round(price, 2), 1.5).reshape(n, _POINTS)
            volume = np.floor(lots[row] * traits.volume * np.where(regular, 1.0, 0.08))
            last[symbol] = float(path[-1, -1])
            keep = (volume >= 4) & ~self._is_halted(symbol, day.on, start_s)
            self._bases[symbol, day.on] = _base(start_s, path, volume, traits.half_spread, regular, keep)

    def _is_halted(self, symbol: str, on: date, start_s: IntArray) -> BoolArray:
        halted = np.zeros(start_s.shape, np.bool_)
        for halt in self._halts[on]:
            if halt.symbol == symbol:
                halted |= (start_s >= halt.start_at.timestamp()) & (start_s < halt.end_at.timestamp())
        return halted

    def base(self, symbol: str, on: date) -> BasePrices:
        """Minute bars of a symbol on a covered date."""
        return self._bases[symbol, on]

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Daily bars of the covered dates, and one before them; nothing else is asked of this tape.

        As a data vendor adjusts them: a close before a split is that of the shares after it.
        """
        if timeframe is not Timeframe.DAY_1:
            return Bars.empty()
        dates = (self.session_dates[0] - timedelta(days=1), *self.session_dates)
        starts = np.array([int(midnight(on).timestamp()) for on in dates])
        name = Symbol(symbol)
        price = np.array([self.traits[name].price, *(closes[name] for closes in self._closes.values())])
        volume = np.full(price.size, 1e6)
        bars = Bars(start_s=starts, open=price, high=price, low=price, close=price, volume=volume)
        return bars.between(int(start.timestamp()), int(end.timestamp()))

    def halts(self, on: date) -> Sequence[Halt]:
        """Trading halts of a date."""
        return self._halts[on]

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """None."""
        return ()


def _base(  # noqa: PLR0917 - columns of one table
    start_s: IntArray, path: FloatArray, volume: FloatArray, half: float, regular: BoolArray, keep: BoolArray
) -> BasePrices:
    wide = np.where(regular, 1.0, 3.0)[:, None] * half
    path, volume, wide = path[keep], volume[keep], wide[keep]
    bars = Bars(
        start_s=start_s[keep],
        open=path[:, 0],
        high=path.max(axis=1, initial=0.0),
        low=path.min(axis=1, initial=1e9),
        close=path[:, -1],
        volume=volume,
    )
    return BasePrices(bars=bars, path=path, bid=np.round(path - wide, 2), ask=np.round(path + wide, 2))


_ASSETS = {
    str(symbol): Asset(
        symbol=symbol,
        name=str(symbol),
        exchange="NASDAQ",
        asset_class="us_equity",
        is_tradable=True,
        is_fractionable=False,
    )
    for symbol in SYMBOLS
}


class SimMarket:
    """`MarketData` on the tape: quotes, through the venue's JSON, and names; the order path asks for nothing else."""

    def __init__(self, view: TapeView, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Return latest quotes; a symbol without one is missing."""
        return self.quotes_at(symbols, self._clock.now())

    def quotes_at(self, symbols: Sequence[Symbol], at: datetime) -> Mapping[Symbol, Quote]:
        """Quotes as they stood at an instant."""
        return self._read(symbols, at, {})

    def spoilt_quotes(self, symbols: Sequence[Symbol], spoilt: Mapping[str, object]) -> Mapping[Symbol, Quote]:
        """Quotes of rows of which some members are others than they should be, read as the adapter does."""
        return self._read(symbols, self._clock.now(), spoilt)

    def _read(self, symbols: Sequence[Symbol], at: datetime, changed: Mapping[str, object]) -> BySymbol[Quote]:
        rows = ((symbol, raw) for symbol in symbols if (raw := self._raw(symbol, at)) is not None)
        found, unread = sift("quote", ((symbol, {**raw, **changed}) for symbol, raw in rows), read_quote)
        return BySymbol({quote.symbol: quote for quote in found}, unread)

    def _raw(self, symbol: str, at: datetime) -> Mapping[str, object] | None:
        on = at.astimezone(NEW_YORK).date()
        strip = self._view.strip(symbol, on)
        index = strip.index_at(at.timestamp())
        if index < 0:
            return None
        shown = min(at, from_epoch(int(strip.at_s[index]) + QUOTE_STANDS_S))
        size = max(1, int(strip.volume[index]) // 10)
        return {
            "bp": float(strip.bid[index]),
            "ap": float(strip.ask[index]),
            "bs": size,
            "as": size,
            "t": iso(shown),
        }

    def assets(self) -> Sequence[Asset]:
        """Return instruments: a committee is not shown what they are called."""
        return [*_ASSETS.values()]

    def snapshots(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Snapshot]:
        """Not asked for by the order path."""
        raise TransientError("the simulation serves quotes only")

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Closed bars of today; the order path asks for the last ones alone, so each minute bar stands for five."""
        now_s = int(self._clock.now().timestamp())
        on = end.astimezone(NEW_YORK).date()
        first, last = int(start.timestamp()), min(int(end.timestamp()), now_s - timeframe.seconds + 1)
        return {s: self._view.tape.base(s, on).bars.between(first, max(first, last)) for s in symbols}

    def splits(self, first: date, last: date) -> Mapping[Symbol, Splits]:
        """Not asked for by the order path: scanner and features are no part of the simulation."""
        raise TransientError("the simulation serves quotes only")

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Not asked for by the order path."""
        raise TransientError("the simulation serves quotes only")
