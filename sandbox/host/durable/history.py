"""Events of an orchestration's history, in the JSON protocol that the durable SDK replays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]

_SCHEMA_V2 = 1
_SCHEMA_V3 = 2
_CONTEXT = {
    "upperSchemaVersion": _SCHEMA_V2,
    "upperSchemaVersionNew": _SCHEMA_V3,
    # Azure Storage hides a message for seven days at most, so the SDK splits longer timers.
    "maximumShortTimerDuration": "6.00:00:00",
    "longRunningTimerIntervalDuration": "3.00:00:00",
}


class EventType(IntEnum):
    """Kinds of history events, numbered as in the protocol."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_CREATED = 7
    SUB_COMPLETED = 8
    SUB_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


NAMES = {
    EventType.SUB_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_FAILED: "SubOrchestrationInstanceFailed",
} | {
    kind: "".join(word.capitalize() for word in kind.name.split("_"))
    for kind in EventType
    if not kind.name.startswith("SUB_")
}
"""Names as the durable extension writes them into its tables and status answers."""


def stamp(at: datetime) -> str:
    """Instant as the extension writes it: no more decimals than it needs, and Z."""
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def event(kind: EventType, at: datetime, event_id: int = -1, **fields: Any) -> Event:
    """One event, with the fields that its kind carries."""
    return {"EventType": int(kind), "EventId": event_id, "IsPlayed": False, "Timestamp": stamp(at), **fields}


def kind_of(item: Mapping[str, Any]) -> EventType:
    """Kind of an event."""
    return EventType(item["EventType"])


def orchestrator_input(
    *, instance_id: str, parent_id: str | None, input_json: str | None, played: Iterable[Event], new: Iterable[Event]
) -> str:
    """JSON that an orchestrator function is called with: what it has replayed before, and what is new."""
    history = [{**item, "IsPlayed": True} for item in played]
    context = {
        "history": [*history, *new],
        "input": None if input_json is None else json.loads(input_json),
        "instanceId": instance_id,
        "isReplaying": bool(history),
        "parentInstanceId": parent_id,
        **_CONTEXT,
    }
    return json.dumps(context)
