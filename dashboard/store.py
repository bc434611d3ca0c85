"""What is read of storage: columns of one partition, one row, one blob, names. Nothing is ever written.

Every read names a partition, so what a page costs grows with the day it shows and not with the history behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Protocol

from shared.adapters.azure_errors import translated
from shared.adapters.blobs import AzureBlobs
from shared.adapters.storage_rules import require_key
from shared.adapters.tables import AzureTables
from shared.contracts.records import ACCOUNT, CURRENT, Container, Table
from shared.contracts.settings import StorageSettings
from shared.ports import Cell, Row

PAGE_ROWS = 1000
"""What Azure Tables gives at most in one answer."""
KEY = "key"
"""Cell that holds the row key."""

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})/")
_AFTER_ALL = "~"
"""Sorts behind everything that a row key of ours is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which part of a partition: columns (none: all), keys from and below, at most so many rows (none: all)."""

    columns: tuple[str, ...] = ()
    key_from: str = ""
    key_to: str = ""
    limit: int | None = None


EVERYTHING = Query()


def starting_with(prefix: str, columns: tuple[str, ...] = (), limit: int | None = None) -> Query:
    """Return the query for the row keys that start with a text."""
    return Query(columns=columns, key_from=prefix, key_to=f"{prefix}{_AFTER_ALL}", limit=limit)


class Source(Protocol):
    """What the pages read from: storage itself, a cache before it, or memory in a test."""

    def rows(self, table: str, partition: str, query: Query = EVERYTHING) -> Sequence[Row]:
        """Return rows with their row key as cell `key`, in key order; none where there is no such table."""

    def row(self, table: str, partition: str, key: str) -> Row | None:
        """Return one row or None."""

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes or None."""

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""


class _Tables(AzureTables):
    """The app's own adapter, with reads that take only the columns and the rows that are shown."""

    def select(self, table: str, partition: str, query: Query) -> list[Row]:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - the package is heavy

        require_key("partition", partition)
        wanted, parameters = _filter(partition, query)
        columns = ["RowKey", *query.columns] if query.columns else None
        size = min(query.limit or PAGE_ROWS, PAGE_ROWS)
        client = self._client(table)
        with translated(f"query {partition} of table {table}"):
            try:
                found = client.query_entities(wanted, parameters=parameters, select=columns, results_per_page=size)
                return [_row(entity) for entity in islice(found, query.limit)]
            except ResourceNotFoundError:
                return []


class StorageView:
    """`Source` on one storage account.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity of who runs this.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._tables, self._blobs = _Tables(settings), AzureBlobs(settings)

    def rows(self, table: str, partition: str, query: Query = EVERYTHING) -> Sequence[Row]:
        """Return rows with their row key as cell `key`, in key order; none where there is no such table."""
        return self._tables.select(table, partition, query)

    def row(self, table: str, partition: str, key: str) -> Row | None:
        """Return one row or None."""
        stored = self._tables.get(table, partition, key)
        return None if stored is None else stored.value

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes or None."""
        stored = self._blobs.get(container, name)
        return None if stored is None else stored.value

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        return self._blobs.names(container, prefix)


def days_of(source: Source) -> tuple[date, ...]:
    """Session dates that storage knows of, the latest first: those with watchlist or report, and the ledger's."""
    listed = [name for container in (Container.WATCHLISTS, Container.REPORTS) for name in source.names(container, "")]
    found = {match[1] for name in listed if (match := _DAY.match(name))}
    current = source.row(Table.LEDGER, ACCOUNT, CURRENT)
    if current is not None:
        found.add(str(current["on"]))
    return tuple(sorted((date.fromisoformat(text) for text in found), reverse=True))


def _filter(partition: str, query: Query) -> tuple[str, dict[str, str]]:
    wanted, parameters = ["PartitionKey eq @partition"], {"partition": partition}
    if query.key_from:
        wanted.append("RowKey ge @key_from")
        parameters["key_from"] = query.key_from
    if query.key_to:
        wanted.append("RowKey lt @key_to")
        parameters["key_to"] = query.key_to
    return " and ".join(wanted), parameters


def _row(entity: Mapping[str, object]) -> dict[str, Cell]:
    return {KEY: str(entity["RowKey"])} | dict(_cells(entity.items()))


def _cells(items: Iterable[tuple[str, object]]) -> Iterator[tuple[str, Cell]]:
    """Cells of ours; a 64-bit integer comes wrapped in a pair."""
    for name, cell in items:
        plain = cell[0] if isinstance(cell, tuple) else cell
        if name not in {"PartitionKey", "RowKey"} and isinstance(plain, str | int | float | bool):
            yield name, plain
