"""The task hub at work: runs episodes and activities, one piece at a time, whoever drives it.

Virtual and real time differ only in the driver: the hub's board gives the next piece of work and says when a timer
will make more; `run` does the one, `fire_due` makes the other.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sandbox.host.durable.board import BoardItem, TimerDue, WorkKind
from sandbox.host.durable.episode import (
    EpisodeAnswer,
    EpisodeOutcome,
    OrchestrationEnding,
    decide,
    parse_answer,
    parse_failure,
    scheduling_event,
    unprocessed_events,
)
from sandbox.host.durable.history import Event, EventType, event, kind_of, orchestrator_input
from sandbox.host.durable.hub import CONTROL, TaskHub, names, sub_instance_id
from sandbox.host.durable.instance import InboxItem, Instance, InstanceStatus
from sandbox.host.durable.tasks import TaskBook, TaskKind
from sandbox.host.errors import FunctionError, WorkerLostError
from sandbox.host.functions import FunctionDefinition
from sandbox.host.hostjson import DurableOptions, VersionFailure, VersionMatch

log = logging.getLogger(__name__)

_LEASE = timedelta(minutes=5)
"""How long Azure Storage hides a work item from others: a lost worker's work comes back after that."""

Run = Callable[[FunctionDefinition, str, str], Awaitable[str | None]]
"""Runs a function on a text for a trigger id, and gives the JSON text that it returned."""


@dataclass(kw_only=True, eq=False)
class DurableEngine:
    """Runs the orchestrations of one task hub.

    Attributes
    ----------
    hub : TaskHub
        Instances and their work.
    orchestrators, activities : mapping
        Functions by the names that orchestrations use.
    run_function : Run
        Runs a function.
    durable_results : bool
        Write an activity's result before the episode that takes it, so that a kill between the two does not repeat
        the activity. Virtual time goes without: nothing can come between.
    """

    hub: TaskHub
    orchestrators: Mapping[str, FunctionDefinition]
    activities: Mapping[str, FunctionDefinition]
    run_function: Run
    durable_results: bool

    def fire_due(self) -> bool:
        """Fire the earliest timer if its time has come, and say whether there was one."""
        what = self.hub.board.take_due(self.hub.now())
        if isinstance(what, TimerDue):
            self.hub.fire(what)
        elif what is not None:
            self.hub.board.add(what)
        return what is not None

    async def run(self, work: BoardItem) -> None:
        """Do one piece of work."""
        instance = self.hub.instances.get(work.instance_id)
        if instance is None or instance.status.is_final:
            return
        if work.kind is WorkKind.ACTIVITY:
            await self._run_activity(instance, work)
            return
        instance.is_queued = False
        if instance.is_busy:
            return
        instance.is_busy = True
        try:
            goes_on = await self._run_episode(instance)
        finally:
            instance.is_busy = False
        if goes_on:
            self.hub.queue_episode(instance)

    # Episodes

    async def _run_episode(self, instance: Instance) -> bool:
        """Run one episode, and say whether what is left in the inbox may follow at once."""
        if not version_fits(instance.version, self.hub.options):
            return await self._refuse_version(instance)
        taken = self._take_inbox(instance)
        if not taken:
            return False
        now = self.hub.now()
        arrived = [item.event for item in taken]
        first = kind_of(arrived[0])
        begin = [event(EventType.ORCHESTRATOR_STARTED, now), *arrived]
        instance.updated_at = now
        if first is EventType.EXECUTION_TERMINATED:
            ending = OrchestrationEnding(output_json=arrived[0].get("Input"))
            await self._close(instance, begin[:1], taken, ending, InstanceStatus.TERMINATED)
        elif first is EventType.EXECUTION_SUSPENDED:
            instance.status = InstanceStatus.SUSPENDED
            await self._commit(instance, begin, taken)
        else:
            return await self._replay(instance, begin, taken)
        return True

    def _take_inbox(self, instance: Instance) -> list[InboxItem]:
        """Take what the next episode is to see; completions whose task is gone are dropped.

        Terminate and suspend come alone. While a task may be retried, events come one by one (see `tasks`).
        """
        waiting = [item for item in instance.inbox if instance.book.accepts(item.event)]
        control = [item for item in waiting if kind_of(item.event) in CONTROL][:1]
        others = [item for item in waiting if kind_of(item.event) not in CONTROL]
        if control and kind_of(control[0].event) is not EventType.EXECUTION_RESUMED:
            chosen = control
        else:
            chosen = control + (others[:1] if instance.book.retrying else others)
        instance.inbox = deque(item for item in waiting if item not in chosen)
        return chosen

    async def _replay(self, instance: Instance, begin: list[Event], taken: list[InboxItem]) -> bool:
        try:
            answer = await self._ask(instance, begin)
        except WorkerLostError:
            instance.inbox.extendleft(reversed(taken))
            instance.is_queued = True
            self._later(BoardItem(kind=WorkKind.EPISODE, instance_id=instance.instance_id))
            return False
        decision = decide(instance, begin[1:], answer, self.hub.now())
        unknown = self._unknown_function(decision)
        if unknown is not None:
            decision = EpisodeOutcome(tasks=[], ending=OrchestrationEnding(error=unknown))
        if answer.custom_status is not None:
            instance.custom_status_json = json.dumps(answer.custom_status)
        await self._apply(instance, begin, taken, decision)
        return True

    async def _ask(self, instance: Instance, begin: list[Event]) -> EpisodeAnswer:
        text = orchestrator_input(
            instance_id=instance.instance_id,
            parent_id=None if instance.parent is None else instance.parent.instance_id,
            input_json=instance.input_json,
            played=instance.history,
            new=begin,
        )
        try:
            returned = await self.run_function(self.orchestrators[instance.name], instance.instance_id, text)
        except FunctionError as error:
            return parse_failure(error.message)
        return parse_answer(returned or "")

    async def _apply(
        self, instance: Instance, begin: list[Event], taken: list[InboxItem], decision: EpisodeOutcome
    ) -> None:
        now = self.hub.now()
        tasks, ending = decision.tasks, decision.ending
        scheduled = (scheduling_event(key, task, now, sub_instance_id(instance, key, task)) for key, task in tasks)
        events = [*begin, *scheduled]
        if ending is None:
            instance.status = InstanceStatus.RUNNING
            await self._commit(instance, events, taken)
            for key, task in tasks:
                if key in instance.book.open:
                    await self.hub.dispatch(instance, key, task)
        elif ending.continues:
            await self._continue(instance, events, taken, ending)
        else:
            status = InstanceStatus.COMPLETED if ending.error is None else InstanceStatus.FAILED
            await self._close(instance, events, taken, ending, status)

    async def _commit(self, instance: Instance, events: list[Event], taken: list[InboxItem]) -> None:
        done = event(EventType.ORCHESTRATOR_COMPLETED, self.hub.now())
        await self.hub.store.commit(instance, [*events, done], taken)
        await self.hub.store.save_instance(instance)

    async def _close(
        self,
        instance: Instance,
        events: list[Event],
        taken: list[InboxItem],
        ending: OrchestrationEnding,
        status: InstanceStatus,
    ) -> None:
        failure = f"Orchestrator function '{instance.name}' failed: {ending.error}"
        instance.status = status
        instance.output_json = ending.output_json if ending.error is None else json.dumps(failure)
        instance.book.open.clear()
        unread = [*taken, *instance.inbox]
        instance.inbox.clear()
        kind = EventType.EXECUTION_TERMINATED if status is InstanceStatus.TERMINATED else EventType.EXECUTION_COMPLETED
        ended = event(kind, self.hub.now(), OrchestrationStatus=status.value)
        if instance.output_json is not None:
            ended["Result"] = instance.output_json
        await self._commit(instance, [*events, ended], unread)
        self.hub.tell_parent(instance)
        if self.durable_results:
            instance.history = []  # a host may serve for weeks: an ended history is read from its table when asked for

    async def _continue(
        self, instance: Instance, events: list[Event], taken: list[InboxItem], ending: OrchestrationEnding
    ) -> None:
        """Begin the next execution: new input, empty history, and the raised events that nobody has taken."""
        kept = unprocessed_events([*instance.history, *events], instance.book.waits)
        mine = {id(item.event): item for item in taken}
        carried = []
        for item in kept:
            own = mine.pop(id(item), None)
            carried.append(own if own is not None else await self.hub.store.add_inbox(instance, item))
        instance.history = []
        instance.book = TaskBook()
        instance.generation += 1
        instance.execution_id = self.hub.new_execution_id(instance.instance_id)
        instance.input_json = ending.next_input_json
        instance.inbox.extendleft(reversed(carried))
        instance.inbox.appendleft(InboxItem(event=self.hub.execution_started(instance)))
        instance.status = InstanceStatus.RUNNING
        await self.hub.store.save_instance(instance)
        await self.hub.store.drop_old_generations(instance, {item.row_key for item in mine.values()})

    async def _refuse_version(self, instance: Instance) -> bool:
        ours = self.hub.options.default_version
        text = f"version {instance.version!r} of the instance does not match this app's {ours!r}"
        if self.hub.options.version_failure is VersionFailure.REJECT:
            log.warning("orchestration %s is left alone: %s", instance.instance_id, text)
            return False
        taken = list(instance.inbox)
        begin = [event(EventType.ORCHESTRATOR_STARTED, self.hub.now()), *(item.event for item in taken)]
        await self._close(instance, begin, taken, OrchestrationEnding(error=text), InstanceStatus.FAILED)
        return True

    def _unknown_function(self, decision: EpisodeOutcome) -> str | None:
        for _, task in decision.tasks:
            known: Mapping[str, FunctionDefinition] = {}
            if task.kind is TaskKind.ACTIVITY:
                known = self.activities
            elif task.kind is TaskKind.SUB_ORCHESTRATION:
                known = self.orchestrators
            if task.kind is not TaskKind.TIMER and task.name not in known:
                return (
                    f"The function '{task.name}' doesn't exist, is disabled, or is not of the kind that was called. "
                    f"Known: {names(known)}"
                )
        return None

    # Activities

    async def _run_activity(self, instance: Instance, work: BoardItem) -> None:
        task = instance.book.open.get(work.task_id)
        if instance.execution_id != work.execution_id or task is None:
            return
        trigger_id = f"{instance.instance_id}:{work.task_id}"
        text = task.input_json if task.input_json is not None else "null"
        key = work.task_id
        try:
            result = await self.run_function(self.activities[task.name], trigger_id, text)
        except WorkerLostError:
            self._later(work)
            return
        except FunctionError as error:
            reason = f"Activity function '{task.name}' failed: {error.message}"
            kind, fields = EventType.TASK_FAILED, {"Reason": reason, "Details": error.message}
        else:
            kind, fields = EventType.TASK_COMPLETED, {"Result": result if result is not None else "null"}
        if instance.execution_id != work.execution_id or instance.status.is_final:
            return
        ended: Event = {**event(kind, self.hub.now()), "TaskScheduledId": key, **fields}
        item = await self.hub.store.add_inbox(instance, ended) if self.durable_results else InboxItem(event=ended)
        self.hub.deliver(instance, item)

    def _later(self, work: BoardItem) -> None:
        self.hub.board.add_due(self.hub.now() + _LEASE, work)


def version_fits(version: str, options: DurableOptions) -> bool:
    """Whether host.json lets this host run an orchestration of that version."""
    ours = options.default_version
    if options.version_match is VersionMatch.NONE or ours is None:
        return True
    if options.version_match is VersionMatch.STRICT:
        return version == ours
    return _version_key(version) <= _version_key(ours)


def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in version.split(".") if p)
