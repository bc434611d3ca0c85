"""The market as a day sees it: its past in the day's terms, row by row what can be read, and what could not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from shared.contracts.messages import Notice, Severity
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.features import DAILY_BARS, HISTORY_SESSIONS
from shared.core.features.history import midnight_s
from shared.core.market import Asset, Bars, Snapshot, Timeframe, TradingDay
from shared.core.splits import NO_SPLITS, Splits, in_terms_of, snapshot_in_terms_of
from shared.core.unread import Unread, unread_in, why_unread
from shared.core.values import Symbol
from shared.ports import Ports
from shared.stages.base.incidents import record_incident
from shared.stages.base.notices import unread_rows

PAST_SESSIONS = max(DAILY_BARS, HISTORY_SESSIONS)
"""Sessions before a day of which anything is asked."""
SPLITS = "splits"
"""What is unread where the splits of all symbols are not known."""


class DayMarket:
    """One look at the market on a day. Splits are asked for once, at the first price that is not of the day.

    Where they cannot be had, nothing of the past is in the day's terms: no symbol has a previous close or a history,
    so none is traded on, and the next look asks again.

    Parameters
    ----------
    ports : Ports
    day : TradingDay

    Attributes
    ----------
    day : TradingDay
    fault : str
        Why the splits are not known; empty where they are, or were not needed so far.
    unread : list of Unread
        What could not be read so far.
    left_out : dict of Symbol to str
        Symbols whose bars were left out so far, with the reason.
    """

    def __init__(self, ports: Ports, day: TradingDay) -> None:
        self._ports = ports
        self._midnight_s = midnight_s(day.on)
        self.day = day
        self._splits: Mapping[Symbol, Splits] | None = None
        self.fault = ""
        self.unread: list[Unread] = []
        self.left_out: dict[Symbol, str] = {}

    def assets(self) -> Sequence[Asset]:
        """Return tradable instruments, by symbol."""
        return self._heard(self._ports.market.assets())

    def snapshots(self, symbols: Sequence[Symbol]) -> Sequence[Snapshot]:
        """Return snapshots in the day's terms; the previous close is 0 where it cannot be brought into them."""
        found = self._heard(self._ports.market.snapshots(symbols))
        return tuple(snapshot_in_terms_of(each, self._of(each.symbol), self._midnight_s) for each in found.values())

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        """Return closed bars that start in [start, end) in the day's terms; a symbol that is left out is missing."""
        answer = self._heard(self._ports.market.bars(symbols, timeframe, start, end))
        found: dict[Symbol, Bars] = {}
        for symbol in symbols:
            if symbol not in answer:
                self.left_out[symbol] = "; ".join(why_unread(symbol, answer)) or "bars: none came"
                continue
            bars = in_terms_of(answer[symbol], self._of(symbol), self._midnight_s)
            if np.isnan(bars.close).any():
                self.left_out[symbol] = self.fault or f"split: nobody knows by how much {symbol} was split"
            else:
                found[symbol] = bars
        return found

    def tell(self) -> list[Notice]:
        """Record what could not be read; the first of a kind on a day also tells the person."""
        return tell_unread(self._ports, self.day, self.unread)

    def _of(self, symbol: Symbol) -> Splits:
        if self._splits is None:
            self._splits = self._known_splits()
        if self.fault:
            return Splits(from_s=np.array([self._midnight_s]), factor=np.array([np.nan]))
        return self._splits.get(symbol, NO_SPLITS)

    def _known_splits(self) -> Mapping[Symbol, Splits]:
        first = self._ports.calendar.previous_days(self.day.on, PAST_SESSIONS)[0].on
        try:
            return self._heard(self._ports.market.splits(first, self.day.on))
        except (TransientError, ContractError, BrokerError) as error:
            self.fault = f"splits: not known, {error}"
            self.unread.append(Unread(what=SPLITS, name="", fault=str(error), raw=""))
            return {}

    def _heard[T](self, answer: T) -> T:
        self.unread += unread_in(answer)
        return answer


def tell_unread(ports: Ports, day: TradingDay, unread: Sequence[Unread]) -> list[Notice]:
    """Record what could not be read, one incident for each kind and day; the first also tells the person."""
    notices: list[Notice] = []
    for what in sorted({row.what for row in unread}):
        text = unread_rows(what, [row for row in unread if row.what == what])
        notices += record_incident(
            ports,
            day.on,
            f"unread|{what}",
            now=ports.clock.now(),
            kind="unread",
            title=text.title,
            body=text.body,
            severity=Severity.WARNING,
        )
    return notices
