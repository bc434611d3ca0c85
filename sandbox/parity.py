"""Parity: the sandbox's day through host, storage and HTTP, and the backtest's on the same market, row by row."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import rich.table
from rich.console import Console

from sandbox.app_settings import app_settings
from sandbox.azurite import Azurite
from sandbox.day import prepared_world, run_day
from sandbox.prepared import Prepared
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import Container, Table
from shared.contracts.settings import StorageSettings
from shared.core.sessions import aft_close_at, pre_open_at
from shared.core.text.language import LanguageFault
from shared.ports import Row, TableStore
from shared.stages.narrative.calls import RecordedLanguage, faults_of
from simulation.market.days import tradable_day
from simulation.market.scenario import Scenario
from simulation.runtime.clock import SimClock
from simulation.runtime.runner import Runner
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from training.backtest.ports import BacktestApp
from training.publish import models_in, publish
from training.text.registry import publish_text, text_models_in

_SEEN, _DONE = (Table.WATCHLIST, Table.SIGNALS, Table.DECISIONS), (Table.ORDERS, Table.JOURNAL, Table.FILLS)
_HEARD = (Table.STORIES, Table.NARRATIVES)
COMPARED = (*_SEEN, *_DONE, *_HEARD, Table.POSITIONS)
"""What was watched, thought, decided and done; the rest is about timers and incidents."""
IGNORED = frozenset({"code_revision"})
SHOWN = 20

type Rows = Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDifference:
    """One cell that differs; `column` is empty where a row is on one side only."""

    table: str
    key: str
    column: str
    app: str
    backtest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Rows compared and equal by table, and what differs. `fraction` is 1 where every row is equal, cell by cell."""

    compared: Mapping[str, int]
    equal: Mapping[str, int]
    differences: tuple[CellDifference, ...]

    @property
    def fraction(self) -> float:
        """Share of rows that are equal."""
        rows = sum(self.compared.values())
        return sum(self.equal.values()) / rows if rows else 0.0

    @property
    def by_column(self) -> dict[str, int]:
        """Differences counted by table and column."""
        counted = Counter(f"{each.table}.{each.column or 'row'}" for each in self.differences)
        return dict(counted.most_common())


def compare(app: Rows, backtest: Rows) -> Parity:
    """Compare the rows of two days, by table and key."""
    compared, equal = {}, {}
    found: list[CellDifference] = []
    for table in sorted(app.keys() | backtest.keys()):
        here, there = app.get(table, {}), backtest.get(table, {})
        keys = sorted(here.keys() | there.keys())
        differing = [list(_differences(table, key, here.get(key), there.get(key))) for key in keys]
        compared[table] = len(keys)
        equal[table] = sum(not each for each in differing)
        found += [one for each in differing for one in each]
    return Parity(compared=compared, equal=equal, differences=tuple(found))


def _differences(table: str, key: str, app: Row | None, backtest: Row | None) -> Iterator[CellDifference]:
    if app is None or backtest is None:
        sides = ("missing" if app is None else "there", "missing" if backtest is None else "there")
        yield CellDifference(table=table, key=key, column="", app=sides[0], backtest=sides[1])
        return
    for column in sorted((app.keys() | backtest.keys()) - IGNORED):
        if app.get(column) != backtest.get(column):
            a, b = (repr(row.get(column))[:120] for row in (app, backtest))
            yield CellDifference(table=table, key=key, column=column, app=a, backtest=b)


def rows_of(tables: TableStore, world: Scenario) -> Rows:
    """The compared tables of a world's day."""
    return {table.value: dict(tables.query(table, str(world.on))) for table in COMPARED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppDay:
    """What a sandbox day has left: its rows, and what the language model said, or why it said nothing, by question."""

    rows: Rows
    answers: Mapping[str, bytes]
    faults: Mapping[str, LanguageFault]


def app_day(folder: Path, world: Scenario) -> AppDay:
    """Read what a sandbox day has left in its folder."""
    with Azurite(folder / "azurite") as azurite:
        storage = StorageSettings(connection=azurite.connection_string)
        tables, blobs = AzureTables(storage), AzureBlobs(storage)
        names = blobs.names(Container.LANGUAGE, "")
        answers = {name: stored.value for name in names if (stored := blobs.get(Container.LANGUAGE, name)) is not None}
        return AppDay(rows=rows_of(tables, world), answers=answers, faults=faults_of(tables, world.on))


def backtest_rows(world: Scenario, prepared: Prepared, day_before: AppDay) -> Rows:
    """Rows that the backtest makes of the same day, models and settings; no language model is asked anything.

    Raises
    ------
    SettingsError
        If the world's day is no session.
    """
    day = tradable_day(world.on)
    clock = SimClock(pre_open_at(day) - timedelta(minutes=1))
    exchange = Exchange(world.tape(), VenueConfig())
    environment = app_settings(prepared, venue_url="http://127.0.0.1:1", clock_file=Path(), revision="backtest")
    environment.pop("GATEHOUSE_CLOCK_FILE")
    app = BacktestApp(environment, exchange, clock, "backtest")
    for onnx, card in models_in(prepared.folder / "models"):
        publish(app.blobs, onnx, card, promoted_at=pre_open_at(day))
    for model in text_models_in(prepared.folder / "texts"):
        publish_text(app.blobs, model, promoted_at=pre_open_at(day))
    for name, data in day_before.answers.items():
        app.blobs.insert(Container.LANGUAGE, name, data)
    app.language = RecordedLanguage(settings=app.settings.language, faults=day_before.faults)
    runner = Runner(app, clock, environment)
    runner.run(aft_close_at(day))
    return rows_of(app.tables, world)


def run_parity(world: Scenario, console: Console, folder: Path) -> Parity:
    """Run a day both ways and compare."""
    run_day(world, console, folder=folder)
    left = app_day(folder, world)
    return compare(left.rows, backtest_rows(world, prepared_world(world), left))


def show(found: Parity, console: Console) -> None:
    """Print rows compared and equal, and the columns that differ."""
    table = rich.table.Table("table", "rows", "equal", title=f"Parity: {found.fraction:.2%}", title_justify="left")
    for name, count in found.compared.items():
        table.add_row(name, str(count), str(found.equal[name]))
    console.print(table)
    for column, count in found.by_column.items():
        console.print(f"{column}: {count} differ", markup=False)


def as_data(found: Parity) -> dict[str, object]:
    """The same as plain data."""
    return {
        "fraction": found.fraction,
        "compared": dict(found.compared),
        "equal": dict(found.equal),
        "by_column": found.by_column,
        "differences": [dataclasses.asdict(each) for each in found.differences[:SHOWN]],
    }
