"""A thousand SMA crosses on 100 symbols with 2,000 daily bars: our sweep beside vectorbt's, in one run.

`python -m benchmarks sweep [--json FILE] [--sets N]`. Bars are those of sheet B of `benchmarks.backtest`. vectorbt runs
in one process of an environment of its own, as there; we run in one process and in two. Each makes every trade and the
growth of every set on every symbol; we make the capital of every set at every day's end besides. Trades are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.backtest import FOLDER, REFERENCE, SCRIPTS, TOLERANCE, environment_of, sheet
from shared.core.features.history import new_york_clock
from shared.core.market import Bars, FloatArray, Timeframe
from shared.core.values import Symbol
from shared.strategies.sma_cross import SmaCross
from training.engines import Costs, split_days, trades_of
from training.sweeps.grid import read_grid
from training.sweeps.market import SweptMarket, SweptSymbol
from training.sweeps.run import sweep, traded

FAST, SLOW = range(2, 52, 2), range(60, 140, 2)
GOAL = 1.0
"""Sets a second over vectorbt's, both in one process."""


def market_of(bars: Sequence[Bars]) -> SweptMarket:
    """Bars of days as a sweep reads them."""
    dates, _ = new_york_clock(bars[0].start_s)
    at = np.arange(dates.size)
    parts = {
        Symbol(f"S{k:03}"): SweptSymbol(bars=of, days=split_days(of, Timeframe.DAY_1), at=at)
        for k, of in enumerate(bars)
    }
    return SweptMarket(file="sheet B", timeframe=Timeframe.DAY_1, symbols=parts, dates=dates, told=())


def our_trades(sets: Sequence[SmaCross], market: SweptMarket) -> tuple[FloatArray, FloatArray]:
    """Rows (column, bar of entry, bar of exit, price of entry) of every trade, and the growth of every column.

    A column is a set on a symbol, symbols within a set.
    """
    rows: list[FloatArray] = []
    growth: list[float] = []
    for cross in sets:
        for part in market.symbols.values():
            found = trades_of(cross, part.bars, days=part.days)
            column = np.full(len(found), len(growth))
            rows.append(np.column_stack([column, found.entry_bar, found.exit_bar, found.entry_price]))
            growth.append(found.total_growth)
    return np.concatenate(rows), np.array(growth)


def differing(mine: FloatArray, theirs: FloatArray) -> tuple[int, int]:
    """Count trades of ours that the peer has not, and the peer's that we have not, by bars and price of entry."""
    known = {(a, b, c): price for a, b, c, price in theirs.tolist()}
    common = sum(abs(known.get((a, b, c), np.inf) - price) <= TOLERANCE * price for a, b, c, price in mine.tolist())
    return len(mine) - common, len(theirs) - common


def measure(count: int) -> dict[str, float]:
    """Run everything and return figures."""
    pairs = list(itertools.islice(itertools.product(FAST, SLOW), count))
    sets, bars = [SmaCross(fast=fast, slow=slow) for fast, slow in pairs], sheet("B")
    market = market_of(bars)
    python = environment_of(REFERENCE)
    source, target = FOLDER / "sweep.npz", FOLDER / "sweep-vectorbt.npz"
    close, opens = (np.column_stack([getattr(of, name) for of in bars]) for name in ("close", "open"))
    np.savez(source, sets=np.array(pairs), close=close, open=opens)
    subprocess.run([str(python), str(SCRIPTS / "sweep_vectorbt.py"), str(source), str(target)], check=True)
    with np.load(target) as stored:
        theirs, their_growth = stored["trades"], stored["growth"]
        cold_s, their_s = stored["seconds"].tolist()
    seconds = {}
    for jobs in (1, 2):
        traded(sets[:jobs], market, Costs(), flat_at_close=True, jobs=jobs, progress=_quiet)  # processes are started
        start = time.perf_counter()
        traded(sets, market, Costs(), flat_at_close=True, jobs=jobs, progress=_quiet)
        seconds[jobs] = time.perf_counter() - start
    grid = read_grid("sma-cross.v1", f"fast={','.join(map(str, FAST))} slow={','.join(map(str, SLOW))}")
    start = time.perf_counter()
    sweep(grid, market, Costs(), jobs=2)
    whole_s = time.perf_counter() - start
    mine, growth = our_trades(sets, market)
    missing, extra = differing(mine, theirs)
    return {
        "sets": float(len(sets)),
        "vectorbt_s": their_s,
        "vectorbt_first_s": cold_s,
        "one_process_s": seconds[1],
        "two_processes_s": seconds[2],
        "command_s": whole_s,
        "over_vectorbt": their_s / seconds[1],
        "two_over_vectorbt": their_s / seconds[2],
        "trades": float(len(mine)),
        "trades_missing": float(missing),
        "trades_extra": float(extra),
        "growth_apart": float(np.max(np.abs(growth / their_growth - 1))),
    }


def _quiet(_what: str, _done: float) -> None:
    """Progress that nobody looks at."""


def show(found: dict[str, float]) -> None:
    """Print the figures."""
    print(f"{found['sets']:,.0f} SMA crosses on 100 symbols with 2,000 daily bars, {found['trades']:,.0f} trades")
    print(
        f"  vectorbt, one process    {found['vectorbt_s']:8.1f} s, after {found['vectorbt_first_s']:.1f} s of compiling"
    )
    for name, key, ratio in (
        ("one process  ", "one_process_s", "over_vectorbt"),
        ("two processes", "two_processes_s", "two_over_vectorbt"),
    ):
        print(f"  Gatehouse, {name} {found[key]:8.1f} s, {found[ratio]:.2f} times as fast")
    print(f"  with what luck explains  {found['command_s']:8.1f} s  (all 1,000 sets, two processes)")
    print(f"trades that differ: {found['trades_missing']:.0f} of ours, {found['trades_extra']:.0f} of vectorbt's")
    print(f"growth that is farthest apart: {found['growth_apart']:.1e}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail where the goal is missed or trades differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sweep", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--sets", type=int, default=1000, help="how many of the 1,000 are compared (default all)")
    options = parser.parse_args(arguments)
    found = measure(options.sets)
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    is_same = found["trades_missing"] == found["trades_extra"] == 0
    return 0 if is_same and found["over_vectorbt"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
