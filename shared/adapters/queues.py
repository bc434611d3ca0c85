"""Azure Queues seen from outside (Azurite locally). Messages come and go through the host's bindings.

Those of the poison queues alone are taken here: a queue with a trigger is looked at by the platform day and night, and
each look is paid for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.adapters.azure_errors import RETRIES, client_options, translated
from shared.contracts.settings import StorageSettings
from shared.ports import QueueState, QueueText

if TYPE_CHECKING:
    from azure.storage.queue import QueueServiceClient


AT_ONCE = 32
"""Messages that one request takes at most."""


class AzureQueues:
    """`QueueSweeper` on azure-storage-queue.

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

    def take(self, queue: str, *, hidden: timedelta) -> Sequence[QueueText]:
        """Take up to 32 messages out of sight, in one request."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        pages = (
            self._service.get_queue_client(queue)
            .receive_messages(messages_per_page=AT_ONCE, visibility_timeout=int(hidden.total_seconds()))
            .by_page()
        )
        with translated(f"take from queue {queue}"):
            try:
                found = list(next(pages, ()))
            except ResourceNotFoundError:
                return ()
        return [QueueText(data=each.content.encode(), receipt=(each.id, str(each.pop_receipt))) for each in found]

    def delete(self, queue: str, taken: QueueText) -> None:
        """Delete a message that was taken."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        with translated(f"clear queue {queue}"), contextlib.suppress(ResourceNotFoundError):
            self._service.get_queue_client(queue).delete_message(*taken.receipt)


def _service(settings: StorageSettings) -> QueueServiceClient:
    from azure.storage.queue import LinearRetry, QueueServiceClient  # noqa: PLC0415 - only who asks pays for it

    retry = LinearRetry(backoff=1, retry_total=RETRIES, random_jitter_range=0)
    options = {**client_options(), "retry_policy": retry}
    if settings.connection:
        return QueueServiceClient.from_connection_string(settings.connection, **options)
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    endpoint = f"https://{settings.account_name}.queue.core.windows.net"
    return QueueServiceClient(endpoint, credential=DefaultAzureCredential(), **options)
