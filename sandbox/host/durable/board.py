"""What the task hub has to do now, and what later."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WorkKind(StrEnum):
    """What a piece of work runs."""

    EPISODE = "episode"
    ACTIVITY = "activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardItem:
    """One piece: an episode of an instance, or an activity of its execution."""

    kind: WorkKind
    instance_id: str
    execution_id: str = ""
    task_id: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """A durable timer of one execution."""

    instance_id: str
    execution_id: str
    task_id: int


class WorkBoard:
    """Ready work, first come first served, and what becomes due, by time and then by order of entry.

    `on_work` is called when there is something new.
    """

    def __init__(self) -> None:
        self._ready: deque[BoardItem] = deque()
        self._due: list[tuple[datetime, int, TimerDue | BoardItem]] = []
        self._sequence = 0
        self.on_work: Callable[[], None] = lambda: None

    def add(self, work: BoardItem) -> None:
        """Work that can be done now."""
        self._ready.append(work)
        self.on_work()

    def take(self) -> BoardItem | None:
        """Next piece of work."""
        return self._ready.popleft() if self._ready else None

    def add_due(self, at: datetime, what: TimerDue | BoardItem) -> None:
        """Something for later."""
        self._sequence += 1
        heapq.heappush(self._due, (at, self._sequence, what))
        self.on_work()

    def next_due(self) -> datetime | None:
        """When the earliest is due. A timer of an ended task may come to nothing."""
        return self._due[0][0] if self._due else None

    def take_due(self, now: datetime) -> TimerDue | BoardItem | None:
        """The earliest, if its time has come."""
        if not self._due or self._due[0][0] > now:
            return None
        return heapq.heappop(self._due)[2]
