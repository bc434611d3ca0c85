"""`fetch`, `import`, `align`, `universe`: market data into the store and out of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from training.commands import command
from training.commands.options import command_clock, date_option, open_store, say, storage_settings

if TYPE_CHECKING:
    from shared.adapters.calendar import XnysCalendar
    from shared.contracts.settings import Settings
    from shared.core.values import Symbol
    from training.data.alpaca import AlpacaHistory
    from training.data.fetch import Wanted
    from training.data.importer import Imported
    from training.data.manifest import Dates
    from training.data.store import BarStore

_TIMEFRAMES = "1Min,5Min,15Min,1Hour,4Hour,1Day"


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, default=Path(".data"), help="local folder (default .data); a cache where there is storage"
    )


def _symbols(options: argparse.Namespace) -> tuple[Symbol, ...]:
    from shared.core.values import Symbol, require_symbol

    found = tuple(dict.fromkeys(Symbol(name) for name in _words(options.symbols)))
    for symbol in found:
        require_symbol("--symbols", symbol)
    return found


@contextmanager
def _bar(console: Console, what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Yield a function that updates the one bar: `rich.progress.Progress.update` without the task."""
    counted, timed = (BarColumn(), MofNCompleteColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *counted, *timed, console=console) as progress:
        yield partial(progress.update, progress.add_task(what, total=total))


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", default="", help="such as SPY,AAPL,BTC/USD: a pair is crypto")
    parser.add_argument("--timeframe", default="5Min,1Day", help=f"of {_TIMEFRAMES} (default 5Min,1Day)")
    parser.add_argument("--from", dest="first", type=date_option, required=True, help="first New York date")
    parser.add_argument("--to", dest="last", type=date_option, help="last New York date (default: yesterday)")
    parser.add_argument("--feed", choices=("iex", "sip"), help="default: setting ALPACA_FEED")
    parser.add_argument("--extended", action="store_true", help="keep premarket and after-hours bars")
    parser.add_argument("--crypto", action="store_true", help="only the pairs among the symbols")
    parser.add_argument("--news", action="store_true", help="headlines of the dates, of all symbols")
    parser.add_argument("--quotes", action="store_true", help="every quote of the stocks: large")
    parser.add_argument("--assets", action="store_true", help="what is listed today")
    parser.add_argument("--calendar", action="store_true", help="the exchange's days, compared with ours")
    _add_store(parser)


def _settings(options: argparse.Namespace) -> Settings:
    """Settings of the environment; where no storage is named, a stand-in satisfies the parser and is not used."""
    from shared.contracts.settings import parse_settings

    given = dict(os.environ)
    if storage_settings() is None:
        given["AzureWebJobsStorage"] = "UseDevelopmentStorage=true"
    if options.feed:
        given["ALPACA_FEED"] = options.feed
    return parse_settings(given)


@command("fetch", "get what is missing of a market's history from Alpaca", _add_fetch)
def _fetch(options: argparse.Namespace, console: Console) -> int:
    """Fetch what is missing; a second run of the same asks for nothing."""
    from shared.adapters.calendar import XnysCalendar
    from shared.core.market import Timeframe
    from simulation.market.bar_rows import is_crypto
    from training.data.alpaca import AlpacaHistory
    from training.data.fetch import Wanted, last_complete
    from training.data.manifest import Dates

    settings = _settings(options)
    now = command_clock().now()
    until = last_complete(now)
    dates = Dates(first=options.first, last=min(options.last or until, until))
    symbols = tuple(s for s in _symbols(options) if is_crypto(s) or not options.crypto)
    store, calendar = open_store(options), XnysCalendar()
    source = AlpacaHistory(settings.broker)
    wanted = Wanted(
        symbols=symbols,
        timeframes=tuple(Timeframe(name) for name in _words(options.timeframe)),
        dates=dates,
        extended=options.extended,
    )
    if options.last is not None and options.last > until:
        console.print(f"{options.last} is not over yet: fetching until {until}", markup=False)
    _fetch_bars(wanted, source, store, calendar, console)
    _fetch_extras(options, source, store, calendar, console, dates=dates, symbols=symbols, today=now)
    _say_what_is_there(wanted, store, console)
    console.print(f"{source.requests} requests", markup=False)
    return 0


def _fetch_bars(
    wanted: Wanted, source: AlpacaHistory, store: BarStore, calendar: XnysCalendar, console: Console
) -> None:
    from training.data.fetch import plan, run

    jobs = plan(wanted, store)
    with _bar(console, "bars", len(jobs)) as update:
        for job in jobs:
            update(description=f"{job.timeframe} {job.dates.first:%Y-%m}, {len(job.symbols)} symbols")
            run(job, source, store, calendar, extended=wanted.extended)
            update(advance=1)


def _fetch_extras(
    options: argparse.Namespace,
    source: AlpacaHistory,
    store: BarStore,
    calendar: XnysCalendar,
    console: Console,
    *,
    dates: Dates,
    symbols: Sequence[Symbol],
    today: datetime,
) -> None:
    from shared.core.sessions import NEW_YORK
    from training.data import extras

    if options.news:
        console.print(f"news: {extras.fetch_news(source, store, dates)} headlines", markup=False)
    if options.quotes:
        count = extras.fetch_quotes(source, store, symbols, dates, calendar)
        console.print(f"quotes: {count}", markup=False)
    if options.assets:
        count = extras.fetch_assets(source, store, today.astimezone(NEW_YORK).date())
        console.print(f"assets: {count}", markup=False)
    if options.calendar:
        differences = extras.fetch_calendar(source, store, dates, calendar)
        console.print(f"calendar: {len(differences)} differences", *differences, sep="\n", markup=False)


def _say_what_is_there(wanted: Wanted, store: BarStore, console: Console) -> None:
    if not wanted.symbols:
        return
    table = Table("timeframe", "symbols", "bars", "gaps (sessions)", "bars missing", "quarantined")
    for timeframe in wanted.timeframes:
        manifests = [m for s in wanted.symbols if (m := store.manifest(timeframe, s)) is not None]
        gaps = [gap for manifest in manifests for gap in manifest.gaps]
        figures = (
            len(manifests),
            sum(m.rows for m in manifests),
            len(gaps),
            sum(gap.missing for gap in gaps),
            sum(m.quarantined for m in manifests),
        )
        table.add_row(timeframe.value, *(f"{figure:,}" for figure in figures))
    console.print(table)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="parquet or CSV of bars")
    parser.add_argument("--timeframe", help=f"of {_TIMEFRAMES} (default: what the file shows)")
    _add_store(parser)


@command("import", "put parquet or CSV files of bars into the store", _add_import)
def _import(options: argparse.Namespace, console: Console) -> int:
    from shared.core.market import Timeframe
    from training.data.importer import import_file

    store = open_store(options)
    frame = Timeframe(options.timeframe) if options.timeframe else None
    for path in options.files:
        with _bar(console, path.name, None) as update:
            found = import_file(
                path, store, timeframe=frame, progress=lambda _, done, total: update(completed=done, total=total)
            )
        _say_what_came(found, console)
    return 0


def _say_what_came(found: Imported, console: Console) -> None:
    gaps = sum(len(manifest.gaps) for manifest in found.manifests.values())
    say(console, [*found.file.told(), f"{gaps:,} sessions with missing bars"])
    if found.quarantine is not None:
        say(console, [f"quarantined rows are in {found.quarantine}"])


def _add_align(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeframes", default="5Min,15Min,1Hour,4Hour,1Day", help=f"of {_TIMEFRAMES}")
    parser.add_argument("--base", default="5Min", help="timeframe in the store that they are made of (default 5Min)")
    parser.add_argument("--symbols", default="", help="default: all that the store has")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets {timeframe}.parquet")
    _add_store(parser)


@command("align", "make bars of several timeframes, true to the calendar", _add_align)
def _align(options: argparse.Namespace, console: Console) -> int:
    from shared.adapters.calendar import XnysCalendar
    from shared.core.market import Timeframe
    from training.data.aligned import write_aligned

    with _bar(console, "align", None) as update:
        files = write_aligned(
            open_store(options),
            XnysCalendar(),
            options.out,
            base=Timeframe(options.base),
            timeframes=[Timeframe(name) for name in _words(options.timeframes)],
            symbols=_symbols(options),
            progress=lambda symbol, done, total: update(completed=done, total=total, description=f"align {symbol}"),
        )
    table = Table("timeframe", "rows", "bars missing", "rows after a gap")
    for timeframe, file in files.items():
        table.add_row(timeframe.value, f"{file.rows:,}", f"{file.missing:,}", f"{file.after_gap:,}")
    console.print(table)
    return 0


def _add_universe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", type=date_option, required=True, help="nothing of this date or later is read")
    parser.add_argument("--data", type=Path, help="daily file (default: the store's daily bars)")
    parser.add_argument("--top", type=int, default=10, help="names shown, most traded first")
    _add_store(parser)


@command("universe", "say who was listed on a date, by earlier bars", _add_universe)
def _universe(options: argparse.Namespace, console: Console) -> int:
    from shared.core.market import Timeframe
    from simulation.market.bar_file import read_file
    from training.data.universe import DailyHistory

    if options.data is not None:
        file = read_file(options.data, Timeframe.DAY_1)
        say(console, file.told())
        by_symbol = file.by_symbol()
    else:
        store = open_store(options)
        by_symbol = {symbol: store.read(Timeframe.DAY_1, symbol) for symbol in store.symbols(Timeframe.DAY_1)}
    members = DailyHistory(by_symbol).universe(options.on)
    console.print(f"{len(members):,} names listed on the eve of {options.on}", markup=False)
    table = Table("symbol", "previous close", "median dollar volume", "sessions known")
    ranked = sorted(members, key=lambda member: -member.median_dollar_volume)
    for member in ranked[: options.top]:
        price, volume = f"{member.previous_close:,.2f}", f"{member.median_dollar_volume:,.0f}"
        table.add_row(member.symbol, price, volume, f"{member.sessions}")
    console.print(table)
    return 0
