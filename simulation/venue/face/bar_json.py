"""Rows of market data as ready JSON text, made once per symbol and date and then only cut and joined.

A row never changes once its bar has closed or its quote has passed, so the text is kept; an answer of thousands of
rows is a binary search and a join.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from shared.core.market import Bars, IntArray, Timeframe
from shared.core.values import from_epoch
from simulation.venue.calendar import ONE_DAY, midnight, new_york_date
from simulation.venue.tape_view import Strip, TapeView

SHARES_PER_TRADE = 100
SHARES_PER_QUOTED_LOT = 1000
EXCHANGE = "V"
TAPE = "C"
LATEST_LOOKS_BACK = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Rows of one symbol, ascending: `at_s` their time and `shown_s` when they may be seen, in UTC epoch seconds."""

    at_s: IntArray
    shown_s: IntArray
    rows: list[str]

    def cut(self, start_s: float, end_s: float, now_s: float) -> tuple[int, int]:
        """Half-open range of rows with start <= time <= end that can be seen now."""
        lo = int(np.searchsorted(self.at_s, start_s, side="left"))
        hi = int(np.searchsorted(self.at_s, end_s, side="right"))
        return lo, max(lo, min(hi, self.shown(now_s)))

    def shown(self, now_s: float) -> int:
        """How many rows can be seen now."""
        return int(np.searchsorted(self.shown_s, now_s, side="right"))


def stamps(at_s: IntArray) -> list[str]:
    """RFC 3339 text of UTC epoch seconds."""
    return [f"{text}Z" for text in np.datetime_as_string(at_s.astype("datetime64[s]")).tolist()]


def bar_row(at: str, o: float, h: float, low: float, c: float, v: float) -> str:  # noqa: PLR0917 - a row's columns
    """Bar as Alpaca writes it. The tape knows no single trades: their count is the volume in round lots, the
    volume-weighted price the typical price.
    """
    volume: float | int = int(v) if v == int(v) else v
    count = max(int(v) // SHARES_PER_TRADE, 1)
    return (
        f'{{"t":"{at}","o":{o},"h":{h},"l":{low},"c":{c},"v":{volume},"n":{count},"vw":{round((h + low + c) / 3, 6)}}}'
    )


def bar_sheet(bars: Bars, shown_s: IntArray) -> Sheet:
    """Rows of bars that can be seen from `shown_s` on."""
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    values = zip(stamps(bars.start_s), *(column.tolist() for column in columns), strict=True)
    return Sheet(at_s=bars.start_s, shown_s=shown_s, rows=[bar_row(*row) for row in values])


def quote_row(at: str, bid: float, ask: float, volume: float) -> str:
    """Quote as Alpaca writes it; sizes in round lots stand for the point's volume."""
    size = max(int(volume) // SHARES_PER_QUOTED_LOT, 1)
    return (
        f'{{"t":"{at}","ax":"{EXCHANGE}","ap":{ask},"as":{size},"bx":"{EXCHANGE}","bp":{bid},"bs":{size},'
        f'"c":["R"],"z":"{TAPE}"}}'
    )


def trade_row(at: str, price: float, volume: float, number: int) -> str:
    """Trade as Alpaca writes it."""
    size: float | int = int(volume) if volume == int(volume) else volume
    return f'{{"t":"{at}","x":"{EXCHANGE}","p":{price},"s":{size},"c":["@"],"i":{number},"z":"{TAPE}"}}'


class Sheets:
    """Every sheet that was asked for.

    Parameters
    ----------
    view : TapeView
        The tape by date.
    """

    def __init__(self, view: TapeView) -> None:
        self.view = view
        self._bars: dict[tuple[str, Timeframe, date], Sheet] = {}
        self._daily: dict[str, Sheet] = {}
        self._quotes: dict[tuple[str, date], Sheet] = {}
        self._trades: dict[tuple[str, date], Sheet] = {}
        self._back: dict[date, list[date]] = {}
        self.base = next(frame for frame in Timeframe if frame.seconds == view.tape.base_s)

    def bars(self, symbol: str, timeframe: Timeframe, on: date) -> Sheet:
        """Bars of a date; for daily bars those of all dates."""
        if timeframe is Timeframe.DAY_1:
            return self._daily_bars(symbol)
        key = (symbol, timeframe, on)
        if key not in self._bars:
            bars = self.view.tape.bars(symbol, timeframe, midnight(on), midnight(on + ONE_DAY))
            self._bars[key] = bar_sheet(bars, bars.start_s + timeframe.seconds)
        return self._bars[key]

    def _daily_bars(self, symbol: str) -> Sheet:
        if symbol not in self._daily:
            bars = self.view.daily(symbol)
            ends = [midnight(new_york_date(from_epoch(int(start))) + ONE_DAY) for start in bars.start_s]
            shown_s = np.array([int(end.timestamp()) for end in ends], np.int64)
            self._daily[symbol] = bar_sheet(bars, shown_s)
        return self._daily[symbol]

    def quotes(self, symbol: str, on: date) -> Sheet:
        """Quotes of a date, one per point of the tape."""
        key = (symbol, on)
        if key not in self._quotes:
            strip = self.view.strip(symbol, on)
            columns = zip(
                stamps(strip.at_s), strip.bid.tolist(), strip.ask.tolist(), strip.volume.tolist(), strict=True
            )
            self._quotes[key] = Sheet(at_s=strip.at_s, shown_s=strip.at_s, rows=[quote_row(*row) for row in columns])
        return self._quotes[key]

    def trades(self, symbol: str, on: date) -> Sheet:
        """Trades of a date, one per point at which volume traded."""
        key = (symbol, on)
        if key not in self._trades:
            strip = self.view.strip(symbol, on)
            traded = np.flatnonzero(strip.volume > 0)
            at_s = strip.at_s[traded]
            columns = zip(
                stamps(at_s), strip.price[traded].tolist(), strip.volume[traded].tolist(), traded.tolist(), strict=True
            )
            self._trades[key] = Sheet(at_s=at_s, shown_s=at_s, rows=[trade_row(*row) for row in columns])
        return self._trades[key]

    def latest_strip(self, symbol: str, on: date, now_s: float) -> tuple[Strip, int] | None:
        """Last point that has passed, looking back some sessions; None where there is none."""
        for back in self._looking_back(on):
            strip = self.view.strip(symbol, back)
            index = strip.index_at(now_s)
            if index >= 0:
                return strip, index
        return None

    def latest_bar(self, symbol: str, on: date, now_s: float) -> str | None:
        """Last closed base bar, looking back some sessions; None where there is none."""
        for back in self._looking_back(on):
            sheet = self.bars(symbol, self.base, back)
            if count := sheet.shown(now_s):
                return sheet.rows[count - 1]
        return None

    def dates(self, start_s: float, end_s: float) -> list[date]:
        """Covered dates whose New York day meets [start, end], ascending."""
        first, last = new_york_date(from_epoch(start_s)), new_york_date(from_epoch(end_s))
        return [on for on in self.view.tape.session_dates if first <= on <= last]

    def _looking_back(self, on: date) -> list[date]:
        """A date and the sessions before it, newest first."""
        if on not in self._back:
            earlier = [each for each in self.view.tape.session_dates if each < on]
            self._back[on] = [on, *earlier[::-1][:LATEST_LOOKS_BACK]]
        return self._back[on]


RowSource = Callable[[str, date], Sheet]
