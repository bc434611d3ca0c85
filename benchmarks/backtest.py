"""A long-only SMA 10/50 cross with next-bar execution: our engine beside the peers, in one run.

`python -m benchmarks backtest [--json FILE] [--peers vectorbt backtesting ...]`. Sheet A is one symbol with 100,000
1-minute bars, sheet B 100 symbols with 2,000 daily bars; both are random walks of numpy's seed 0. Each peer runs in an
environment of its own below .sandbox/peers, installed by pip at the first run. Trades are compared one by one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.core.market import Bars
from shared.strategies import Wishes
from shared.strategies.sma_cross import SmaCross
from simulation.market.bar_rows import PRICES
from simulation.market.scenario import ROOT
from training.engines import Trades, run, step

PEERS = {
    "vectorbt": ("vectorbt==1.2.0", "numba==0.68.1", "pandas==3.1.1", "numpy==2.5.5"),
    "backtesting": ("backtesting==0.6.6", "pandas==3.1.1", "numpy==2.5.5"),
    "nautilus_trader": ("nautilus_trader==1.231.0", "pandas==2.3.3", "numpy==2.5.5"),
    "backtrader": ("backtrader==1.9.78.123", "pandas==3.1.1", "numpy==2.5.5"),
}
REFERENCE = "vectorbt"
GOAL = 1.0
"""Bars per second over the reference's, warm, on both sheets."""
AIM = 2.0
SHEETS = {"A": (1, 100_000, 5e-4, 60), "B": (100, 2_000, 0.02, 86_400)}
"""Symbols, bars, standard deviation of a bar's return, seconds of a bar."""
FOLDER = ROOT / ".sandbox" / "peers"
SCRIPTS = Path(__file__).parent / "peers"
TOLERANCE = 1e-9

type Key = tuple[int, int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One engine on one sheet: seconds of the first run and of the best, and the trades of each symbol."""

    cold_s: float
    warm_s: float
    trades: list[list[Key]]


def sheet(name: str) -> list[Bars]:
    """Make the bars of a sheet: each opens where the one before closed."""
    symbols, count, deviation, length_s = SHEETS[name]
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, deviation, (symbols, count)), axis=1))
    opens = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    start = 1_577_836_800 + length_s * np.arange(count)
    return [
        Bars(start_s=start, open=o, high=np.maximum(o, c), low=np.minimum(o, c), close=c, volume=np.full(count, 1e6))
        for o, c in zip(opens, close, strict=True)
    ]


def timed(engine: Callable[[Bars, Wishes], Trades], bars: list[Bars], repeats: int) -> Result:
    """Run an engine of ours once cold and `repeats` times more, signals included."""
    seconds, cross = [], SmaCross()
    for _ in range(repeats + 1):
        start = time.perf_counter()
        found = [engine(of, cross.wishes(of)) for of in bars]
        seconds.append(time.perf_counter() - start)
    keys = [list(zip(t.entry_bar.tolist(), t.exit_bar.tolist(), t.entry_price.tolist(), strict=True)) for t in found]
    return Result(cold_s=seconds[0], warm_s=min(seconds), trades=keys)


def environment_of(peer: str) -> Path:
    """Return a peer's Python, installing it first where it is not there."""
    folder = FOLDER / peer
    python = folder / "bin" / "python"
    done = folder / ".installed"
    wanted = "\n".join(PEERS[peer])
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {peer} below {FOLDER.relative_to(ROOT)} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[peer]]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        done.write_text(wanted)
    return python


def peer_results(peer: str, sheets: dict[str, list[Bars]]) -> dict[str, Result]:
    """Run a peer on both sheets in its own process, on one core as we do."""
    python = environment_of(peer)
    source, target = FOLDER / "sheets.npz", FOLDER / f"{peer}.json"
    arrays: dict[str, Any] = {
        f"{name}_{column}": np.stack([getattr(of, column) for of in bars])
        for name, bars in sheets.items()
        for column in PRICES
    }
    np.savez(source, **arrays)
    subprocess.run([str(python), str(SCRIPTS / f"use_{peer}.py"), str(source), str(target)], check=True)
    return {name: Result(**result) for name, result in json.loads(target.read_text()).items()}


def differing(mine: list[list[Key]], theirs: list[list[Key]]) -> tuple[int, int]:
    """Count trades of ours that a peer has not, and of the peer that we have not, by bars and price of entry."""
    missing = extra = 0
    for ours_, peers in zip(mine, theirs, strict=True):
        known = {(a, b): price for a, b, price in peers}
        common = {(a, b) for a, b, price in ours_ if abs(known.get((a, b), np.inf) - price) <= TOLERANCE * price}
        missing += len(ours_) - len(common)
        extra += len(peers) - len(common)
    return missing, extra


def measure(peers: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Run everything and return figures by engine and sheet."""
    sheets = {name: sheet(name) for name in SHEETS}
    results = {
        "gatehouse": {name: timed(run, bars, repeats=9) for name, bars in sheets.items()},
        "gatehouse, stepping": {name: timed(step, bars, repeats=1) for name, bars in sheets.items()},
    }
    for peer in peers:
        results[peer] = peer_results(peer, sheets)
    mine = results["gatehouse"]
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for engine, by_sheet in results.items():
        for name, result in by_sheet.items():
            bars = SHEETS[name][0] * SHEETS[name][1]
            missing, extra = differing(mine[name].trades, result.trades)
            figures.setdefault(engine, {})[name] = {
                "bars_per_s": bars / result.warm_s,
                "cold_s": result.cold_s,
                "trades": float(sum(map(len, result.trades))),
                "trades_missing": float(missing),
                "trades_extra": float(extra),
            }
            if REFERENCE in results:
                figures[engine][name][f"over_{REFERENCE}"] = results[REFERENCE][name].warm_s / result.warm_s
    return figures


def show(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print the table."""
    ratio = f"over_{REFERENCE}"
    heads = f"{'bars/s A':>12} {'bars/s B':>12} {'first A s':>10} {f'x {REFERENCE} A':>13} {'B':>8}"
    print(f"{'':>22}  {heads}   trades that differ")
    for engine, by_sheet in figures.items():
        a, b = by_sheet["A"], by_sheet["B"]
        ratios = "  ".join(f"{of[ratio]:8.3f}" if ratio in of else " " * 8 for of in (a, b))
        differ = f"{a['trades_missing']:.0f}/{a['trades_extra']:.0f} of {a['trades']:.0f}, "
        differ += f"{b['trades_missing']:.0f}/{b['trades_extra']:.0f} of {b['trades']:.0f}"
        line = f"{engine:>22}  {a['bars_per_s']:12,.0f} {b['bars_per_s']:12,.0f} {a['cold_s']:10.3f} "
        print(f"{line}     {ratios}   {differ}")
    print("\ntrades that differ, A, B: ours that the peer has not / the peer's that we have not")
    print("docs/STRATEGIES.md says why")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail where the goal is missed or the stepping engine disagrees."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="peers to run beside ours")
    options = parser.parse_args(arguments)
    figures = measure(options.peers)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    exact = all(of["trades_missing"] == of["trades_extra"] == 0 for of in figures["gatehouse, stepping"].values())
    fast = all(of.get(f"over_{REFERENCE}", AIM) >= GOAL for of in figures["gatehouse"].values())
    return 0 if exact and fast else 1


if __name__ == "__main__":
    sys.exit(main())
