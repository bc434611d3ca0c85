"""The task hub's tables: `{hub}Instances`, one row each, and `{hub}History`, one partition each.

A history row is one event; `OrchestratorCompleted` ends an episode and carries the host's task book, so that a host
that was killed goes on from the last complete episode. Events that wait for an episode and could not be known
otherwise (raised events, results of activities) are rows too, `inbox-...`, deleted in the transaction that takes them.
Texts over a table property's size go to the container `{hub}-largemessages`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any
from urllib.parse import quote

from azure.data.tables import UpdateMode

from sandbox.host.durable.history import NAMES, Event, EventType, kind_of, stamp
from sandbox.host.durable.instance import InboxItem, Instance, InstanceStatus, Parent
from sandbox.host.durable.tasks import TaskBook
from sandbox.host.storage import HostStorage
from shared.core.values import parse_utc

_MAX_TEXT = 30_000
"""UTF-16 characters in one property; the service's limit is 64 KiB."""

_MAX_BATCH = 100
_BLOB_MARK = "BlobName"
_KINDS = {name: kind for kind, name in NAMES.items()}
Change = tuple[str, dict[str, Any]]
_PRIVATE = {"PartitionKey", "RowKey", "EventType", "TaskBook", "_Timestamp"}


def key_of(instance_id: str) -> str:
    """Table key of an instance: what keys forbid is escaped."""
    return quote(instance_id, safe=" :;@!$&'()*+,=-._~|{}[]<>").replace("%", "^")


def _folder_of(instance_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", instance_id) + "/"


def _parts[T](items: Sequence[T]) -> Iterator[Sequence[T]]:
    return batched(items, _MAX_BATCH, strict=False)


class HubStore:
    """Durable copy of one task hub.

    Parameters
    ----------
    storage : HostStorage
        The account of the hub.
    hub_name : str
        Prefix of its tables.
    is_deferred : bool
        Write at `flush` only, in one transaction for all that an instance did meanwhile: for virtual time, where a
        whole instant is one step. Otherwise everything is written when its method returns.
    """

    def __init__(self, storage: HostStorage, hub_name: str, *, is_deferred: bool) -> None:
        self._storage = storage
        self._is_deferred = is_deferred
        self._changes: dict[str, dict[str, Change]] = {}
        self._unsaved: dict[str, Instance] = {}
        self._instances = f"{hub_name}Instances"
        self._history = f"{hub_name}History"
        self._blobs = f"{hub_name.lower()}-largemessages"

    async def load_instances(self) -> list[Instance]:
        """All instances, without their histories, in the order of their keys."""
        return [await self._instance(row) async for row in self._storage.rows(self._instances, "", {})]

    async def load_history(self, instance: Instance) -> None:
        """Fill history, task book and inbox from the rows. An episode cut off by a crash is left out."""
        await self.flush()
        query = "PartitionKey eq @key"
        history: list[Event] = []
        complete = 0
        instance.inbox.clear()
        prefix = f"{instance.generation:04d}-"
        async for row in self._storage.rows(self._history, query, {"key": key_of(instance.instance_id)}):
            row_key = str(row["RowKey"])
            if row_key.startswith("inbox-"):
                instance.inbox.append(InboxItem(event=await self._event(row), row_key=row_key))
                instance.next_inbox_row = int(row_key.removeprefix("inbox-")) + 1
            elif row_key.startswith(prefix):
                history.append(await self._event(row))
                if kind_of(history[-1]) is EventType.ORCHESTRATOR_COMPLETED:
                    complete = len(history)
                    instance.book = TaskBook.load(json.loads(await self._text(row, "TaskBook")))
        instance.history = history[:complete]

    async def save_instance(self, instance: Instance) -> None:
        """Write the instance's row unless it already says the same."""
        if self._is_deferred:
            self._unsaved[instance.instance_id] = instance
        else:
            await self._save(instance)

    async def add_inbox(self, instance: Instance, item: Event) -> InboxItem:
        """Write an event that waits for an episode."""
        row_key = f"inbox-{instance.next_inbox_row:010d}"
        instance.next_inbox_row += 1
        await self._change(instance, [("upsert", await self._row(instance, row_key, item))])
        return InboxItem(event=item, row_key=row_key)

    async def commit(self, instance: Instance, events: Sequence[Event], taken: Sequence[InboxItem]) -> None:
        """Append one episode, the last event of which is its OrchestratorCompleted, and delete what it took."""
        rows = []
        for offset, item in enumerate(events):
            row_key = f"{instance.generation:04d}-{len(instance.history) + offset:08d}"
            rows.append(await self._row(instance, row_key, item))
        await self._put_text(rows[-1], "TaskBook", json.dumps(instance.book.dump()), instance.instance_id)
        key = key_of(instance.instance_id)
        deletions: list[Change] = [
            ("delete", {"PartitionKey": key, "RowKey": i.row_key}) for i in taken if i.row_key is not None
        ]
        await self._change(instance, [("upsert", row) for row in rows], deletions)
        instance.history.extend(events)

    async def flush(self) -> None:
        """Write what has been deferred."""
        changes, self._changes = self._changes, {}
        unsaved, self._unsaved = self._unsaved, {}
        await asyncio.gather(
            *(self._submit(list(each.values())) for each in changes.values()),
            *(self._save(instance) for instance in unsaved.values()),
        )

    async def drop_old_generations(self, instance: Instance, taken: Collection[str | None]) -> None:
        """Delete the events of earlier executions, and those inbox rows that they took."""
        keep = f"{instance.generation:04d}-"
        await self._delete_rows(
            instance, lambda row: row in taken or not (row.startswith(keep) or row.startswith("inbox-"))
        )

    async def purge(self, instance: Instance) -> None:
        """Delete everything of an instance."""
        await self._delete_rows(instance, lambda _: True)
        table = await self._storage.table(self._instances)
        await table.delete_entity(key_of(instance.instance_id), "")  # one that is gone already is no error
        await self._storage.delete_blobs(self._blobs, _folder_of(instance.instance_id))

    async def _change(self, instance: Instance, rows: list[Change], deletions: Sequence[Change] = ()) -> None:
        """Write rows of one partition, now or at `flush`; a row that came and went meanwhile is never written."""
        if not self._is_deferred:
            await self._submit([*rows, *deletions], closing=1 + len(deletions))
            return
        pending = self._changes.setdefault(instance.instance_id, {})
        for kind, row in (*rows, *deletions):
            row_key = str(row["RowKey"])
            if kind == "upsert" or row_key not in pending:
                pending[row_key] = (kind, row)
            else:
                del pending[row_key]

    async def _submit(self, changes: Sequence[Change], closing: int = 0) -> None:
        """Write in as few transactions as the service's limit allows, the last `closing` changes by themselves.

        An episode counts from its last row on, so that row and the deletions of what it took stay together.
        """
        if not changes:
            return
        table = await self._storage.table(self._history)
        operations = [(kind, row, {"mode": UpdateMode.REPLACE} if kind == "upsert" else {}) for kind, row in changes]
        if len(operations) <= _MAX_BATCH:
            await table.submit_transaction(operations)
            return
        cut = len(operations) - closing
        for part in (*_parts(operations[:cut]), *_parts(operations[cut:])):
            await table.submit_transaction(part)

    async def _delete_rows(self, instance: Instance, is_doomed: Callable[[str], bool]) -> None:
        await self.flush()
        key = key_of(instance.instance_id)
        found = self._storage.rows(self._history, "PartitionKey eq @key", {"key": key})
        names = [str(row["RowKey"]) async for row in found]
        await self._submit([("delete", {"PartitionKey": key, "RowKey": name}) for name in names if is_doomed(name)])

    async def _save(self, instance: Instance) -> None:
        if instance.saved == instance.row_state():
            return
        row: dict[str, Any] = {
            "PartitionKey": key_of(instance.instance_id),
            "RowKey": "",
            "InstanceId": instance.instance_id,
            "Name": instance.name,
            "Version": instance.version,
            "RuntimeStatus": instance.status.value,
            "CreatedTime": stamp(instance.created_at),
            "LastUpdatedTime": stamp(instance.updated_at),
            "ExecutionId": instance.execution_id,
            "Generation": instance.generation,
        }
        if instance.parent is not None:
            row["ParentInstanceId"] = instance.parent.instance_id
            row["ParentExecutionId"] = instance.parent.execution_id
            row["ParentTaskId"] = instance.parent.task_id
        texts = {
            "Input": instance.input_json,
            "Output": instance.output_json,
            "CustomStatus": instance.custom_status_json,
        }
        for name, text in texts.items():
            await self._put_text(row, name, text, instance.instance_id)
        table = await self._storage.table(self._instances)
        await table.upsert_entity(row, mode=UpdateMode.REPLACE)
        instance.saved = instance.row_state()

    async def _row(self, instance: Instance, row_key: str, item: Event) -> dict[str, Any]:
        row: dict[str, Any] = {
            "PartitionKey": key_of(instance.instance_id),
            "RowKey": row_key,
            "EventType": NAMES[kind_of(item)],
            "_Timestamp": item["Timestamp"],
        }
        for name, value in item.items():
            if name in {"EventType", "Timestamp", "IsPlayed"} or value is None:
                continue
            if isinstance(value, int):
                row[name] = value
            else:
                text = value if isinstance(value, str) else f"json:{json.dumps(value)}"
                await self._put_text(row, name, text, instance.instance_id)
        return row

    async def _event(self, row: Mapping[str, Any]) -> Event:
        item: Event = {
            "EventType": int(_KINDS[str(row["EventType"])]),
            "EventId": int(row["EventId"]),
            "IsPlayed": False,
            "Timestamp": str(row["_Timestamp"]),
        }
        for name in row:
            if name in _PRIVATE or name in item or name == f"TaskBook{_BLOB_MARK}":
                continue
            if name.endswith(_BLOB_MARK):
                field = name.removesuffix(_BLOB_MARK)
                item[field] = await self._text(row, field)
            else:
                value = row[name]
                is_json = isinstance(value, str) and value.startswith("json:")
                item[name] = json.loads(value.removeprefix("json:")) if is_json else value
        return item

    async def _instance(self, row: Mapping[str, Any]) -> Instance:
        parent = None
        if "ParentInstanceId" in row:
            parent = Parent(
                instance_id=str(row["ParentInstanceId"]),
                execution_id=str(row["ParentExecutionId"]),
                task_id=int(row["ParentTaskId"]),
            )
        instance = Instance(
            instance_id=str(row["InstanceId"]),
            name=str(row["Name"]),
            version=str(row["Version"]),
            input_json=await self._optional_text(row, "Input"),
            created_at=parse_utc(str(row["CreatedTime"])),
            updated_at=parse_utc(str(row["LastUpdatedTime"])),
            execution_id=str(row["ExecutionId"]),
            generation=int(row["Generation"]),
            status=InstanceStatus(str(row["RuntimeStatus"])),
            custom_status_json=await self._optional_text(row, "CustomStatus"),
            output_json=await self._optional_text(row, "Output"),
            parent=parent,
        )
        instance.saved = instance.row_state()
        return instance

    async def _put_text(self, row: dict[str, Any], name: str, text: str | None, instance_id: str) -> None:
        if text is None:
            return
        if len(text) <= _MAX_TEXT:
            row[name] = text
            return
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        blob = f"{_folder_of(instance_id)}{name}-{digest}.json"
        await self._storage.write_blob(f"{self._blobs}/{blob}", text.encode())
        row[f"{name}{_BLOB_MARK}"] = blob

    async def _optional_text(self, row: Mapping[str, Any], name: str) -> str | None:
        return await self._text(row, name) if name in row or f"{name}{_BLOB_MARK}" in row else None

    async def _text(self, row: Mapping[str, Any], name: str) -> str:
        blob = row.get(f"{name}{_BLOB_MARK}")
        if blob is None:
            return str(row[name])
        data = await self._storage.read_blob(f"{self._blobs}/{blob}")
        if data is None:
            raise LookupError(f"blob {blob} of a large message is missing")
        return data.decode()
