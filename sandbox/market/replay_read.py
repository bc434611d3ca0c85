"""Recorded bars from parquet: read up to a date, checked row by row, bad rows set aside and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sandbox.market.days import DayEdges, midnight_s, trading_days
from shared.core.errors import ContractError, SettingsError
from shared.core.market import Bars, FloatArray, IntArray
from shared.core.sessions import NEW_YORK, aft_close_at, pre_open_at
from shared.core.splits import Splits

_PRICES = ("open", "high", "low", "close")
BAR_COLUMNS = ("symbol", "ts", *_PRICES, "volume")
QUOTE_COLUMNS = (
    "symbol", "ts",
    "bid_open", "bid_high", "bid_low", "bid_close",
    "ask_open", "ask_high", "ask_low", "ask_close",
)  # fmt: skip

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Intraday bars by symbol, the session dates they cover, and how many rows were set aside for what."""

    bars: Mapping[str, Bars]
    edges: DayEdges
    base_s: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    symbols: tuple[str, ...]
    code: IntArray
    start_s: IntArray
    values: FloatArray


def read_intraday(path: Path, on: date) -> Recorded:
    """Bars of `path` up to the end of `on`, New York.

    Set aside are rows whose prices are not positive and finite or not ordered low <= open, close <= high, rows with a
    negative volume, second rows of a (symbol, ts), and rows outside 04:00 to the end of after-hours trading.

    Raises
    ------
    SettingsError
        If the file is missing or holds nothing on that date.
    ContractError
        If it is no parquet file, lacks columns, or its bars are neither 1 nor 5 minutes long.
    """
    rows = _sorted(_read(path, BAR_COLUMNS, "ts", _end_of(on)))
    good, reasons = _checked(rows)
    rows = _kept(rows, good)
    if not len(rows.code):
        raise SettingsError(_not_covered(path, on))
    first, last = (datetime.fromtimestamp(int(s), NEW_YORK).date() for s in (rows.start_s.min(), rows.start_s.max()))
    days = trading_days(first, max(last, first + timedelta(days=1)))
    if not days:
        raise SettingsError(_not_covered(path, on))
    opens = np.array([int(pre_open_at(day).timestamp()) for day in days])
    closes = np.array([int(aft_close_at(day).timestamp()) for day in days])
    at = np.searchsorted(opens, rows.start_s, side="right") - 1
    is_traded = (at >= 0) & (rows.start_s < closes[at])
    reasons["outside trading hours"] = int((~is_traded).sum())
    rows = _kept(rows, is_traded)
    covered = [days[i] for i in np.unique(at[is_traded]).tolist()]
    if on not in {day.on for day in covered}:
        raise SettingsError(_not_covered(path, on))
    return Recorded(
        bars=_by_symbol(rows),
        edges=DayEdges.of([day.on for day in covered], covered),
        base_s=_bar_length(rows, path),
        quarantined={reason: count for reason, count in reasons.items() if count},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDaily:
    """Daily bars and splits by symbol, and how many rows were set aside for what."""

    bars: Mapping[str, Bars]
    splits: Mapping[str, Splits]
    quarantined: Mapping[str, int]


def read_daily(path: Path, before: date) -> RecordedDaily:
    """Daily bars of dates before `before`. The date is in `date`, else that of `ts`.

    A column `split_next`, what a price of the date is multiplied by to stand in the next session's terms, tells of
    splits; without it there are none.
    """
    has_date = "date" in _schema(path).names
    column = "date" if has_date else "ts"
    limit = before if has_date else datetime.combine(before, time(0), NEW_YORK)
    split = ("split_next",) if "split_next" in _schema(path).names else ()
    rows = _read(path, ("symbol", column, *_PRICES, "volume", *split), column, limit)
    rows = _sorted(rows if has_date else _dated(rows))
    good, reasons = _checked(rows)
    return RecordedDaily(
        bars=_by_symbol(_kept(rows, good)),
        splits=_splits(rows) if split else {},
        quarantined={reason: count for reason, count in reasons.items() if count},
    )


def _splits(rows: _Rows) -> Mapping[str, Splits]:
    """A factor holds from the midnight after its row on, whether the row's prices are good or not."""
    factor = rows.values[-1]
    at = np.flatnonzero((factor != 1) & (factor > 0) & np.isfinite(factor))
    found = _kept(rows, np.isin(np.arange(len(rows.code)), at))
    return {symbol: _splits_of(found.start_s[part], found.values[-1, part]) for symbol, part in _parts(found)}


def _splits_of(start_s: IntArray, factor: FloatArray) -> Splits:
    from_s, first = np.unique(_next_midnights(start_s), return_index=True)
    return Splits(from_s=from_s, factor=factor[first])


def _next_midnights(start_s: IntArray) -> IntArray:
    dates = (datetime.fromtimestamp(int(s), NEW_YORK).date() + timedelta(days=1) for s in start_s)
    return np.array([midnight_s(on) for on in dates], np.int64)


def read_quotes(path: Path, on: date) -> Mapping[str, tuple[IntArray, FloatArray]]:
    """By symbol the quote bars' start (m,) and their columns (8, m) in the order of `QUOTE_COLUMNS`, up to `on`."""
    rows = _sorted(_read(path, QUOTE_COLUMNS, "ts", _end_of(on)))
    return {symbol: (rows.start_s[part], rows.values[:, part]) for symbol, part in _parts(rows)}


def _end_of(on: date) -> datetime:
    return datetime.combine(on + timedelta(days=1), time(0), NEW_YORK)


def _schema(path: Path) -> pa.Schema:
    if not path.is_file():
        raise SettingsError(f"no file of recorded bars at {path}")
    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ContractError(f"{path} is not a parquet file: {error}") from error


def _read(path: Path, columns: Sequence[str], clock: str, before: date | datetime) -> _Rows:
    """Columns of the rows whose `clock` lies before `before`; parquet statistics skip what lies behind it."""
    schema = _schema(path)
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise ContractError(f"{path} lacks the columns {missing}; it has {schema.names}")
    kind = schema.field(clock).type
    if not pa.types.is_date(kind) and not (pa.types.is_timestamp(kind) and kind.tz is not None):
        raise ContractError(f"column {clock} of {path} must be a date or a timestamp with a time zone, got {kind}")
    limit = pa.scalar(before, type=kind)
    table = pq.read_table(path, columns=list(columns), filters=[(clock, "<", limit)])
    symbols = table["symbol"].cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(symbols, pa.ChunkedArray):
        symbols = symbols.combine_chunks()
    start = table[clock]
    if pa.types.is_date(kind):
        days = start.cast(pa.date32()).cast(pa.int32()).to_numpy()
        start_s = _midnights(days.astype(np.int64))
    else:
        start_s = start.cast(pa.timestamp("s", tz=kind.tz), safe=False).cast(pa.int64()).to_numpy()
    names = tuple(columns[2:])
    values = np.stack([table[name].cast(pa.float64()).to_numpy().astype(np.float64) for name in names])
    return _Rows(
        symbols=tuple(symbols.dictionary.to_pylist()),
        code=symbols.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        start_s=start_s,
        values=values,
    )


def _midnights(epoch_days: IntArray) -> IntArray:
    """New York midnights of days since 1970-01-01."""
    unique, inverse = np.unique(epoch_days, return_inverse=True)
    origin = date(1970, 1, 1)
    midnights = [
        int(datetime.combine(origin + timedelta(days=int(day)), time(0), NEW_YORK).timestamp()) for day in unique
    ]
    return np.array(midnights, np.int64)[inverse]


def _dated(rows: _Rows) -> _Rows:
    """The same rows, started at midnight of their New York date."""
    unique, inverse = np.unique(rows.start_s, return_inverse=True)
    midnights = [
        int(datetime.fromtimestamp(int(s), NEW_YORK).replace(hour=0, minute=0, second=0).timestamp()) for s in unique
    ]
    return _Rows(
        symbols=rows.symbols, code=rows.code, start_s=np.array(midnights, np.int64)[inverse], values=rows.values
    )


def _sorted(rows: _Rows) -> _Rows:
    order = np.lexsort((rows.start_s, rows.code))
    return _Rows(symbols=rows.symbols, code=rows.code[order], start_s=rows.start_s[order], values=rows.values[:, order])


def _kept(rows: _Rows, keep: BoolArray) -> _Rows:
    if keep.all():
        return rows
    return _Rows(symbols=rows.symbols, code=rows.code[keep], start_s=rows.start_s[keep], values=rows.values[:, keep])


def _checked(rows: _Rows) -> tuple[BoolArray, dict[str, int]]:
    """Which sorted rows can be bars, and how many cannot for what reason (the first that applies)."""
    open_, high, low, close, volume = rows.values[:5]
    finite = np.isfinite(rows.values[:4]).all(axis=0) & (rows.values[:4] > 0).all(axis=0)
    ordered = (high >= np.maximum(open_, close)) & (low <= np.minimum(open_, close))
    counted = np.isfinite(volume) & (volume >= 0)
    fresh = np.ones(len(rows.code), np.bool_)
    fresh[1:] = (np.diff(rows.code) != 0) | (np.diff(rows.start_s) != 0)
    good = np.ones(len(rows.code), np.bool_)
    reasons = {}
    for reason, holds in (
        ("price not positive and finite", finite),
        ("prices not ordered", ordered),
        ("volume negative or not finite", counted),
        ("second row of a symbol and time", fresh),
    ):
        reasons[reason] = int((good & ~holds).sum())
        good &= holds
    return good, reasons


def _parts(rows: _Rows) -> list[tuple[str, slice]]:
    edges = np.searchsorted(rows.code, np.arange(len(rows.symbols) + 1))
    parts = [(symbol, slice(int(edges[i]), int(edges[i + 1]))) for i, symbol in enumerate(rows.symbols)]
    return sorted((symbol, part) for symbol, part in parts if part.stop > part.start)


def _by_symbol(rows: _Rows) -> dict[str, Bars]:
    names = [field.name for field in fields(Bars)][1:]
    return {
        symbol: Bars(start_s=rows.start_s[part], **dict(zip(names, rows.values[:5, part], strict=True)))
        for symbol, part in _parts(rows)
    }


def _bar_length(rows: _Rows, path: Path) -> int:
    steps = np.diff(rows.start_s)[np.diff(rows.code) == 0]
    common = int(np.gcd.reduce(steps)) if len(steps) else 60
    for length in (300, 60):
        if common % length == 0 and not (rows.start_s % length).any():
            return length
    raise ContractError(f"bars of {path} must be 1 or 5 minutes long; their starts are multiples of {common} s apart")


def _not_covered(path: Path, on: date) -> str:
    """Say which covered dates are nearest; reads the time column alone."""
    seconds = pq.read_table(path, columns=["ts"])["ts"].cast(pa.timestamp("s", tz="UTC"), safe=False)
    unique = np.unique(seconds.cast(pa.int64()).to_numpy() // 3600)
    dates = sorted({datetime.fromtimestamp(int(hour) * 3600, NEW_YORK).date() for hour in unique})
    before = max((each for each in dates if each < on), default=None)
    after = min((each for each in dates if each > on), default=None)
    nearest = " and ".join(str(each) for each in (before, after) if each is not None) or "none"
    return f"{path} has no tradable bars on {on}; nearest covered dates are {nearest}"
