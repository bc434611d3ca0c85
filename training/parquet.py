"""History from one parquet file of bars: `symbol, ts (UTC, bar start), open, high, low, close, volume`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np

from shared.core.errors import ContractError
from shared.core.features.past import BAR_S, DAY_S, midnight_s, new_york_clock
from shared.core.market import Bars, FloatArray, IntArray, Timeframe, TradingDay
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol
from shared.ports import Calendar

_COLUMNS = ("symbol", "ts", "open", "high", "low", "close", "volume")


class ParquetHistory:
    """A `HistorySource` over a file of 5-minute or finer bars, held in memory.

    Daily bars are made of the intraday ones: prices of the regular session, volume of the whole day.

    Parameters
    ----------
    path : Path
    calendar : Calendar

    Raises
    ------
    ContractError
        If columns are missing, or a symbol's bars are not in order.
    """

    def __init__(self, path: Path, calendar: Calendar) -> None:
        self._content_id = _file_digest(path)
        self._is_synthetic = _says_synthetic(path)
        self._intraday = _read(path)
        dates = sorted({on for bars in self._intraday.values() for on in _dates(bars)})
        self._days = tuple(day for on in dates if (day := calendar.day(on)) is not None)
        self._daily = {symbol: daily_bars(bars, self._days) for symbol, bars in self._intraday.items()}

    @property
    def content_id(self) -> str:
        """SHA-256 of the file, shortened."""
        return self._content_id

    @property
    def is_synthetic(self) -> bool:
        """Whether the file says that its market is an invented one."""
        return self._is_synthetic

    @property
    def symbols(self) -> Sequence[Symbol]:
        """Every symbol of the file."""
        return tuple(sorted(self._intraday))

    @property
    def days(self) -> Sequence[TradingDay]:
        """Session dates on which any symbol traded."""
        return self._days

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        """Bars of timeframe 5Min or 1Day that start in [start, end)."""
        bars = (self._daily if timeframe is Timeframe.DAY_1 else self._intraday).get(symbol, Bars.empty())
        return bars.between(int(start.timestamp()), int(end.timestamp()))

    def splits(self, symbol: Symbol) -> Splits:
        """None: a file of bars does not tell of them."""
        del symbol
        return NO_SPLITS


def five_minute_bars(bars: Bars) -> Bars:
    """Aggregate finer bars on the 5-minute grid. A 5-minute bar without a trade does not exist."""
    return _aggregate(bars, bars.start_s // BAR_S * BAR_S)


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


def _aggregate(bars: Bars, key: IntArray) -> Bars:
    starts, first = np.unique(key, return_index=True)
    if starts.size == len(bars):
        return Bars(**{name: getattr(bars, name) for name in _COLUMNS[2:]}, start_s=starts)
    last = np.append(first[1:], len(bars)) - 1
    return Bars(
        start_s=starts,
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=np.add.reduceat(bars.volume, first),
    )


def _dates(bars: Bars) -> set[date]:
    ordinals, _ = new_york_clock(bars.start_s)
    epoch = date(1970, 1, 1).toordinal()
    return {date.fromordinal(epoch + int(k)) for k in np.unique(ordinals)}


def _read(path: Path) -> dict[Symbol, Bars]:
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    found = set(pq.read_schema(path).names)
    if missing := [name for name in _COLUMNS if name not in found]:
        raise ContractError(f"{path.name}: columns {missing} are missing")
    table = pq.read_table(path, columns=list(_COLUMNS))
    symbols = np.asarray(table["symbol"].to_numpy(zero_copy_only=False), str)
    start_s = table["ts"].cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    values: dict[str, FloatArray] = {
        name: table[name].cast(pa.float64(), safe=False).to_numpy() for name in _COLUMNS[2:]
    }
    order = np.lexsort((start_s, symbols))
    names, first = np.unique(symbols[order], return_index=True)
    parts: dict[Symbol, Bars] = {}
    for name, rows in zip(names, np.split(order, first[1:]), strict=True):
        try:
            bars = Bars(start_s=start_s[rows], **{column: values[column][rows] for column in values})
        except ValueError as error:
            raise ContractError(f"{path.name}: {name}: {error}") from error
        parts[Symbol(str(name))] = five_minute_bars(bars)
    return parts


def _says_synthetic(path: Path) -> bool:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only who reads a file pays

    return (pq.read_schema(path).metadata or {}).get(b"market") == b"synthetic"


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:20]
