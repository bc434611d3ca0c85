"""Pooled asynchronous clients for one storage account. Queues, tables and containers are made on first use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient


class HostStorage:
    """One account.

    Parameters
    ----------
    connection_string : str
        As in AzureWebJobsStorage.
    """

    def __init__(self, connection_string: str) -> None:
        # One transport for all: its own session and no look at proxy variables for every request.
        self._transport = AioHttpTransport(use_env_settings=False)
        options: dict[str, Any] = {"transport": self._transport}
        self._queue_service = QueueServiceClient.from_connection_string(connection_string, **options)
        self._blob_service = BlobServiceClient.from_connection_string(connection_string, **options)
        self._table_service = TableServiceClient.from_connection_string(connection_string, **options)
        self._queues: dict[str, QueueClient] = {}
        self._tables: dict[str, TableClient] = {}
        self._containers: dict[str, ContainerClient] = {}

    async def close(self) -> None:
        """Close all sessions."""
        clients = (*self._queues.values(), *self._tables.values(), *self._containers.values())
        services = (self._queue_service, self._blob_service, self._table_service)
        for each in (*clients, *services, self._transport):
            await each.close()

    async def queue(self, name: str) -> QueueClient:
        """Client of a queue, which is created where it is missing."""
        client = self._queues.get(name)
        if client is None:
            client = self._queue_service.get_queue_client(name)
            with suppress(ResourceExistsError):
                await client.create_queue()
            self._queues[name] = client
        return client

    async def table(self, name: str) -> TableClient:
        """Client of a table, which is created where it is missing."""
        client = self._tables.get(name)
        if client is None:
            client = await self._table_service.create_table_if_not_exists(name)
            self._tables[name] = client
        return client

    async def container(self, name: str) -> ContainerClient:
        """Client of a container, which is created where it is missing."""
        client = self._containers.get(name)
        if client is None:
            client = self._blob_service.get_container_client(name)
            with suppress(ResourceExistsError):
                await client.create_container()
            self._containers[name] = client
        return client

    async def receive(self, queue: str, limit: int, lease_s: int) -> list[QueueMessage]:
        """Take up to `limit` (at most 32) visible messages and hide them for `lease_s` seconds of wall time."""
        client = await self.queue(queue)
        messages = client.receive_messages(messages_per_page=limit, visibility_timeout=lease_s, max_messages=limit)
        # One page only: the pager would ask again until the queue gives nothing.
        async for page in messages.by_page():
            return [message async for message in page]
        return []

    async def read_blob(self, path: str) -> bytes | None:
        """Bytes of `container/name`, None where it does not exist."""
        container, _, name = path.partition("/")
        try:
            download = await (await self.container(container)).download_blob(name)
            return await download.readall()
        except ResourceNotFoundError:
            return None

    async def write_blob(self, path: str, data: bytes) -> None:
        """Write `container/name`, over what was there."""
        container, _, name = path.partition("/")
        await (await self.container(container)).upload_blob(name, data, overwrite=True)

    async def delete_blobs(self, container: str, prefix: str) -> None:
        """Delete all blobs of a container whose names start so."""
        client = await self.container(container)
        async for name in client.list_blob_names(name_starts_with=prefix):
            await client.delete_blob(name)

    async def rows(self, table: str, query: str, parameters: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Rows of a table that match an OData filter with `@parameters`, in key order."""
        client = await self.table(table)
        found = client.query_entities(query, parameters=dict(parameters)) if query else client.list_entities()
        async for row in found:
            yield row
