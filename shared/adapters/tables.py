"""Rows in Azure Tables (Azurite locally)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shared.adapters.azure_errors import ONCE, RETRIES, client_options, translated
from shared.adapters.storage_rules import PlainCell, approximate_bytes, checked_row, require_key, require_table
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.ports import Row, Stored

if TYPE_CHECKING:
    from azure.data.tables import TableClient, TableServiceClient

MAX_TRANSACTION_ROWS = 100
MAX_TRANSACTION_BYTES = 3 * 1024 * 1024
"""Azure takes 4 MiB; the rest is the envelope's."""

_INT32 = range(-(2**31), 2**31)


class AzureTables:
    """`TableStore` on azure-data-tables. One pooled session serves all tables; a missing table is created by a write.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity the app runs under.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._service = _service(settings)
        self._clients: dict[str, TableClient] = {}

    def ensure(self, tables: Iterable[str]) -> None:
        """Create those tables that are missing."""
        for table in tables:
            self._create(self._client(table))

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        require_key("partition", partition)
        require_key("key", key)
        client = self._client(table)
        with translated(f"get ({partition}, {key}) of table {table}"):
            try:
                entity = client.get_entity(partition, key)
            except ResourceNotFoundError:
                return None
        return Stored(value=_row(entity), etag=str(entity.metadata["etag"]))

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent. Return False, having changed nothing, where the row exists already."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        entity = _entity(partition, key, checked_row(row))
        client = self._client(table)
        with translated(f"insert ({partition}, {key}) into table {table}"):
            try:
                self._write(
                    client,
                    lambda: client.create_entity(entity, response_preference="return-no-content", **ONCE),
                )
            except ResourceExistsError as error:
                if error.response is not None and "BeingDeleted" in error.response.text():
                    raise
                return False
        return True

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace whatever stands there."""
        from azure.data.tables import UpdateMode  # noqa: PLC0415 - not on the cold path

        entity = _entity(partition, key, checked_row(row))
        client = self._client(table)
        with translated(f"put ({partition}, {key}) into table {table}"):
            self._write(client, lambda: client.upsert_entity(entity, UpdateMode.REPLACE))

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
        client = self._client(table)
        for part in _transactions(checked):
            operations = [("upsert", _entity(partition, key, checked[key]), {"mode": "replace"}) for key in part]
            with translated(f"put {len(part)} rows from ({partition}, {part[0]}) into table {table}"):
                self._write(client, lambda: client.submit_transaction(operations))  # noqa: B023 - called at once

    def query(self, table: str, partition: str, *, key_from: str = "", key_to: str = "") -> Iterable[tuple[str, Row]]:
        """Return (row key, row) of a partition with key_from <= key < key_to, in key order."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        require_key("partition", partition)
        wanted, parameters = "PartitionKey eq @partition", {"partition": partition}
        if key_from:
            wanted, parameters = f"{wanted} and RowKey ge @key_from", {**parameters, "key_from": key_from}
        if key_to:
            wanted, parameters = f"{wanted} and RowKey lt @key_to", {**parameters, "key_to": key_to}
        client = self._client(table)
        with translated(f"query {partition} of table {table}"):
            try:
                found = client.query_entities(wanted, parameters=parameters)
                return sorted(((entity["RowKey"], _row(entity)) for entity in found), key=lambda pair: pair[0])
            except ResourceNotFoundError:
                return []

    def _client(self, table: str) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            require_table(table)
            client = self._clients[table] = self._service.get_table_client(table)
        return client

    def _write(self, client: TableClient, write: Callable[[], Any]) -> None:
        """Write; a 404 can only mean that the table is missing."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - not on the cold path

        try:
            write()
        except HttpResponseError as error:
            if error.status_code != 404:
                raise
            self._create(client)
            write()

    @staticmethod
    def _create(client: TableClient) -> None:
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        with translated(f"create table {client.table_name}"):
            try:
                client.create_table()
            except ResourceExistsError as error:
                if error.response is not None and "BeingDeleted" in error.response.text():
                    raise


def _service(settings: StorageSettings) -> TableServiceClient:
    from azure.data.tables import TableServiceClient  # noqa: PLC0415 - a tenth of a second of imports

    options = {**client_options(), "retry_total": RETRIES, "retry_backoff_factor": 0.3, "retry_backoff_max": 2}
    if settings.connection:
        return TableServiceClient.from_connection_string(settings.connection, **options)
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    endpoint = f"https://{settings.account_name}.table.core.windows.net"
    return TableServiceClient(endpoint, credential=DefaultAzureCredential(), **options)


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
    """Cells of one row as the SDK gives it, without its keys; 64-bit integers come wrapped in a pair."""
    return {
        name: cell[0] if isinstance(cell, tuple) else cell
        for name, cell in entity.items()
        if name not in {"PartitionKey", "RowKey"}
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
