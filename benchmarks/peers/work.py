"""The work that every peer does, and how it is timed. Runs in the peer's own environment, with nothing of ours.

`python use_PEER.py SHEETS.npz OUT.json`: sheets A and B in, seconds and trades out.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

FAST, SLOW = 10, 50

type Bars = dict[str, np.ndarray]
type Sheet = list[Bars]
type Trade = tuple[int, int, float]
"""Bar of the entry, bar of the exit (the number of bars while open), price of the entry."""


def sheets_of(path: Path) -> dict[str, Sheet]:
    """Read both sheets: arrays `{sheet}_{column}` of shape (symbols, bars)."""
    with np.load(path) as stored:
        columns = ("open", "high", "low", "close", "volume")
        return {
            name: [
                {column: stored[f"{name}_{column}"][k] for column in columns}
                for k in range(len(stored[f"{name}_open"]))
            ]
            for name in ("A", "B")
        }


def measure(run: Callable[[Sheet], list[list[Trade]]], *, repeats: int = 3) -> None:
    """Run each sheet once cold and then `repeats` times, and write the first and the best time, and the trades."""
    source, target = map(Path, sys.argv[1:3])
    found = {}
    for name, sheet in sheets_of(source).items():
        seconds = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            trades = run(sheet)
            seconds.append(time.perf_counter() - start)
            if seconds[0] > 20:
                break  # what is slow is slow each time
        found[name] = {"cold_s": seconds[0], "warm_s": min(seconds), "trades": trades}
    target.write_text(json.dumps(found))
