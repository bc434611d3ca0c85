"""The history store of a long backtest: bars stay as they are, and a symbol's past is prepared once a day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from shared.core.errors import ContractError
from shared.core.features import Past, prepare
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.values import Symbol

SLOTS_KEPT: Final = 4
"""Slots whose bars are kept: a signal is gated within its own, and reports may be asked for before."""


class MemoryHistory:
    """`HistoryStore` without parquet. The bars of a symbol are the same in all of a day's versions."""

    def __init__(self) -> None:
        self._on: date | None = None
        self._written: dict[str, Mapping[Timeframe, Mapping[Symbol, Bars]]] = {}
        self._left_out: dict[str, Mapping[Symbol, str]] = {}
        self._prepared: dict[Symbol, Past] = {}
        self._pasts: dict[str, Mapping[Symbol, Past]] = {}
        self._today: OrderedDict[str, dict[Symbol, Bars]] = OrderedDict()

    def write(
        self,
        on: date,
        slot: str,
        bars: Mapping[Timeframe, Mapping[Symbol, Bars]],
        *,
        kind: str = "history",
        left_out: Mapping[Symbol, str] = MappingProxyType({}),
    ) -> str:
        """Keep and return the name; the day before is forgotten. What is kept as evidence alone is not kept here.

        Slices of one slot share the name of today's bars, which are those of all of them; the last slots' are kept.
        """
        if kind != "history":
            name = f"{kind}/{on}/{slot}.parquet"
            if kind == "today":
                self._today.setdefault(name, {}).update(bars.get(Timeframe.MIN_5, {}))
                if len(self._today) > SLOTS_KEPT:
                    self._today.popitem(last=False)
            return name
        if on != self._on:
            self._on = on
            for kept in (self._written, self._left_out, self._prepared, self._pasts):
                kept.clear()
        name = f"history/{on}/{slot}.parquet"
        self._written[name] = bars
        self._left_out[name] = left_out
        self._pasts.pop(name, None)
        return name

    def bars(self, blob: str) -> Mapping[Timeframe, Mapping[Symbol, Bars]]:
        """Return what was written. Raises ContractError where it is missing."""
        if blob in self._today:
            return {Timeframe.MIN_5: self._today[blob]}
        found = self._written.get(blob)
        if found is None:
            raise ContractError(f"history {blob} does not exist")
        return found

    def left_out(self, blob: str) -> Mapping[Symbol, str]:
        """Return why symbols were left out."""
        return self._left_out.get(blob, {})

    def pasts(self, blob: str, day: TradingDay) -> Mapping[Symbol, Past]:
        """Return every symbol's prepared past. Raises ContractError where it is missing."""
        found = self._pasts.get(blob)
        if found is None:
            bars = self.bars(blob)
            daily, minutes = bars[Timeframe.DAY_1], bars[Timeframe.MIN_5]
            for symbol in minutes:
                if symbol not in self._prepared:
                    self._prepared[symbol] = prepare(symbol, daily=daily[symbol], history=minutes[symbol], day=day)
            found = self._pasts[blob] = {symbol: self._prepared[symbol] for symbol in sorted(minutes)}
        return found
