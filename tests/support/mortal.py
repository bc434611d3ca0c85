"""A process that lives an order's life on shared storage and a shared venue, and can be killed at any call of a port.

It keeps what a Functions host would keep of the orchestration: the state after each finished activity, and the step
that is under way. A process that starts anew goes on from there, with the same step where one was under way.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sandbox.clock import ClockFile
from shared.adapters.memory import MemoryTables
from shared.bootstrap import JsonCodec
from shared.core.order_states import OrderState
from shared.core.order_steps import StepCall, next_step
from shared.stages.order.step import carry_out
from tests.support.broker import HandBroker
from tests.support.orders import NOW
from tests.support.ports import FakePorts, HandMarket
from tests.support.processes import shared_ports

EFFECTS = frozenset({"insert", "put", "put_many", "replace", "submit", "cancel"})
MOST_STEPS = 60
PATIENCE_S = 600.0


@dataclass(slots=True)
class Doom:
    """Counts calls of ports; at call `at` the process kills itself, before or after it."""

    at: int = 0
    is_after: bool = False
    calls: int = 0
    effects: list[int] = field(default_factory=list)

    def call(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        is_due = self.calls == self.at
        if name in EFFECTS:
            self.effects.append(self.calls)
        if is_due and not self.is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = method(*args, **kwargs)
        if name == "query":
            found = list(found)
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)
        return found


class Counted:
    """A port whose every call is counted."""

    def __init__(self, port: object, doom: Doom) -> None:
        self._port = port
        self._doom = doom

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._doom.call(name, method, *args, **kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a life takes place; `notes` is the host's own record of it."""

    storage: str
    venue_url: str
    clock: Path
    notes: Path


def live(place: Place, doom: Doom) -> None:
    """Carry the order from its notes to its end."""
    clock = ClockFile(place.clock, NOW)
    ports = shared_ports(place.storage, venue_url=place.venue_url)
    ports.clock = ports.market.clock = cast(Any, clock)
    ports.tables = cast(MemoryTables, Counted(ports.tables, doom))
    ports.broker = cast(HandBroker, Counted(ports.broker, doom))
    ports.market = cast(HandMarket, Counted(ports.market, doom))
    for _ in range(MOST_STEPS):
        if not _step(place, ports, clock):
            return
    raise AssertionError("the order does not end")


def _step(place: Place, ports: FakePorts, clock: ClockFile) -> bool:
    codec = JsonCodec()
    noted = place.notes.read_text()
    if '"step"' in noted:
        call = codec.decode(StepCall, noted)
    else:
        state = codec.decode(OrderState, noted)
        if state.phase.is_over:
            return False
        step = next_step(state, clock.now())
        if step.not_before is not None and step.not_before > clock.now():
            clock.jump(step.not_before)
        call = StepCall(state=state, step=step)
        _note(place, codec.encode(call))
    after, _ = carry_out(call.state, call.step, ports)
    _note(place, codec.encode(after))
    return True


def _note(place: Place, text: str) -> None:
    fresh = place.notes.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(place.notes)


class Cradle:
    """Makes processes quickly: forked from one that has imported everything and runs no threads."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.support.warm"])

    def live(self, place: Place, doom: Doom) -> int:
        """Live in a process of its own; return its exit status, negative for a signal."""
        process = self._context.Process(target=live, args=(place, doom), daemon=True)
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, "the process hangs"
        return process.exitcode
