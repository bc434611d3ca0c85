"""`backtest`: run, leakcheck, walkforward. What the figures mean is in docs/BACKTEST.md."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import (
    BARS_FILE,
    accepted_values,
    date_option,
    named_values,
    progress_bars,
    say,
    storage_blobs,
)
from training.commands.strategy_options import needs_models, strategy_options, strategy_settings

if TYPE_CHECKING:
    from shared.ports import BlobStore
    from training.backtest.spec import ModelPlan, Spec
    from training.backtest.study import Study

OUT = Path(".sandbox") / "backtest"
CHAMPION = "champion"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True)
    run = parts.add_parser("run", help="trade recorded days, write figures, CSV files and a report")
    _market_options(run)
    run.add_argument("--trials", type=int, default=1, help="runs this one was picked from (default %(default)s)")
    run.add_argument("--no-cases", action="store_true", help="write no case files of the trades")
    run.add_argument("--exact", action="store_true", help="every candidate and minute through the stages; slower")
    run.add_argument(
        "--stories", type=Path, metavar="FILE", help="news that the app hears of: symbol, ts (received), text"
    )
    run.add_argument("--json", type=Path, help="write the summary with the profile as JSON")
    leaks = parts.add_parser("leakcheck", help="ask the real pipeline whether the future reaches the past")
    _market_options(leaks)
    leaks.add_argument("--days", type=int, default=3, help="days that are cut (default %(default)s)")
    walk = parts.add_parser("walkforward", help="parameter sets in walk-forward; propose one with its evidence")
    _market_options(walk)
    walk.add_argument("--grid", action="append", required=True, metavar="NAME=V,V", help="values of one setting")
    walk.add_argument("--window", type=int, default=10, help="days between two choices (default %(default)s)")
    walk.add_argument("--past", type=int, default=20, help="days before the first choice (default %(default)s)")
    walk.add_argument(
        "--by-regime", action="store_true", help="walk GATEHOUSE_EDGE_MIN forward on the days of each regime alone"
    )
    walk.add_argument("--propose", metavar="NAME", help="store the chosen set under this name for a person to accept")


def _market_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bars", type=Path, required=True, help=BARS_FILE)
    parser.add_argument("--from", dest="since", type=date_option, help="first traded day (default: the file's)")
    parser.add_argument("--to", dest="until", type=date_option, help="last traded day (default: the file's)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an app setting")
    strategy_options(parser)
    parser.add_argument("--model", help="champion, or a folder that fit has written")
    parser.add_argument("--walk-forward", type=int, metavar="N", help="train every N sessions on what is known then")
    parser.add_argument("--allow-in-sample", action="store_true", help="trade days that the model has learned from")
    parser.add_argument("--core", type=int, default=0, help="core list of the N most traded; 0: the settings' own")
    parser.add_argument("--cash", type=Decimal, default=Decimal(100_000), help="USD (default %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the training (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="joblib's processes (default %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder (default %(default)s)")


@command("backtest", "trade recorded days as the app would", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    parts = {"run": _backtest, "leakcheck": _leakcheck, "walkforward": _walkforward}
    _spec(options)  # refuses what the options have wrong before the file is read
    _say_of_bars(options, console)
    return parts[options.part](options, console)


def _say_of_bars(options: argparse.Namespace, console: Console) -> None:
    """Say what the files hold and what of them is left out, before anything long is begun."""
    from shared.adapters.calendar import XnysCalendar
    from simulation.market.bar_file import read_traded
    from training.backtest.told_stories import read_told

    before = options.until and options.until + timedelta(days=1)
    say(console, read_traded(options.bars, XnysCalendar(), before=before).told())
    if (path := getattr(options, "stories", None)) is not None:
        say(console, read_told(path).told)


def _spec(options: argparse.Namespace) -> Spec:
    from training.backtest.spec import Spec

    if options.since and options.until and options.since > options.until:
        raise ValueError(f"--from must not be after --to, got {options.since} and {options.until}")
    return Spec(
        bars=options.bars,
        since=options.since,
        until=options.until,
        changed={**named_values(options.set), **strategy_settings(options.strategy, options.parameter)},
        cash_usd=options.cash,
        workers=options.workers,
        core=options.core,
        exact=getattr(options, "exact", False),
        cases=options.part == "run" and not options.no_cases,
        stories=getattr(options, "stories", None),
    )


def _models(options: argparse.Namespace, spec: Spec, show: Any) -> tuple[Spec, ModelPlan]:
    """The models, and the run cut to the days that they may judge.

    Raises
    ------
    ValueError
        If a model has learned from a day it would trade, and that is not allowed.
    """
    from dataclasses import replace

    from training.backtest.engine import traded_dates
    from training.backtest.models import read_champion, read_models, train_for
    from training.backtest.spec import ModelPlan

    dates = traded_dates(spec)
    if options.walk_forward:
        plan = train_for(spec, every=options.walk_forward, seed=options.seed, progress=show)
        first = plan.steps[0][0]
        return replace(spec, since=max(spec.since or first, first)), plan
    if options.model is None:
        if not needs_models(spec.changed):
            return spec, ModelPlan(steps=())
        raise ValueError("give --model FOLDER, --model champion, or --walk-forward N")
    found = read_champion(_storage()) if options.model == CHAMPION else read_models(Path(options.model))
    plan = ModelPlan(steps=((date.min, found),))
    known = [on for on in dates if plan.is_in_sample(on)]
    if known and not options.allow_in_sample:
        raise ValueError(
            f"the model has learned from {len(known)} of these days, {known[0]} to {known[-1]}: begin after them "
            "(--from), train on the past alone (--walk-forward N), or say --allow-in-sample"
        )
    return spec, plan


def _storage() -> BlobStore:
    blobs = storage_blobs()
    if blobs is None:
        raise ValueError("no storage account: set AzureWebJobsStorage")
    return blobs


def _backtest(options: argparse.Namespace, console: Console) -> int:
    from training.backtest.engine import run
    from training.backtest.files import summary_bytes, upload, write_run
    from training.backtest.page import render
    from training.backtest.study import study

    with progress_bars(console) as show:
        spec, plan = _models(options, _spec(options), show)
        outcome = run(spec, plan, show)
    made = study(outcome, plan, trials=options.trials)
    folder = options.out / made.run_id
    write_run(made, folder, page=render(made))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(summary_bytes(made))
    _show(made, console)
    console.print(f"Report: {folder / 'report.html'}", markup=False, soft_wrap=True)
    if (blobs := storage_blobs()) is not None:
        console.print(f"Summary: reports/{upload(made, blobs)}", markup=False)
    return 0


def _show(made: Study, console: Console) -> None:
    from training.backtest.page import bp, number, percent

    table = Table(title=f"Backtest {made.run_id}: {made.verdict}", show_header=False, title_justify="left")
    run, trades = made.run, made.trades
    for name, value in (
        ("net of fees", f"{trades.net_usd:+,.2f} USD ({run.total_return:+.2%})"),
        ("trades", f"{trades.trades:,}, {percent(trades.win_rate, 0)} won, mean {bp(trades.expectancy_bp)}"),
        ("Sharpe, Sortino", f"{number(run.sharpe)}, {number(run.sortino)}"),
        ("deepest drawdown", f"{run.max_drawdown:.2%}"),
        ("deflated Sharpe", f"{percent(made.deflated.probability, 1)} with {made.deflated.trials} trials"),
        ("bars scored", f"{made.outcome.bars:,} in {made.outcome.wall_s:.1f} s"),
    ):
        table.add_row(name, value)
    table.add_section()
    for name, seconds in made.outcome.seconds.items():
        table.add_row(name, f"{seconds:.2f} s")
    console.print(table)
    for reason in made.reasons:
        console.print(f"- {reason}", markup=False)


def _leakcheck(options: argparse.Namespace, console: Console) -> int:
    from training.backtest.leakcheck import run_checks

    with progress_bars(console) as show:
        spec, plan = _models(options, _spec(options), show)
        checks = run_checks(spec, plan, days=options.days, seed=options.seed, progress=show)
    table = Table("check", "compared", "found", title="Leak checks", title_justify="left")
    for check in checks:
        table.add_row(check.name, f"{check.compared:,}", str(len(check.found)) if check.found else "nothing")
    console.print(table)
    for check in checks:
        for line in check.found[:10]:
            console.print(f"{check.name}: {line}", style="red", markup=False)
    return 0 if all(check.is_clean for check in checks) else 1


def _walkforward(options: argparse.Namespace, console: Console) -> int:
    from shared.adapters.clock import SystemClock
    from training.backtest.engine import traded_dates
    from training.backtest.sweep import parse_grid, proposal, run_trials, walk, walk_as_data

    grid = parse_grid(options.grid)
    if options.by_regime:
        return _by_regime(options, grid, console)
    with progress_bars(console) as show:
        spec, plan = _models(options, _spec(options), show)
        if (days := len(traded_dates(spec))) <= options.past:
            raise ValueError(f"days must be more than --past {options.past}, got {days}")
        trials = run_trials(spec, plan, grid, options.out, show, jobs=options.workers)
    found = walk(trials, window=options.window, least_past=options.past)
    table = Table("set", "Sharpe", "net USD", "trades", "drawdown", title_justify="left")
    for trial in sorted(trials, key=lambda each: each.name != found.chosen.name):
        row = (f"{trial.sharpe:.2f}", f"{trial.net_usd:+,.0f}", str(trial.trades), f"{trial.max_drawdown:.2%}")
        table.add_row(trial.name, *row)
    console.print(table)
    for name, value in found.figures().items():
        console.print(f"{name}: {value:.6g}", markup=False)
    name = options.propose or "unnamed"
    data = json.dumps(walk_as_data(found), indent=1).encode()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"walkforward-{name}.json").write_bytes(data)
    if options.propose:
        made = proposal(found, name=name, created_at=SystemClock().now(), blob=f"reports/backtests/{name}.json")
        store_proposal(made, data, options.out, console)
    return 0


def _by_regime(options: argparse.Namespace, grid: Sequence[Mapping[str, str]], console: Console) -> int:
    from shared.adapters.clock import SystemClock
    from shared.contracts.parameters import Evidence, ParameterSet
    from shared.contracts.settings import parse_settings
    from training.backtest.by_regime import EDGE_MIN, as_data, by_regime, regimes_of, threshold_values
    from training.backtest.spec import app_environment
    from training.backtest.sweep import run_trials

    if {name for values in grid for name in values} != {EDGE_MIN}:
        raise ValueError(f"--by-regime: expected --grid {EDGE_MIN}=VALUE,VALUE and no other")
    policy = parse_settings(app_environment(_spec(options).changed, (), ())).policy
    own = {EDGE_MIN: str(policy.edge_min)}
    with progress_bars(console) as show:
        spec, plan = _models(options, _spec(options), show)
        sets = [own, *(values for values in grid if float(values[EDGE_MIN]) != policy.edge_min)]
        trials = run_trials(spec, plan, sets, options.out, show, jobs=options.workers)
    found = by_regime(trials, regimes_of(spec, plan), window=options.window, least_past=options.past)
    values = threshold_values(found, policy)
    evidence, name = as_data(found, values), options.propose or "unnamed"
    say(console, [*evidence["told"], *([] if values else ["No change is proposed."])])
    data = json.dumps(evidence, indent=1).encode()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"by-regime-{name}.json").write_bytes(data)
    if options.propose and values:
        made = ParameterSet(
            name=name,
            created_at=SystemClock().now(),
            proposed_by="backtest walkforward by regime",
            values={**accepted_values(), **values},
            evidence=Evidence(blob=f"reports/backtests/{name}.json", figures=evidence["figures"]),
        )
        store_proposal(made, data, options.out, console)
    return 0


def store_proposal(made: Any, data: bytes, out: Path, console: Console) -> None:
    """Put a proposal where a person can accept it, or into a file where there is no storage."""
    from shared.adapters.codec import encode_json
    from shared.bootstrap import JsonCodec
    from shared.contracts.records import Container
    from shared.stages.operator.parameters import propose

    blobs = storage_blobs()
    if blobs is None:
        path = out / f"parameters-{made.name}.json"
        path.write_bytes(encode_json(made))
        console.print(f"No storage account: the proposal is in {path}", markup=False, soft_wrap=True)
        return
    blobs.put(Container.REPORTS, f"backtests/{made.name}.json", data)
    blob = propose(blobs, JsonCodec(), made)
    console.print(f"Proposed: parameters/{blob}. Nothing changes before a person accepts it.", markup=False)
