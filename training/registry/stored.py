"""History out of the store that `fetch` and `import` fill."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from shared.core.features.history import midnight_s
from shared.core.ids import hash_id
from shared.core.market import Bars, Timeframe
from shared.core.splits import NO_SPLITS, Splits, in_terms_of
from shared.core.values import Symbol
from shared.ports import Calendar
from simulation.market.bar_checks import raw_rows
from simulation.market.bar_rows import is_crypto, session_dates, trading_days
from simulation.market.raw_splits import raw_splits
from training.data.align import splits_of
from training.data.store import BarStore
from training.parquet import daily_bars


class StoreHistory:
    """A `HistorySource` over the equities of a store, read once each.

    Bars are as traded, and `splits` brings them into a day's terms. Daily bars are the store's, or made of the intraday
    ones where it has none. Imported bars before a split that no daily bar tells of are left out; `told` says so.

    Parameters
    ----------
    store : BarStore
    calendar : Calendar

    Attributes
    ----------
    content_id : str
        Hash of the files' hashes.
    symbols, days
        Equities with 5-minute bars, sorted; session dates on which any of them traded.
    """

    is_synthetic = False

    def __init__(self, store: BarStore, calendar: Calendar) -> None:
        self._store = store
        self.told: tuple[str, ...] = ()
        self.symbols = tuple(symbol for symbol in store.symbols(Timeframe.MIN_5) if not is_crypto(symbol))
        self.content_id = hash_id("store", *(self._hashes(timeframe) for timeframe in _READ))
        self._bars: dict[Symbol, tuple[Bars, Bars, Splits]] = {}
        dates = {on for symbol in self.symbols for on in session_dates(self._read(symbol)[0].start_s)}
        known = trading_days(calendar, sorted(dates))
        self.days = tuple(day for day in known.values() if day is not None)

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars of timeframe 5Min or 1Day that start in [start, end)."""
        if symbol not in self.symbols:
            return Bars.empty()
        intraday, daily, _ = self._read(symbol)
        if timeframe is Timeframe.DAY_1:
            chosen = daily if len(daily) else daily_bars(intraday, self.days)
        else:
            chosen = intraday
        return chosen.between(int(start.timestamp()), int(end.timestamp()))

    def splits(self, symbol: Symbol) -> Splits:
        """Splits that the daily bars tell of."""
        return self._read(symbol)[2] if symbol in self.symbols else NO_SPLITS

    def _hashes(self, timeframe: Timeframe) -> str:
        manifests = ((symbol, self._store.manifest(timeframe, symbol)) for symbol in self.symbols)
        return " ".join(
            f"{symbol}/{label}/{part.sha256}"
            for symbol, manifest in manifests
            if manifest is not None
            for label, part in sorted(manifest.parts.items())
        )

    def _read(self, symbol: Symbol) -> tuple[Bars, Bars, Splits]:
        if symbol not in self._bars:
            intraday, daily = (self._store.read(timeframe, symbol) for timeframe in _READ)
            splits = splits_of(daily)
            self._bars[symbol] = (*self._comparable(symbol, intraday.bars, daily.bars, splits), splits)
        return self._bars[symbol]

    def _comparable(self, symbol: Symbol, intraday: Bars, daily: Bars, splits: Splits) -> tuple[Bars, Bars]:
        """Bars from the last unknown split on. What is fetched comes with its splits."""
        manifest = self._store.manifest(Timeframe.MIN_5, symbol)
        if manifest is None or manifest.source != "import" or not len(intraday):
            return intraday, daily
        comparable = in_terms_of(intraday, splits, int(intraday.start_s[-1]))
        for split in raw_splits(raw_rows(comparable), np.arange(len(comparable))):
            self.told = (*self.told, split.said(symbol))
            since = midnight_s(split.on)
            intraday, daily = (bars[int(np.searchsorted(bars.start_s, since)) :] for bars in (intraday, daily))
        return intraday, daily


_READ = (Timeframe.MIN_5, Timeframe.DAY_1)
