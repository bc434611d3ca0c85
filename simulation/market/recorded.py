"""A recorded market as a tape: real bars from parquet run through the same venue as the seeded market."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Self

import numpy as np

from shared.core.ids import hash_id
from shared.core.market import Asset, Bars, FloatArray, Headline, IntArray, Timeframe
from shared.core.splits import Splits
from shared.core.values import Symbol
from simulation.market.aggregate import daily, resample
from simulation.market.days import midnight_s
from simulation.market.recorded_quotes import modelled, path_of, recorded
from simulation.market.recorded_read import Recorded, read_daily, read_intraday, read_quotes, told_splits
from simulation.market.tape import BasePrices, Halt

_EMPTY = BasePrices(bars=Bars.empty(), path=np.empty((0, 4)), bid=np.empty((0, 4)), ask=np.empty((0, 4)))
_NASDAQ_LENGTH = 4


class RecordedTape:
    """Recorded bars up to and including one day. It has no news and no halts: a file of bars does not tell of them.

    Build it with `from_parquet`. Session dates are those with intraday bars; daily history may reach further back.
    """

    def __init__(
        self,
        intraday: Recorded,
        on: date,
        *,
        content_id: str,
        daily_bars: Mapping[str, Bars],
        quotes: Mapping[str, tuple[IntArray, FloatArray]],
        daily_quarantined: Mapping[str, int],
        told: Sequence[str],
        splits: Mapping[str, Splits],
    ) -> None:
        self._splits = {symbol: found for symbol, found in splits.items() if len(found) and symbol in intraday.bars}
        self._intraday = intraday
        self._on = on
        self._content_id = content_id
        self._quotes = quotes
        self.quarantined_by_reason = {
            **intraday.quarantined,
            **{f"daily: {k}": n for k, n in daily_quarantined.items()},
        }
        self._daily = {
            symbol: _history(daily(bars, intraday.edges), daily_bars.get(symbol), on)
            for symbol, bars in intraday.bars.items()
        }
        self._told = tuple(told)
        start_s = midnight_s(on)
        self._day_usd: dict[tuple[str, date], float] = {}
        self._assets = {
            symbol: _asset(symbol, is_tradable=bool(bars.start_s[-1] >= start_s))
            for symbol, bars in intraday.bars.items()
        }

    @classmethod
    def from_parquet(
        cls, path: Path, on: date | None, *, daily: Path | None = None, quotes: Path | None = None
    ) -> Self:
        """Read a file of 1-minute or 5-minute bars, parquet or CSV, only rows up to the end of `on`.

        Parameters
        ----------
        path : Path
            Columns symbol, ts (UTC start), open, high, low, close, volume.
        on : date
            The day to be traded; it must be covered. None: the last one that is.
        daily : Path, optional
            Daily bars for the days before `on`, where they reach (columns as above, or `date` instead of `ts`). What
            they lack is aggregated from the intraday bars. A stamp at midnight UTC means that date. Where either file
            tells of splits, the bars of both are as traded.
        quotes : Path, optional
            Quote bars of the same length (symbol, ts, bid_open ... ask_close). Where they lack one, or it is
            one-sided, locked or crossed, the spread is modelled (see `simulation.market.recorded_quotes`).

        Raises
        ------
        SettingsError
            If a file is missing, or `on` is not covered (names the nearest dates that are).
        ContractError
            If a file cannot be used (names the columns found).
        """
        recorded_bars = read_intraday(path, on)
        recorded_bars = read_intraday(path, on, beside=daily)
        on = on or recorded_bars.edges.dates[-1]
        history = read_daily(daily, on, beside=path) if daily else None
        quoted = read_quotes(quotes, on) if quotes else {}
        files = [each for each in (path, daily, quotes) if each]
        return cls(
            recorded_bars,
            on,
            content_id=hash_id("replay", on.isoformat(), *map(_file_digest, files)),
            daily_bars=history.bars if history else {},
            splits=told_splits(recorded_bars, history) if history else recorded_bars.splits,
            quotes=quoted,
            daily_quarantined=history.quarantined if history else {},
            told=(*recorded_bars.told, *(history.told if history else ())),
        )

    @property
    def base_s(self) -> int:
        """60 or 300, as found in the file."""
        return self._intraday.base_s

    @property
    def on(self) -> date:
        """The day that is to be traded."""
        return self._on

    @property
    def content_id(self) -> str:
        """Hash of the files' bytes and the day."""
        return self._content_id

    @property
    def assets(self) -> Mapping[str, Asset]:
        """By symbol, sorted. Tradable are those with bars on the day; the exchange is guessed from the ticker."""
        return self._assets

    @property
    def session_dates(self) -> Sequence[date]:
        """Dates with intraday bars, ascending; the last is `on`."""
        return self._intraday.edges.dates

    @property
    def splits(self) -> Mapping[str, Splits]:
        """By symbol, as the files tell."""
        return self._splits

    @property
    def quarantined(self) -> int:
        """How many rows were set aside."""
        return sum(self.quarantined_by_reason.values())

    @property
    def told(self) -> Sequence[str]:
        """What to say of the files: rows, and those that were set aside."""
        return self._told

    def base(self, symbol: str, on: date) -> BasePrices:
        """Recorded bars of a date with the path and quotes laid through them; empty where there are none."""
        edges = self._intraday.edges
        if on not in edges.dates:
            return _EMPTY
        d = edges.dates.index(on)
        start_s = int(edges.midnights_s[d])
        bars = self._intraday.bars[symbol].between(start_s, start_s + Timeframe.DAY_1.seconds)
        if not len(bars):
            return _EMPTY
        path = path_of(bars)
        day_usd = self._usual_usd(symbol, on)
        bid, ask = modelled(path, bars.start_s, day_usd, int(edges.open_s[d]), int(edges.close_s[d]))
        if symbol in self._quotes:
            true_bid, true_ask, usable = recorded(bars, path, self._quotes[symbol])
            bid, ask = np.where(usable, true_bid, bid), np.where(usable, true_ask, ask)
        return BasePrices(bars=bars, path=path, bid=bid, ask=ask)

    def _usual_usd(self, symbol: str, on: date) -> float:
        """A symbol's usual dollar volume as it was known on a date."""
        known = self._day_usd.get((symbol, on))
        if known is None:
            known = self._day_usd[symbol, on] = _usual_dollar_volume(self._daily[symbol], midnight_s(on))
        return known

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars that start in [start, end); none finer than `base_s`."""
        start_s, end_s = int(np.ceil(start.timestamp())), int(np.ceil(end.timestamp()))
        if timeframe is Timeframe.DAY_1:
            return self._daily[symbol].between(start_s, end_s)
        if timeframe.seconds < self.base_s:
            return Bars.empty()
        bars = self._intraday.bars[symbol]
        if timeframe.seconds == self.base_s:
            return bars.between(start_s, end_s)
        # A longer bar may start up to its length before the finer ones that it needs.
        part = bars.between(start_s - timeframe.seconds, end_s + timeframe.seconds)
        return resample(part, self._intraday.edges, timeframe.seconds).between(start_s, end_s)

    def halts(self, on: date) -> Sequence[Halt]:
        """None: minutes without a bar do not tell a halt from a lack of interest."""
        del on
        return ()

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """None."""
        del start, end
        return ()


def _history(aggregated: Bars, given: Bars | None, on: date) -> Bars:
    """Daily bars from the daily file where it reaches, from the intraday bars elsewhere; always the latter on `on`."""
    if given is None or not len(given):
        return aggregated
    mine = ~np.isin(aggregated.start_s, given.start_s) | (aggregated.start_s >= midnight_s(on))
    start_s = np.concatenate([given.start_s, aggregated.start_s[mine]])
    order = np.argsort(start_s, kind="stable")

    def merged(name: str) -> FloatArray:
        both: FloatArray = np.concatenate([getattr(given, name), getattr(aggregated, name)[mine]])[order]
        return both

    return Bars(
        start_s=start_s[order],
        open=merged("open"),
        high=merged("high"),
        low=merged("low"),
        close=merged("close"),
        volume=merged("volume"),
    )


def _usual_dollar_volume(bars: Bars, before_s: int) -> float:
    """Median over the last 20 days before an instant; over what there is where there are none."""
    known = bars.between(0, before_s)[-20:]
    known = known if len(known) else bars
    return float(np.median(known.close * known.volume)) if len(known) else 0.0


def _asset(symbol: str, *, is_tradable: bool) -> Asset:
    return Asset(
        symbol=Symbol(symbol),
        name=symbol,
        exchange="NASDAQ" if len(symbol) >= _NASDAQ_LENGTH else "NYSE",
        asset_class="us_equity",
        is_tradable=is_tradable,
        is_fractionable=False,
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
