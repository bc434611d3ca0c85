"""Where history comes from: a small protocol, so that a tape, parquet files or Alpaca can feed the same training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol, from_epoch, require
from shared.ports import Calendar
from simulation.market.tape import Tape


class HistorySource(Protocol):
    """Completed sessions of a market."""

    @property
    def content_id(self) -> str:
        """A short hash that names the data: equal id, equal bars."""

    @property
    def symbols(self) -> Sequence[Symbol]:
        """Equities with bars, sorted."""

    @property
    def days(self) -> Sequence[TradingDay]:
        """Completed trading days, ascending."""

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars of timeframe 5Min or 1Day that start in [start, end), as traded; empty where there are none."""

    def splits(self, symbol: Symbol) -> Splits:
        """Splits of a symbol, as far as the source knows them."""


class TapeHistory:
    """The sessions of a tape before the day that is traded.

    Parameters
    ----------
    tape : Tape
    calendar : Calendar
        Gives the sessions' opening and closing instants.

    Attributes
    ----------
    content_id, symbols, days
        The tape's, its equities, and the sessions before the traded day.

    Raises
    ------
    ValueError
        From `bars`, if anything at or after the start of the traded day is asked for.
    """

    def __init__(self, tape: Tape, calendar: Calendar) -> None:
        self._tape = tape
        self._limit = from_epoch(midnight_s(tape.on))
        self.content_id = tape.content_id
        self.days = tuple(day for on in tape.session_dates if on < tape.on and (day := calendar.day(on)) is not None)
        self.symbols = tuple(
            Symbol(symbol) for symbol, asset in sorted(tape.assets.items()) if asset.asset_class == "us_equity"
        )

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars that start in [start, end), all before the traded day."""
        require(end <= self._limit, "end", end, f"at most {self._limit}, the start of the traded day")
        return self._tape.bars(symbol, timeframe, start, end)

    def splits(self, symbol: Symbol) -> Splits:
        """The tape's."""
        return self._tape.splits.get(symbol, NO_SPLITS)
