"""Which task of an orchestration has which id.

The SDK numbers activities, timers and sub-orchestrations in the order in which user code first yields them; a retry
takes its timer's number when the failure arrives, and its next attempt's number when that timer fires. The host must
count alike, or completions would reach the wrong task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from sandbox.host.durable.history import Event, EventType, kind_of, stamp
from shared.core.errors import GatehouseError


class NonDeterministicError(GatehouseError):
    """An orchestrator asked for fewer tasks than in an earlier replay."""


class UnservedActionError(GatehouseError):
    """An orchestrator asked for what this hub has not: entities, HTTP calls."""


class ActionType(IntEnum):
    """What an orchestrator asks for, numbered as in the protocol."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB = 2
    CALL_SUB_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EVENT = 6
    WHEN_ANY = 11
    WHEN_ALL = 12


class TaskKind(StrEnum):
    """What completes a task."""

    ACTIVITY = "activity"
    TIMER = "timer"
    SUB_ORCHESTRATION = "sub-orchestration"


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableTask:
    """A scheduled task that has not completed.

    `input_json` is the serialised input; `due` the timer's instant as text; `attempt` counts from 1 where
    `max_attempts` allows retries every `retry_ms`; `retries` marks the timer before a next attempt.
    """

    kind: TaskKind
    name: str = ""
    input_json: str | None = None
    instance_id: str | None = None
    version: str | None = None
    due: str | None = None
    attempt: int = 1
    max_attempts: int = 1
    retry_ms: int = 0
    retries: bool = False
    retried_kind: TaskKind | None = None


_KINDS = {
    ActionType.CALL_ACTIVITY: TaskKind.ACTIVITY,
    ActionType.CALL_ACTIVITY_WITH_RETRY: TaskKind.ACTIVITY,
    ActionType.CALL_SUB: TaskKind.SUB_ORCHESTRATION,
    ActionType.CALL_SUB_WITH_RETRY: TaskKind.SUB_ORCHESTRATION,
    ActionType.CREATE_TIMER: TaskKind.TIMER,
}


def flatten(actions: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Single actions, in order, out of the nested ones that `task_all` and `task_any` make."""
    for action in actions:
        if isinstance(action, list):
            yield from flatten(action)
        elif action["actionType"] in {ActionType.WHEN_ANY, ActionType.WHEN_ALL}:
            yield from flatten(action["compoundActions"])
        else:
            yield action


def _task_of(action: Mapping[str, Any]) -> DurableTask:
    kind = _KINDS[ActionType(action["actionType"])]
    if kind is TaskKind.TIMER:
        return DurableTask(kind=kind, due=str(action["fireAt"]))
    retry = action.get("retryOptions") or {}
    return DurableTask(
        kind=kind,
        name=str(action["functionName"]),
        input_json=action.get("input"),
        instance_id=action.get("instanceId"),
        version=action.get("version"),
        max_attempts=int(retry.get("maxNumberOfAttempts", 1)),
        retry_ms=int(retry.get("firstRetryIntervalInMilliseconds", 0)),
    )


@dataclass(slots=True, kw_only=True)
class TaskBook:
    """Open tasks of one execution by id, and how far the actions have been read."""

    next_id: int = 0
    seen: int = 0
    open: dict[int, DurableTask] = field(default_factory=dict)
    timer_of_action: dict[int, int] = field(default_factory=dict)
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def retrying(self) -> bool:
        """Whether some open task may be retried: then events must reach the SDK one by one to keep the count."""
        return any(task.retry_ms for task in self.open.values())

    def accepts(self, item: Event) -> bool:
        """Whether an event still has its task; what completes nothing is dropped."""
        key = _task_key(item)
        return key is None or key in self.open

    def settle(self, item: Event, now: datetime) -> list[tuple[int, DurableTask]]:
        """Take a completion, and return the retry's timer or next attempt that it makes, if any."""
        key = _task_key(item)
        if key is None:
            return []
        task = self.open.pop(key)
        failed = kind_of(item) in {EventType.TASK_FAILED, EventType.SUB_FAILED}
        if failed and task.retry_ms:
            due = stamp(now + timedelta(milliseconds=task.retry_ms))
            # The SDK waits once more after the last attempt too, before it gives up.
            return [self._add(replace(task, kind=TaskKind.TIMER, due=due, retries=True, retried_kind=task.kind))]
        if task.retries and task.retried_kind is not None and task.attempt < task.max_attempts:
            again = replace(
                task, kind=task.retried_kind, due=None, retries=False, retried_kind=None, attempt=task.attempt + 1
            )
            return [self._add(again)]
        return []

    def read(self, actions: list[Mapping[str, Any]]) -> list[tuple[int, DurableTask]]:
        """Take all actions of a replay, and return the tasks that are new, with their ids.

        Raises
        ------
        NonDeterministicError
            If there are fewer than before.
        UnservedActionError
            If one is of a kind that this hub has not.
        """
        if len(actions) < self.seen:
            raise NonDeterministicError(f"the replay asked for {len(actions)} tasks, an earlier one for {self.seen}")
        added = []
        for index in range(self.seen, len(actions)):
            action = actions[index]
            kind = action["actionType"]
            if kind == ActionType.WAIT_FOR_EVENT:
                self.waits[str(action["externalEventName"])] += 1
            elif kind in _KINDS:
                task = self._add(_task_of(action))
                added.append(task)
                if kind == ActionType.CREATE_TIMER:
                    self.timer_of_action[index] = task[0]
            elif kind != ActionType.CONTINUE_AS_NEW:
                raise UnservedActionError(f"action type {kind} (entities, HTTP calls) is not served by the sandbox")
        self.seen = len(actions)
        self._cancel_timers(actions)
        return added

    def dump(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "next_id": self.next_id,
            "seen": self.seen,
            "open": {str(key): asdict(task) for key, task in self.open.items()},
            "timer_of_action": {str(key): value for key, value in self.timer_of_action.items()},
            "waits": dict(self.waits),
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> TaskBook:
        """From `dump`."""
        return cls(
            next_id=data["next_id"],
            seen=data["seen"],
            open={int(key): _task_from(value) for key, value in data["open"].items()},
            timer_of_action={int(key): value for key, value in data["timer_of_action"].items()},
            waits=Counter(data["waits"]),
        )

    def _add(self, task: DurableTask) -> tuple[int, DurableTask]:
        key = self.next_id
        self.next_id += 1
        self.open[key] = task
        return key, task

    def _cancel_timers(self, actions: list[Mapping[str, Any]]) -> None:
        for index, key in list(self.timer_of_action.items()):
            if key not in self.open:
                del self.timer_of_action[index]
            elif actions[index].get("isCanceled"):
                del self.open[key], self.timer_of_action[index]


def _task_from(data: Mapping[str, Any]) -> DurableTask:
    kinds = {"kind": TaskKind(data["kind"])}
    if data["retried_kind"] is not None:
        kinds["retried_kind"] = TaskKind(data["retried_kind"])
    return DurableTask(**{**data, **kinds})


def _task_key(item: Event) -> int | None:
    key = item.get("TaskScheduledId", item.get("TimerId"))
    return None if key is None else int(key)
