"""The edge of every trigger: queue text to messages and back, and what becomes of an error."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import List  # noqa: UP035

import azure.functions as func

from shared.adapters.codec import encode_message
from shared.bootstrap import app
from shared.contracts.messages import Message, Notice
from shared.contracts.records import Queue
from shared.pipeline import Lifecycles, read, run

Texts = List[str]  # noqa: UP006 (the worker refuses list[str] in an output's annotation)
"""Queue texts, as an output binding takes them."""

STORAGE = "AzureWebJobsStorage"
"""Name of the setting that holds the storage connection of every queue."""

logger = logging.getLogger("gatehouse")


def encode(messages: Iterable[Message]) -> list[str]:
    """Return messages as queue text."""
    return [encode_message(message, app.own.blobs) for message in messages]


def handle(queue: Queue, message: func.QueueMessage, lifecycles: Lifecycles | None = None) -> Sequence[Message]:
    """Read a queue's message and run its stage; return what it sends.

    A `TransientError` goes through to the host, which delivers the message again and at last makes it poison.
    """
    ports = app()
    found = read(queue, message.get_body(), ports)
    if isinstance(found, list):
        return found
    ids = {name: getattr(found, name) for name in ("message_id", "correlation_id", "causation_id")}
    with ports.telemetry.stage(queue.value, **ids) as fields:
        age_s = (ports.clock.now() - found.decided_at).total_seconds()
        fields["age_s"] = round(age_s, 3)
        ports.telemetry.measure("message_age_s", age_s, queue=queue.value)
        sent = run(found, ports, lifecycles)
        fields["sent"] = [message.message_id for message in sent]
    return sent


def send(messages: Iterable[Message], out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Send messages to the stage's queue and notices to theirs."""
    everything = list(messages)
    tell((m for m in everything if not isinstance(m, Notice)), out)
    tell((m for m in everything if isinstance(m, Notice)), notices)


def send_each(
    messages: Iterable[Message], outs: Mapping[type[Message], func.Out[Texts]], notices: func.Out[Texts]
) -> None:
    """Send messages of several kinds, each to its own queue, and notices to theirs."""
    everything = list(messages)
    for kind, out in outs.items():
        tell((m for m in everything if isinstance(m, kind)), out)
    tell((m for m in everything if isinstance(m, Notice)), notices)


def tell(messages: Iterable[Message], out: func.Out[Texts], raw: Sequence[str] = ()) -> None:
    """Send messages to one queue, and with them texts that are encoded already; nothing sends nothing."""
    texts = [*encode(messages), *raw]
    if texts:
        out.set(texts)
