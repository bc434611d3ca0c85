"""Market data of a tape as the app would get it from the venue, without HTTP between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from shared.core.features.history import midnight_s
from shared.core.market import Asset, Bars, Headline, Quote, Snapshot, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.splits import Splits
from shared.core.values import Symbol, from_epoch
from shared.ports import Clock
from simulation.venue.calendar import midnight
from simulation.venue.engine import Exchange
from simulation.venue.tape_view import POINTS_PER_BAR, Strip, TapeView
from training.backtest.told_stories import NO_STORIES, ToldStories

LOOKS_BACK = 10
"""Sessions before today in which the latest trade and quote are looked for, as the venue does."""

SHARES_PER_LOT = 1000
"""The venue shows a size of one for so many shares of a point's volume."""


class TapeMarket:
    """`MarketData` on an exchange's tape: never a bar that has not closed, never a quote that is still to come.

    Parameters
    ----------
    exchange : Exchange
        Its tape is what happened; it need not stand at the clock's now.
    clock : Clock
        Decides what can be seen.
    trades_on : callable, optional
        Whether a symbol trades on a date; those that do not are no assets that day. Without it, the tape's assets are
        those of every day.
    stories : ToldStories, optional
        News beside the tape's own.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: Clock,
        trades_on: Callable[[str, date], bool] | None = None,
        *,
        stories: ToldStories = NO_STORIES,
    ) -> None:
        self._view: TapeView = exchange.view
        self._tape = exchange.tape
        self._refresh_s = exchange.config.quote_refresh_s
        self._clock = clock
        self._dates = tuple(exchange.tape.session_dates)
        self._trades_on = trades_on or (lambda symbol, on: True)
        self._stories = stories

    def assets(self) -> Sequence[Asset]:
        """Return tradable equities, by symbol."""
        today = self._today()
        found = (a for a in self._tape.assets.values() if a.asset_class == "us_equity" and a.is_tradable)
        return sorted((a for a in found if self._trades_on(a.symbol, today)), key=lambda asset: asset.symbol)

    def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Return the quotes that stand now; a symbol that never had one is missing."""
        found = {}
        for symbol in symbols:
            place = self._latest(symbol)
            if place is not None:
                strip, index = place
                size = max(int(strip.volume[index]) // SHARES_PER_LOT, 1)
                found[symbol] = Quote(
                    symbol=symbol,
                    bid=Decimal(str(float(strip.bid[index]))),
                    ask=Decimal(str(float(strip.ask[index]))),
                    bid_size=size,
                    ask_size=size,
                    at=from_epoch(self._quoted_s(strip, index)),
                )
        return found

    def snapshots(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Snapshot]:
        """Return snapshots; a symbol without a trade is missing."""
        found = ((symbol, self._snapshot(symbol)) for symbol in symbols)
        return {symbol: snapshot for symbol, snapshot in found if snapshot is not None}

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Return closed bars that start in [start, end), empty `Bars` for a symbol that has none."""
        now_s = self._clock.now().timestamp()
        first_s, last_s = int(np.ceil(start.timestamp())), int(np.ceil(end.timestamp()))
        closed_s = int(np.floor(now_s)) - timeframe.seconds + 1
        if timeframe is Timeframe.DAY_1:
            # A daily bar of a day with a clock change lasts 23 or 25 hours: it is shown once its date is over.
            today_s = midnight_s(self._today())
            edge_s = min(last_s, closed_s, today_s)
            return {symbol: self._view.daily(symbol).between(first_s, edge_s) for symbol in symbols}
        edge = from_epoch(max(min(last_s, closed_s), first_s))
        return {symbol: self._tape.bars(symbol, timeframe, from_epoch(first_s), edge) for symbol in symbols}

    def splits(self, first: date, last: date) -> Mapping[Symbol, Splits]:
        """Return the splits of every symbol that hold from a date in [first, last] on."""
        return {
            Symbol(symbol): splits.between(midnight_s(first), midnight_s(last) + 1)
            for symbol, splits in self._tape.splits.items()
        }

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Return headlines published in [start, end) that are out by now, oldest first."""
        every = (*self._tape.news(start, end), *self._stories.between(start, end))
        found = [_numbered(item) for item in every if item.published_at <= self._clock.now()]
        return sorted(found, key=lambda item: (item.published_at, item.news_id))

    def _today(self) -> date:
        return self._clock.now().astimezone(NEW_YORK).date()

    def _latest(self, symbol: str) -> tuple[Strip, int] | None:
        """Strip and index of the last point that has passed, today's or of a session before it."""
        now_s, today = self._clock.now().timestamp(), self._today()
        strip = self._view.strip(symbol, today)
        index = strip.index_at(now_s)
        if index >= 0:
            return strip, index
        earlier = [on for on in self._dates if on < today]
        for on in earlier[::-1][:LOOKS_BACK]:
            strip = self._view.strip(symbol, on)
            if len(strip):
                return strip, len(strip) - 1
        return None

    def _quoted_s(self, strip: Strip, index: int) -> int:
        """When the standing quote was last sent: it is refreshed until its part of the bar is over."""
        first = int(strip.at_s[index])
        until = min(self._clock.now().timestamp(), first + self._tape.base_s // POINTS_PER_BAR)
        halted = [start for start, _ in strip.halts if start > first]
        until = min([until, *halted])
        return max(first, int(until) // self._refresh_s * self._refresh_s)

    def _snapshot(self, symbol: Symbol) -> Snapshot | None:
        place = self._latest(symbol)
        if place is None:
            return None
        strip, index = place
        today = self._today()
        is_today = int(strip.at_s[index]) >= int(midnight(today).timestamp())
        first = strip.opening if 0 <= strip.opening <= index else 0
        before, at = self._view.daily_before(symbol, today), self._view.daily(symbol)
        return Snapshot(
            symbol=symbol,
            last_price=float(strip.price[index]),
            last_at=from_epoch(int(strip.at_s[index])),
            bid=float(strip.bid[index]),
            ask=float(strip.ask[index]),
            day_open=float(strip.price[first]) if is_today else 0.0,
            day_high=float(strip.high_so_far[index]) if is_today else 0.0,
            day_low=float(strip.low_so_far[index]) if is_today else 0.0,
            day_close=float(strip.price[index]) if is_today else 0.0,
            day_volume=float(strip.volume_so_far[index]) if is_today else 0.0,
            previous_close=float(at.close[before]) if before >= 0 else 0.0,
            previous_volume=float(at.volume[before]) if before >= 0 else 0.0,
            previous_at=from_epoch(int(at.start_s[before])) if before >= 0 else None,
        )


def _numbered(item: Headline) -> Headline:
    """The headline under the number that the venue gives it."""
    number = int.from_bytes(hashlib.sha256(item.news_id.encode()).digest()[:6])
    return replace(item, news_id=str(number))
