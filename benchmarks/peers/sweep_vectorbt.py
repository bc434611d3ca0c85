"""Every pair of spans of the SMA cross in vectorbt's broadcasted form: all sets of a chunk on all symbols in one call.

`python sweep_vectorbt.py SHEET.npz OUT.npz`. Rolling means of distinct spans are computed once, as vectorbt advises.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import vectorbt as vbt

CHUNK = 50
"""Sets in one call: an array of a thousand on 100 symbols and 2,000 bars has 1.6 GB, and a call holds several."""


def run(closes: np.ndarray, opens: np.ndarray, sets: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Trades (column, bar of entry, bar of exit, price of entry) and total growth of every column, set by set."""
    n, symbols = closes.shape
    means = {span: vbt.MA.run(closes, span).ma.to_numpy() for span in np.unique(sets).tolist()}
    records, growth = [], []
    for start in range(0, len(sets), CHUNK):
        chunk = sets[start : start + CHUNK]
        is_above = np.concatenate([means[fast] > means[slow] for fast, slow in chunk.tolist()], axis=1)
        before = np.vstack([np.zeros((1, is_above.shape[1]), bool), is_above[:-1]])
        late = np.zeros((1, is_above.shape[1]), bool)
        book = vbt.Portfolio.from_signals(
            np.tile(closes, (1, len(chunk))),
            np.vstack([late, (is_above & ~before)[:-1]]),
            np.vstack([late, (before & ~is_above)[:-1]]),
            price=np.tile(opens, (1, len(chunk))),
            init_cash=1e6,
            fees=0.0,
            freq="1D",
        )
        found = book.trades.values
        left = np.where(found["status"] == 0, n, found["exit_idx"])
        column = found["col"] + start * symbols
        records.append(np.column_stack([column, found["entry_idx"], left, found["entry_price"]]))
        growth.append(1 + book.total_return().to_numpy())
    return records, growth


def main() -> None:
    """Compile on a few sets, then time all of them once."""
    source, target = map(Path, sys.argv[1:3])
    with np.load(source) as stored:
        closes, opens, sets = stored["close"], stored["open"], stored["sets"]
    start = time.perf_counter()
    run(closes, opens, sets[:2])
    cold_s = time.perf_counter() - start
    start = time.perf_counter()
    records, growth = run(closes, opens, sets)
    seconds = time.perf_counter() - start
    np.savez(
        target,
        trades=np.concatenate(records),
        growth=np.concatenate(growth),
        seconds=np.array([cold_s, seconds]),
    )


if __name__ == "__main__":
    main()
