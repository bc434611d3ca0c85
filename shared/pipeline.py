"""The main loop: which queue carries what to which stage, and how an order's lifecycle is started and woken.

Function app, simulation and backtest run these same routes. They differ in what carries a message and a lifecycle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from shared.adapters.codec import decode_message
from shared.contracts.messages import (
    CandidateSlice,
    Message,
    NarrativeRequest,
    Notice,
    OrderIntent,
    Signal,
    StoryBatch,
)
from shared.contracts.records import Queue
from shared.core.errors import ContractError, InvariantError
from shared.core.order_states import OrderState
from shared.core.order_steps import restarted
from shared.ports import Ports
from shared.stages.account.reconcile import Wake, recorded_order, wake_failed
from shared.stages.base.incidents import quarantine
from shared.stages.entry.announce import gate_and_tell
from shared.stages.entry.execute import execute
from shared.stages.entry.score import score_and_tell
from shared.stages.narrative.narrate import narrate
from shared.stages.narrative.stories import read_stories
from shared.stages.notify import notify

logger = logging.getLogger("gatehouse.pipeline")


class Known(StrEnum):
    """What a task hub knows of a lifecycle."""

    NOTHING = "nothing"
    RUNNING = "running"
    ENDED = "ended"


class Lifecycles(Protocol):
    """The durable orchestrations, one for each order, under its intent's id."""

    def known(self, intent_id: str) -> Known:
        """Return what is known under an id."""

    def start(self, state: OrderState) -> None:
        """Start a lifecycle from a state. What stands under its id is replaced, so who calls has looked."""

    def tell(self, wake: Wake) -> None:
        """Raise the event of a lifecycle that runs."""


def _execute(intent: OrderIntent, ports: Ports, lifecycles: Lifecycles | None) -> list[Message]:
    if lifecycles is None:
        raise InvariantError(f"intent {intent.intent_id} starts a lifecycle, and none can be started here")
    state, messages = execute(intent, ports)
    start_once(state, lifecycles)
    return messages


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRoute:
    """What a queue carries, the stage that takes it, and the queues that the stage's messages go to."""

    message: type[Message]
    stage: Callable[[Any, Ports, Lifecycles | None], Sequence[Message]]
    sends: tuple[Queue, ...]


ROUTES: Mapping[Queue, QueueRoute] = {
    Queue.STORIES: QueueRoute(
        message=StoryBatch,
        stage=lambda message, ports, _: read_stories(message, ports),
        sends=(Queue.NARRATIVES, Queue.CANDIDATES, Queue.NOTICES),
    ),
    Queue.NARRATIVES: QueueRoute(
        message=NarrativeRequest,
        stage=lambda message, ports, _: narrate(message, ports),
        sends=(Queue.CANDIDATES, Queue.NOTICES),
    ),
    Queue.CANDIDATES: QueueRoute(
        message=CandidateSlice,
        stage=lambda message, ports, _: score_and_tell(message, ports),
        sends=(Queue.SIGNALS, Queue.NOTICES),
    ),
    Queue.SIGNALS: QueueRoute(
        message=Signal,
        stage=lambda message, ports, _: gate_and_tell(message, ports),
        sends=(Queue.ORDER_INTENTS, Queue.NOTICES),
    ),
    Queue.ORDER_INTENTS: QueueRoute(message=OrderIntent, stage=_execute, sends=(Queue.NOTICES,)),
    Queue.NOTICES: QueueRoute(
        message=Notice,
        stage=lambda message, ports, _: notify(message, ports),
        sends=(Queue.NOTICES,),
    ),
}

TIMERS: Mapping[str, str] = {
    "scan": "GATEHOUSE_SCAN_SCHEDULE",
    "news": "GATEHOUSE_NEWS_SCHEDULE",
    "supervise": "GATEHOUSE_SUPERVISE_SCHEDULE",
    "evening": "GATEHOUSE_EVENING_SCHEDULE",
    "report": "GATEHOUSE_REPORT_SCHEDULE",
    "nightly": "GATEHOUSE_NIGHTLY_SCHEDULE",
}
"""The timers in the order in which they fire at one instant, each with the setting that holds its schedule."""

QUEUE_OF: Mapping[type[Message], Queue] = {route.message: queue for queue, route in ROUTES.items()}
"""The queue that carries a message, by its class."""


def read(queue: Queue, body: bytes, ports: Ports) -> Message | list[Message]:
    """Decode a queue's text; what breaks its contract is quarantined, and the notices of that are returned."""
    try:
        return decode_message(body, ROUTES[queue].message, blobs=ports.blobs)
    except ContractError as error:
        logger.warning("quarantined a message of %s: %s", queue, error)
        return quarantine(ports, queue, body, str(error))


def run(message: Message, ports: Ports, lifecycles: Lifecycles | None = None) -> Sequence[Message]:
    """Run the stage that a message is for, and return what it sends; what it raises is for the host to repeat.

    Only what carries intents needs `lifecycles`.
    """
    return ROUTES[QUEUE_OF[type(message)]].stage(message, ports, lifecycles)


def start_once(state: OrderState, lifecycles: Lifecycles) -> None:
    """Start an order's lifecycle unless there is, or was, one."""
    if lifecycles.known(state.plan.intent_id) is Known.NOTHING:
        lifecycles.start(state)


def wake(asked: Wake, ports: Ports, lifecycles: Lifecycles) -> None:
    """Tell a lifecycle; where it is gone before its order has ended, start it again from what is recorded."""
    if lifecycles.known(asked.intent_id) is Known.RUNNING:
        lifecycles.tell(asked)
        return
    state = recorded_order(ports, asked.on, asked.symbol, asked.intent_id)
    if state is not None and not state.phase.is_over:
        lifecycles.start(restarted(state, asked.event))


def wake_all(
    wakes: Sequence[Wake],
    ports: Ports,
    lifecycles: Lifecycles,
    *,
    expected: tuple[type[Exception], ...] = (Exception,),
) -> list[Message]:
    """Tell every lifecycle by itself: one that cannot be told keeps no other from it, and is recorded and told of."""
    messages: list[Message] = []
    for asked in wakes:
        try:
            wake(asked, ports, lifecycles)
        except expected as error:
            logger.warning("%s is not told %s", asked.intent_id, asked.event, exc_info=True)
            messages += wake_failed(ports, asked, error)
    return messages
