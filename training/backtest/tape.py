"""A file of recorded bars as one tape of many traded days: every date is quoted by what was known before it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property

from shared.core.features.history import midnight_s
from shared.core.market import Asset, Timeframe
from simulation.market.recorded import RecordedTape


class RollingTape(RecordedTape):
    """Recorded bars whose every date may be traded. Every symbol is an asset; `trades_on` says when."""

    @cached_property
    def _listed(self) -> Mapping[str, Asset]:
        return {symbol: replace(asset, is_tradable=True) for symbol, asset in super().assets.items()}

    @property
    def assets(self) -> Mapping[str, Asset]:
        """By symbol, sorted."""
        return self._listed

    def trades_on(self, symbol: str, on: date) -> bool:
        """Whether a symbol has a bar on a date."""
        starts, start = self._intraday.bars[symbol].start_s, midnight_s(on)
        place = bisect_left(starts, start)
        return bool(place < len(starts) and int(starts[place]) < start + Timeframe.DAY_1.seconds)
