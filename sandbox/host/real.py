"""Real time: queues polled with backoff, functions at the same time as each other, timers by the clock.

Durations in host.json are in shown time; the clock may run at another speed than the wall.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError

from sandbox.clock import ClockFile
from sandbox.host.durable.board import BoardItem, WorkKind
from sandbox.host.durable.engine import DurableEngine
from sandbox.host.hostjson import HostOptions
from sandbox.host.queues import Delivery, QueueTriggers
from sandbox.host.timers import Timer
from shared.core.values import require_positive

log = logging.getLogger(__name__)

_MIN_POLL = timedelta(milliseconds=100)
_LEASE_S = 30
"""A running message stays hidden this long (renewed at half): after a kill, the next host need not wait longer."""
_ERROR_PAUSE_S = 1.0
_MAX_SLEEP_S = 1.0
"""The clock file may be moved by others, so nobody sleeps long without looking."""


@dataclass(kw_only=True, eq=False)
class RealLoop:
    """Drives a host by the clock until it is cancelled.

    Attributes
    ----------
    clock : ClockFile
        Running; its speed must not be zero.
    options : HostOptions
        From host.json.
    queues, timers, engine, fire
        As for `VirtualLoop`.
    """

    clock: ClockFile
    options: HostOptions
    queues: QueueTriggers
    timers: list[Timer]
    engine: DurableEngine
    fire: Callable[[Timer], Awaitable[None]]

    def __post_init__(self) -> None:
        durable = self.options.durable
        self._wake = asyncio.Event()
        self._touched = {name: asyncio.Event() for name in self.queues.names}
        self._tasks: set[asyncio.Task[None]] = set()
        self._limits = {
            WorkKind.EPISODE: asyncio.Semaphore(durable.max_orchestrators),
            WorkKind.ACTIVITY: asyncio.Semaphore(durable.max_activities),
        }

    async def run(self) -> None:
        """Run until cancelled; what is running then is given up, as by a kill."""
        require_positive("clock speed", self.clock.speed)
        self.engine.hub.board.on_work = self._wake.set
        self.queues.on_touch = lambda name: self._touched[name].set()
        self._wake.set()
        try:
            async with asyncio.TaskGroup() as group:
                for name in self.queues.names:
                    group.create_task(self._listen(name), name=f"queue {name}")
                for timer in self.timers:
                    group.create_task(self._tick(timer), name=f"timer {timer.function.name}")
                group.create_task(self._serve_durable(), name="durable")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def sleep_until(self, at: datetime) -> None:
        """Sleep until the clock shows an instant."""
        while (left := (at - self.clock.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left / self.clock.speed, _MAX_SLEEP_S) if self.clock.speed else _MAX_SLEEP_S)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the loop; what it raises is logged."""
        self._keep(asyncio.create_task(work))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work of the host failed", exc_info=task.exception())

    # Queues

    async def _listen(self, name: str) -> None:
        running: set[asyncio.Task[None]] = set()
        pause = _MIN_POLL
        options = self.options.queues
        while True:
            while len(running) > options.new_batch_threshold:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            self._touched[name].clear()
            try:
                found = await self.queues.receive(name, options.batch_size, _LEASE_S)
            except AzureError:
                log.exception("queue %s cannot be read", name)
                await asyncio.sleep(_ERROR_PAUSE_S)
                continue
            for delivery in found:
                task = asyncio.create_task(self._process(delivery))
                running.add(task)
                task.add_done_callback(running.discard)
                self._keep(task)
            if found:
                pause = _MIN_POLL
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._touched[name].wait(), self._wall_s(pause))
            pause = min(pause * 2, options.max_polling_interval)

    async def _process(self, delivery: Delivery) -> None:
        renewal = asyncio.create_task(self._renew(delivery))
        try:
            again = await self.queues.process(delivery)
            renewal.cancel()
            if again is not None:
                await self.queues.release(delivery, math.ceil(self._wall_s(again)))
        except AzureError:
            log.exception("message %s of %s cannot be settled; it comes back", delivery.message_id, delivery.queue)
        finally:
            renewal.cancel()

    async def _renew(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(_LEASE_S / 2)
            try:
                await self.queues.release(delivery, _LEASE_S)
            except AzureError:
                log.exception("lease of message %s cannot be renewed", delivery.message_id)

    def _wall_s(self, shown: timedelta) -> float:
        """Wall seconds of a duration on the clock."""
        return shown.total_seconds() / (self.clock.speed or 1.0)

    # Timers

    async def _tick(self, timer: Timer) -> None:
        while True:
            await self.sleep_until(timer.next_at)
            try:
                await self.fire(timer)
            except AzureError:
                log.exception("status of timer %s cannot be written", timer.function.name)

    # Durable

    async def _serve_durable(self) -> None:
        while True:
            self._wake.clear()
            while self.engine.fire_due():
                pass
            work = self.engine.hub.board.take()
            if work is not None:
                await self._limits[work.kind].acquire()
                self.spawn(self._work(work))
                continue
            await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        due = self.engine.hub.board.next_due()
        left = _MAX_SLEEP_S
        if due is not None and self.clock.speed:
            left = min(left, max(0.0, (due - self.clock.now()).total_seconds() / self.clock.speed))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), left)

    async def _work(self, work: BoardItem) -> None:
        try:
            await self.engine.run(work)
        finally:
            self._limits[work.kind].release()
