"""A whole seeded day: wall time, the app's peak memory, and where the time goes.

Compared with the same day's bare storage traffic: as many calls of the storage SDK as the day made, all reads of one
row, against the same emulator.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import requests.adapters
from rich.console import Console

from sandbox.azurite import Azurite
from sandbox.day import DayRun, run_day
from shared.adapters import scorer
from shared.adapters.tables import AzureTables
from shared.contracts.settings import StorageSettings
from shared.core.features import latest_features
from shared.stages.entry import score
from simulation.market.scenario import DEFAULT_SEED, Scenario

GOAL_S = 60.0
GOAL_MB = 600.0
VENUE, STORAGE, FEATURES, SCORING = "venue HTTP", "storage", "features", "scoring"


class Stopwatch:
    """Seconds and calls by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()

    def timed(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Wrap a function; `name` says from its arguments what its time counts as."""

        def run(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                what = name(*args)
                self.seconds[what] += time.perf_counter() - started
                self.calls[what] += 1

        return run


def _whose(_: Any, request: requests.PreparedRequest) -> str:
    """Storage SDKs and alpaca-py both send through requests; their paths tell them apart."""
    path = (request.url or "").split("/", 3)[-1]
    return VENUE if path.startswith(("v1beta", "v2")) else STORAGE


@contextlib.contextmanager
def watched() -> Iterator[Stopwatch]:
    """Time what the app does inside: HTTP by whose it is, features, scoring."""
    watch = Stopwatch()
    send = watch.timed(requests.adapters.HTTPAdapter.send, _whose)
    features = watch.timed(latest_features, lambda *_: FEATURES)
    predict = watch.timed(scorer.OnnxPredictor.predict, lambda *_: SCORING)
    with (
        mock.patch.object(requests.adapters.HTTPAdapter, "send", send),
        mock.patch.object(score, "latest_features", features),
        mock.patch.object(scorer.OnnxPredictor, "predict", predict),
    ):
        yield watch


def bare_storage_s(calls: int) -> float:
    """Seconds that as many plain reads of one row take."""
    with Azurite() as azurite:
        tables = AzureTables(StorageSettings(connection=azurite.connection_string))
        tables.insert("bare", "p", "k", {"value": 1})
        started = time.perf_counter()
        for _ in range(calls):
            tables.get("bare", "p", "k")
        return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit 1 where a goal is missed or the day broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks day", description=__doc__)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder, watched() as watch:
        run = run_day(Scenario(seed=options.seed), console, folder=Path(folder) / "day")
    bare_s = bare_storage_s(watch.calls[STORAGE])
    figures = _figures(run, watch, bare_s)
    _show(figures, run, watch, console)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return int(run.wall_s > GOAL_S or run.peak_mb > GOAL_MB or bool(run.evidence.violations))


def _figures(run: DayRun, watch: Stopwatch, bare_s: float) -> dict[str, Any]:
    functions = sum(run.timings.seconds.values())
    known = sum(watch.seconds.values())
    return {
        "wall_s": run.wall_s,
        "peak_mb": run.peak_mb,
        "bare_storage_s": bare_s,
        "ratio_to_bare_storage": run.wall_s / bare_s,
        "functions_s": functions,
        "host_and_its_storage_s": run.wall_s - functions,
        "rest_of_functions_s": functions - known,
        **{f"{name}_s": seconds for name, seconds in watch.seconds.items()},
        **{f"{name}_calls": calls for name, calls in watch.calls.items()},
        "digest": run.evidence.digest,
    }


def _show(figures: dict[str, Any], run: DayRun, watch: Stopwatch, console: Console) -> None:
    bare_s, ratio = figures["bare_storage_s"], figures["ratio_to_bare_storage"]
    console.print(f"whole day           {run.wall_s:6.1f} s   (goal {GOAL_S:.0f} s)")
    console.print(f"peak memory         {run.peak_mb:6.0f} MB  (goal {GOAL_MB:.0f} MB)")
    console.print(f"bare storage calls  {bare_s:6.1f} s   the day takes {ratio:.1f} x that")
    console.print(f"functions           {figures['functions_s']:6.1f} s")
    for name, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        console.print(f"  {name:17} {seconds:6.1f} s   {watch.calls[name]:,} calls")
    console.print(f"  SDKs and stages   {figures['rest_of_functions_s']:6.1f} s")
    console.print(f"host, its storage   {figures['host_and_its_storage_s']:6.1f} s")
    for name, seconds in sorted(run.timings.seconds.items(), key=lambda item: -item[1]):
        console.print(f"    {name:22} {run.timings.calls[name]:6,} calls {seconds:7.2f} s")


if __name__ == "__main__":
    sys.exit(main())
