"""Queue triggers: what happens to a message between its queue and its function.

A message whose text is not base64 never reaches the function: like the storage extension since version 5, the host
puts it on the poison queue at once. Base64 of bytes that are not UTF-8 fails the invocation before the function runs,
so it ends there after `maxDequeueCount` deliveries. A poison queue has no poison queue of its own: what fails there
stays hidden for a lease and comes back, without end.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.storage.queue import QueueMessage

from sandbox.host import protos
from sandbox.host.errors import FunctionError, WorkerLostError
from sandbox.host.functions import FunctionDefinition
from sandbox.host.hostjson import MessageEncoding, QueueOptions
from sandbox.host.storage import HostStorage
from shared.core.errors import ContractError
from shared.core.values import iso

log = logging.getLogger(__name__)

POISON = "-poison"
MAX_MESSAGE_BYTES = 65_536
_TIME_TO_LIVE = timedelta(days=7)
_LOST_LEASE = timedelta(minutes=10)
"""How long the real host hides a message that it runs; after a crash it comes back then."""
_NAMESPACE = uuid.UUID("6ba7b814-9dad-11d1-80b4-00c04fd430c8")

Run = Callable[[FunctionDefinition, str, Callable[[], protos.TypedData], Mapping[str, str]], Awaitable[None]]
DeliveryPolicy = Callable[[str, bytes], Sequence[timedelta]]
"""For a queue and a message that an output binding sends: the delay of each copy. One zero is plain delivery.

A delay is virtual time in virtual time, and wall time in real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message in hand: as received, and under the id and insertion time that the app sees."""

    queue: str
    raw: QueueMessage
    message_id: str
    inserted_at: datetime


@dataclass(kw_only=True, eq=False)
class QueueTriggers:
    """All queues that the app listens to.

    Attributes
    ----------
    storage : HostStorage
        The account.
    options : QueueOptions
        From host.json.
    functions : mapping
        Listening function by queue name, in the app's order.
    run : Run
        Runs a function.
    now : callable
        The host's clock.
    is_virtual : bool
        Show ids and times that follow from the virtual clock, not Azurite's random and wall ones, and delete messages
        at `flush` only.
    delivery : DeliveryPolicy, optional
        Duplicates and delays, for fault injection.
    """

    storage: HostStorage
    options: QueueOptions
    functions: Mapping[str, FunctionDefinition]
    run: Run
    now: Callable[[], datetime]
    is_virtual: bool
    delivery: DeliveryPolicy | None = None

    def __post_init__(self) -> None:
        self._settled: list[Delivery] = []
        self._known: dict[str, tuple[str, datetime]] = {}
        self._received = 0
        self._order: dict[str, int] = {}
        self._sequence = 0
        self.dirty: set[str] = set(self.functions)
        self.delayed: dict[str, datetime] = {}
        self.on_touch: Callable[[str], None] = lambda _queue: None

    @property
    def names(self) -> list[str]:
        """Queues listened to, in the app's order."""
        return list(self.functions)

    def encode(self, body: bytes) -> str:
        """Text of a message that carries these bytes.

        Raises
        ------
        ContractError
            If it is over the service's limit.
        """
        is_base64 = self.options.message_encoding is MessageEncoding.BASE64
        text = base64.b64encode(body).decode() if is_base64 else body.decode()
        if len(text) > MAX_MESSAGE_BYTES:
            raise ContractError(f"a queue message holds {MAX_MESSAGE_BYTES} bytes of text, got {len(text)}")
        return text

    async def send(self, queue: str, body: bytes) -> None:
        """Put a message into a queue, in as many copies and as late as the delivery policy says."""
        delays = (timedelta(0),) if self.delivery is None else self.delivery(queue, body)
        text = self.encode(body)
        for delay in delays:
            await self._put(queue, text, delay)

    async def _put(self, queue: str, text: str, delay: timedelta) -> None:
        client = await self.storage.queue(queue)
        if not self.is_virtual:
            await client.send_message(text, visibility_timeout=math.ceil(delay.total_seconds()))
        else:
            sent = await client.send_message(text)
            self._note_order(str(sent.id))
            if delay:
                self.delayed[str(sent.id)] = self.now() + delay
        self.touch(queue)

    def _note_order(self, raw_id: str) -> None:
        self._sequence += 1
        self._order[raw_id] = self._sequence

    def touch(self, queue: str) -> None:
        """Note that there may be something in a queue."""
        if queue in self.functions:
            self.dirty.add(queue)
            self.on_touch(queue)

    async def receive(self, queue: str, limit: int, lease_s: int) -> list[Delivery]:
        """Take visible messages off a queue, oldest first."""
        found = await self.storage.receive(queue, limit, lease_s)
        if self.is_virtual:
            # Azurite orders by wall milliseconds, in which two messages can fall together or not.
            found.sort(key=lambda raw: self._order.get(raw.id, math.inf))
        return [self._shown(queue, raw) for raw in found]

    def _shown(self, queue: str, raw: QueueMessage) -> Delivery:
        if not self.is_virtual:
            inserted = raw.inserted_on or self.now()
            return Delivery(queue=queue, raw=raw, message_id=raw.id, inserted_at=inserted)
        if raw.id not in self._known:
            self._received += 1
            now = self.now()
            self._known[raw.id] = (str(uuid.uuid5(_NAMESPACE, f"{queue}/{iso(now)}/{self._received}")), now)
        message_id, inserted_at = self._known[raw.id]
        return Delivery(queue=queue, raw=raw, message_id=message_id, inserted_at=inserted_at)

    async def process(self, delivery: Delivery) -> timedelta | None:
        """Run the function on a message.

        Returns
        -------
        timedelta or None
            After what time the message is to be delivered again; None when it is done with, deleted or poisoned.
        """
        function = self.functions[delivery.queue]
        body = self._decode(delivery)
        count = delivery.raw.dequeue_count or 1
        if body is None or count > self.options.max_dequeue_count:
            why = "not base64" if body is None else f"{count} deliveries"
            if not delivery.queue.endswith(POISON):
                await self._poison(delivery, why)
                return None
            if body is None:
                log.error("message %s of %s cannot be read: %s", delivery.message_id, delivery.queue, why)
                return _LOST_LEASE
        is_binary = str(function.trigger.options.get("dataType", "")).upper() in {"BINARY", "2"}
        try:
            await self.run(
                function, delivery.message_id, lambda: _typed(body, is_binary), self._metadata(delivery, body)
            )
        except WorkerLostError:
            return _LOST_LEASE
        except FunctionError:
            if delivery.queue.endswith(POISON):
                return _LOST_LEASE
            if count >= self.options.max_dequeue_count:
                await self._poison(delivery, f"{count} failed deliveries")
                return None
            return self.options.visibility_timeout
        await self._delete(delivery)
        return None

    async def release(self, delivery: Delivery, after_s: int) -> None:
        """Let others see a message again after that many seconds of wall time."""
        client = await self.storage.queue(delivery.queue)
        updated = await client.update_message(delivery.raw.id, delivery.raw.pop_receipt, visibility_timeout=after_s)
        delivery.raw.pop_receipt = updated.pop_receipt
        if self.is_virtual:
            self._note_order(delivery.raw.id)

    def _decode(self, delivery: Delivery) -> bytes | None:
        content = str(delivery.raw.content)
        if self.options.message_encoding is MessageEncoding.NONE:
            return content.encode()
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            return None

    def _metadata(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        if self.is_virtual:
            receipt = f"{delivery.message_id}/{delivery.raw.dequeue_count}"
            expires, visible = delivery.inserted_at + _TIME_TO_LIVE, self.now()
        else:
            receipt = str(delivery.raw.pop_receipt)
            expires = delivery.raw.expires_on or delivery.inserted_at + _TIME_TO_LIVE
            visible = delivery.raw.next_visible_on or self.now()
        return {
            "Id": delivery.message_id,
            "DequeueCount": str(delivery.raw.dequeue_count),
            "PopReceipt": receipt,
            "InsertionTime": iso(delivery.inserted_at),
            "ExpirationTime": iso(expires),
            "NextVisibleTime": iso(visible),
            "QueueTrigger": body.decode("utf-8", "replace"),
        }

    async def _poison(self, delivery: Delivery, why: str) -> None:
        queue = delivery.queue + POISON
        log.warning("message %s of %s goes to %s: %s", delivery.message_id, delivery.queue, queue, why)
        await self._put(queue, str(delivery.raw.content), timedelta(0))
        await self._delete(delivery)

    async def _delete(self, delivery: Delivery) -> None:
        if self.is_virtual:
            self._known.pop(delivery.raw.id, None)
            self._order.pop(delivery.raw.id, None)
            self._settled.append(delivery)
        else:
            await self._delete_now(delivery)

    async def flush(self) -> None:
        """Delete the messages that are done with."""
        settled, self._settled = self._settled, []
        await asyncio.gather(*(self._delete_now(delivery) for delivery in settled))

    async def _delete_now(self, delivery: Delivery) -> None:
        client = await self.storage.queue(delivery.queue)
        await client.delete_message(delivery.raw.id, delivery.raw.pop_receipt)


def _typed(body: bytes, is_binary: bool) -> protos.TypedData:
    return protos.TypedData(bytes=body) if is_binary else protos.TypedData(string=body.decode())
