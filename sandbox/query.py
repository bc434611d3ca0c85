"""Ask the exported tables in SQL: `python -m sandbox query`."""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table as RichTable

from sandbox.books import opened
from sandbox.questions import QUESTIONS
from sandbox.state import DAY_FOLDER
from shared.contracts.records import Container, Table
from shared.core.errors import SettingsError
from shared.ports import BlobStore
from training.spreadsheet import cell

ROWS_SHOWN = 200
SOMETIMES: Mapping[str, str] = {
    Table.SIGNALS: "edge DOUBLE, expected_move_bp DOUBLE",
    Table.ORDERS: "strategy VARCHAR",
    Table.FILLS: "strategy VARCHAR",
    Table.POSITIONS: "strategy VARCHAR",
    Table.JOURNAL: "strategy VARCHAR",
}
"""Columns that no row of some days has: what only strategies with models say, what older code did not write. Their
views have them all the same, without a value.
"""
_NONE = "no_rows_of"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Columns and rows of a result."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def write_csv(found: QueryResult, sink: TextIO) -> None:
    """Write an answer as CSV that a spreadsheet does not compute."""
    csv.writer(sink).writerows([found.columns, *(map(_cell, row) for row in found.rows)])


def _cell(value: Any) -> object:
    """Instants are exported in UTC, and DuckDB gives them without saying so."""
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return cell(value.replace(tzinfo=UTC) if is_naive else value)


def query(
    ask: str,
    console: Console,
    *,
    since: date | None = None,
    until: date | None = None,
    storage: str = "",
    folder: Path = DAY_FOLDER,
    as_csv: bool = False,
) -> int:
    """Answer a question about some days and print the result; `ask` is SQL or the name of a question.

    Raises
    ------
    SettingsError
        If nothing has been exported, or the SQL is not understood.
    """
    if not ask:
        _list_questions(console)
        return 0
    sql = QUESTIONS[ask].sql if ask in QUESTIONS else ask
    with opened(storage, folder) as ports, tempfile.TemporaryDirectory() as place:
        files = download(ports.blobs, Path(place), since, until)
        found = answer(files, sql)
    if as_csv:
        write_csv(found, sys.stdout)
    else:
        _show(found, console)
    return 0


def download(
    blobs: BlobStore, folder: Path, since: date | None = None, until: date | None = None
) -> Mapping[str, Sequence[Path]]:
    """Copy the exports of some days into a folder; return the files by table.

    Raises
    ------
    SettingsError
        If there are none.
    """
    files: dict[str, list[Path]] = {}
    for name in blobs.names(Container.EXPORTS, ""):
        table, _, file = name.partition("/")
        on = date.fromisoformat(file.removesuffix(".parquet"))
        stored = blobs.get(Container.EXPORTS, name) if (since or on) <= on <= (until or on) else None
        if stored is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored.value)
            files.setdefault(table, []).append(path)
    if not files:
        raise SettingsError("no tables of these days have been exported: the job export does so each night")
    return files


def answer(files: Mapping[str, Sequence[Path]], sql: str) -> QueryResult:
    """Run SQL over the exports: one view for each table, with columns `day` and `row_key` beside its own.

    Raises
    ------
    SettingsError
        With DuckDB's words, if the SQL is not understood.
    """
    import duckdb  # noqa: PLC0415 - a command pays for its own imports

    with duckdb.connect() as connection:
        for table, paths in files.items():
            listed = ", ".join(f"'{path}'" for path in paths)
            rows = f"FROM read_parquet([{listed}], union_by_name = true)"
            if table in SOMETIMES:
                connection.execute(f"CREATE TABLE {_NONE}_{table} ({SOMETIMES[table]})")
                rows += f" UNION ALL BY NAME FROM {_NONE}_{table}"
            connection.execute(f"CREATE VIEW {table} AS {rows}")
        # From here on nothing outside the views is reached: no file is written, nothing is loaded or fetched.
        folders = sorted({str(path.parent) for paths in files.values() for path in paths})
        connection.execute(f"SET allowed_directories = {folders!r}")
        connection.execute("SET enable_external_access = false")
        try:
            result = connection.execute(sql)
            columns = tuple(str(item[0]) for item in result.description or ())
            return QueryResult(columns=columns, rows=result.fetchall())
        except duckdb.CatalogException as error:
            missing = sorted(set(Table) - files.keys())
            raise SettingsError(
                f"{error}\nTables without rows in these days: {', '.join(missing) or 'none'}"
            ) from error
        except duckdb.Error as error:
            raise SettingsError(str(error)) from error


def _list_questions(console: Console) -> None:
    console.print("Ask one of these by its name, or give SQL (docs/CASES.md):")
    for name, item in QUESTIONS.items():
        console.print(f"  {name:20} {item.asks}")


def _show(found: QueryResult, console: Console) -> None:
    table = RichTable()
    for name in found.columns:
        table.add_column(name, overflow="fold")
    for row in found.rows[:ROWS_SHOWN]:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)
    if len(found.rows) > ROWS_SHOWN:
        console.print(f"{ROWS_SHOWN} of {len(found.rows)} rows shown; --csv gives all.")
