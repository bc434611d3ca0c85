"""Aligned parquet: one file per timeframe with all symbols, each row with its session and when it is known."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.errors import ContractError
from shared.core.market import Timeframe
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol
from shared.ports import Calendar
from simulation.market.bar_rows import PRICES, SESSIONS
from training.data.align import Aligned, align, last_known, splits_of
from training.data.store import BarStore, Counted, coded, instants


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedFile:
    """What was written."""

    rows: int
    missing: int
    after_gap: int


def write_aligned(
    store: BarStore,
    calendar: Calendar,
    folder: Path,
    *,
    base: Timeframe,
    timeframes: Sequence[Timeframe],
    symbols: Sequence[Symbol] = (),
    progress: Counted = lambda *_: None,
) -> dict[Timeframe, AlignedFile]:
    """Write `{folder}/{timeframe}.parquet` for each timeframe.

    Daily rows are the store's own daily bars where it has them, else made of the base. Rows of the finest timeframe
    name the last row of each coarser one that had ended by their own end (`last_{timeframe}`, its ts; null for none).

    Parameters
    ----------
    symbols : sequence of Symbol
        By default all that the store has in the base timeframe.

    Raises
    ------
    ContractError
        If the store has nothing to align.
    """
    chosen = list(symbols) or store.symbols(base)
    if not chosen:
        raise ContractError(f"the store has no bars of {base}")
    order = sorted(timeframes, key=lambda timeframe: timeframe.seconds)
    totals = {timeframe: np.zeros(3, np.int64) for timeframe in order}
    with ExitStack() as stack:
        files = {frame: stack.enter_context(_Partial(folder / f"{frame}.parquet")) for frame in order}
        for k, symbol in enumerate(chosen):
            tables = _tables(store, symbol, base, order, calendar)
            for frame, table in tables.items():
                coarser = {other: tables[other] for other in order if other.seconds > frame.seconds}
                files[frame].append(_columns(symbol, table, coarser if frame is order[0] else {}))
                totals[frame] += np.array([len(table), table.missing.sum(), table.after_gap.sum()])
            progress(symbol, k + 1, len(chosen))
        for file in files.values():
            file.keep()
    return {
        frame: AlignedFile(rows=int(rows), missing=int(missing), after_gap=int(after))
        for frame, (rows, missing, after) in totals.items()
    }


def _tables(
    store: BarStore, symbol: Symbol, base: Timeframe, timeframes: Sequence[Timeframe], calendar: Calendar
) -> dict[Timeframe, Aligned]:
    daily = store.read(Timeframe.DAY_1, symbol)
    splits: Splits = splits_of(daily) if len(daily) else NO_SPLITS
    bars = store.read(base, symbol).bars
    found = {}
    for frame in timeframes:
        own = frame is Timeframe.DAY_1 and len(daily) > 0
        found[frame] = align(
            symbol,
            daily.bars if own else bars,
            frame,
            base=Timeframe.DAY_1 if own else base,
            calendar=calendar,
            splits=splits,
        )
    return found


def _columns(symbol: Symbol, table: Aligned, coarser: Mapping[Timeframe, Aligned]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who writes files pays

    n = len(table)
    columns: dict[str, Any] = {
        "symbol": coded(np.zeros(n, np.int32), [symbol]),
        "ts": instants(table.start_s),
        "known_at": instants(table.end_s),
        **{name: pa.array(getattr(table, name), pa.float64()) for name in PRICES},
        "session": coded(table.session.astype(np.int32), SESSIONS),
        "missing": pa.array(table.missing.astype(np.int32)),
        "after_gap": pa.array(table.after_gap),
        "split_factor": pa.array(table.split_factor, pa.float64()),
    }
    for frame, other in coarser.items():
        place = last_known(other.end_s, table.end_s)
        starts = other.start_s[np.maximum(place, 0)] if len(other) else np.zeros(n, np.int64)
        columns[f"last_{frame}"] = instants(starts, mask=place < 0)
    return pa.table(columns)


class _Partial:
    """A parquet file that is there whole or not at all, written table by table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        self._partial = Path(partial)
        self._writer: Any = None

    def __enter__(self) -> _Partial:
        return self

    def append(self, table: Any) -> None:
        """Write one more row group."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - only who writes files pays

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._partial, table.schema, compression="zstd")
        self._writer.write_table(table)

    def keep(self) -> None:
        """Close, and take the name."""
        self._writer.close()
        self._writer = None
        self._partial.replace(self.path)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._partial.unlink(missing_ok=True)
