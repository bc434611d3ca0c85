"""History from one file of bars: `symbol, ts (bar start), open, high, low, close, volume`, parquet or CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from shared.core.features.history import BAR_S, DAY_S, midnight_s
from shared.core.ids import digest, hash_id
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol
from shared.ports import Calendar
from simulation.market.bar_file import BarFile, read_traded
from simulation.market.bar_rows import PRICES, session_dates, trading_days


class ParquetHistory:
    """A `HistorySource` over a file of 1- or 5-minute bars, held in memory.

    Rows are judged as `import` judges them; `told` says what was found. Bars are as the file has them, and `splits`
    brings them into a day's terms where it tells of any. Daily bars are made of the intraday ones: prices of the
    regular session, volume of the whole day.

    Parameters
    ----------
    path : Path
    calendar : Calendar

    Attributes
    ----------
    content_id : str
        SHA-256 of the file and of what was left out of it, shortened.
    is_synthetic : bool
        Whether the file says that its market is an invented one.
    symbols, days
        Every symbol of the file, sorted; session dates on which any of them traded.

    Raises
    ------
    SettingsError, ContractError
        As `simulation.market.bar_file.read_file`.
    """

    def __init__(self, path: Path, calendar: Calendar) -> None:
        file = read_traded(path, calendar)
        self.content_id = _digest(file)
        self.is_synthetic = file.is_synthetic
        self.told = tuple(file.told())
        self._splits = file.splits
        self._intraday = {symbol: five_minute_bars(found.bars) for symbol, found in file.by_symbol().items()}
        self.symbols = tuple(sorted(self._intraday))
        dates = session_dates(file.rows.start_s[file.checked.order])
        self.days = tuple(day for day in trading_days(calendar, dates).values() if day is not None)
        self._daily = {symbol: daily_bars(bars, self.days) for symbol, bars in self._intraday.items()}

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars of timeframe 5Min or 1Day that start in [start, end)."""
        bars = (self._daily if timeframe is Timeframe.DAY_1 else self._intraday).get(symbol, Bars.empty())
        return bars.between(int(start.timestamp()), int(end.timestamp()))

    def splits(self, symbol: Symbol) -> Splits:
        """Splits that the file tells of."""
        return self._splits.get(symbol, NO_SPLITS)


def five_minute_bars(bars: Bars) -> Bars:
    """Aggregate finer bars on the 5-minute grid. A 5-minute bar without a trade does not exist."""
    starts, first = np.unique(bars.start_s // BAR_S * BAR_S, return_index=True)
    if starts.size == len(bars):
        return Bars(**{name: getattr(bars, name) for name in PRICES}, start_s=starts)
    last = np.append(first[1:], len(bars)) - 1
    return Bars(
        start_s=starts,
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=np.add.reduceat(bars.volume, first),
    )


def daily_bars(bars: Bars, days: Sequence[TradingDay]) -> Bars:
    """Daily bars of chosen days: prices of the regular session, volume from midnight to midnight New York time."""
    parts: list[tuple[float, ...]] = []
    for day in days:
        start = midnight_s(day.on)
        whole = bars.between(start, start + DAY_S)
        regular = whole.between(int(day.open_at.timestamp()), int(day.close_at.timestamp()))
        if len(regular):
            prices = (regular.open[0], regular.high.max(), regular.low.min(), regular.close[-1])
            parts.append((start, *map(float, prices), float(whole.volume.sum())))
    if not parts:
        return Bars.empty()
    starts, *columns = zip(*parts, strict=True)
    open_, high, low, close, volume = (np.array(column) for column in columns)
    return Bars(start_s=np.array(starts, np.int64), open=open_, high=high, low=low, close=close, volume=volume)


def _digest(file: BarFile) -> str:
    """SHA-256 of a file, shortened; of one whose rows are not all used, also of which."""
    with file.path.open("rb") as opened:
        whole = hashlib.file_digest(opened, "sha256").hexdigest()[:20]
    checked = file.checked
    return hash_id("judged", whole, digest(checked.order.tobytes()))[:20] if checked.bad.size else whole
