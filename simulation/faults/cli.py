"""`python -m sandbox simulate`: seeded days with faults, the proof of the checkers, and the replay of one seed."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Sheet

from shared.core.errors import SettingsError
from simulation.faults.day import SimulationOutcome, simulate
from simulation.faults.mutants import MUTANTS
from simulation.faults.options import NAMES, SimulationRun, parse_faults
from simulation.faults.runner import TRACE_TAIL, Summary, commit, run_all, shrink

PROOF_SEEDS = 300
"""A rule broken on purpose must be noticed within so many seeds."""
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--seeds", default="1..1000", help="first..last seed (default %(default)s)")
    parser.add_argument("--faults", default="all", help="all, none, or names split by commas (default %(default)s)")
    parser.add_argument("--no-swarm", action="store_true", help="every seed meets every fault, not some of them")
    parser.add_argument("--days", type=int, default=1, help="trading days of each seed (default %(default)s)")
    parser.add_argument(
        "--prove-checkers", nargs="*", metavar="NAME", help="break every rule, or those named, on purpose instead"
    )
    parser.add_argument("--mutant", default="", help="break this one rule on purpose")
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every step")
    parser.add_argument("--minutes", type=int, help="end the day so many minutes after 09:15 New York")
    parser.add_argument("--stop-at-first", action="store_true", help="stop at the first broken rule")
    parser.add_argument("--processes", type=int, help="as many as there are cores unless given")


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Returns
    -------
    int
        1 where a rule does not hold, or a planted fault was not found.

    Raises
    ------
    SettingsError
        If an option makes no sense.
    """
    if options.prove_checkers is not None:
        return _prove(console, options.prove_checkers, options.processes)
    given = SimulationRun(
        seed=0,
        days=options.days,
        faults=parse_faults(options.faults),
        swarm=not options.no_swarm,
        mutant=options.mutant,
        minutes=options.minutes,
    )
    if options.seed is not None:
        return _one(given, options.seed, console, is_traced=options.trace)
    return _many(given, _seeds(options.seeds), console, options)


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    try:
        seeds = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise SettingsError(f"--seeds {text}: expected first..last") from None
    if not seeds:
        raise SettingsError(f"--seeds {text}: expected first <= last")
    return seeds


def _with(given: SimulationRun, **changes: object) -> SimulationRun:
    fields = {name: getattr(given, name) for name in SimulationRun.__slots__}
    return SimulationRun(**{**fields, **changes})


def _one(given: SimulationRun, seed: int, console: Console, *, is_traced: bool) -> int:
    outcome = simulate(_with(given, seed=seed, is_traced=is_traced))
    for line in outcome.trace:
        console.print(line, markup=False, soft_wrap=True)
    _tell(outcome, console)
    return 1 if outcome.is_violation else 0


def _tell(outcome: SimulationOutcome, console: Console) -> None:
    found = f"{outcome.rule}: {outcome.text}" if outcome.is_violation else "no violation"
    console.print(
        f"seed {outcome.run.seed}: {outcome.orders} orders, {outcome.fills} fills, digest {outcome.digest}: {found}",
        markup=False,
        soft_wrap=True,
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _many(given: SimulationRun, seeds: range, console: Console, options: argparse.Namespace) -> int:
    with _progress(console) as progress:
        task = progress.add_task("simulating", total=len(seeds))

        def told(outcome: SimulationOutcome) -> None:
            progress.advance(task)
            if outcome.is_violation:
                progress.console.print(f"seed {outcome.run.seed}: {outcome.rule}", style="red", markup=False)

        runs = [_with(given, seed=seed) for seed in seeds]
        summary = run_all(runs, told, processes=options.processes, stop_at_first=options.stop_at_first)
    _sum_up(summary, console)
    if summary.violations:
        _explain(summary.violations, console)
        return 1
    return 0


def _sum_up(summary: Summary, console: Console) -> None:
    verdict = f"{len(summary.violations)} violations" if summary.violations else "no violation"
    console.print(
        f"{summary.days} days of {summary.seeds} seeds, {summary.orders} orders at the venue, {summary.fills} fills: "
        f"{verdict}; {summary.rate:.1f} days/s in {summary.wall_s:.0f} s, "
        f"{summary.rate_of_core:.1f} a second of one core's time",
        soft_wrap=True,
    )
    console.print(
        f"{summary.twice} seeds were run twice for their digest; {summary.stuck} positions found no buyer by the end "
        f"of after-hours trading",
        soft_wrap=True,
    )


def _explain(violations: Sequence[SimulationOutcome], console: Console) -> None:
    for rule, count in Counter(outcome.rule for outcome in violations).most_common():
        seeds = ", ".join(str(o.run.seed) for o in violations if o.rule == rule)
        console.print(f"{count} x {rule}: seeds {seeds}", style="red", markup=False, soft_wrap=True)
    first = min(violations, key=lambda outcome: outcome.run.seed)
    console.print(f"shrinking seed {first.run.seed} ...")
    shortest = shrink(first)
    for line in shortest.trace[-TRACE_TAIL:]:
        console.print(line, markup=False, soft_wrap=True)
    _tell(shortest, console)
    console.print(f"commit {commit()}; replay: python -m sandbox simulate {_arguments(shortest.run)} --trace")


def _arguments(run: SimulationRun) -> str:
    """Options that replay a run."""
    faults = "all" if run.faults == frozenset(NAMES) else ",".join(sorted(run.faults)) or "none"
    words = [f"--seed {run.seed}", f"--faults {faults}"]
    words += [f"--days {run.days}"] if run.days != 1 else []
    words += [] if run.swarm else ["--no-swarm"]
    words += [f"--mutant {run.mutant}"] if run.mutant else []
    words += [f"--minutes {run.minutes}"] if run.minutes is not None else []
    return " ".join(words)


def _prove(console: Console, given: Sequence[str], processes: int | None) -> int:
    """Break each rule on purpose, and say after how many seeds it was noticed, and by which rule."""
    if unknown := sorted(set(given) - MUTANTS.keys()):
        raise SettingsError(f"--prove-checkers {', '.join(unknown)}: expected some of {', '.join(MUTANTS)}")
    names = given or list(MUTANTS)
    sheet = Sheet(box=None)
    for column in ("broken on purpose", "seeds", "noticed by"):
        sheet.add_column(column)
    missed = []
    with _progress(console) as progress:
        task = progress.add_task("proving", total=len(names))
        for name in names:
            meaning, _ = MUTANTS[name]
            progress.update(task, description=name)
            found = _first_found(name, processes)
            progress.advance(task)
            if found is None:
                missed.append(name)
                sheet.add_row(f"{name}: {meaning}", f"> {PROOF_SEEDS}", "nobody", style="red")
            else:
                sheet.add_row(f"{name}: {meaning}", str(found.run.seed), found.rule)
    console.print(sheet)
    console.print(f"{len(names) - len(missed)} of {len(names)} broken rules were noticed within {PROOF_SEEDS} seeds")
    return 1 if missed else 0


def _first_found(name: str, processes: int | None) -> SimulationOutcome | None:
    """The first seed that notices a planted fault; the first few alone, since most are noticed there."""
    for seed in range(1, SHOWN + 1):
        outcome = simulate(_proof(seed, name))
        if _is_proof(outcome):
            return outcome
    seeds = list(range(SHOWN + 1, PROOF_SEEDS + 1))
    while seeds:
        runs = [_proof(seed, name) for seed in seeds]
        summary = run_all(runs, lambda _: None, processes=processes, stop_at_first=True)
        found = min(summary.violations, key=lambda outcome: outcome.run.seed, default=None)
        if found is None or _is_proof(found):
            return found
        seeds.remove(found.run.seed)
    return None


def _is_proof(outcome: SimulationOutcome) -> bool:
    """Whether a rule is broken that the same seed does not break by itself."""
    return outcome.is_violation and simulate(_with(outcome.run, mutant="")).rule != outcome.rule


def _proof(seed: int, name: str) -> SimulationRun:
    """Every other seed meets every fault: some broken rules need several at once, some are hidden by them."""
    return SimulationRun(seed=seed, mutant=name, swarm=seed % 2 == 0)
