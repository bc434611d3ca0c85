"""The past that a day's features need, in one parquet blob per version of the watchlist.

Container bars, `history/YYYY-MM-DD/HHMM-<hash>.parquet`: columns timeframe, symbol, start_s, open, high, low, close,
volume, sorted, in the date's terms (`shared.core.splits`). The name carries the content's hash, so a decision's inputs
can be named for ever. Today's bars as a decision saw them are kept likewise under `today/`, a whole day's under `day/`.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from shared.contracts.records import Container
from shared.core.errors import ContractError
from shared.core.features import Past, prepare
from shared.core.ids import digest
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.values import Symbol
from shared.ports import BlobStore

KEPT = 2
"""Blobs kept in memory, those asked for last: the watchlist in force and the one before, or a slice's past and bars."""

_LEFT_OUT = "left_out"
"""Key of the file's metadata that says, as JSON, which symbols are missing and why; absent where none is."""

_PRICES = ("open", "high", "low", "close", "volume")

_ENCODING: Mapping[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    # Prices repeat too little for a dictionary: without one the file is a quarter smaller.
    "use_dictionary": ["timeframe", "symbol"],
    "column_encoding": {"start_s": "DELTA_BINARY_PACKED", "volume": "BYTE_STREAM_SPLIT"},
    "write_statistics": False,
}
"""A fifth smaller than zstd's defaults in the same time, which a slice's score waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptHistory:
    """What a blob holds."""

    bars: Mapping[Timeframe, Mapping[Symbol, Bars]]
    left_out: Mapping[Symbol, str]


def content_hash(data: bytes) -> str:
    """The part of a blob's name that says what is in it."""
    return digest(data)[:16]


class BlobHistory:
    """HistoryStore on blobs; what was read or written last is kept in memory, prepared."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._read: OrderedDict[str, _KeptHistory] = OrderedDict()
        self._prepared: OrderedDict[tuple[str, date], Mapping[Symbol, Past]] = OrderedDict()

    def write(
        self,
        on: date,
        slot: str,
        bars: Mapping[Timeframe, Mapping[Symbol, Bars]],
        *,
        kind: str = "history",
        left_out: Mapping[Symbol, str] = MappingProxyType({}),
    ) -> str:
        """Write and return the blob's name; the same content keeps its name."""
        data = _to_parquet(bars, left_out)
        name = f"{kind}/{on}/{slot}-{content_hash(data)}.parquet"
        self._blobs.insert(Container.BARS, name, data)
        return name

    def bars(self, blob: str) -> Mapping[Timeframe, Mapping[Symbol, Bars]]:
        """Return what was written. Raises ContractError where the blob is missing or broken."""
        return self._kept(blob).bars

    def left_out(self, blob: str) -> Mapping[Symbol, str]:
        """Return why symbols were left out. Raises ContractError where the blob is missing or broken."""
        return self._kept(blob).left_out

    def _kept(self, blob: str) -> _KeptHistory:
        found = self._read.pop(blob, None)
        if found is None:
            stored = self._blobs.get(Container.BARS, blob)
            if stored is None:
                raise ContractError(f"history blob {Container.BARS}/{blob} does not exist")
            if not blob.endswith(f"-{content_hash(stored.value)}.parquet"):
                raise ContractError(f"history blob {Container.BARS}/{blob} does not hold what its name says")
            found = _from_parquet(stored.value, blob)
        _keep(self._read, blob, found)  # last again: the past, which every slice names, outlives bars of one slice
        return found

    def pasts(self, blob: str, day: TradingDay) -> Mapping[Symbol, Past]:
        """Return every symbol's prepared past. Raises ContractError where the blob is missing or broken."""
        key = (blob, day.on)
        found = self._prepared.get(key)
        if found is None:
            bars = self.bars(blob)
            daily, minutes = bars.get(Timeframe.DAY_1, {}), bars.get(Timeframe.MIN_5, {})
            found = {
                symbol: prepare(
                    symbol,
                    daily=daily.get(symbol, Bars.empty()),
                    history=minutes.get(symbol, Bars.empty()),
                    day=day,
                )
                for symbol in sorted(daily.keys() | minutes.keys())
            }
            _keep(self._prepared, key, found)
        return found


def _keep[K, V](kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep a value and forget the oldest. Functions run in threads, so what was kept may be gone at the next look."""
    kept[key] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _to_parquet(bars: Mapping[Timeframe, Mapping[Symbol, Bars]], left_out: Mapping[Symbol, str]) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 (0.2 s that only scans and scores pay)
    import pyarrow.parquet as pq  # noqa: PLC0415

    parts = [(tf, s, b) for tf in sorted(bars) for s, b in sorted(bars[tf].items()) if len(b)]
    sizes = [len(b) for _, _, b in parts]
    columns: dict[str, Any] = {
        "timeframe": pa.array(np.repeat(np.array([tf.value for tf, _, _ in parts], object), sizes), pa.string()),
        "symbol": pa.array(np.repeat(np.array([str(s) for _, s, _ in parts], object), sizes), pa.string()),
        "start_s": pa.array(np.concatenate([b.start_s for _, _, b in parts]) if parts else [], pa.int64()),
    }
    for name in _PRICES:
        values = np.concatenate([getattr(b, name) for _, _, b in parts]) if parts else np.empty(0)
        columns[name] = pa.array(values, pa.float64())
    sink = io.BytesIO()
    table = pa.table(columns)
    if left_out:
        table = table.replace_schema_metadata({_LEFT_OUT: json.dumps(dict(sorted(left_out.items())))})
    pq.write_table(table, sink, **_ENCODING)
    return sink.getvalue()


def _from_parquet(data: bytes, name: str) -> _KeptHistory:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(io.BytesIO(data))
        said = (table.schema.metadata or {}).get(_LEFT_OUT.encode(), b"{}")
        left_out = {Symbol(symbol): str(why) for symbol, why in json.loads(said).items()}
        return _KeptHistory(bars=_cut(table), left_out=left_out)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise ContractError(f"history blob {name} cannot be read: {error}") from error


def _cut(table: Any) -> dict[Timeframe, dict[Symbol, Bars]]:
    """Cut the sorted table where timeframe or symbol changes."""
    found: dict[Timeframe, dict[Symbol, Bars]] = {}
    arrays = {name: table.column(name).to_numpy() for name in ("start_s", *_PRICES)}
    for timeframe, symbol, part in _runs(table):
        bars = Bars(**{name: np.ascontiguousarray(values[part]) for name, values in arrays.items()})
        found.setdefault(Timeframe(timeframe), {})[Symbol(symbol)] = bars
    return found


def _runs(table: Any) -> Iterator[tuple[str, str, slice]]:
    timeframe = table.column("timeframe").combine_chunks().dictionary_encode()
    symbol = table.column("symbol").combine_chunks().dictionary_encode()
    codes = np.stack([timeframe.indices.to_numpy(), symbol.indices.to_numpy()])
    if not codes.shape[1]:
        return
    edges = [0, *(np.flatnonzero(np.any(np.diff(codes, axis=1) != 0, axis=0)) + 1).tolist(), codes.shape[1]]
    for lo, hi in pairwise(edges):
        yield str(timeframe[lo].as_py()), str(symbol[lo].as_py()), slice(lo, hi)
