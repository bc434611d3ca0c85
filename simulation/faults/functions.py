"""The function app's triggers as the simulation runs them: decode, call the stage, send, and the host's share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from shared.adapters.codec import encode_message
from shared.contracts.messages import Message, Notice, OrderIntent, Severity
from shared.contracts.records import Queue
from shared.core.approvals import Answer
from shared.core.errors import ConflictError, ContractError, TransientError
from shared.core.order_states import OrderState
from shared.core.order_steps import LOOK_AGAIN, StepCall
from shared.pipeline import QUEUE_OF, ROUTES, Known, read, run, wake, wake_all
from shared.stages.account.reconcile import Wake, recorded_order
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base.incidents import poisoned
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.approvals import answer, waiting
from shared.stages.order.step import carry_out
from simulation.faults.proxy import Proxy
from simulation.faults.queues import Queued
from simulation.faults.violation import Violation
from simulation.faults.work import Work
from simulation.faults.world import World
from simulation.runtime.durable import Happened, HistoryEvent, Lifecycle

_EXPECTED = (TransientError, ConflictError)
"""What a stage may raise: the host delivers again. Anything else is a fault of ours."""

REDELIVERY_MAX_S = 300.0
"""host.json `controlQueueVisibilityTimeout`: an activity whose host died comes back by then."""


class SimLifecycles:
    """The hub as `Lifecycles`: each call of it is one of storage."""

    def __init__(self, world: World) -> None:
        self._world = world

    def known(self, intent_id: str) -> Known:
        """Return what the hub knows under an id."""
        return self._world.storage_call("get_status", lambda: self._world.hub.known(intent_id))

    def start(self, state: OrderState) -> None:
        """Start, or replace, a lifecycle."""
        self._world.storage_call("start_new", lambda: self._world.hub.start(state))

    def tell(self, wake: Wake) -> None:
        """Raise the event of a lifecycle."""
        self._world.storage_call("raise_event", lambda: self._world.hub.tell(wake))


class Waking(SimLifecycles):
    """The same for who wakes lifecycles, with the checkers beside it."""

    def start(self, state: OrderState) -> None:
        """Start a lifecycle that is gone; what was recorded of it tells what it has to do first."""
        super().start(state)
        plan, world = state.plan, self._world
        recorded = recorded_order(Proxy(world.ports, tables=world.tables), state.on, plan.symbol, plan.intent_id)
        if recorded is not None:
            world.observer.restarted(recorded)

    def tell(self, wake: Wake) -> None:
        """Raise the event of a lifecycle."""
        self._world.observer.woken(wake, self._world.current)
        super().tell(wake)


class Functions:
    """Builds the works of a world's function app."""

    def __init__(self, world: World, person: Callable[[datetime, str, object], None]) -> None:
        self.world = world
        self._person = person
        self._asked: set[str] = set()
        world.deliver = self.deliver
        world.make_activity = self.activity

    def _send(self, messages: Sequence[Message]) -> None:
        """Write to output bindings; the host does it after the function has returned, one message at a time."""
        ports = self.world.ports
        for message in messages:
            queue = QUEUE_OF[type(message)]
            if not isinstance(message, Notice):
                self.world.storage_call(
                    f"send {queue}", partial(self.world.queues.send, queue, encode_message(message, ports.blobs))
                )
            elif message.severity is Severity.CRITICAL and message.kind in {"approval", "order-ended"}:
                # The phone is no part of the simulation, but that a person is asked, and told of the end, is.
                self.world.storage_call(f"send {queue}", partial(self.world.observer.notified, message))

    # -- queues ----------------------------------------------------------------------------------------------------

    def deliver(self, message: Queued) -> Work | None:
        """Work that delivers a message; None where it is done with."""
        if message.fate != "pending":
            return None
        symbol, intent_id = self._subject(message)

        def run() -> None:
            if message.fate != "pending":
                return
            message.deliveries += 1
            self._handle(Queue(message.queue), message.text)
            self.world.queues.done(message)

        def failed(error: Exception) -> None:
            if not isinstance(error, _EXPECTED):
                raise Violation("stages raise only what they say", f"{message.queue}: {error!r}") from error
            if self.world.queues.failed(message):
                self._poison(message)

        return Work(
            label=f"{message.queue} #{message.number}.{message.deliveries + 1} {symbol}",
            run=run,
            failed=failed,
            crashed=lambda: self.world.queues.lost(message),
            symbol=symbol,
            intent_id=intent_id,
        )

    def _subject(self, message: Queued) -> tuple[str, str]:
        """Symbol and intent of a message, for traces and checkers; garbage has none."""
        return self.world.subject_of(message.text)

    def _poison(self, message: Queued) -> None:
        """The drain of one message, which fails and comes again until it is through."""

        def run() -> None:
            poisoned(self.world.ports, message.queue, message.text.encode())

        def failed(error: Exception) -> None:
            if not isinstance(error, _EXPECTED):
                raise Violation("stages raise only what they say", f"poison: {error!r}") from error
            self.world.at(self.world.now() + timedelta(minutes=1), work)

        def crashed() -> datetime:
            back_at = self.world.now() + timedelta(minutes=1)
            self.world.at(back_at, work)
            return back_at

        work = Work(label=f"poison {message.queue} #{message.number}", run=run, failed=failed, crashed=crashed)
        self.world.seen.poisoned_texts.add(message.text)
        self.world.at(self.world.soon(), work)

    def _handle(self, queue: Queue, text: str) -> None:
        world = self.world
        message = self._read(queue, text)
        if isinstance(message, list):
            world.seen.quarantined_texts.add(text)
            self._send(message)
            return
        messages = run(message, world.ports, SimLifecycles(world))
        is_asked = isinstance(message, OrderIntent) and bool(messages) and message.intent_id not in self._asked
        if isinstance(message, OrderIntent) and message.approve_by is not None and world.now() >= message.approve_by:
            world.observer.found_late(message)
        self._send(messages)
        if is_asked and isinstance(message, OrderIntent):  # who has not been asked answers nothing
            self._asked.add(message.intent_id)
            world.observer.asked(message)
            self._answer(message)

    def _read(self, queue: Queue, text: str) -> Message | list[Message]:
        known = self.world.seen.read.get(text)  # decoded once already: copies of a message have the same text
        return known if isinstance(known, ROUTES[queue].message) else read(queue, text.encode(), self.world.ports)

    def _answer(self, intent: OrderIntent) -> None:
        """A person says yes, says no, says nothing, or says it too late; some say both."""
        world, rng = self.world, self.world.loop_rng
        if intent.approve_by is None or rng.random() < 0.15:
            return
        wait = intent.approve_by - world.now()
        answers = [Answer.APPROVE if rng.random() < 0.75 else Answer.REFUSE]
        answers += [rng.choice((Answer.APPROVE, Answer.REFUSE))] if rng.random() < 0.1 else []
        for chosen in answers:
            at = world.now() + wait * (rng.random() if rng.random() < 0.85 else 1 + rng.random())

            def say(chosen: Answer = chosen) -> None:
                self._claim(intent, chosen)

            self._person(at, f"{chosen} {intent.symbol}", say)

    def _claim(self, intent: OrderIntent, chosen: Answer) -> None:
        """As `functions.approvals`: claim the answer, then wake the order; where that fails the answer stands."""
        world = self.world
        order = waiting(world.ports, intent.intent_id)
        if isinstance(order, Reply):
            return
        call = Call(route="approve", by="person", reason="drill", caller="simulation")
        if answer(world.ports, call, order, chosen).is_done:
            world.observer.accepted(intent, chosen)
            with suppress(*_EXPECTED):
                messages = Wake(on=intent.on, symbol=intent.symbol, intent_id=intent.intent_id, event=LOOK_AGAIN)
                wake(messages, world.ports, Waking(world))

    # -- durable ---------------------------------------------------------------------------------------------------

    def activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> Work:
        """Work that runs an activity and hands its answer in."""
        ports, world = self.world.ports, self.world

        def hand_in(kind: Happened, payload: str) -> None:
            work.is_heard = world.hub.complete(instance, execution, HistoryEvent(kind=kind, key=key, payload=payload))

        def run() -> None:
            asked = ports.codec.decode(StepCall, text)
            world.seen.stepped_at[instance.instance_id] = world.now()
            world.observer.step_begins(asked)
            state, messages = carry_out(asked.state, asked.step, ports)
            self._send(messages)
            world.observer.step_ends(asked, state)
            hand_in(Happened.TASK_COMPLETED, ports.codec.encode(state))

        def failed(error: Exception) -> None:
            if not isinstance(error, _EXPECTED):
                raise Violation("stages raise only what they say", f"activity: {error!r}") from error
            hand_in(Happened.TASK_FAILED, f"{type(error).__name__}: {error}")

        def crashed() -> datetime:
            back_at = world.now() + timedelta(seconds=1 + REDELIVERY_MAX_S * world.loop_rng.random() ** 3)
            world.at(back_at, work)
            return back_at

        step = text[text.find('"command":"') + 11 :]
        label = f"activity {instance.instance_id[:6]} {instance.symbol} {step[: step.find(chr(34))]}"
        work = Work(
            label=label,
            run=run,
            failed=failed,
            crashed=crashed,
            symbol=instance.symbol,
            intent_id=instance.instance_id,
        )
        return work

    # -- timers ----------------------------------------------------------------------------------------------------

    def supervision(self) -> Work:
        """Work of one firing of supervise; a firing that fails is not repeated."""
        world = self.world

        def run() -> None:
            seen = supervise(world.ports)
            world.observer.supervision_decided(seen)
            expected = (*_EXPECTED, ContractError)
            self._send(wake_all(seen.wakes, world.ports, Waking(world), expected=expected))
            self._send(seen.messages)
            world.observer.supervised()

        def failed(error: Exception) -> None:
            if not isinstance(error, _EXPECTED):
                raise Violation("stages raise only what they say", f"supervise: {error!r}") from error
            world.observer.supervision_decided(Supervision())

        return Work(label="supervise", run=run, failed=failed, crashed=lambda: None)
