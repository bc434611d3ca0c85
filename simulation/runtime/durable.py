"""A light executor of the order lifecycle with the semantics of azure-functions-durable 1.7.

Not only what it documents: an event that arrives while nobody waits for it is kept under its name, the last one only,
and is then given to every later wait of that name within the same execution (`deferred_tasks` is never emptied).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.core.order_states import OrderState
from shared.lifecycle import EVENT, run_order
from shared.pipeline import Known
from shared.ports import Codec
from shared.stages.account.reconcile import Wake


class Happened(StrEnum):
    """What a history holds."""

    TIMER_FIRED = "timer"
    TASK_COMPLETED = "completed"
    TASK_FAILED = "failed"
    EVENT_RAISED = "raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One entry of a history. `key` is a task's number or an event's name, `payload` its JSON text."""

    kind: Happened
    key: int | str
    payload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What arrived together, at the instant that the orchestrator then sees as now."""

    at: datetime
    events: tuple[HistoryEvent, ...]


class LightTask:
    """Something that an orchestrator waits for."""

    def __init__(self, kind: str, detail: Any, key: int | str | None = None) -> None:
        self.kind = kind
        self.detail = detail
        self.key = key
        self.result: Any = None
        self.is_completed = False
        self.has_failed = False
        self.is_cancelled = False
        self.is_scheduled = False
        self.parent: AnyOf | None = None

    def cancel(self) -> None:
        """Cancel a timer.

        Raises
        ------
        ValueError
            If it has completed.
        """
        if self.is_completed:
            raise ValueError("Cannot cancel a completed task.")
        self.is_cancelled = True

    def settle(self, value: Any, *, failed: bool = False) -> None:
        """Complete, and tell the compound that waits."""
        self.result, self.has_failed, self.is_completed = value, failed, True
        if self.parent is not None:
            self.parent.child_done(self)


class AnyOf:
    """`task_any`: completes with the first child that does."""

    def __init__(self, children: Sequence[LightTask]) -> None:
        self.children = children
        self.result: LightTask | None = None
        self.is_completed = self.has_failed = False
        for child in children:
            child.parent = self
        for child in children:
            if child.is_completed:
                self.child_done(child)

    def child_done(self, child: LightTask) -> None:
        """Take the first."""
        if not self.is_completed:
            self.result, self.is_completed = child, True


class LightContext:
    """What `run_order` sees of the durable API.

    Parameters
    ----------
    instance_id, text : str
        Id and input.
    """

    def __init__(self, instance_id: str, text: str) -> None:
        self.instance_id = instance_id
        self._text = text
        self.current_utc_datetime = datetime.min.replace(tzinfo=UTC)
        self.continues: str | None = None

    def get_input(self) -> str:
        """Return the input."""
        return self._text

    def wait_for_external_event(self, name: str) -> LightTask:
        """Wait for an event."""
        return LightTask("wait", name, name)

    def create_timer(self, due: datetime) -> LightTask:
        """Sleep until then."""
        return LightTask("timer", due)

    def call_activity(self, name: str, text: str) -> LightTask:
        """Run an activity."""
        return LightTask("activity", (name, text))

    def task_any(self, tasks: Sequence[LightTask]) -> AnyOf:
        """Wait for the first."""
        return AnyOf(tasks)

    def continue_as_new(self, text: str) -> None:
        """Start anew with this input."""
        self.continues = text


class Orchestration:
    """User code and its tasks, in memory: lost in a restart, rebuilt from the history.

    Attributes
    ----------
    actions : list of (kind, detail)
        What was asked for, in order; a replay must ask for the same.
    """

    def __init__(self, instance_id: str, text: str, codec: Codec) -> None:
        self.context = LightContext(instance_id, text)
        self._code: Generator[Any, Any, str] = run_order(self.context, codec)
        self._open: dict[int | str, list[LightTask]] = {}
        self._deferred: dict[int | str, HistoryEvent] = {}
        self._waits_on: LightTask | AnyOf | None = None
        self._numbers = 0
        self.actions: list[tuple[str, Any]] = []
        self.tasks: list[LightTask] = []
        self.is_over = False
        self.output = ""
        self._begun = False

    def feed(self, episode: Episode) -> None:
        """Process what arrived, as the SDK does: one event at a time, user code running after each."""
        self.context.current_utc_datetime = episode.at
        if not self._begun:
            self._begun = True
            self._resume(lambda: next(self._code))
        for event in episode.events:
            if self.is_over:
                return
            self._set(event)
            self._go_on()

    def _set(self, event: HistoryEvent) -> None:
        waiting = self._open.get(event.key)
        if not waiting:
            self._deferred[event.key] = event
            return
        task = waiting.pop()
        failed = event.kind is Happened.TASK_FAILED
        task.settle(Exception(event.payload) if failed else event.payload, failed=failed)

    def _go_on(self) -> None:
        while not self.is_over and self._waits_on is not None and self._waits_on.is_completed:
            done = self._waits_on
            self._waits_on = None
            if done.has_failed:
                error = done.result
                assert isinstance(error, Exception)
                self._resume(lambda: self._code.throw(error))  # noqa: B023 - called at once
            else:
                self._resume(lambda: self._code.send(done.result))  # noqa: B023 - called at once

    def _resume(self, step: Callable[[], LightTask | AnyOf]) -> None:
        try:
            asked = step()
        except StopIteration as stop:
            self.is_over, self.output = True, stop.value
            if self.context.continues is not None:
                self.actions.append(("continue", self.context.continues))
            return
        self._waits_on = asked
        for task in asked.children if isinstance(asked, AnyOf) else (asked,):
            if not task.is_scheduled:
                self._schedule(task)
        self._go_on()

    def _schedule(self, task: LightTask) -> None:
        task.is_scheduled = True
        if task.key is None:
            task.key = self._numbers
            self._numbers += 1
        self.actions.append((task.kind, task.detail))
        self.tasks.append(task)
        self._open.setdefault(task.key, []).append(task)
        if task.key in self._deferred:
            self._set(self._deferred[task.key])

    @property
    def waits(self) -> int:
        """Waits for events that were asked for so far."""
        return sum(1 for kind, _ in self.actions if kind == "wait")


@dataclass(slots=True, kw_only=True)
class Execution:
    """One execution of an instance, as storage keeps it. `live` is what a host has in memory of it."""

    number: int
    text: str
    history: list[Episode] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    handled: int = 0
    settled: set[int] = field(default_factory=set)
    live: Orchestration | None = None


@dataclass(slots=True, kw_only=True)
class Lifecycle:
    """A lifecycle as the task hub knows it."""

    instance_id: str
    execution: Execution
    inbox: list[HistoryEvent] = field(default_factory=list)
    is_running: bool = True
    is_due: bool = False
    output: str = ""
    symbol: str = ""


class NonDeterminism(Exception):  # noqa: N818 - the field's word
    """A replay took another decision than the first run."""


def replay(instance_id: str, execution: Execution, codec: Codec) -> Orchestration:
    """Rebuild an orchestration from its history.

    Raises
    ------
    NonDeterminism
        If it asks for anything else than it did before.
    """
    again = Orchestration(instance_id, execution.text, codec)
    for episode in execution.history:
        again.feed(episode)
    if again.actions != execution.asked:
        pairs = zip(again.actions, execution.asked, strict=False)
        first = next((n for n, (now, then) in enumerate(pairs) if now != then), -1)
        raise NonDeterminism(f"{instance_id}: action {first} of {len(execution.asked)} differs on replay")
    return again


class LightHub:
    """Instances, and what the host does for them: activities, timers, events. The light `Lifecycles`.

    Parameters
    ----------
    codec : Codec
        As the lifecycle uses it.
    now : callable
        The clock.
    wake, set_timer, call : callable
        Ask the loop for an episode of an instance, a timer's firing, an activity's run; both name the execution and
        the task that they belong to.
    """

    def __init__(
        self,
        codec: Codec,
        now: Callable[[], datetime],
        wake: Callable[[Lifecycle], None],
        set_timer: Callable[[Lifecycle, int, int, datetime], None],
        call: Callable[[Lifecycle, int, int, str], None],
    ) -> None:
        self._codec = codec
        self._now = now
        self._wake = wake
        self._set_timer = set_timer
        self._call = call
        self._executions = 0
        self.instances: dict[str, Lifecycle] = {}

    def known(self, intent_id: str) -> Known:
        """Return what is known under an id."""
        found = self.instances.get(intent_id)
        if found is None:
            return Known.NOTHING
        return Known.RUNNING if found.is_running else Known.ENDED

    def start(self, state: OrderState) -> None:
        """Start an order's lifecycle; one that is there already is replaced, as Azure does."""
        self._executions += 1
        execution = Execution(number=self._executions, text=self._codec.encode(state))
        plan = state.plan
        instance = Lifecycle(instance_id=plan.intent_id, execution=execution, symbol=plan.symbol)
        self.instances[plan.intent_id] = instance
        self._rouse(instance)

    def tell(self, wake: Wake) -> None:
        """Raise the event of a lifecycle; its text arrives in quotes, as the SDK's client sends it."""
        found = self.instances.get(wake.intent_id)
        if found is not None and found.is_running:
            found.inbox.append(HistoryEvent(kind=Happened.EVENT_RAISED, key=EVENT, payload=f'"{wake.event}"'))
            self._rouse(found)

    def complete(self, instance: Lifecycle, execution: int, event: HistoryEvent) -> bool:
        """Hand a task's completion in; a second one, or one for an execution that is gone, is dropped: False."""
        current = instance.execution
        is_there = self.instances.get(instance.instance_id) is instance and instance.is_running
        if not is_there or current.number != execution or event.key in current.settled:
            return False
        if event.kind is Happened.TIMER_FIRED and current.live is not None:
            timer = next((task for task in current.live.tasks if task.key == event.key), None)
            if timer is not None and timer.is_cancelled:
                return False
        assert isinstance(event.key, int)
        current.settled.add(event.key)
        instance.inbox.append(event)
        self._rouse(instance)
        return True

    def _rouse(self, instance: Lifecycle) -> None:
        if not instance.is_due:
            instance.is_due = True
            self._wake(instance)

    def forget(self) -> None:
        """Lose what is in memory: the host was restarted."""
        for instance in self.instances.values():
            instance.execution.live = None

    def run(self, instance: Lifecycle) -> None:
        """Run one episode of an instance on all that arrived."""
        instance.is_due = False
        if not instance.is_running or self.instances.get(instance.instance_id) is not instance:
            return
        execution = instance.execution
        if execution.live is None:
            execution.live = replay(instance.instance_id, execution, self._codec)
        episode = Episode(at=self._now(), events=tuple(instance.inbox))
        instance.inbox.clear()
        execution.history.append(episode)
        execution.live.feed(episode)
        self._carry_out(instance, execution, execution.live)

    def _carry_out(self, instance: Lifecycle, execution: Execution, live: Orchestration) -> None:
        execution.asked = list(live.actions)
        new, execution.handled = live.tasks[execution.handled :], len(live.tasks)
        for task in new:
            if task.kind == "timer" and not task.is_cancelled:
                assert isinstance(task.key, int)
                self._set_timer(instance, execution.number, task.key, task.detail)
            elif task.kind == "activity":
                assert isinstance(task.key, int)
                self._call(instance, execution.number, task.key, task.detail[1])
        if not live.is_over:
            return
        if live.context.continues is None:
            instance.is_running, instance.output = False, live.output
            return
        raised = [e for episode in execution.history for e in episode.events if e.kind is Happened.EVENT_RAISED]
        self._executions += 1
        instance.execution = Execution(number=self._executions, text=live.context.continues)
        instance.inbox[:0] = raised[live.waits :]
        self._rouse(instance)
