"""`sweep`: a strategy's parameter sets on recorded bars, by the fast engine. What it means is in docs/STRATEGIES.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import BARS_FILE, date_option, progress_bars, say

if TYPE_CHECKING:
    from training.sweeps.run import Sweep

OUT = Path(".sandbox") / "sweep"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", required=True, metavar="NAME", help="such as dip-buyer.v1")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help=BARS_FILE)
    parser.add_argument(
        "--grid", default="", metavar="TEXT", help='such as "band=1.5,2 hold=12,24"; none: the defaults'
    )
    parser.add_argument("--symbols", default="", metavar="A,B", help="default: all of the file")
    parser.add_argument("--from", dest="since", type=date_option, help="first traded day (default: the file's)")
    parser.add_argument("--to", dest="until", type=date_option, help="last traded day (default: the file's)")
    parser.add_argument(
        "--fee", type=float, default=0.0, help="fraction of the notional each way (default %(default)s)"
    )
    parser.add_argument("--slippage", type=float, default=0.0005, help="as --fee, of the price (default %(default)s)")
    parser.add_argument("--hold-overnight", action="store_true", help="leave nothing at the close, which the app does")
    parser.add_argument("--jobs", type=int, default=2, help="joblib's processes (default %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the report (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write every set's figures here")


@command("sweep", "try parameter sets of a strategy on recorded bars", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from training.engines import Costs
    from training.sweeps.grid import read_grid
    from training.sweeps.market import read_market
    from training.sweeps.page import as_data, render
    from training.sweeps.run import sweep

    for name in ("fee", "slippage"):
        if not 0 <= getattr(options, name) < 0.5:
            raise ValueError(f"--{name} is a fraction from 0 to 0.5, such as 0.0005, got {getattr(options, name)}")
    if options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}")
    grid = read_grid(options.strategy, options.grid)
    wanted = grid.sets[0].needs.timeframe
    symbols = [name for name in options.symbols.split(",") if name]
    market = read_market(options.data, wanted, symbols=symbols, since=options.since, until=options.until)
    say(console, market.told)
    if market.timeframe is not wanted:
        say(console, [f"{options.strategy} is made for bars of {wanted}: swept on bars of {market.timeframe}"])
    say(console, [f"{len(grid.sets):,} sets; {grid.refused:,} combinations that the strategy refuses are left out"])
    costs = Costs(fee=options.fee, slippage=options.slippage)
    with progress_bars(console) as show:
        made = sweep(grid, market, costs, flat_at_close=not options.hold_overnight, jobs=options.jobs, progress=show)
    options.out.mkdir(parents=True, exist_ok=True)
    page = options.out / "report.html"
    page.write_text(render(made), encoding="utf-8")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(as_data(made), indent=1) + "\n", encoding="utf-8")
    _show(made, console)
    say(console, [f"Report: {page}"])
    return 0


def _show(made: Sweep, console: Console) -> None:
    from training.backtest.page import bp, number, percent
    from training.sweeps.page import SHOWN_SETS, shown_values, verdict

    sentence, _, reasons = verdict(made)
    table = Table(title=f"Sweep of {made.strategy}: {sentence}", title_justify="left")
    table.add_column("set")
    for name in ("Sharpe", "growth", "drawdown", "trades", "won", "mean trade"):
        table.add_column(name, justify="right")
    for each in made.sets[:SHOWN_SETS]:
        table.add_row(
            shown_values(each.values),
            number(each.sharpe),
            percent(each.growth - 1, sign=True),
            percent(each.max_drawdown),
            f"{each.trades:,}",
            percent(each.win_rate, 0),
            bp(each.mean_bp),
        )
    console.print(table)
    say(console, (f"- {reason}" for reason in reasons))
