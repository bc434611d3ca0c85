"""Virtual time: what is due next, and the light hub whose episodes, timers and activities are part of it."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum

from shared.core.errors import InvariantError
from shared.ports import Codec
from simulation.runtime.clock import SimClock
from simulation.runtime.durable import Happened, HistoryEvent, Lifecycle, LightHub

MAX_STEPS_AT_ONE_INSTANT = 100_000

type Due = Callable[[], object]


class Rank(IntEnum):
    """What goes first at one instant, as in the sandbox's host; function timers follow in the order of their ranks."""

    DURABLE = 0
    MESSAGE = 1
    DURABLE_TIMER = 2
    FUNCTION_TIMER = 3


class Loop(ABC):
    """Keeps what is due and hands it out: by time, at one instant by rank, then first come first served.

    Between two due things nothing can happen, so nothing is looked at. A subclass says how an episode and an activity
    run: at once, or later, twice and with faults.

    Parameters
    ----------
    clock : SimClock
        The loop moves it.
    codec : Codec
        As the lifecycles use it.
    """

    def __init__(self, clock: SimClock, codec: Codec) -> None:
        self.clock = clock
        self.codec = codec
        self.hub = LightHub(codec, self.now, self.episode, self._timer, self.activity)
        self._heap: list[tuple[datetime, int, int, Due]] = []
        self._sequence = self._steps = 0

    def now(self) -> datetime:
        """Return the simulated instant."""
        return self.clock.at

    def at(self, when: datetime, what: Due, rank: int = Rank.DURABLE) -> None:
        """Have something run at an instant."""
        self._sequence += 1
        heapq.heappush(self._heap, (when, rank, self._sequence, what))

    def next_at(self) -> datetime | None:
        """When the next thing is due."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> tuple[datetime, Due]:
        """Take the next thing that is due, and when it was.

        Raises
        ------
        InvariantError
            If so much is due at one instant that time does not pass any more.
        """
        when, _, _, what = heapq.heappop(self._heap)
        self._steps = self._steps + 1 if when <= self.clock.at else 0
        if self._steps > MAX_STEPS_AT_ONE_INSTANT:
            raise InvariantError(f"{MAX_STEPS_AT_ONE_INSTANT} steps at {self.clock.at} without time passing")
        return when, what

    def clear(self) -> list[tuple[datetime, int, Due]]:
        """Take everything that is due, in its order."""
        found, self._heap = sorted(self._heap, key=lambda each: each[:3]), []
        return [(when, rank, what) for when, rank, _, what in found]

    def _timer(self, instance: Lifecycle, execution: int, key: int, due: datetime) -> None:
        def fire() -> None:
            self.hub.complete(instance, execution, HistoryEvent(kind=Happened.TIMER_FIRED, key=key))

        self.at(max(due, self.clock.at), fire, Rank.DURABLE_TIMER)

    # -- what a subclass says --------------------------------------------------------------------------------------

    @abstractmethod
    def episode(self, instance: Lifecycle) -> None:
        """Have the hub run an episode of an instance."""

    @abstractmethod
    def activity(self, instance: Lifecycle, execution: int, key: int, text: str) -> None:
        """Have an activity run and its answer handed in."""
