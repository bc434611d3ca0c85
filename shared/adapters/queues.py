"""Azure Queues seen from outside (Azurite locally). Messages come and go through the host's bindings, never here."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.adapters.azure_errors import RETRIES, client_options, translated
from shared.contracts.settings import StorageSettings
from shared.ports import QueueState

if TYPE_CHECKING:
    from azure.storage.queue import QueueServiceClient


class AzureQueues:
    """`QueueGauge` on azure-storage-queue.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity the app runs under.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._service = _service(settings)

    def state(self, queue: str) -> QueueState:
        """Return a queue's state in two reads, one where it is empty; a queue that does not exist yet is empty."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        client = self._service.get_queue_client(queue)
        with translated(f"look at queue {queue}"):
            try:
                count = int(client.get_queue_properties().approximate_message_count or 0)
                oldest_at: datetime | None = None
                for message in client.peek_messages(max_messages=1) if count else ():
                    oldest_at = message.inserted_on
            except ResourceNotFoundError:
                return QueueState(count=0)
        return QueueState(count=count, oldest_at=oldest_at)


def _service(settings: StorageSettings) -> QueueServiceClient:
    from azure.storage.queue import LinearRetry, QueueServiceClient  # noqa: PLC0415 - only who asks pays for it

    retry = LinearRetry(backoff=1, retry_total=RETRIES, random_jitter_range=0)
    options = {**client_options(), "retry_policy": retry}
    if settings.connection:
        return QueueServiceClient.from_connection_string(settings.connection, **options)
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    endpoint = f"https://{settings.account_name}.queue.core.windows.net"
    return QueueServiceClient(endpoint, credential=DefaultAzureCredential(), **options)
