"""Bars from parquet and CSV files into the store; bad rows go to a quarantine file with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.core.ids import digest
from shared.core.market import Timeframe
from shared.core.values import Symbol
from simulation.market.bar_file import BarFile, read_file
from training.data.manifest import Manifest
from training.data.store import BarStore, Counted, covered_dates, parquet_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import. `quarantine` is the file of bad rows, None without any."""

    file: BarFile
    manifests: Mapping[Symbol, Manifest]
    quarantine: Path | None


def import_file(
    path: Path, store: BarStore, *, timeframe: Timeframe | None = None, progress: Counted = lambda *_: None
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
    bad = Counter(file.rows.symbol[file.checked.bad].tolist())
    manifests: dict[Symbol, Manifest] = {}
    for k, (symbol, rows) in enumerate(parts.items()):
        before = store.manifest(file.timeframe, symbol)
        known = 0 if before is None else before.quarantined
        manifests[symbol] = store.write(
            file.timeframe,
            symbol,
            rows,
            covered=covered_dates(rows),
            source="import",
            quarantined=max(0, bad[file.symbols.index(symbol)] - known),
        )
        progress(symbol, k + 1, len(parts))
    return Imported(file=file, manifests=manifests, quarantine=quarantined(file, store))


def quarantined(file: BarFile, store: BarStore) -> Path | None:
    """Write the bad rows as they came, with their reasons; None where there are none."""
    if not file.checked.bad.size:
        return None
    data = parquet_bytes(file.bad)
    return store.quarantine(f"{file.timeframe}/{file.path.stem}-{digest(data)[:12]}.parquet", data)
