"""One orchestration instance in memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sandbox.host.durable.history import Event
from sandbox.host.durable.tasks import TaskBook


class InstanceStatus(StrEnum):
    """Runtime status, as the extension spells it."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"
    SUSPENDED = "Suspended"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {InstanceStatus.COMPLETED, InstanceStatus.FAILED, InstanceStatus.TERMINATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Who waits for this instance's end."""

    instance_id: str
    execution_id: str
    task_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """An event that no episode has taken yet; `row_key` names its row where it must survive a crash by itself."""

    event: Event
    row_key: str | None = None


@dataclass(slots=True, kw_only=True)
class Instance:
    """State of an instance. `input_json`, `output_json` and `custom_status_json` are JSON texts.

    `generation` counts the executions of the instance: `continue_as_new` begins the next. `history` holds the events
    of complete episodes; it is empty while an ended instance has not been asked for its history.
    """

    instance_id: str
    name: str
    version: str
    input_json: str | None
    created_at: datetime
    updated_at: datetime
    execution_id: str
    generation: int = 1
    status: InstanceStatus = InstanceStatus.PENDING
    custom_status_json: str | None = None
    output_json: str | None = None
    parent: Parent | None = None
    history: list[Event] = field(default_factory=list)
    inbox: deque[InboxItem] = field(default_factory=deque)
    book: TaskBook = field(default_factory=TaskBook)
    next_inbox_row: int = 0
    is_queued: bool = False
    is_busy: bool = False
    saved: tuple[object, ...] | None = None

    def row_state(self) -> tuple[object, ...]:
        """What its row shows, times aside: equal means that the row need not be written again."""
        return (self.status, self.custom_status_json, self.output_json, self.execution_id, self.input_json)
