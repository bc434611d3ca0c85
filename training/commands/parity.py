"""`parity`: a strategy swept and traded by the app on the same bars, every difference named."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import BARS_FILE, date_option, progress_bars, say
from training.commands.strategy_options import own_parameters, strategy_settings


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", required=True, metavar="NAME", help="such as dip-buyer.v1")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help=BARS_FILE)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME.PARAMETER=VALUE", help="repeatable")
    parser.add_argument("--from", dest="since", type=date_option, help="first traded day (default: the file's)")
    parser.add_argument("--to", dest="until", type=date_option, help="last traded day (default: the file's)")
    parser.add_argument("--core", type=int, default=0, help="core list of the N most traded; 0: the settings' own")


@command("parity", "hold a strategy's sweep against what the app made of it", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from shared.strategies.catalogue import load
    from training.backtest.spec import Spec
    from training.backtest.speeds import Became, compare_speeds
    from training.sweeps.market import read_market

    changed = strategy_settings([options.strategy], options.parameter)
    strategy = load(options.strategy, own_parameters(options.parameter).get(options.strategy, {}))
    market = read_market(options.data, strategy.needs.timeframe, since=options.since, until=options.until)
    say(console, market.told)
    spec = Spec(bars=options.data, since=market.first, until=market.last, changed=changed, core=options.core)
    with progress_bars(console) as show:
        found = compare_speeds(strategy, market, spec, show)
    table = Table("entries", "", "", title=f"{found.strategy}: sweep against app", title_justify="left")
    of_entries = sorted(found.entries.items(), key=lambda item: (item[0][0] != Became.SAME, -item[1]))
    for (reason, detail), count in of_entries:
        table.add_row(reason.value, detail, f"{count:,}")
    console.print(table)
    table = Table("left in the sweep by", "in the app by", "", title="Entries that both made", title_justify="left")
    for (swept, app), count in sorted(found.exits.items(), key=lambda item: -item[1]):
        table.add_row(swept, app, f"{count:,}")
    console.print(table)
    say(console, [f"unexplained: {example}" for example in found.examples])
    return 0 if found.is_explained else 1
