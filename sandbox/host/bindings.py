"""Input and output bindings of queues, blobs, tables and the durable client."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from sandbox.host import protos
from sandbox.host.errors import AppError
from sandbox.host.functions import Binding, FunctionDefinition
from sandbox.host.observer import Invocation
from sandbox.host.storage import HostStorage
from sandbox.host.worker import Produced

_EXPRESSION = re.compile(r"\{([^{}]+)\}")
_DEFAULT_TAKE = 1000

Send = Callable[[str, bytes], Awaitable[None]]
"""Puts a message's bytes into a queue."""


def messages_of(data: protos.TypedData) -> list[bytes]:
    """Queue messages in an output value: a text or bytes is one, a JSON array holds several."""
    if data.kind == "bytes":
        return [bytes(data.value)]
    if data.kind == "string":
        return [str(data.value).encode()]
    value = json.loads(data.value)
    return [_message(item) for item in (value if isinstance(value, list) else [value])]


def _message(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, dict) and item.keys() == {"id", "body"}:
        return str(item["body"]).encode()  # how the library writes a QueueMessage
    return json.dumps(item).encode()


def bytes_of(data: protos.TypedData) -> bytes:
    """Bytes of a blob output."""
    return bytes(data.value) if data.kind == "bytes" else str(data.value).encode()


def entities_of(data: protos.TypedData, binding: Binding) -> list[dict[str, Any]]:
    """Table entities in an output value; keys come from the entity, else from the binding."""
    value = json.loads(data.value)
    keys = {"PartitionKey": binding.options.get("partitionKey"), "RowKey": binding.options.get("rowKey")}
    defaults = {name: text for name, text in keys.items() if text}
    return [{**defaults, **item} for item in (value if isinstance(value, list) else [value])]


def resolve(text: str, known: Mapping[str, Any]) -> str:
    """Replace `{name}` by trigger metadata or a field of the trigger's JSON, `{a.b}` by a nested one.

    Raises
    ------
    AppError
        If nothing has that name.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = known
        for part in match.group(1).split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise AppError(f"binding expression {match.group(0)} has no value here")
            found = found[part]
        return str(found)

    return _EXPRESSION.sub(value, text)


def known_values(data: protos.TypedData, metadata: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, Any]:
    """Names that binding expressions may use."""
    fields: Any = None
    if data.kind in {"string", "json"}:
        try:
            fields = json.loads(data.value)
        except ValueError:
            fields = None
    if data.kind == "http":
        fields = {**data.value.query, **data.value.params}
    metadata_names = {name[0].lower() + name[1:]: value for name, value in metadata.items()}
    return {**metadata, **metadata_names, **(fields if isinstance(fields, dict) else {}), **extra}


class Bindings:
    """Reads and writes bindings on one storage account.

    Parameters
    ----------
    storage : HostStorage
        The account.
    send : Send
        Puts messages into queues.
    client_payload : callable
        Gives the value of a `durableClient` binding.
    """

    def __init__(self, storage: HostStorage, send: Send, client_payload: Callable[[], str]) -> None:
        self._storage = storage
        self._send = send
        self._client_payload = client_payload

    async def read(
        self, function: FunctionDefinition, data: protos.TypedData, metadata: Mapping[str, str]
    ) -> list[protos.ParameterBinding]:
        """Values of the inputs besides the trigger."""
        inputs = function.inputs
        if not inputs:
            return []
        known = known_values(data, metadata, {})
        return [protos.ParameterBinding(b.name, await self._read(b, known)) for b in inputs]

    async def write(
        self,
        function: FunctionDefinition,
        produced: Produced,
        data: protos.TypedData,
        metadata: Mapping[str, str],
        invocation: Invocation,
    ) -> None:
        """Write the outputs, in the order in which they are declared."""
        present = [(binding, produced.outputs.get(binding.name)) for binding in function.outputs]
        writable = [(b, value) for b, value in present if value is not None and b.type in {"queue", "blob", "table"}]
        if not writable:
            return
        extra = {
            "rand-guid": invocation.invocation_id,
            "DateTime": invocation.at.strftime("%Y-%m-%dT%H-%M-%SZ"),
            "datetime": invocation.at.strftime("%Y-%m-%dT%H-%M-%SZ"),
        }
        known = known_values(data, metadata, extra)
        for binding, value in writable:
            await self._write(binding, value, known)

    async def _read(self, binding: Binding, known: Mapping[str, Any]) -> protos.TypedData:
        if binding.type == "durableClient":
            return protos.TypedData(string=self._client_payload())
        if binding.type == "blob":
            content = await self._storage.read_blob(resolve(binding.text("path"), known))
            return protos.TypedData() if content is None else protos.TypedData(bytes=content)
        if binding.type == "table":
            return await self._read_table(binding, known)
        raise AppError(f"binding {binding.name!r} of type {binding.type} cannot be an input")

    async def _read_table(self, binding: Binding, known: Mapping[str, Any]) -> protos.TypedData:
        name = resolve(binding.text("tableName"), known)
        options = {key: resolve(str(value), known) for key, value in binding.options.items() if value is not None}
        partition, row = options.get("partitionKey"), options.get("rowKey")
        if partition and row:
            table = await self._storage.table(name)
            try:
                entity = await table.get_entity(partition, row)
            except ResourceNotFoundError:
                return protos.TypedData()
            return protos.TypedData(json=json.dumps(dict(entity), default=str))
        query, parameters = options.get("filter", ""), {}
        if partition:
            query = f"PartitionKey eq @partition and ({query})" if query else "PartitionKey eq @partition"
            parameters = {"partition": partition}
        take = int(options.get("take", _DEFAULT_TAKE))
        rows: list[dict[str, Any]] = []
        async for found in self._storage.rows(name, query, parameters):
            if len(rows) == take:
                break
            rows.append(dict(found))
        return protos.TypedData(json=json.dumps(rows, default=str))

    async def _write(self, binding: Binding, value: protos.TypedData, known: Mapping[str, Any]) -> None:
        if binding.type == "queue":
            queue = resolve(binding.text("queueName"), known)
            for body in messages_of(value):
                await self._send(queue, body)
        elif binding.type == "blob":
            await self._storage.write_blob(resolve(binding.text("path"), known), bytes_of(value))
        else:
            table = await self._storage.table(resolve(binding.text("tableName"), known))
            for entity in entities_of(value, binding):
                await table.create_entity(entity)
