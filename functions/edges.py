"""The edge of every trigger: queue text to messages and back, and what becomes of an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import List  # noqa: UP035

import azure.functions as func

from shared.adapters.codec import decode_message, encode_message
from shared.bootstrap import App, app
from shared.contracts.messages import Envelope, Message, Notice
from shared.core.errors import ContractError
from shared.stages.base.incidents import quarantine

Texts = List[str]  # noqa: UP006 (the worker refuses list[str] in an output's annotation)
"""Queue texts, as an output binding takes them."""

STORAGE = "AzureWebJobsStorage"
"""Name of the setting that holds the storage connection of every queue."""

logger = logging.getLogger("gatehouse")


def encode(messages: Iterable[Message]) -> list[str]:
    """Return messages as queue text."""
    return [encode_message(message, app.own.blobs) for message in messages]


def handle[M: Envelope](
    source: str, expected: type[M], message: func.QueueMessage, stage: Callable[[M, App], Sequence[Message]]
) -> Sequence[Message]:
    """Decode, call the stage, and quarantine what breaks its contract.

    A `TransientError` goes through to the host, which delivers the message again and at last makes it poison.
    """
    ports, body = app(), message.get_body()
    try:
        decoded = decode_message(body, expected, blobs=ports.blobs)
    except ContractError as error:
        logger.warning("quarantined a message of %s: %s", source, error)
        return quarantine(ports, source, body, str(error))
    ids = {name: getattr(decoded, name) for name in ("message_id", "correlation_id", "causation_id")}
    with ports.telemetry.stage(source, **ids) as fields:
        age_s = (ports.clock.now() - decoded.decided_at).total_seconds()
        fields["age_s"] = round(age_s, 3)
        ports.telemetry.measure("message_age_s", age_s, queue=source)
        sent = stage(decoded, ports)
        fields["sent"] = [message.message_id for message in sent]
    return sent


def send(messages: Iterable[Message], out: func.Out[Texts], notices: func.Out[Texts]) -> None:
    """Send messages to the stage's queue and notices to theirs."""
    everything = list(messages)
    tell((m for m in everything if not isinstance(m, Notice)), out)
    tell((m for m in everything if isinstance(m, Notice)), notices)


def tell(messages: Iterable[Message], out: func.Out[Texts], raw: Sequence[str] = ()) -> None:
    """Send messages to one queue, and with them texts that are encoded already; nothing sends nothing."""
    texts = [*encode(messages), *raw]
    if texts:
        out.set(texts)
