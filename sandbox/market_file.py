"""The seeded market's past as a file of bars, for training where no recorded one is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shared.core.features.history import midnight_s
from shared.core.market import Timeframe
from shared.core.values import Symbol, from_epoch
from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED, core_symbols
from simulation.market.synthetic import SyntheticTape
from training.data.store import parquet_bytes, write_whole

SESSIONS, SYMBOLS = 110, 100
MADE_UP = b"synthetic"
"""What the file says of its market; a model that learned from it trades in the sandbox only."""


def write_market(
    path: Path, *, seed: int = DEFAULT_SEED, edge: float = 1.0, sessions: int = SESSIONS, symbols: int = SYMBOLS
) -> int:
    """Write 5-minute bars of the most traded symbols before the default day; return the number of rows.

    `edge` is how strong the market's patterns are, from 0, none, to 2; in the market that `make day` trades it is 1.

    Columns symbol, ts (UTC, start of the bar), open, high, low, close, volume. The file's metadata names the market's
    content under `market` and says that it is invented.
    """
    import pyarrow as pa  # noqa: PLC0415 - only who writes a file pays

    tape = SyntheticTape(seed, DEFAULT_ON, n_symbols=max(symbols, 20), history_days=sessions, edge=edge)
    start, end = (from_epoch(midnight_s(on)) for on in (tape.session_dates[0], DEFAULT_ON))
    parts: list[dict[str, Any]] = []
    for symbol in core_symbols(tape, symbols):
        bars = tape.bars(Symbol(symbol), Timeframe.MIN_5, start, end)
        names = ("open", "high", "low", "close", "volume")
        parts.append({"symbol": [symbol] * len(bars), "ts": bars.start_s} | {n: getattr(bars, n) for n in names})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    table = pa.table(columns).set_column(1, "ts", pa.array(columns["ts"]).cast(pa.timestamp("s", tz="UTC")))
    table = table.replace_schema_metadata({b"market": MADE_UP, b"content_id": tape.content_id.encode()})
    write_whole(path, parquet_bytes(table))
    return int(table.num_rows)
