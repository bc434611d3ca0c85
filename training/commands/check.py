"""`check`: whether a strategy looks into the future. What it may do is in docs/STRATEGIES.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from training.commands import command
from training.commands.options import BARS_FILE, named_values, progress_bars, say


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", required=True, metavar="NAME", help="such as dip-buyer.v1")
    parser.add_argument("--data", type=Path, metavar="FILE", help=f"{BARS_FILE}; none: a made series")
    parser.add_argument("--symbols", default="", metavar="A,B", help="default: the first five of the file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter")


@command("check", "try whether a strategy knows of later bars, or forgets itself", _add_options)
def _run(options: argparse.Namespace, console: Console) -> int:
    from shared.strategies.catalogue import load
    from training.engines import split_days
    from training.strategy_check import check_strategy, made_bars
    from training.sweeps.market import read_market

    strategy = load(options.strategy, named_values(options.set))
    if options.data is None:
        bars = made_bars()
        series = {"made bars": (bars, split_days(bars))}
    else:
        wanted = [name for name in options.symbols.split(",") if name]
        market = read_market(options.data, strategy.needs.timeframe, symbols=wanted)
        say(console, market.told)
        taken = list(market.symbols.items())[: len(wanted) or 5]
        series = {str(symbol): (part.bars, part.days) for symbol, part in taken}
    code = 0
    with progress_bars(console) as show:
        found = {}
        for name, (bars, days) in series.items():
            found[name] = check_strategy(strategy, bars, days=days)
            show("symbols", len(found) / len(series))
    for name, check in found.items():
        verdict = "clean" if check.is_clean else "NOT clean"
        say(console, [f"{name}: {verdict}, {check.compared:,} rows held against themselves with another future"])
        say(console, [f"  {fault}" for fault in check.faults])
        if check.remembered:
            needed = strategy.needs.history_bars
            say(
                console,
                [
                    f"  {check.remembered:,} of {check.rows:,} rows would be others with all bars before the day in "
                    f"sight: its memory is longer than the {needed} bars that it asks for, and is cut there"
                ],
            )
        code = code or int(not check.is_clean)
    return code
