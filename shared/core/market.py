"""Bars, quotes and what else a market shows. Arrays hold float64; money enters as Decimal only in quotes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.core.lots import WHOLE_SHARES, Lot
from shared.core.values import ZERO, Symbol, require, require_at_least, require_positive, require_symbol, require_utc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BASIS_POINTS = Decimal(10_000)


class Timeframe(StrEnum):
    """Bar lengths, spelled as Alpaca spells them."""

    MIN_1 = "1Min"
    MIN_5 = "5Min"
    MIN_15 = "15Min"
    HOUR_1 = "1Hour"
    HOUR_4 = "4Hour"
    DAY_1 = "1Day"

    @property
    def seconds(self) -> int:
        """Nominal length in seconds (a day counts 86,400)."""
        return _SECONDS[self]


_SECONDS = {
    Timeframe.MIN_1: 60,
    Timeframe.MIN_5: 300,
    Timeframe.MIN_15: 900,
    Timeframe.HOUR_1: 3600,
    Timeframe.HOUR_4: 14_400,
    Timeframe.DAY_1: 86_400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars of one symbol in one timeframe, oldest first.

    Every array has shape (n,). `start_s` is the bar's start in UTC epoch seconds, strictly increasing; a daily bar
    starts at midnight New York time. Prices in USD per share, `volume` in shares (units for crypto).
    """

    start_s: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __post_init__(self) -> None:
        shapes = {f.name: getattr(self, f.name).shape for f in fields(self)}
        require(len(set(shapes.values())) == 1 and self.start_s.ndim == 1, "bars", shapes, "arrays of one length")
        if self.start_s.size > 1:
            require(bool(np.all(np.diff(self.start_s) > 0)), "start_s", self.start_s, "strictly increasing")

    def __len__(self) -> int:
        return int(self.start_s.size)

    @classmethod
    def empty(cls) -> Self:
        """No bars."""
        none = np.empty(0)
        return cls(start_s=np.empty(0, np.int64), open=none, high=none, low=none, close=none, volume=none)

    def between(self, start_s: int, end_s: int) -> Bars:
        """Bars that start in [start_s, end_s), as views."""
        lo, hi = np.searchsorted(self.start_s, (start_s, end_s))
        return self[lo:hi]

    def __getitem__(self, part: slice) -> Bars:
        """Bars in a slice, as views.

        They are not checked again: what is taken in order from sound bars is sound, and a day of a market cuts bars a
        thousand times.
        """
        require(part.step is None or part.step > 0, "step", part.step, "above zero")
        found = object.__new__(Bars)
        for name in ("start_s", "open", "high", "low", "close", "volume"):
            object.__setattr__(found, name, getattr(self, name)[part])
        return found

    def then(self, later: Bars) -> Bars:
        """These bars followed by `later`, which must start after the last of these."""
        return Bars(**{f.name: np.concatenate([getattr(self, f.name), getattr(later, f.name)]) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Best bid and offer. Prices in USD, sizes in shares; `at` is the venue's time of the quote."""

    symbol: Symbol
    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int
    at: datetime

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_at_least("bid", self.bid, 0)
        require_at_least("ask", self.ask, 0)
        require_utc("at", self.at)

    @property
    def is_two_sided(self) -> bool:
        """Both sides present and not crossed."""
        return ZERO < self.bid <= self.ask

    @property
    def mid(self) -> Decimal:
        """Midpoint in USD."""
        return (self.bid + self.ask) / 2

    @property
    def spread_bp(self) -> Decimal:
        """Spread over the midpoint, in basis points."""
        return (self.ask - self.bid) / self.mid * BASIS_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a scanner sees of one symbol at one instant. Prices in USD, volumes in shares.

    The day's open, high, low and close are those of the day's bar so far (0 before it has one), its volume includes
    premarket. The previous close and volume are those of the last completed session, whose bar began at `previous_at`.
    """

    symbol: Symbol
    last_price: float
    last_at: datetime
    bid: float
    ask: float
    day_open: float
    day_high: float
    day_low: float
    day_close: float
    day_volume: float
    previous_close: float
    previous_volume: float
    previous_at: datetime | None = None

    def __post_init__(self) -> None:
        require_symbol("symbol", self.symbol)
        require_positive("last_price", self.last_price)
        require_utc("last_at", self.last_at)
        if self.previous_at is not None:
            require_utc("previous_at", self.previous_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A tradable instrument at the broker, and in what lots it may be ordered."""

    symbol: Symbol
    name: str
    exchange: str
    asset_class: str
    is_tradable: bool
    is_fractionable: bool
    lot: Lot = WHOLE_SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One news item with the symbols it names; `url` is where its source has it, empty where the feed gives none."""

    news_id: str
    published_at: datetime
    source: str
    headline: str
    summary: str
    symbols: tuple[Symbol, ...]
    url: str = ""

    def __post_init__(self) -> None:
        require_utc("published_at", self.published_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """One session date of the exchange with its instants, in UTC."""

    on: date
    open_at: datetime
    close_at: datetime

    def __post_init__(self) -> None:
        require_utc("open_at", self.open_at)
        require_utc("close_at", self.close_at)
        require(self.open_at < self.close_at, "close_at", self.close_at, f"after open_at {self.open_at}")
