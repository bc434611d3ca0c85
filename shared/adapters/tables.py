"""Rows in Azure Tables (Azurite locally)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.azure_clients import ONCE, RETRIES, NamedClients, service_client
from shared.adapters.azure_errors import translated, unless_absent
from shared.adapters.storage_rules import PlainCell, approximate_bytes, checked_row, require_key, require_table
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.ports import Row, Stored

if TYPE_CHECKING:
    from azure.data.tables import TableClient

MAX_TRANSACTION_ROWS = 100
MAX_TRANSACTION_BYTES = 3 * 1024 * 1024
"""Azure takes 4 MiB; the rest is the envelope's."""

_INT32 = range(-(2**31), 2**31)
_INSERTED: dict[str, Any] = {"response_preference": "return-no-content", **ONCE}


class AzureTables(NamedClients["TableClient"]):
    """`TableStore` on azure-data-tables. One pooled session serves all tables; a missing table is created by a write.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity the app runs under.
    """

    kind = "table"

    def __init__(self, settings: StorageSettings) -> None:
        from azure.data.tables import TableServiceClient  # noqa: PLC0415 - a tenth of a second of imports

        super().__init__()
        retry = {"retry_total": RETRIES, "retry_backoff_factor": 0.3, "retry_backoff_max": 2}
        self._service: TableServiceClient = service_client(TableServiceClient, settings, "table", **retry)

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""
        require_key("partition", partition)
        require_key("key", key)
        client = self._client(table)
        with translated(f"get ({partition}, {key}) of table {table}"), unless_absent():
            entity = client.get_entity(partition, key)
            return Stored(value=_row(entity), etag=str(entity.metadata["etag"]))
        return None

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent. Return False, having changed nothing, where the row exists already."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        entity = _entity(partition, key, checked_row(row))
        with translated(f"insert ({partition}, {key}) into table {table}"):
            try:
                self._write(table, lambda client: client.create_entity(entity, **_INSERTED))
            except ResourceExistsError as error:
                if not self._is_there(error):
                    raise
                return False
        return True

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace whatever stands there."""
        from azure.data.tables import UpdateMode  # noqa: PLC0415 - not on the cold path

        entity = _entity(partition, key, checked_row(row))
        with translated(f"put ({partition}, {key}) into table {table}"):
            self._write(table, lambda client: client.upsert_entity(entity, UpdateMode.REPLACE))

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        """Replace the row that still carries `etag`. Raises ConflictError where it does not."""
        from azure.core import MatchConditions  # noqa: PLC0415 - not on the cold path
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415
        from azure.data.tables import UpdateMode  # noqa: PLC0415

        entity = _entity(partition, key, checked_row(row))
        client = self._client(table)
        tried = f"replace ({partition}, {key}) in table {table}"
        with translated(tried):
            try:
                client.update_entity(
                    entity, UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified, **ONCE
                )
            except ResourceNotFoundError as error:
                raise ConflictError(f"{tried}: the row is gone") from error

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        """Insert or replace rows of one partition by key, in transactions of at most 100 rows and 3 MiB."""
        checked = {key: checked_row(row) for key, row in rows.items()}
        for part in _transactions(checked):
            operations = [("upsert", _entity(partition, key, checked[key]), {"mode": "replace"}) for key in part]
            with translated(f"put {len(part)} rows from ({partition}, {part[0]}) into table {table}"):
                self._write(table, lambda client: client.submit_transaction(operations))  # noqa: B023 - called at once

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        """Return (row key, row) of a partition with key_from <= key < key_to, in key order."""
        require_key("partition", partition)
        wanted, parameters = "PartitionKey eq @partition", {"partition": partition}
        if key_from:
            wanted, parameters = f"{wanted} and RowKey ge @key_from", {**parameters, "key_from": key_from}
        if key_to:
            wanted, parameters = f"{wanted} and RowKey lt @key_to", {**parameters, "key_to": key_to}
        client = self._client(table)
        with translated(f"query {partition} of table {table}"), unless_absent():
            select = ["RowKey", *columns] if columns else None
            found = client.query_entities(wanted, parameters=parameters, select=select)
            return sorted(((entity["RowKey"], _row(entity)) for entity in found), key=lambda pair: pair[0])
        return []

    def _connect(self, name: str) -> TableClient:
        require_table(name)
        return self._service.get_table_client(name)

    def _create(self, client: TableClient) -> None:
        client.create_table()

    def _is_there(self, error: Exception) -> bool:
        response = getattr(error, "response", None)
        return response is None or "BeingDeleted" not in response.text()


def _entity(partition: str, key: str, row: Mapping[str, PlainCell]) -> dict[str, Any]:
    """One row as the SDK takes it: integers beyond 32 bit need their type said."""
    require_key("partition", partition)
    require_key("key", key)
    entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": key}
    for name, cell in row.items():
        wide = isinstance(cell, int) and cell not in _INT32
        entity[name] = (cell, "Edm.Int64") if wide else cell
    return entity


def _row(entity: Mapping[str, Any]) -> Row:
    """Cells of one row as the SDK gives it, without its keys and the columns that it lacks.

    64-bit integers come wrapped in a pair, a column that was asked for and is not there as null.
    """
    return {
        name: cell[0] if isinstance(cell, tuple) else cell
        for name, cell in entity.items()
        if name not in {"PartitionKey", "RowKey"} and cell is not None
    }


def _transactions(rows: Mapping[str, Mapping[str, PlainCell]]) -> Iterator[list[str]]:
    """Keys in groups that fit one transaction."""
    part: list[str] = []
    size = 0
    for key, row in rows.items():
        row_size = approximate_bytes(key, row)
        if part and (len(part) == MAX_TRANSACTION_ROWS or size + row_size > MAX_TRANSACTION_BYTES):
            yield part
            part, size = [], 0
        part.append(key)
        size += row_size
    if part:
        yield part
