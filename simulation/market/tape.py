"""What the venue knows of a market: a tape. The seeded market and that of recorded bars both are one.

A tape holds what happened and what will happen; only the venue reads it, and shows what virtual time allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from shared.core.market import Asset, Bars, FloatArray, Headline, Timeframe
from shared.core.splits import Splits


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Trading in `symbol` is halted in [start_at, end_at), UTC."""

    symbol: str
    start_at: datetime
    end_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePrices:
    """The finest bars of one symbol on one day, with the quote that stood at each bar's four points.

    A bar's path visits four points: open, one extreme, the other extreme, close, at 0, 1/4, 1/2 and 3/4 of its length;
    `bid` and `ask` have shape (n, 4) and give the quote from that point until the next, in USD on the tick.
    `path` of shape (n, 4) gives the traded price at each point; a quarter of the bar's volume (rounded down, rest at
    the close) trades there.
    """

    bars: Bars
    path: FloatArray
    bid: FloatArray
    ask: FloatArray


class Tape(Protocol):
    """One recorded or generated market."""

    @property
    def base_s(self) -> int:
        """Length of the finest bars, in seconds (60 or 300)."""

    @property
    def on(self) -> date:
        """The day that is to be traded; history lies before it."""

    @property
    def content_id(self) -> str:
        """A short hash that names this market's content (seed and parameters, or the file's content)."""

    @property
    def assets(self) -> Mapping[str, Asset]:
        """By symbol, sorted."""

    @property
    def session_dates(self) -> Sequence[date]:
        """Every session date the tape covers, ascending; the last is `on`."""

    @property
    def splits(self) -> Mapping[str, Splits]:
        """Splits by symbol, of those that have any. Prices are as traded: none is taken in."""

    def base(self, symbol: str, on: date) -> BasePrices:
        """Finest bars of a symbol on a covered date, 04:00 to 20:00 New York; empty where it did not trade.

        Crypto trades from midnight to midnight New York time.
        """

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars that start in [start, end).

        Those finer than `base_s` are empty. Daily bars cover the regular session's prices and the whole day's volume,
        and start at midnight New York time.
        """

    def halts(self, on: date) -> Sequence[Halt]:
        """Trading halts of a date."""

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """Headlines published in [start, end), oldest first."""


class Overlay:
    """A tape over another one: all as there, but for what a subclass makes another thing of.

    Parameters
    ----------
    tape : Tape
        The one beneath. Whatever it offers beyond the protocol is offered too.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    @property
    def base_s(self) -> int:
        """As beneath."""
        return self._tape.base_s

    @property
    def on(self) -> date:
        """As beneath."""
        return self._tape.on

    @property
    def content_id(self) -> str:
        """As beneath: ids of orders do not tell the two apart."""
        return self._tape.content_id

    @property
    def assets(self) -> Mapping[str, Asset]:
        """As beneath."""
        return self._tape.assets

    @property
    def session_dates(self) -> Sequence[date]:
        """As beneath."""
        return self._tape.session_dates

    @property
    def splits(self) -> Mapping[str, Splits]:
        """As beneath."""
        return self._tape.splits

    def halts(self, on: date) -> Sequence[Halt]:
        """As beneath."""
        return self._tape.halts(on)

    def news(self, start: datetime, end: datetime) -> Sequence[Headline]:
        """As beneath."""
        return self._tape.news(start, end)

    def __getattr__(self, name: str) -> object:
        return getattr(self._tape, name)
