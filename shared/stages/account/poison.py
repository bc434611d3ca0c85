"""Poison: what failed too often is taken out of the poison queues, kept, told, and only then deleted.

No function listens to these queues, since the platform looks at a queue that has one every few seconds, day and night,
and bills each look. Supervise drains them every few minutes instead.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.messages import Message
from shared.contracts.records import Queue
from shared.core.errors import GatehouseError
from shared.ports import PoisonQueues, Ports, QueueText
from shared.stages.base.incidents import poisoned

DRAIN_MIN, DRAIN_AT = 5, 1
"""Every so many minutes, and in which of them: slots fall on the first, the missed-run monitor on the fourth."""

HIDDEN = timedelta(minutes=4)
"""How long a message that was taken stays out of sight: what a drain could not delete is there for the next."""

logger = logging.getLogger("gatehouse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a drain has recorded: what to tell, and what may be deleted once it is told."""

    notices: tuple[Message, ...] = ()
    taken: tuple[tuple[str, QueueText], ...] = ()


def drain(ports: Ports, queues: PoisonQueues, fired_at: datetime) -> Drained:
    """Record what lies in the poison queues; for supervise, every minute.

    Notices that are poison are recorded and not told: they would come back. A storage that fails leaves the rest to the
    next drain, and what is in hand is told all the same.

    Parameters
    ----------
    fired_at : datetime
        When supervise began: its own work may take it into the next minute.
    """
    if fired_at.minute % DRAIN_MIN != DRAIN_AT:
        return Drained()
    notices: list[Message] = []
    taken: list[tuple[str, QueueText]] = []
    try:
        for queue in Queue:
            name = f"{queue}-poison"
            for text in queues.take(name, hidden=HIDDEN):
                recorded = poisoned(ports, queue.value, text.data)
                notices += [] if queue is Queue.NOTICES else recorded
                taken.append((name, text))
                logger.warning("drained: a message out of %s", name)
    except GatehouseError:
        logger.exception("the drain of the poison queues was cut short")
    return Drained(notices=tuple(notices), taken=tuple(taken))


def clear(queues: PoisonQueues, drained: Drained) -> None:
    """Delete what was drained. What cannot be comes back later, and finds its incident."""
    for name, text in drained.taken:
        try:
            queues.delete(name, text)
        except GatehouseError:
            logger.exception("a message stays in %s", name)
