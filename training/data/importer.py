"""Bars from parquet and CSV files into the store: every row is judged, bad ones go to a quarantine file with a reason.

Columns are `symbol, ts (UTC, bar start), open, high, low, close, volume`; daily files may have `date` in place of `ts`,
and `split_next`. Other columns are left out: the session of a bar is worked out anew from the calendar.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.errors import ContractError
from shared.core.features.past import new_york_clock
from shared.core.ids import digest
from shared.core.market import IntArray, Timeframe
from shared.core.values import Symbol, require_symbol
from training.data.manifest import Manifest
from training.data.rows import PRICES, SymbolBars, midnights
from training.data.store import BarStore, covered_dates
from training.data.validate import Checked, RawRows, Reason, by_symbol, check

type Progress = Callable[[str, int, int], None]
"""Told (symbol, how many are done, of how many)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFile:
    """A file's rows, judged.

    Attributes
    ----------
    symbols : tuple of str
        By code.
    table : pyarrow.Table
        As it was read.
    """

    path: Path
    timeframe: Timeframe
    symbols: tuple[str, ...]
    rows: RawRows
    checked: Checked
    table: Any

    def by_symbol(self) -> dict[Symbol, SymbolBars]:
        """Good rows by symbol, sorted."""
        found = by_symbol(self.rows, self.checked)
        return {Symbol(self.symbols[code]): found[code] for code in sorted(found, key=lambda k: self.symbols[k])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import. `quarantine` is the file of bad rows, None without any."""

    timeframe: Timeframe
    manifests: Mapping[Symbol, Manifest]
    rows: int
    bad: Mapping[Reason, int]
    out_of_order: int
    quarantine: Path | None


def read_file(path: Path, timeframe: Timeframe | None = None) -> BarFile:
    """Read and judge a file.

    Parameters
    ----------
    timeframe : Timeframe, optional
        Of the bars; by default daily where there are dates, else the step that is most frequent.

    Raises
    ------
    ContractError
        If columns are missing, symbols are none, or there is no saying of what length the bars are.
    """
    table = _table(path)
    codes, symbols = _symbols(table, path)
    start_s, has_dates = _starts(table, path)
    frame = timeframe or (Timeframe.DAY_1 if has_dates else _timeframe(codes, start_s, path))
    if frame is Timeframe.DAY_1 and not has_dates:
        start_s = _midnight_before(start_s)

    def column(name: str) -> Any:
        return table[name].cast("float64", safe=False).to_numpy(zero_copy_only=False)

    rows = RawRows(
        symbol=codes,
        start_s=start_s,
        **{name: column(name) for name in PRICES},
        split_next=column("split_next") if "split_next" in table.column_names else np.ones(codes.size),
    )
    return BarFile(
        path=path, timeframe=frame, symbols=symbols, rows=rows, checked=check(rows, frame), table=table
    )  # fmt: skip


def import_file(
    path: Path, store: BarStore, *, timeframe: Timeframe | None = None, progress: Progress = lambda *_: None
) -> Imported:
    """Put a file's good rows into the store, its bad ones into quarantine.

    Importing a file again changes nothing. The dates from a symbol's first bar to its last are what it covers.

    Raises
    ------
    ContractError
        If the file cannot be read, or the store holds bars of another source.
    """
    file = read_file(path, timeframe)
    parts = file.by_symbol()
    bad_of = np.bincount(file.rows.symbol[file.checked.bad], minlength=len(file.symbols))
    manifests: dict[Symbol, Manifest] = {}
    for k, (symbol, rows) in enumerate(parts.items()):
        before = store.manifest(file.timeframe, symbol)
        known = 0 if before is None else before.quarantined
        bad = int(bad_of[file.symbols.index(symbol)]) if bad_of.any() else 0
        manifests[symbol] = store.write(
            file.timeframe,
            symbol,
            rows,
            covered=covered_dates(rows),
            source="import",
            quarantined=max(0, bad - known),
        )
        progress(symbol, k + 1, len(parts))
    return Imported(
        timeframe=file.timeframe,
        manifests=manifests,
        rows=int(file.checked.order.size),
        bad=file.checked.counts,
        out_of_order=file.checked.out_of_order,
        quarantine=quarantined(file, store),
    )


def quarantined(file: BarFile, store: BarStore) -> Path | None:
    """Write the bad rows as they came, with their reasons; None where there are none."""
    if not file.checked.bad.size:
        return None
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    bad = file.table.take(pa.array(file.checked.bad))
    bad = bad.append_column("reason", pa.array([reason.value for reason in file.checked.reasons], pa.string()))
    sink = io.BytesIO()
    pq.write_table(bad, sink, compression="zstd")
    data = sink.getvalue()
    return store.quarantine(f"{file.timeframe}/{file.path.stem}-{digest(data)[:12]}.parquet", data)


def _table(path: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.csv as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pc.read_csv(path)
    except pa.ArrowException as error:
        raise ContractError(f"{path.name} cannot be read: {error}") from error
    wanted = ("symbol", *PRICES)
    if absent := [name for name in wanted if name not in table.column_names]:
        raise ContractError(f"{path.name}: columns {absent} are missing")
    if not {"ts", "date"} & set(table.column_names):
        raise ContractError(f"{path.name}: neither a column ts nor a column date")
    return table.combine_chunks()


def _symbols(table: Any, path: Path) -> tuple[IntArray, tuple[str, ...]]:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    column = table["symbol"].cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count:
        raise ContractError(f"{path.name}: {column.null_count} rows without a symbol")
    symbols = tuple(str(name) for name in column.dictionary.to_pylist())
    for name in symbols:
        try:
            require_symbol(f"{path.name}: symbol", name)
        except ValueError as error:
            raise ContractError(str(error)) from error
    return column.indices.to_numpy(zero_copy_only=False).astype(np.int64), symbols


def _starts(table: Any, path: Path) -> tuple[IntArray, bool]:
    """Starts in UTC epoch seconds, and whether they are dates (then midnight New York time)."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    try:
        if "date" in table.column_names:
            days = table["date"].cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.int64)
            return midnights(days), True
        column = table["ts"]
        if pa.types.is_string(column.type):
            column = column.cast(pa.timestamp("ms", tz="UTC"))
        elif column.type.tz is None:
            raise ContractError(f"{path.name}: column ts has no time zone")
        millis = column.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64())
        return millis.to_numpy(zero_copy_only=False) // 1000, False
    except pa.ArrowException as error:
        raise ContractError(f"{path.name}: times cannot be read: {error}") from error


def _timeframe(codes: IntArray, start_s: IntArray, path: Path) -> Timeframe:
    order = np.lexsort((start_s, codes))
    steps = np.diff(start_s[order])[np.diff(codes[order]) == 0]
    steps = steps[steps > 0]
    if steps.size:
        lengths, counts = np.unique(steps, return_counts=True)
        usual = int(lengths[np.argmax(counts)])
        for frame in Timeframe:
            if frame.seconds == usual:
                return frame
    raise ContractError(f"{path.name}: no saying of what length the bars are; name the timeframe")


def _midnight_before(start_s: IntArray) -> IntArray:
    """New York midnight of each instant's date."""
    distinct, where = np.unique(start_s, return_inverse=True)
    return midnights(new_york_clock(distinct)[0])[where]
