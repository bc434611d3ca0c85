"""The function app's triggers as the simulation runs them: decode, call the stage, send, and the host's share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from shared.adapters.codec import decode_message, encode_message
from shared.contracts.messages import Message, Notice, OrderIntent, Signal
from shared.contracts.records import Queue
from shared.core.approvals import Answer
from shared.core.errors import ConflictError, ContractError, TransientError
from shared.core.order_steps import LOOK_AGAIN, StepCall, restarted
from shared.lifecycle import EVENT
from shared.ports import Ports
from shared.stages.account.reconcile import Wake, recorded_order, wake_failed
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base.incidents import poisoned, quarantine
from shared.stages.base.requests import Call, Reply
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.operator.approvals import answer, waiting
from shared.stages.order.step import carry_out
from simulation.faults.checkers import Violation
from simulation.faults.queues import Queued
from simulation.faults.world import Work, World
from simulation.runtime.durable import Event, Happened, Instance

_EXPECTED = (TransientError, ConflictError)
"""What a stage may raise: the host delivers again. Anything else is a fault of ours."""

REDELIVERY_MAX_S = 300.0
"""host.json `controlQueueVisibilityTimeout`: an activity whose host died comes back by then."""


class Functions:
    """Builds the works of a world's function app."""

    def __init__(self, world: World, person: Callable[[datetime, str, object], None]) -> None:
        self.world = world
        self._person = person
        self._asked: set[str] = set()
        world.deliver = self.deliver
        world.activity = self.activity

    def _send(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Write to output bindings; the host does it after the function has returned, one message at a time."""
        ports = self.world.ports
        for message in messages:
            text = encode_message(message, ports.blobs)
            if isinstance(message, Notice):
                # The phone is no part of the simulation, but that a person is asked, and told of the end, is.
                if self.world.checkers.asked.concerns(message):
                    self.world.storage_call(f"send {queue}", lambda m=message: self.world.checkers.asked.told(m))  # type: ignore[misc]
                continue
            self.world.storage_call(f"send {queue}", lambda text=text: self.world.queues.send(queue, text))  # type: ignore[misc]

    # -- queues ----------------------------------------------------------------------------------------------------

    def deliver(self, message: Queued) -> Work | None:
        """Work that delivers a message; None where it is done with."""
        if message.fate != "pending":
            return None
        symbol, intent_id = self._subject(message)
        triggers: dict[str, Callable[[str], None]] = {
            Queue.SIGNALS: self._gate_signal,
            Queue.ORDER_INTENTS: self._execute_intent,
        }

        def run() -> None:
            if message.fate != "pending":
                return
            message.deliveries += 1
            triggers[message.queue](message.text)
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
        return self.world.checkers.subject_of(message.text)

    def _poison(self, message: Queued) -> None:
        """The sweep of one message, which fails and comes again until it is through."""

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
        self.world.checkers.poisoned(message.text)
        self.world.at(self.world.soon(), work)

    def _handle[M: Signal | OrderIntent](
        self, queue: Queue, expected: type[M], text: str, stage: Callable[[M, Ports], Sequence[Message]]
    ) -> Sequence[Message]:
        ports = self.world.ports
        known = self.world.checkers.read.get(text)  # decoded once already: copies of a message have the same text
        if isinstance(known, expected):
            return stage(known, ports)
        try:
            decoded = decode_message(text, expected, blobs=ports.blobs)
        except ContractError as error:
            told = quarantine(ports, queue, text.encode(), str(error))
            self.world.checkers.quarantined(text)
            return told
        return stage(decoded, ports)

    def _gate_signal(self, text: str) -> None:
        self._send(Queue.ORDER_INTENTS, self._handle(Queue.SIGNALS, Signal, text, gate))

    def _execute_intent(self, text: str) -> None:
        hub, world = self.world.hub, self.world
        asks: list[OrderIntent] = []

        def stage(intent: OrderIntent, ports: Ports) -> list[Message]:
            state, told = execute(intent, ports)
            started = ports.codec.encode(state)
            known = world.storage_call("get_status", lambda: hub.instances.get(state.plan.intent_id))
            if known is None:
                world.storage_call("start_new", lambda: hub.start_new(state.plan.intent_id, started, state.plan.symbol))
            if intent.approve_by is not None and world.now() >= intent.approve_by:
                world.checkers.asked.found_late(intent)
            if told and intent.intent_id not in self._asked:
                asks.append(intent)
            return told

        self._send(Queue.NOTICES, self._handle(Queue.ORDER_INTENTS, OrderIntent, text, stage))
        for intent in asks:  # who has not been asked answers nothing
            self._asked.add(intent.intent_id)
            world.checkers.guard.duties.asked(intent)
            self._answer(intent)

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
            world.checkers.asked.accepted(intent, chosen)
            with suppress(*_EXPECTED):
                self._tell_lifecycle(
                    Wake(on=intent.on, symbol=intent.symbol, intent_id=intent.intent_id, event=LOOK_AGAIN)
                )

    # -- durable ---------------------------------------------------------------------------------------------------

    def activity(self, instance: Instance, execution: int, key: int, text: str) -> Work:
        """Work that runs an activity and hands its answer in."""
        ports, world = self.world.ports, self.world

        def hand_in(kind: Happened, payload: str) -> None:
            work.is_heard = world.hub.complete(instance, execution, Event(kind=kind, key=key, payload=payload))

        def run() -> None:
            asked = ports.codec.decode(StepCall, text)
            world.checkers.step_begins(asked)
            state, told = carry_out(asked.state, asked.step, ports)
            self._send(Queue.NOTICES, told)
            world.checkers.step_ends(asked, state)
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
            world.checkers.beside.supervised(seen)
            for wake in seen.wakes:
                try:
                    self._tell_lifecycle(wake)
                except (*_EXPECTED, ContractError) as error:
                    self._send(Queue.NOTICES, wake_failed(world.ports, wake, error))
            self._send(Queue.NOTICES, seen.messages)
            world.checkers.supervised()

        def failed(error: Exception) -> None:
            if not isinstance(error, _EXPECTED):
                raise Violation("stages raise only what they say", f"supervise: {error!r}") from error
            world.checkers.beside.supervised(Supervision())

        return Work(label="supervise", run=run, failed=failed, crashed=lambda: None)

    def _tell_lifecycle(self, wake: Wake) -> None:
        """As `functions.supervise.tell_lifecycle`: an event, or a new start from what is recorded."""
        world, hub = self.world, self.world.hub
        known = world.storage_call("get_status", lambda: hub.instances.get(wake.intent_id))
        if known is not None and known.is_running:
            world.checkers.guard.duties.woken(wake, world.current)
            world.storage_call("raise_event", lambda: hub.raise_event(wake.intent_id, EVENT, wake.event))
            return
        state = recorded_order(world.ports, wake.on, wake.symbol, wake.intent_id)
        if state is not None and not state.phase.is_over:
            text = world.ports.codec.encode(restarted(state, wake.event))
            world.storage_call("start_new", lambda: hub.start_new(wake.intent_id, text, wake.symbol))
            world.checkers.guard.duties.restarted(state)
