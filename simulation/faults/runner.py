"""Many seeds over all cores, and the shortest trace of one that breaks a rule."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulation.faults.day import SimulationOutcome, simulate
from simulation.faults.options import SimulationRun

TWICE_EVERY = 25
"""Every such seed is run a second time: the same seed must give the same digest."""
TRACE_TAIL = 120
_CHUNK = 4


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a run over seeds came to."""

    days: int = 0
    seeds: int = 0
    orders: int = 0
    fills: int = 0
    stuck: int = 0
    twice: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    violations: list[SimulationOutcome] = field(default_factory=list)

    def add(self, outcome: SimulationOutcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.days += outcome.days
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.stuck += outcome.stuck
        self.twice += outcome.run.seed % TWICE_EVERY == 0
        self.cpu_s += outcome.cpu_s
        if outcome.is_violation:
            self.violations.append(outcome)

    @property
    def rate(self) -> float:
        """Simulated days per second of wall time."""
        return self.days / self.wall_s if self.wall_s else 0.0

    @property
    def rate_of_core(self) -> float:
        """Simulated days per second of one core: what other programs take of the machine does not count."""
        return self.days / self.cpu_s if self.cpu_s else 0.0


def run_seed(run: SimulationRun) -> SimulationOutcome:
    """Run a seed, some of them twice."""
    began = time.process_time()
    outcome = _run_seed(run)
    return replace(outcome, cpu_s=time.process_time() - began)


def _run_seed(run: SimulationRun) -> SimulationOutcome:
    outcome = simulate(run)
    if run.seed % TWICE_EVERY == 0 and not outcome.is_violation:
        again = simulate(run)
        if again.digest != outcome.digest:
            text = f"{outcome.digest} at first, {again.digest} again"
            return replace(outcome, rule="the same seed gives the same digest", text=text)
    return outcome


def run_all(
    runs: Iterable[SimulationRun],
    on_outcome: Callable[[SimulationOutcome], None],
    *,
    processes: int | None = None,
    stop_at_first: bool,
) -> Summary:
    """Run seeds over the cores.

    Parameters
    ----------
    on_outcome : callable
        Told each outcome as it comes.
    processes : int, optional
        As many as there are cores unless given; 1 runs in this process.
    """
    summary, began = Summary(), time.perf_counter()
    count = processes or os.cpu_count() or 1
    for outcome in _outcomes(list(runs), count):
        summary.add(outcome)
        on_outcome(outcome)
        if stop_at_first and outcome.is_violation:
            break
    summary.wall_s = time.perf_counter() - began
    return summary


def _outcomes(runs: list[SimulationRun], processes: int) -> Iterator[SimulationOutcome]:
    if processes == 1:
        yield from map(run_seed, runs)
        return
    with multiprocessing.get_context("forkserver").Pool(processes) as pool:
        yield from pool.imap_unordered(run_seed, runs, chunksize=_CHUNK)


def shrink(found: SimulationOutcome) -> SimulationOutcome:
    """Find a shorter way to the same broken rule: fewer faults first, then an earlier end of the day.

    Returns
    -------
    Outcome
        With the trace; of the original run where nothing could be left out.
    """
    best = found.run
    for name in sorted(best.faults):
        smaller = replace(best, faults=best.faults - {name})
        if simulate(smaller).rule == found.rule:
            best = smaller
    outcome = simulate(best)
    if outcome.rule == found.rule and outcome.days == 0:
        shorter = replace(best, minutes=outcome.minute + 1)
        if simulate(shorter).rule == found.rule:
            best = shorter
    return simulate(replace(best, is_traced=True))


def commit() -> str:
    """`git describe` of the checkout, as a failure is reported with."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
