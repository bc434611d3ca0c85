"""Queues in memory, at least once: copies, delays, disorder, lost leases, and poison after five failures."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from simulation.faults.options import Faults

MAX_DEQUEUE = 5
"""host.json `maxDequeueCount`."""
RETRY = timedelta(seconds=10)
"""host.json `visibilityTimeout`: a failed message comes back after it."""
LEASE_MAX_S = 600.0
"""How long the host hides a message that it runs; after a crash it comes back by then."""


class MessageFate(StrEnum):
    """What became of a message."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    POISONED = "poisoned"


@dataclass(slots=True, kw_only=True)
class Queued:
    """A message in a queue; each copy is one of its own."""

    number: int
    queue: str
    text: str
    deliveries: int = 0
    fate: MessageFate = MessageFate.PENDING


class SimQueues:
    """All queues.

    Parameters
    ----------
    faults, rng, now : Faults, random.Random, callable
    deliver_at : callable
        Asks the loop to deliver a message at an instant.
    """

    def __init__(
        self,
        faults: Faults,
        rng: random.Random,
        now: Callable[[], datetime],
        deliver_at: Callable[[datetime, Queued], None],
    ) -> None:
        self._faults = faults
        self._rng = rng
        self._now = now
        self._deliver_at = deliver_at
        self.messages: list[Queued] = []
        self.is_calm = False

    def send(self, queue: str, text: str) -> None:
        """Put a message in, in as many copies and as late as the faults say."""
        rng, faults = self._rng, self._faults
        copies = 2 if not self.is_calm and rng.random() < faults.duplicated else 1
        for copy in range(copies):
            delay = 0.01 + 0.2 * rng.random()
            if not self.is_calm:
                if rng.random() < faults.delayed:
                    delay += 300 * rng.random()
                elif rng.random() < faults.reordered:
                    delay += 8 * rng.random()
            if copy and rng.random() < 0.5:
                delay += 120 * rng.random()
            message = Queued(number=len(self.messages) + 1, queue=queue, text=text)
            self.messages.append(message)
            self._deliver_at(self._now() + timedelta(seconds=delay), message)
            if not self.is_calm and rng.random() < faults.visibility_lost:
                # Half of them at the same instant: two hosts then work on it at once.
                again = max(0.0, 0.1 * rng.random() - 0.05)
                self._deliver_at(self._now() + timedelta(seconds=delay + again), message)

    def done(self, message: Queued) -> None:
        """Delete a message, unless its lease was lost meanwhile: then it comes again."""
        if not self.is_calm and self._rng.random() < self._faults.visibility_lost:
            self._deliver_at(self._now() + timedelta(seconds=LEASE_MAX_S * self._rng.random()), message)
            return
        message.fate = MessageFate.ACKNOWLEDGED

    def failed(self, message: Queued) -> bool:
        """Bring a failed message again, or poison it. Return whether it is poison now."""
        if message.deliveries >= MAX_DEQUEUE:
            message.fate = MessageFate.POISONED
            return True
        self._deliver_at(self._now() + RETRY, message)
        return False

    def lost(self, message: Queued) -> datetime:
        """Its host died: it comes back when its lease ends."""
        back_at = self._now() + timedelta(seconds=1 + LEASE_MAX_S * self._rng.random() ** 2)
        self._deliver_at(back_at, message)
        return back_at
