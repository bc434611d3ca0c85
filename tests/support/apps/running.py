"""Runs a test's scenario against one of the small apps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.durable_functions as df

from sandbox.clock import ClockFile
from sandbox.host import CallOutcome, Host, Invocation
from sandbox.host.keys import HostKeys

APPS = Path(__file__).parent
BEGIN = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)
KEYS = HostKeys(master="master-key", function="function-key", durable="durable-key")


class Trace:
    """An observer that remembers everything that the app could see of the host."""

    def __init__(self) -> None:
        self.calls: list[Invocation] = []
        self.errors: list[tuple[str, str]] = []

    def before(self, invocation: Invocation) -> None:
        """Remember the call."""
        self.calls.append(invocation)

    def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
        """Remember the error."""
        if outcome.error is not None:
            self.errors.append((invocation.function, outcome.error))

    def count(self, function: str) -> int:
        """How often a function was called."""
        return sum(call.function == function for call in self.calls)


def run_app[T](
    app: str,
    storage: str,
    state_dir: Path,
    scenario: Callable[[Host], Awaitable[T]],
    *,
    settings: dict[str, str] | None = None,
    **options: Any,
) -> T:
    """Start a host for an app in virtual time, run the scenario, and stop the host."""

    async def run() -> T:
        clock = ClockFile(state_dir / "clock", BEGIN)
        host = Host(
            APPS / app,
            settings or {},
            storage,
            clock,
            state_dir,
            **{"keys": KEYS, "is_virtual": True, **options},
        )
        await host.start()
        try:
            return await scenario(host)
        finally:
            await host.stop()

    return asyncio.run(run())


def client_of(host: Host) -> Any:
    """The real SDK's client, talking to the host."""
    return df.DurableOrchestrationClient(host.client_payload())
