"""The instances of a task hub, and everything that is sent to them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sandbox.host.durable.board import BoardItem, TimerDue, WorkBoard, WorkKind
from sandbox.host.durable.history import Event, EventType, event, kind_of
from sandbox.host.durable.instance import InboxItem, Instance, InstanceStatus, Parent
from sandbox.host.durable.store import HubStore
from sandbox.host.durable.tasks import DurableTask, TaskKind
from sandbox.host.hostjson import DurableOptions, Overridable
from shared.core.errors import ConflictError, ContractError
from shared.core.values import parse_utc

_NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
CONTROL = {EventType.EXECUTION_TERMINATED, EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED}


@dataclass(kw_only=True, eq=False)
class TaskHub:
    """Instances by id, their inboxes, and the board of work that they make.

    Attributes
    ----------
    options : DurableOptions
        From host.json.
    orchestrators : collection of str
        Names that can be started.
    store : HubStore
        The durable copy.
    now : callable
        The host's clock.
    """

    options: DurableOptions
    orchestrators: Collection[str]
    store: HubStore
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        self.board = WorkBoard()
        self.instances: dict[str, Instance] = {}
        self._started = 0
        self._lock = asyncio.Lock()

    async def start_new(
        self,
        name: str,
        *,
        instance_id: str | None = None,
        input_json: str | None = None,
        version: str | None = None,
        parent: Parent | None = None,
    ) -> Instance:
        """Start an orchestration.

        Raises
        ------
        ContractError
            If there is no such orchestrator.
        ConflictError
            If the id is taken by an instance that host.json does not let be replaced.
        """
        if name not in self.orchestrators:
            raise ContractError(
                f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function. "
                f"Additional info: the following are the known orchestrator functions: {names(self.orchestrators)}"
            )
        now = self.now()
        self._started += 1
        chosen = instance_id or uuid.uuid5(_NAMESPACE, f"{name}/{now.isoformat()}/{self._started}").hex
        async with self._lock:
            existing = self.instances.get(chosen)
            if existing is not None:
                if not existing.status.is_final and self.options.overridable is Overridable.NON_RUNNING:
                    raise ConflictError(f"An Orchestration instance with the status {existing.status} already exists.")
                await self._purge(existing)
            instance = Instance(
                instance_id=chosen,
                name=name,
                version=version or self.options.default_version or "",
                input_json=input_json,
                created_at=now,
                updated_at=now,
                execution_id=self.new_execution_id(chosen),
                parent=parent,
            )
            self.instances[chosen] = instance
            await self.store.save_instance(instance)
        self.deliver(instance, InboxItem(event=self.execution_started(instance)))
        return instance

    async def send(self, instance: Instance, item: Event) -> None:
        """Send an event from outside: raised, terminate, suspend or resume. It survives a crash from here on."""
        self.deliver(instance, await self.store.add_inbox(instance, item))

    async def purge(self, instance: Instance) -> None:
        """Forget an instance with all its rows."""
        async with self._lock:
            await self._purge(instance)

    async def _purge(self, instance: Instance) -> None:
        await self.store.purge(instance)
        self.instances.pop(instance.instance_id, None)

    def deliver(self, instance: Instance, item: InboxItem) -> None:
        """Put an event into an inbox, and have an episode run if the instance can take it."""
        instance.inbox.append(item)
        self.queue_episode(instance)

    def queue_episode(self, instance: Instance) -> None:
        """Have an episode run, unless one will anyway or there is nothing that the instance can take."""
        if instance.is_queued or instance.is_busy or instance.status.is_final or not instance.inbox:
            return
        if instance.status is InstanceStatus.SUSPENDED and all(
            kind_of(item.event) not in CONTROL for item in instance.inbox
        ):
            return
        instance.is_queued = True
        self.board.add(BoardItem(kind=WorkKind.EPISODE, instance_id=instance.instance_id))

    async def dispatch(self, instance: Instance, key: int, task: DurableTask) -> None:
        """Set going what an open task waits for."""
        if task.kind is TaskKind.TIMER:
            due = TimerDue(instance_id=instance.instance_id, execution_id=instance.execution_id, task_id=key)
            self.board.add_due(parse_utc(task.due or ""), due)
        elif task.kind is TaskKind.ACTIVITY:
            if all(item.event.get("TaskScheduledId") != key for item in instance.inbox):
                self.board.add(
                    BoardItem(
                        kind=WorkKind.ACTIVITY,
                        instance_id=instance.instance_id,
                        execution_id=instance.execution_id,
                        task_id=key,
                    )
                )
        else:
            await self._start_sub(instance, key, task)

    async def _start_sub(self, instance: Instance, key: int, task: DurableTask) -> None:
        """Start a sub-orchestration, unless it was started before a crash."""
        parent = Parent(instance_id=instance.instance_id, execution_id=instance.execution_id, task_id=key)
        chosen = sub_instance_id(instance, key, task)
        existing = self.instances.get(chosen)
        if existing is not None and existing.parent == parent:
            return
        try:
            await self.start_new(
                task.name,
                instance_id=chosen,
                input_json=None if task.input_json is None else json.dumps(task.input_json),
                version=task.version,
                parent=parent,
            )
        except ConflictError as error:
            told = event(EventType.SUB_FAILED, self.now(), TaskScheduledId=key, Reason=str(error), Details="")
            self.deliver(instance, InboxItem(event=told))

    def fire(self, due: TimerDue) -> None:
        """Tell an instance that its timer has fired, if it still waits for it."""
        instance = self.instances.get(due.instance_id)
        if instance is None or instance.execution_id != due.execution_id or instance.status.is_final:
            return
        task = instance.book.open.get(due.task_id)
        if task is not None and task.kind is TaskKind.TIMER:
            fired = event(EventType.TIMER_FIRED, self.now(), TimerId=due.task_id, FireAt=task.due or "")
            self.deliver(instance, InboxItem(event=fired))

    def tell_parent(self, instance: Instance) -> None:
        """Tell the parent of an ended instance how it ended, if it still waits."""
        parent = instance.parent
        waiting = None if parent is None else self.instances.get(parent.instance_id)
        if parent is None or waiting is None or waiting.execution_id != parent.execution_id:
            return
        if waiting.status.is_final or parent.task_id not in waiting.book.open:
            return
        key = parent.task_id
        if instance.status is InstanceStatus.COMPLETED:
            result = instance.output_json if instance.output_json is not None else "null"
            told = event(EventType.SUB_COMPLETED, self.now(), TaskScheduledId=key, Result=result)
        else:
            reason = f"Sub orchestrator function '{instance.name}' failed: {instance.output_json}"
            told = event(EventType.SUB_FAILED, self.now(), TaskScheduledId=key, Reason=reason, Details="")
        self.deliver(waiting, InboxItem(event=told))

    def execution_started(self, instance: Instance) -> Event:
        """First event of an execution."""
        started = event(
            EventType.EXECUTION_STARTED,
            self.now(),
            OrchestrationInstance={"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
            Name=instance.name,
            Version=instance.version,
        )
        if instance.input_json is not None:
            started["Input"] = instance.input_json
        return started

    def new_execution_id(self, instance_id: str) -> str:
        """Id that no other execution has, and that follows from the clock."""
        self._started += 1
        return uuid.uuid5(_NAMESPACE, f"{instance_id}/{self.now().isoformat()}/{self._started}").hex

    async def recover(self) -> None:
        """Load the hub after a start: what was pending, open or waiting goes on where it was."""
        for instance in await self.store.load_instances():
            self.instances[instance.instance_id] = instance
        for instance in sorted(self.instances.values(), key=lambda i: (i.created_at, i.instance_id)):
            if not instance.status.is_final:
                await self._recover(instance)
        for instance in list(self.instances.values()):
            if instance.status.is_final:
                self.tell_parent(instance)

    async def _recover(self, instance: Instance) -> None:
        await self.store.load_history(instance)
        last = {kind_of(item): item for item in instance.history}
        ended = last.get(EventType.EXECUTION_COMPLETED) or last.get(EventType.EXECUTION_TERMINATED)
        if ended is not None:
            # Killed between the last episode and the instance's row.
            instance.status = InstanceStatus(str(ended["OrchestrationStatus"]))
            instance.output_json = ended.get("Result")
            await self.store.save_instance(instance)
            return
        control = [kind_of(item) for item in instance.history if kind_of(item) in CONTROL]
        if control and control[-1] is EventType.EXECUTION_SUSPENDED:
            instance.status = InstanceStatus.SUSPENDED
        if EventType.EXECUTION_STARTED not in last:
            instance.inbox.appendleft(InboxItem(event=self.execution_started(instance)))
        for key, task in sorted(instance.book.open.items()):
            await self.dispatch(instance, key, task)
        self.queue_episode(instance)


def sub_instance_id(instance: Instance, key: int, task: DurableTask) -> str:
    """Id of a sub-orchestration: its own, else the one that follows from its parent's execution."""
    return task.instance_id or f"{instance.execution_id}:{key:08x}"


def names(known: Collection[str]) -> str:
    """Names for a message."""
    return ", ".join(f"'{name}'" for name in sorted(known)) or "none"
