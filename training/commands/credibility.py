"""`credibility`: what sources and roles were worth, by how what they said came out; weights for a person to accept."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.backtest import store_proposal
from training.commands.options import (
    BARS_FILE,
    accepted_values,
    command_clock,
    date_option,
    named_values,
    open_store,
    open_tables,
    say,
    storage_blobs,
)

if TYPE_CHECKING:
    from training.credibility import LearnedWeights


MONTHS = 6
"""Of evidence."""


def _month(text: str) -> date:
    return date_option(f"{text}-01")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--month", type=_month, metavar="YYYY-MM", help="the last one that counts (default: the last that is over)"
    )
    parser.add_argument(
        "--months", type=int, default=MONTHS, help="months of evidence, it included (default %(default)s)"
    )
    parser.add_argument("--data", type=Path, help=BARS_FILE)
    parser.add_argument("--store", type=Path, default=Path(".data"), help="without --data: what `fetch` has filled")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the app")
    parser.add_argument("--propose", action="store_true", help="store the weights for a person to accept")
    parser.add_argument(
        "--out", type=Path, default=Path(".sandbox") / "credibility", help="folder (default %(default)s)"
    )


@command("credibility", "weigh sources and roles by how what they said came out", _add_options)
def weigh(options: argparse.Namespace, console: Console) -> int:
    """Weigh sources and roles; propose what they are to weigh, where that is asked for."""
    from shared.adapters.calendar import XnysCalendar
    from shared.contracts.parameters import TUNABLE, overlaid
    from shared.contracts.records import Container
    from shared.contracts.settings import parse_settings, with_values
    from shared.core.sessions import NEW_YORK
    from training.backtest.spec import app_environment
    from training.credibility import ROLES, learned, parameter_values, period_of, weights_proposal

    now = command_clock().now()
    month = options.month or (now.astimezone(NEW_YORK).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    if period_of(month, options.months)[1] > now:
        raise ValueError(f"--month {month:%Y-%m} is not over")
    options.out.mkdir(parents=True, exist_ok=True)
    names = sorted(TUNABLE | {"GATEHOUSE_NEWS_FEEDS"})
    given = {name: text for name in names if (text := os.environ.get(name))} | named_values(options.set)
    own = parse_settings(app_environment(given, (), ()))
    carried = accepted_values()
    in_force = with_values(own, carried) if carried else own
    found = learned(
        open_tables(),
        _bars(options),
        month,
        XnysCalendar(),
        months=options.months,
        own=own.news,
        news=in_force.news,
        roles=_role_weights({**given, **carried}.get(ROLES, "")),
    )
    name, data = f"credibility-{month:%Y-%m}", json.dumps(found.as_data(), indent=1).encode()
    (options.out / f"{name}-evidence.json").write_bytes(data)
    console.print(_table(found))
    say(console, [found.told] if found.told else [])
    values = parameter_values(found, in_force.news)
    if not values:
        say(console, ["No change is proposed."])
    elif options.propose:
        made = weights_proposal(found, values, carried, name=name, blob=f"{Container.REPORTS}/backtests/{name}.json")
        overlaid(own, made)  # nobody is asked to accept what could not be
        store_proposal(made, data, options.out, console)
    else:
        say(console, [f"{setting} = {text}" for setting, text in values.items()])
    if not values and options.propose and (blobs := storage_blobs()) is not None:
        blobs.put(Container.REPORTS, f"backtests/{name}.json", data)
    return 0


def _bars(options: argparse.Namespace) -> Path | None:
    """The file of bars, made of the store's where none is given; None where the store has none either."""
    from shared.adapters.calendar import XnysCalendar
    from shared.core.market import Timeframe
    from training.data.aligned import write_aligned

    if options.data is not None:
        return Path(options.data)
    store = open_store(options)
    if not store.symbols(Timeframe.MIN_5):
        return None
    write_aligned(store, XnysCalendar(), options.out, base=Timeframe.MIN_5, timeframes=[Timeframe.MIN_5])
    return Path(options.out) / f"{Timeframe.MIN_5.value}.parquet"


def _role_weights(text: str) -> Mapping[str, float]:
    """Read ROLE=WEIGHT, split by blanks or commas."""
    pairs = (part.partition("=") for part in text.replace(",", " ").split())
    return {role: float(weight) for role, _, weight in pairs}


def _table(found: LearnedWeights) -> Table:
    title = f"Credibility, {found.since} to before {found.until:%Y-%m-%d}"
    table = Table("who", "forecasts", "days", "hit rate", "95 %, all together", "chance", "weight", "next", title=title)
    for each in (*found.sources, *found.roles):
        span = "too few" if math.isnan(each.low) else f"{each.low:.3f} to {each.high:.3f}"
        rate, chance = ("" if math.isnan(value) else f"{value:.3f}" for value in (each.hit_rate, each.chance))
        counts = (f"{each.forecasts:,}", f"{each.days:,}")
        table.add_row(each.who, *counts, rate, span, chance, f"{each.current:g}", f"{each.weight:g}")
    return table
