"""`train` and `nightly`: from bars to a promoted or refused model, and a report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from shared.core.errors import GatehouseError
from training.commands import command
from training.commands.options import (
    BARS_FILE,
    add_registry_option,
    command_clock,
    date_option,
    open_registry,
    open_store,
    progress_bars,
    say,
    storage_settings,
)

if TYPE_CHECKING:
    from shared.ports import TableStore
    from training.parquet import ParquetHistory
    from training.pipeline import TrainingRule
    from training.registry.nightly import NightlyTraining
    from training.registry.nightly_state import NightRun
    from training.registry.stored import StoreHistory


def _common_options(parser: argparse.ArgumentParser) -> None:
    add_registry_option(parser)
    parser.add_argument("--data", type=Path, help=BARS_FILE)
    parser.add_argument(
        "--store", type=Path, default=Path(".data"), help="without --data: what `fetch` and `import` have filled"
    )
    parser.add_argument("--on", type=date_option, help="last session to learn from (default: the data's last)")
    parser.add_argument("--seed", type=int, default=7, help="draws symbols, and rows and columns of the trees")
    parser.add_argument("--code-revision", default="", help="goes into the cards")
    parser.add_argument("--work", type=Path, default=Path(".sandbox/training"), help="folder for trials and the report")
    parser.add_argument("--trials", type=int, default=16, help="parameter sets to try at most (default %(default)s)")
    parser.add_argument("--limit-s", type=float, default=240.0, help="seconds of tuning at most (default %(default)s)")


def _train_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument(
        "--no-backtest", action="store_true", help="leave the backtest of the judged sessions out of the report"
    )


def _nightly_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--fetch", action="store_true", help="get what the store lacks from Alpaca first")


@command("train", "from bars to a promoted or refused model, and a report", _train_options)
def _train(options: argparse.Namespace, console: Console) -> int:
    """Train, judge, promote or refuse. Exit code 0 either way: a refusal is an answer.

    What was trained is not lost to a backtest that fails: report and verdict are there, the exit code is 1.
    """
    label = f"training/{command_clock().now():%Y%m%dT%H%M%S}"
    night, folder = _run(options, console, label=label)
    failed = ""
    if night.challenger and not options.no_backtest and options.data is not None:
        try:
            _backtest(options, console, night, folder)
        except (GatehouseError, ValueError, OSError) as error:
            failed = f"The models are kept and judged; the backtest of the judged sessions failed: {error}"
    console.print(f"Report: {folder / 'report.html'}", markup=False, soft_wrap=True)
    console.print(_verdict(night))
    say(console, [failed] if failed else [])
    return 1 if failed else 0


def _backtest(options: argparse.Namespace, console: Console, night: NightRun, folder: Path) -> None:
    """Trade the judged sessions with the new models; the report becomes that of training and backtest."""
    from shared.contracts.records import Container
    from training.backtest.files import upload, write_run
    from training.backtest.holdout import holdout
    from training.backtest.page import render
    from training.publish import cards_of
    from training.registry.report import parts

    blobs, version = open_registry(options), night.challenger
    with progress_bars(console) as show:
        made = holdout(blobs, version, options.data, lambda what, done: show(f"backtest: {what}", done))
    page = render(made, parts(night, cards_of(blobs, version)))
    write_run(made, folder, page=page)
    blobs.put(Container.REPORTS, f"{folder.relative_to(options.work).as_posix()}/report.html", page.encode())
    upload(made, blobs)
    earned = f"{made.trades.net_usd:+,.0f} USD of {made.trades.trades} trades in {made.run.days} days"
    console.print(f"Backtest of the judged sessions: {earned}; {made.verdict}", markup=False)


_NIGHTLY = "the night's work: challenger, verdict, look at the champion; goes on where it was killed"


@command("nightly", _NIGHTLY, _nightly_options)
def _nightly(options: argparse.Namespace, console: Console) -> int:
    """Do the night's work, or what is left of it."""
    night, folder = _run(options, console, label="nightly")
    console.print(f"Report: {folder / 'report.html'}", markup=False, soft_wrap=True)
    console.print(_steps(night))
    return 0


def _run(options: argparse.Namespace, console: Console, *, label: str) -> tuple[NightRun, Path]:
    """Return the night and the folder that holds its report."""
    from training.registry.nightly import NightRule, run_night
    from training.registry.nightly_state import folder_of
    from training.registry.report import documents

    began = time.perf_counter()
    options.work.mkdir(parents=True, exist_ok=True)
    fetched = _fetched(options) if getattr(options, "fetch", False) else ""
    source = _open(options)
    say(console, source.told)
    on = options.on or source.days[-1].on
    with progress_bars(console) as show:
        rule = NightRule(
            label=label,
            seed=options.seed,
            training=_rule_of(options, source, on),
            is_synthetic=source.is_synthetic or _is_sandbox(options),
            code_revision=options.code_revision,
        )
        ports = replace(_ports(options, source, show), fetch=(lambda: fetched) if fetched else None)
        night = run_night(on, ports, rule)
    folder = options.work / folder_of(on, label)
    folder.mkdir(parents=True, exist_ok=True)
    for name in documents(night, ()):
        stored = ports.blobs.get("reports", f"{folder_of(on, label)}/{name}")
        if stored is not None:
            (folder / name).write_bytes(stored.value)
    console.print(f"{time.perf_counter() - began:.0f} s", markup=False)
    return night, folder


def _is_sandbox(options: argparse.Namespace) -> bool:
    """Whether the store's bars are those of the sandbox's venue: what learns from them must not trade elsewhere."""
    import os

    return options.data is None and os.environ.get("ALPACA_ENVIRONMENT", "") == "sandbox"


def _open(options: argparse.Namespace) -> ParquetHistory | StoreHistory:
    from shared.adapters.calendar import XnysCalendar
    from training.parquet import ParquetHistory
    from training.registry.stored import StoreHistory

    if options.data is not None:
        source: ParquetHistory | StoreHistory = ParquetHistory(options.data, XnysCalendar())
    else:
        source = StoreHistory(open_store(options), XnysCalendar())
    if not source.days:
        raise ValueError(f"{options.data or options.store}: no session dates found")
    return source


def _fetched(options: argparse.Namespace) -> str:
    """Fetch what the store's equities lack up to the last complete day; a second time nothing is asked for."""
    import os

    from shared.adapters.calendar import XnysCalendar
    from shared.contracts.settings import parse_settings
    from shared.core.market import Timeframe
    from training.data.alpaca import AlpacaHistory
    from training.data.fetch import Wanted, last_complete, plan, run
    from training.data.manifest import Dates

    store, frames = open_store(options), (Timeframe.MIN_5, Timeframe.DAY_1)
    symbols = tuple(store.symbols(Timeframe.MIN_5))
    manifests = [found for symbol in symbols if (found := store.manifest(Timeframe.MIN_5, symbol)) is not None]
    covered = [dates for manifest in manifests for dates in manifest.covered]
    if not covered:
        raise ValueError(f"{options.store}: nothing to go on from; run `python -m training fetch` once")
    until = options.on or last_complete(command_clock().now())
    dates = Dates(first=min(covered).first, last=max(until, min(covered).first))
    jobs = plan(Wanted(symbols=symbols, timeframes=frames, dates=dates, extended=True), store)
    source = AlpacaHistory(parse_settings(os.environ).broker)
    bars = sum(run(job, source, store, XnysCalendar(), extended=True) for job in jobs)
    return f"{bars:,} new bars of {len(symbols)} symbols until {until}"


def _rule_of(
    options: argparse.Namespace, source: ParquetHistory | StoreHistory, on: date
) -> Callable[[int], TrainingRule]:
    from training.context import context_of
    from training.pipeline import thorough
    from training.tune import TuningRule

    tuning = TuningRule(trials=options.trials, limit_s=options.limit_s)
    known = [day.on for day in source.days if day.on <= on]

    def rule(sessions: int) -> TrainingRule:
        first_judged = known[-thorough(sessions).test_sessions :][0]
        return thorough(sessions, tuning=tuning, market_symbols=context_of(source, before=first_judged))

    return rule


def _ports(
    options: argparse.Namespace, source: ParquetHistory | StoreHistory, show: Callable[[str, float], None]
) -> NightlyTraining:
    import os
    import socket

    from shared.adapters.calendar import XnysCalendar
    from training.registry.nightly import NightlyTraining
    from training.registry.report import documents
    from training.registry.tracking import track

    return NightlyTraining(
        blobs=open_registry(options),
        tables=_tables(options),
        clock=command_clock(),
        calendar=XnysCalendar(),
        source=lambda: source,
        owner=f"{socket.gethostname()}-{os.getpid()}",
        journal=options.work / "trials.log",
        report=documents,
        track=track,
        progress=show,
    )


def _tables(options: argparse.Namespace) -> TableStore:
    """Tables of the storage account; where the registry is a folder there are no signals to look at."""
    from shared.adapters.memory import MemoryTables
    from shared.adapters.tables import AzureTables

    settings = storage_settings()
    return AzureTables(settings) if options.registry is None and settings is not None else MemoryTables()


def _verdict(night: NightRun) -> Table:
    from training.registry.report import headline

    table = Table("check", "", "found", "needs", title=headline(night))
    for check in night.verdict.checks if night.verdict else ():
        table.add_row(check.code, "passed" if check.passed else "failed", check.found, check.limit)
    return table


def _steps(night: NightRun) -> Table:
    table = Table("step", "outcome", title=f"night of {night.on}, attempt {night.attempt}")
    for done in night.finished:
        table.add_row(done.step.value, done.outcome)
    return table
