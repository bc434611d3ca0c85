"""`govern`: the month's look at every parameter that trades, and with storage at what sources and roles were worth."""

from __future__ import annotations

import argparse
import json
import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from training.commands import command
from training.commands.backtest import store_proposal
from training.commands.credibility import MONTHS, weigh
from training.commands.options import (
    BARS_FILE,
    accepted_values,
    command_clock,
    date_option,
    named_values,
    open_store,
    progress_bars,
    say,
    storage_blobs,
    storage_settings,
)

if TYPE_CHECKING:
    from shared.core.review import Trip
    from training.backtest.spec import Spec
    from training.dataset import Progress
    from training.governance import ParameterStudy, StudyFinding

RECENT = 40
"""Sessions of recorded orders by which cohorts are judged: two months."""
FIRST_WEEK = 7


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help=BARS_FILE)
    parser.add_argument("--store", type=Path, default=Path(".data"), help="without --data: what `fetch` has filled")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting in force")
    parser.add_argument("--sessions", type=int, default=120, help="last sessions that are traded (default %(default)s)")
    parser.add_argument("--window", type=int, default=10, help="days between two choices (default %(default)s)")
    parser.add_argument("--past", type=int, default=40, help="days before the first choice (default %(default)s)")
    parser.add_argument("--walk-forward", type=int, default=20, metavar="N", help="models anew every N sessions")
    parser.add_argument("--core", type=int, default=38, help="core list of the N most traded (default %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the training (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="joblib's processes (default %(default)s)")
    parser.add_argument("--on", type=date_option, help="date of the run (default: today in New York)")
    parser.add_argument(
        "--first-saturday", action="store_true", help="do nothing on any day but a month's first Saturday"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(".sandbox") / "governance", help="folder (default %(default)s)"
    )


@command("govern", "try every parameter that trades; propose a set, or say that nothing should change", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from shared.core.sessions import NEW_YORK

    on = options.on or command_clock().now().astimezone(NEW_YORK).date()
    if options.first_saturday and not (f"{on:%A}" == "Saturday" and on.day <= FIRST_WEEK):
        say(console, [f"{on} is not the first Saturday of its month: nothing to do"])
        return 0
    _govern(on, options, console)
    if storage_settings() is not None:
        weigh(argparse.Namespace(**{**vars(options), "month": None, "months": MONTHS, "propose": True}), console)
    return 0


def _govern(on: date, options: argparse.Namespace, console: Console) -> None:
    from shared.adapters.calendar import XnysCalendar
    from shared.contracts.parameters import overlaid
    from shared.contracts.records import Container
    from shared.contracts.settings import parse_settings, with_values
    from shared.core.review import cohorts
    from training.backtest.spec import Spec, app_environment
    from training.governance import changes, proposal_of, retirement, studies

    options.out.mkdir(parents=True, exist_ok=True)
    changed = {**_from_environment(), **named_values(options.set)}
    carried = accepted_values()
    own = parse_settings(app_environment(changed, (), ()))
    settings = with_values(own, carried) if carried else own
    spec = Spec(bars=_bars(options), changed={**changed, **carried}, workers=options.workers, core=options.core)
    with progress_bars(console) as show:
        findings = [_finding(each, spec, options, show) for each in studies(settings)]
    known = cohorts(_trips(on))
    left, told = retirement(known, settings)
    changed_to = {**changes(settings, findings), **left}
    looked_at = [
        *(each.as_data() for each in findings),
        {"what": f"Cohorts of the last {RECENT} sessions", "told": told or [str(each) for each in known]},
    ]
    evidence = {"schema_id": "governance.v1", "on": on.isoformat(), "studies": looked_at}
    name, data = f"monthly-{on:%Y-%m}", json.dumps(evidence, indent=1).encode()
    (options.out / f"{name}-evidence.json").write_bytes(data)
    for study in looked_at:
        say(console, [f"{study['what']}: {line}" for line in study["told"]])
    (last,) = XnysCalendar().previous_days(on, 1)
    made = proposal_of(
        settings,
        carried,
        changed_to,
        findings,
        name=name,
        created_at=last.close_at,
        blob=f"reports/backtests/{name}.json",
    )
    if made is None:
        if (blobs := storage_blobs()) is not None:
            blobs.put(Container.REPORTS, f"backtests/{name}.json", data)
        say(console, ["No change is proposed."])
        return
    overlaid(own, made)  # nobody is asked to accept what could not be
    store_proposal(made, data, options.out, console)


def _from_environment() -> dict[str, str]:
    """What the environment says of settings that matter to decisions."""
    from shared.contracts.parameters import TUNABLE

    return {name: text for name in sorted(TUNABLE) if (text := os.environ.get(name, "").strip())}


def _bars(options: argparse.Namespace) -> Path:
    """The file of bars, made of the store's where none is given."""
    from shared.adapters.calendar import XnysCalendar
    from shared.core.market import Timeframe
    from training.data.aligned import write_aligned

    if options.data is not None:
        return Path(options.data)
    made = [Timeframe.MIN_5]
    write_aligned(open_store(options), XnysCalendar(), options.out, base=Timeframe.MIN_5, timeframes=made)
    return Path(options.out) / f"{Timeframe.MIN_5.value}.parquet"


def _trips(on: date) -> list[Trip]:
    from shared.adapters.calendar import XnysCalendar
    from shared.adapters.tables import AzureTables
    from shared.stages.operator.review import trips_of

    account = storage_settings()
    if account is None:
        return []
    return trips_of(AzureTables(account), [day.on for day in XnysCalendar().previous_days(on, RECENT)])


def _finding(study: ParameterStudy, spec: Spec, options: argparse.Namespace, show: Progress) -> StudyFinding:
    """Try a study's sets on the last sessions, its strategy alone."""
    from dataclasses import replace

    from shared.core.errors import SettingsError
    from training.backtest.engine import traded_dates
    from training.backtest.models import train_for
    from training.backtest.spec import ModelPlan
    from training.backtest.sweep import run_trials, walk
    from training.governance import StudyFinding, reasons_against

    if study.why_not:
        return StudyFinding(study=study, against=(f"not tried: {study.why_not}",))
    alone = replace(spec, changed={**spec.changed, "GATEHOUSE_STRATEGIES": f"{study.strategy}=1"})
    plan = ModelPlan(steps=())
    try:
        if study.needs_models:
            plan = train_for(alone, every=options.walk_forward, seed=options.seed, progress=show)
        since = [each for each in traded_dates(alone) if not study.needs_models or each >= plan.steps[0][0]]
    except SettingsError as error:
        return StudyFinding(study=study, against=(f"not tried: {error}",))
    dates = since[-options.sessions :]
    if len(dates) <= options.past:
        return StudyFinding(study=study, against=(f"not tried: {len(dates)} sessions, not more than {options.past}",))
    alone = replace(alone, since=dates[0], until=dates[-1])
    trials = run_trials(alone, plan, study.sets, options.out, show, jobs=options.workers)
    found = walk(trials, window=options.window, least_past=options.past)
    return StudyFinding(study=study, walk=found, against=reasons_against(found))
