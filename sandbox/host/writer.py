"""Writes to storage that nobody waits for in virtual time, in the order in which they were given."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

Write = Callable[[], Awaitable[object]]

_MAX_PENDING = 256


class Writer:
    """Runs writes one after another.

    Parameters
    ----------
    is_behind : bool
        Let the caller go on while a write runs: what is in storage is then always what was true a moment ago, never
        something out of order. Otherwise a write has happened when `put` returns.
    """

    def __init__(self, *, is_behind: bool) -> None:
        self._is_behind = is_behind
        self._pending: deque[Write] = deque()
        self._task: asyncio.Task[None] | None = None

    async def put(self, write: Write) -> None:
        """Run a write, now or soon. The error of an earlier one is raised here or by `flush`."""
        if not self._is_behind:
            await write()
            return
        if len(self._pending) >= _MAX_PENDING or (self._task is not None and self._task.done()):
            await self.flush()
        self._pending.append(write)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="writer")

    async def flush(self) -> None:
        """Wait until everything is written."""
        task, self._task = self._task, None
        if task is not None:
            await task

    async def _run(self) -> None:
        try:
            while self._pending:
                await self._pending.popleft()()
        except BaseException:
            self._pending.clear()
            raise
