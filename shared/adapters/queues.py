"""Azure Queues seen from outside (Azurite locally). Messages come and go through the host's bindings.

Those of the poison queues alone are taken here: a queue with a trigger is looked at by the platform day and night, and
each look is paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.adapters.azure_clients import LINEAR, service_client
from shared.adapters.azure_errors import translated, unless_absent
from shared.contracts.settings import StorageSettings
from shared.ports import QueueState, QueueText

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
        from azure.storage.queue import LinearRetry, QueueServiceClient  # noqa: PLC0415 - only who asks pays for it

        retry = LinearRetry(**LINEAR)
        self._service: QueueServiceClient = service_client(QueueServiceClient, settings, "queue", retry_policy=retry)

    def state(self, queue: str) -> QueueState:
        """Return a queue's state in two reads, one where it is empty; a queue that does not exist yet is empty."""
        client = self._service.get_queue_client(queue)
        with translated(f"look at queue {queue}"), unless_absent():
            count = int(client.get_queue_properties().approximate_message_count or 0)
            oldest_at: datetime | None = None
            for message in client.peek_messages(max_messages=1) if count else ():
                oldest_at = message.inserted_on
            return QueueState(count=count, oldest_at=oldest_at)
        return QueueState(count=0)

    def take(self, queue: str, *, hidden: timedelta) -> Sequence[QueueText]:
        """Take up to 32 messages out of sight, in one request."""
        pages = (
            self._service.get_queue_client(queue)
            .receive_messages(messages_per_page=AT_ONCE, visibility_timeout=int(hidden.total_seconds()))
            .by_page()
        )
        with translated(f"take from queue {queue}"), unless_absent():
            found = next(pages, ())
            return [QueueText(data=each.content.encode(), receipt=(each.id, str(each.pop_receipt))) for each in found]
        return ()

    def delete(self, queue: str, taken: QueueText) -> None:
        """Delete a message that was taken."""
        with translated(f"clear queue {queue}"), unless_absent():
            self._service.get_queue_client(queue).delete_message(*taken.receipt)
