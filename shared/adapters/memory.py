"""Tables and blobs in memory, for unit tests and the backtest.

They behave as the Azure ones: one test suite runs both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from shared.adapters.storage_rules import (
    PlainCell,
    checked_row,
    require_blob_name,
    require_container,
    require_key,
    require_table,
)
from shared.core.errors import ConflictError
from shared.ports import Row, Stored


class _Shelf[K, V]:
    """Values under keys, each with a tag that changes at every write."""

    def __init__(self) -> None:
        self.items: dict[K, Stored[V]] = {}
        self._lock = threading.Lock()
        self._writes = 0

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._store(key, value)

    def insert(self, key: K, value: V) -> bool:
        with self._lock:
            if key in self.items:
                return False
            self._store(key, value)
            return True

    def replace(self, key: K, value: V, etag: str) -> None:
        with self._lock:
            stored = self.items.get(key)
            if stored is None or stored.etag != etag:
                found = "it is gone" if stored is None else f"it carries {stored.etag}"
                raise ConflictError(f"replace {key} under {etag}: {found}")
            self._store(key, value)

    def _store(self, key: K, value: V) -> None:
        self._writes += 1
        self.items[key] = Stored(value=value, etag=f'"{self._writes}"')


class MemoryTables:
    """`TableStore` in memory."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, _Shelf[str, dict[str, PlainCell]]]] = {}

    def ensure(self, tables: Iterable[str]) -> None:
        """Create those tables that are missing."""
        for table in tables:
            self._partitions(table)

    def forget(self, partition: str) -> None:
        """Drop a partition from every table: a long backtest keeps the days that it still needs."""
        for partitions in self._tables.values():
            partitions.pop(partition, None)

    def remove(self, table: str, partition: str, key: str) -> None:
        """Take a row out, as a person may in Storage Explorer; nothing of ours deletes rows."""
        self._shelf(table, partition).items.pop(_checked(key), None)

    def get(self, table: str, partition: str, key: str) -> Stored[Row] | None:
        """Return a row or None."""
        stored = self._shelf(table, partition).items.get(_checked(key))
        return None if stored is None else Stored(value=dict(stored.value), etag=stored.etag)

    def insert(self, table: str, partition: str, key: str, row: Row) -> bool:
        """Insert if absent. Return False, having changed nothing, where the row exists already."""
        return self._shelf(table, partition).insert(_checked(key), checked_row(row))

    def put(self, table: str, partition: str, key: str, row: Row) -> None:
        """Insert or replace whatever stands there."""
        self._shelf(table, partition).put(_checked(key), checked_row(row))

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        """Replace the row that still carries `etag`. Raises ConflictError where it does not."""
        self._shelf(table, partition).replace(_checked(key), checked_row(row), etag)

    def put_many(self, table: str, partition: str, rows: Mapping[str, Row]) -> None:
        """Insert or replace rows of one partition by key."""
        checked = {_checked(key): checked_row(row) for key, row in rows.items()}
        shelf = self._shelf(table, partition)
        for key, row in checked.items():
            shelf.put(key, row)

    def query(
        self, table: str, partition: str, *, key_from: str = "", key_to: str = "", columns: Sequence[str] = ()
    ) -> Iterable[tuple[str, Row]]:
        """Return (row key, row) of a partition with key_from <= key < key_to, in key order."""
        return sorted(
            (
                (key, {name: cell for name, cell in stored.value.items() if not columns or name in columns})
                for key, stored in self._shelf(table, partition).items.items()
                if key >= key_from and (not key_to or key < key_to)
            ),
            key=lambda pair: pair[0],
        )

    def _partitions(self, table: str) -> dict[str, _Shelf[str, dict[str, PlainCell]]]:
        require_table(table)
        return self._tables.setdefault(table, {})

    def _shelf(self, table: str, partition: str) -> _Shelf[str, dict[str, PlainCell]]:
        partitions = self._partitions(table)
        found = partitions.get(partition)
        if found is None:
            require_key("partition", partition)
            found = partitions.setdefault(partition, _Shelf())
        return found


def _checked(key: str) -> str:
    require_key("key", key)
    return key


class MemoryBlobs:
    """`BlobStore` in memory."""

    def __init__(self) -> None:
        self._containers: dict[str, _Shelf[str, bytes]] = {}

    def ensure(self, containers: Iterable[str]) -> None:
        """Create those containers that are missing."""
        for container in containers:
            self._shelf(container)

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""
        require_blob_name(name)
        return self._shelf(container).items.get(name)

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""
        require_blob_name(name)
        self._shelf(container).put(name, data)

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent. Return False, having changed nothing, where the blob exists already."""
        require_blob_name(name)
        return self._shelf(container).insert(name, data)

    def replace(self, container: str, name: str, data: bytes, etag: str) -> None:
        """Replace the blob that still carries `etag`. Raises ConflictError where it does not."""
        require_blob_name(name)
        self._shelf(container).replace(name, data, etag)

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        return sorted(name for name in self._shelf(container).items if name.startswith(prefix))

    def forget(self, container: str, prefix: str) -> None:
        """Drop every blob whose name starts with `prefix`."""
        items = self._shelf(container).items
        for name in [name for name in items if name.startswith(prefix)]:
            del items[name]

    def _shelf(self, container: str) -> _Shelf[str, bytes]:
        require_container(container)
        return self._containers.setdefault(container, _Shelf())
