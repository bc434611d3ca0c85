"""Virtual time: a discrete-event loop.

Everything that can run at an instant runs, one thing at a time and in a defined order: durable work first come first
served, then queue messages in the order of their receipt. Then the clock jumps to the next due thing. At one instant
the caller's hooks come first, then durable timers, messages that become visible, and function timers in the app's
order.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.clock import ClockFile
from sandbox.host.durable.engine import DurableEngine
from sandbox.host.queues import Delivery, QueueTriggers
from sandbox.host.timers import Timer
from shared.core.errors import InvariantError

Hook = Callable[[], Awaitable[None] | None]
OnStep = Callable[[datetime], None]

_BATCH = 32
_LEASE_S = 3600
"""Wall time for which a message in hand is hidden: longer than any run in virtual time."""
_MAX_STEPS_AT_ONE_INSTANT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMessage:
    """A message that becomes visible later. `is_retry` tells a failed delivery from one that was sent with a delay."""

    delivery: Delivery
    is_retry: bool


@dataclass(kw_only=True, eq=False)
class VirtualLoop:
    """Drives a host through virtual time.

    Attributes
    ----------
    clock : ClockFile
        Standing still; this loop moves it.
    queues : QueueTriggers
        The app's queues.
    timers : list of Timer
        In the app's order.
    engine : DurableEngine
        The task hub.
    fire : callable
        Runs a timer's function.
    sweep_every : timedelta
        How much virtual time passes at most between two looks at queues that nothing is known to have written to.
    """

    clock: ClockFile
    queues: QueueTriggers
    timers: list[Timer]
    engine: DurableEngine
    fire: Callable[[Timer], Awaitable[None]]
    sweep_every: timedelta

    def __post_init__(self) -> None:
        self._swept_at = self.clock.now()
        self._in_hand: deque[Delivery] = deque()
        self._held: list[tuple[datetime, int, HeldMessage]] = []
        self._hooks: list[tuple[datetime, int, Hook]] = []
        self._sequence = 0
        self._steps = 0

    def at(self, when: datetime, hook: Hook) -> None:
        """Call something at a virtual instant; one that has passed comes at once."""
        self._sequence += 1
        heapq.heappush(self._hooks, (when, self._sequence, hook))

    async def run(self, until: datetime, on_step: OnStep | None = None) -> None:
        """Run until a virtual instant, what is due at that instant included.

        Parameters
        ----------
        until : datetime
            Where the clock stands afterwards.
        on_step : callable, optional
            Called with the instant after everything that was due there has run.

        Raises
        ------
        InvariantError
            If the app makes ever more work without time passing.
        """
        await self._drain()
        while True:
            due = self._next_due()
            if due is None or due > until:
                break
            if due > self.clock.now():
                self.clock.jump(due)
                self._steps = 0
            await self._run_due()
            await self._drain()
            following = self._next_due()
            if on_step is not None and (following is None or following > self.clock.now()):
                on_step(self.clock.now())
        if until > self.clock.now():
            self.clock.jump(until)
        self.queues.dirty.update(self.queues.names)
        await self._drain()

    async def stop(self) -> None:
        """Put the messages in hand back, visible, so that the next host finds them."""
        await self._flush()
        for delivery in (*self._in_hand, *(held.delivery for _, _, held in self._held)):
            await self.queues.release(delivery, 0)
        self._in_hand.clear()
        self._held.clear()

    def _next_due(self) -> datetime | None:
        candidates = [heap[0][0] for heap in (self._hooks, self._held) if heap]
        candidates += [timer.next_at for timer in self.timers]
        durable = self.engine.hub.board.next_due()
        if durable is not None:
            candidates.append(durable)
        return min(candidates, default=None)

    async def _run_due(self) -> None:
        """Run the first thing that is due now."""
        now = self.clock.now()
        self._count_step()
        if self._hooks and self._hooks[0][0] <= now:
            result = heapq.heappop(self._hooks)[2]()
            if inspect.isawaitable(result):
                await result
            self.queues.dirty.update(self.queues.names)
            return
        durable = self.engine.hub.board.next_due()
        if durable is not None and durable <= now:
            self.engine.fire_due()
            return
        if self._held and self._held[0][0] <= now:
            await self._show(heapq.heappop(self._held)[2])
            return
        timer = next(timer for timer in self.timers if timer.next_at <= now)
        await self.fire(timer)

    async def _show(self, held: HeldMessage) -> None:
        if held.is_retry:
            # Received anew, so that the queue itself counts the delivery.
            await self.queues.release(held.delivery, 0)
            self.queues.dirty.add(held.delivery.queue)
        else:
            self._in_hand.append(held.delivery)

    async def _drain(self) -> None:
        """Run all that can run at this instant."""
        if self.clock.now() - self._swept_at >= self.sweep_every:
            self.queues.dirty.update(self.queues.names)
        while True:
            self._count_step()
            work = self.engine.hub.board.take()
            if work is not None:
                await self.engine.run(work)
            elif self._in_hand:
                await self._process(self._in_hand.popleft())
            elif self.queues.dirty:
                await self._receive()
            else:
                await self._flush()
                return

    async def _flush(self) -> None:
        """Bring storage up to this instant."""
        await asyncio.gather(self.engine.hub.store.flush(), self.queues.flush())

    async def _process(self, delivery: Delivery) -> None:
        try:
            again = await self.queues.process(delivery)
        except BaseException:
            # The run ends here: `stop` gives the message back with the others.
            self._in_hand.appendleft(delivery)
            raise
        if again is not None:
            self._hold(self.clock.now() + again, HeldMessage(delivery=delivery, is_retry=True))

    async def _receive(self) -> None:
        names = [name for name in self.queues.names if name in self.queues.dirty]
        if len(names) == len(self.queues.names):
            self._swept_at = self.clock.now()
        batches = await asyncio.gather(*(self.queues.receive(name, _BATCH, _LEASE_S) for name in names))
        for name, found in zip(names, batches, strict=True):
            if len(found) < _BATCH:
                self.queues.dirty.discard(name)
            for delivery in found:
                due = self.queues.delayed.pop(str(delivery.raw.id), None)
                if due is not None and due > self.clock.now():
                    self._hold(due, HeldMessage(delivery=delivery, is_retry=False))
                else:
                    self._in_hand.append(delivery)

    def _hold(self, due: datetime, held: HeldMessage) -> None:
        self._sequence += 1
        heapq.heappush(self._held, (due, self._sequence, held))

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS_AT_ONE_INSTANT:
            raise InvariantError(
                f"{_MAX_STEPS_AT_ONE_INSTANT} steps at {self.clock.now()} without time passing: the app feeds itself"
            )
