"""Bars in files: `bars/{timeframe}/{symbol}/{yyyy-mm}.parquet`, in a local folder and, where there is one, in Blob.

A part is a month (daily bars: a year; a month of 21 rows would cost twelve times the transactions). The manifest beside
the parts is written after them, so that whoever is killed in between finds whole parts and asks for their dates again.
With storage, its manifests are the truth and the folder is a cache: a part is read from the folder where its hash is
that of the manifest. Without storage the folder is all there is.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.adapters.codec import decode_json, encode_json
from shared.adapters.storage_rules import key_of, symbol_of
from shared.contracts.records import Container
from shared.core.errors import ContractError
from shared.core.features.history import new_york_clock
from shared.core.ids import digest
from shared.core.market import Bars, IntArray, Timeframe
from shared.core.values import Symbol
from shared.ports import BlobStore, Calendar
from simulation.market.bar_rows import EPOCH, PRICES, SESSIONS, SymbolBars, edges_of, is_crypto, sessions_of, span_s
from training.data.manifest import Dates, Manifest, Part, gaps_of, merged

MANIFEST = "manifest.json"

type Counted = Callable[[str, int, int], None]
"""Told (symbol, how many are done, of how many)."""


class BarStore:
    """Bars by timeframe and symbol.

    Parameters
    ----------
    folder : Path
        Local files; made when something is written.
    calendar : Calendar
        Says what regular bars a session should have, and the session of each bar.
    blobs : BlobStore, optional
        Container bars.
    """

    def __init__(self, folder: Path, calendar: Calendar, blobs: BlobStore | None = None) -> None:
        self._folder = folder
        self._calendar = calendar
        self._blobs = blobs

    def symbols(self, timeframe: Timeframe) -> list[Symbol]:
        """Symbols that have a manifest, sorted."""
        if self._blobs is not None:
            names = self._blobs.names(Container.BARS, f"{timeframe}/")
            keys = {name.split("/")[1] for name in names if name.endswith(f"/{MANIFEST}")}
        else:
            keys = {path.parent.name for path in (self._folder / Container.BARS / timeframe).glob(f"*/{MANIFEST}")}
        return sorted(Symbol(symbol_of(key)) for key in keys)

    def manifest(self, timeframe: Timeframe, symbol: Symbol) -> Manifest | None:
        """What is there of a symbol; None: nothing."""
        data = self.get_file(_name(timeframe, symbol, MANIFEST))
        return None if data is None else decode_json(Manifest, data)

    def read(self, timeframe: Timeframe, symbol: Symbol, within: Dates | None = None) -> SymbolBars:
        """Bars of some dates or of all, oldest first; empty where there are none.

        Raises
        ------
        ContractError
            If a part is missing or does not hold what the manifest says.
        """
        manifest = self.manifest(timeframe, symbol)
        parts = () if manifest is None else sorted(manifest.parts.items())
        wanted = [
            self._part(timeframe, symbol, label, part)
            for label, part in parts
            if within is None or str(within.first)[: len(label)] <= label <= str(within.last)[: len(label)]
        ]
        found = joined(wanted)
        if within is None:
            return found
        lo, hi = np.searchsorted(found.bars.start_s, span_s(within.first, within.last))
        return found[int(lo) : int(hi)]

    def write(
        self,
        timeframe: Timeframe,
        symbol: Symbol,
        fresh: SymbolBars,
        *,
        covered: Dates,
        source: str,
        quarantined: int = 0,
    ) -> Manifest:
        """Add bars and say which dates they cover; return the new manifest.

        Raises
        ------
        ContractError
            If what is there came from another source.
        """
        before = self.manifest(timeframe, symbol)
        if before is None:
            before = Manifest(timeframe=timeframe, symbol=symbol, source=source)
        if before.source != source:
            raise ContractError(f"{timeframe} {symbol}: the store holds bars of {before.source}, not of {source}")
        parts = dict(before.parts)
        for label, part in _by_label(fresh, timeframe).items():
            whole = part
            if label in parts:
                whole = self._part(timeframe, symbol, label, parts[label]).united(part)
            data = self._encoded(timeframe, symbol, whole)
            if parts.get(label) != (made := Part(rows=len(whole), sha256=digest(data))):
                self.put_file(_name(timeframe, symbol, f"{label}.parquet"), data)
                parts[label] = made
        old = [gap for gap in before.gaps if not covered.first <= gap.on <= covered.last]
        new = () if is_crypto(symbol) else gaps_of(fresh.bars, timeframe, covered, self._calendar)
        manifest = replace(
            before,
            covered=merged([*before.covered, covered]),
            parts=dict(sorted(parts.items())),
            gaps=tuple(sorted([*old, *new], key=lambda gap: gap.on)),
            quarantined=before.quarantined + quarantined,
        )
        if manifest != before:
            self.put_file(_name(timeframe, symbol, MANIFEST), encode_json(manifest))
        return manifest

    def quarantine(self, name: str, data: bytes) -> Path:
        """Keep bad rows; return the local file. In Blob they are in container quarantine."""
        path = self._folder / Container.QUARANTINE / name
        write_whole(path, data)
        if self._blobs is not None:
            self._blobs.put(Container.QUARANTINE, f"bars/{name}", data)
        return path

    def _part(self, timeframe: Timeframe, symbol: Symbol, label: str, part: Part) -> SymbolBars:
        name = _name(timeframe, symbol, f"{label}.parquet")
        local = self._folder / Container.BARS / name
        data = local.read_bytes() if local.is_file() else b""
        if digest(data) != part.sha256 and self._blobs is not None:
            stored = self._blobs.get(Container.BARS, name)
            data = b"" if stored is None else stored.value
            if digest(data) == part.sha256:
                write_whole(local, data)
        if digest(data) != part.sha256:
            raise ContractError(f"{Container.BARS}/{name} is missing or does not hold what its manifest says")
        return _decoded(data)

    def get_file(self, name: str) -> bytes | None:
        """What stands under a name of container bars, None where nothing does."""
        if self._blobs is not None:
            stored = self._blobs.get(Container.BARS, name)
            return None if stored is None else stored.value
        path = self._folder / Container.BARS / name
        return path.read_bytes() if path.is_file() else None

    def put_file(self, name: str, data: bytes) -> None:
        """Keep a document under a name of container bars: a part, a manifest; assets, calendar, news, quotes."""
        write_whole(self._folder / Container.BARS / name, data)
        if self._blobs is not None:
            self._blobs.put(Container.BARS, name, data)

    def _encoded(self, timeframe: Timeframe, symbol: Symbol, rows: SymbolBars) -> bytes:
        edges = edges_of(rows.bars.start_s, self._calendar)
        return to_parquet(symbol, rows, sessions=sessions_of(rows.bars.start_s, edges, timeframe).tolist())


def joined(parts: Sequence[SymbolBars]) -> SymbolBars:
    """Parts one after another."""
    if not parts:
        return SymbolBars.of(Bars.empty())
    columns = {name: np.concatenate([getattr(part.bars, name) for part in parts]) for name in ("start_s", *PRICES)}
    return SymbolBars(bars=Bars(**columns), split_next=np.concatenate([part.split_next for part in parts]))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def to_parquet(symbol: str, rows: SymbolBars, *, sessions: Sequence[int]) -> bytes:
    """One part: symbol, ts (UTC, bar start), open, high, low, close, volume, split_next, session."""
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays

    columns: dict[str, Any] = {
        "symbol": coded(np.zeros(len(rows), np.int32), [symbol]),
        "ts": instants(rows.bars.start_s),
        **{name: pa.array(getattr(rows.bars, name), pa.float64()) for name in PRICES},
        "split_next": pa.array(rows.split_next, pa.float64()),
        "session": coded(np.array(sessions, np.int32), SESSIONS),
    }
    return parquet_bytes(columns)


def instants(seconds: IntArray, mask: NDArray[np.bool_] | None = None) -> Any:
    """A column of UTC instants in milliseconds; null where the mask is set."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.array(seconds * 1000, pa.int64(), mask=mask).cast(pa.timestamp("ms", tz="UTC"))


def coded(codes: NDArray[np.int32], names: Sequence[str]) -> Any:
    """A column of texts, each by its number among `names`."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(map(str, names)), pa.string()))


def parquet_bytes(columns: Any) -> bytes:
    """A table, or columns by name, as a parquet file."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _decoded(data: bytes) -> SymbolBars:
    import pyarrow as pa  # noqa: PLC0415 - only who touches files pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    table = pq.read_table(io.BytesIO(data), columns=["ts", *PRICES, "split_next"])
    start_s = table["ts"].cast(pa.int64()).to_numpy() // 1000
    bars = Bars(start_s=start_s, **{name: table[name].to_numpy() for name in PRICES})
    return SymbolBars(bars=bars, split_next=table["split_next"].to_numpy())


def _name(timeframe: Timeframe, symbol: Symbol, file: str) -> str:
    return f"{timeframe}/{key_of(symbol)}/{file}"


def _by_label(rows: SymbolBars, timeframe: Timeframe) -> Mapping[str, SymbolBars]:
    """Rows by the part they belong to."""
    ordinals, _ = new_york_clock(rows.bars.start_s)
    unit = "datetime64[Y]" if timeframe is Timeframe.DAY_1 else "datetime64[M]"
    labels = (np.datetime64(EPOCH, "D") + ordinals).astype(unit)
    distinct, first = np.unique(labels, return_index=True)
    edges = [*first.tolist(), len(rows)]
    return {str(label): rows[edges[k] : edges[k + 1]] for k, label in enumerate(distinct)}


def covered_dates(rows: SymbolBars) -> Dates:
    """First and last New York date of bars that are not empty."""
    ordinals, _ = new_york_clock(rows.bars.start_s)
    first, last = (date.fromordinal(EPOCH.toordinal() + int(ordinals[k])) for k in (0, -1))
    return Dates(first=first, last=last)
