"""What an orchestrator's answer means: pure, from one replay to the events that end the episode."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.host.durable.history import Event, EventType, event, kind_of
from sandbox.host.durable.instance import Instance
from sandbox.host.durable.tasks import (
    ActionType,
    DurableTask,
    NonDeterministicError,
    TaskKind,
    UnservedActionError,
    flatten,
)

_MARK = "\n\n$OutOfProcData$:"
"""The SDK raises a failed orchestration with its state behind this mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeAnswer:
    """An orchestrator function's answer. `error` is set when it failed."""

    is_done: bool
    actions: list[Mapping[str, Any]]
    output: Any
    custom_status: Any
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestrationEnding:
    """How an execution ends: a final status with output, or a new execution with this input."""

    error: str | None = None
    output_json: str | None = None
    next_input_json: str | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeOutcome:
    """New tasks with their ids, and the ending when the execution has one."""

    tasks: list[tuple[int, DurableTask]]
    ending: OrchestrationEnding | None


def parse_answer(text: str) -> EpisodeAnswer:
    """Read the state that the SDK returns."""
    state = json.loads(text)
    return EpisodeAnswer(
        is_done=bool(state["isDone"]),
        actions=list(flatten(state["actions"])),
        output=state.get("output"),
        custom_status=state.get("customStatus"),
        error=state.get("error"),
    )


def parse_failure(message: str) -> EpisodeAnswer:
    """Read what an orchestrator raised: the SDK's state where it is there, else the plain message."""
    text, mark, state = message.partition(_MARK)
    if mark:
        return parse_answer(state)
    return EpisodeAnswer(is_done=True, actions=[], output=None, custom_status=None, error=text)


def decide(instance: Instance, arrived: Sequence[Event], answer: EpisodeAnswer, now: datetime) -> EpisodeOutcome:
    """Settle what arrived, number what is new, and see whether the execution ends.

    An execution ends only when no task is open: an uncancelled timer or a running activity keeps it, as in the
    Durable Task Framework.
    """
    book = instance.book
    tasks = [task for item in arrived for task in book.settle(item, now)]
    if answer.actions or answer.error is None:
        try:
            tasks += book.read(answer.actions)
        except (NonDeterministicError, UnservedActionError) as refused:
            book.open.clear()
            return EpisodeOutcome(tasks=[], ending=OrchestrationEnding(error=str(refused)))
    if answer.error is not None:
        return EpisodeOutcome(tasks=tasks, ending=None if book.open else OrchestrationEnding(error=answer.error))
    if not answer.is_done or book.open:
        return EpisodeOutcome(tasks=tasks, ending=None)
    last = answer.actions[-1] if answer.actions else {}
    if last.get("actionType") == ActionType.CONTINUE_AS_NEW:
        return EpisodeOutcome(
            tasks=tasks, ending=OrchestrationEnding(continues=True, next_input_json=json.dumps(last.get("input")))
        )
    output = None if answer.output is None else json.dumps(answer.output)
    return EpisodeOutcome(tasks=tasks, ending=OrchestrationEnding(output_json=output))


def scheduling_event(key: int, task: DurableTask, now: datetime, sub_id: str) -> Event:
    """History event of a new task; `sub_id` names the instance where it is a sub-orchestration."""
    if task.kind is TaskKind.TIMER:
        return event(EventType.TIMER_CREATED, now, key, FireAt=task.due)
    if task.kind is TaskKind.ACTIVITY:
        scheduled = event(EventType.TASK_SCHEDULED, now, key, Name=task.name, Version="")
    else:
        version = task.version or ""
        scheduled = event(EventType.SUB_CREATED, now, key, Name=task.name, Version=version, InstanceId=sub_id)
    if task.input_json is not None:
        scheduled["Input"] = task.input_json
    return scheduled


def unprocessed_events(history: Iterable[Event], waits: Mapping[str, int]) -> list[Event]:
    """Raised events of an execution that no wait has taken, oldest first."""
    left = Counter(waits)
    unprocessed = []
    for item in history:
        if kind_of(item) is EventType.EVENT_RAISED:
            name = str(item["Name"])
            if left[name] > 0:
                left[name] -= 1
            else:
                unprocessed.append(item)
    return unprocessed
