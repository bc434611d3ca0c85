"""Ports for processes that share one Azurite and one venue, and a pair of processes that start together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any, cast

from shared.adapters.alpaca import AlpacaBroker
from shared.adapters.clock import FileClock
from shared.adapters.tables import AzureTables
from shared.contracts.settings import StorageSettings
from tests.support.alpaca import settings_for
from tests.support.broker import HandBroker
from tests.support.clock import HandClock
from tests.support.orders import NOW
from tests.support.ports import FakePorts, fake_ports

SYMBOLS = ("AAA", "BBB")
PATIENCE_S = 600.0

type Job = Callable[[FakePorts, Any], Any]


def shared_ports(
    storage: str,
    *,
    venue_url: str = "",
    clock: FileClock | None = None,
    equity: str = "100000",
    settings: Mapping[str, str] | None = None,
) -> FakePorts:
    """Ports on real tables; on a venue over HTTP where its address is given, else on an account by hand."""
    tables = AzureTables(StorageSettings(connection=storage))
    ports = fake_ports(NOW, tables=tables, **(settings or {}))
    ports.market.prices |= dict.fromkeys(SYMBOLS, ("9.99", "10.01"))
    ports.broker.equity = ports.broker.last_equity = Decimal(equity)
    ports.broker.buying_power = Decimal(400_000)
    if clock is not None:
        ports.clock = ports.market.clock = cast(HandClock, clock)
    if venue_url:
        ports.broker = cast(HandBroker, AlpacaBroker(settings_for(venue_url)))
    return ports


def _work(job: Job, given: Mapping[str, Any], barrier: Barrier, pipe: Connection, later: list[Connection]) -> None:
    for other in later:
        other.close()  # so that a rival that dies is heard of at once
    ports = shared_ports(**given)
    while (task := pipe.recv()) is not None:
        at: datetime | None
        at, payload = task
        if at is not None:
            ports.clock.at = at
        barrier.wait(PATIENCE_S)
        try:
            pipe.send(job(ports, payload))
        except Exception as error:
            pipe.send(error)


def _fork(job: Job, given: Mapping[str, Any], barrier: Barrier, pipes: list[Connection]) -> None:
    """Import what the job needs once, and only then become two; nothing here runs in threads yet."""
    context = multiprocessing.get_context("fork")
    processes = []
    while pipes:
        pipe = pipes.pop(0)
        processes.append(context.Process(target=_work, args=(job, given, barrier, pipe, pipes), daemon=True))
        processes[-1].start()
        pipe.close()
    for process in processes:
        process.join()


class Rivals:
    """Two processes that do their jobs at the same moment."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def race(self, first: Any, second: Any, *, at: datetime | None = None) -> list[Any]:
        """Let both start from a barrier; return what each came to."""
        for pipe, payload in zip(self._pipes, (first, second), strict=True):
            pipe.send((at, payload))
        answers = []
        for pipe in self._pipes:
            assert pipe.poll(PATIENCE_S), "a rival is silent"
            answers.append(pipe.recv())
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


@contextmanager
def rivals(job: Job, **given: Any) -> Iterator[Rivals]:
    """Start two processes with ports of their own; end them at the close."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    ours, theirs = zip(*(context.Pipe() for _ in range(2)), strict=True)
    parent = context.Process(target=_fork, args=(job, given, barrier, list(theirs)))
    parent.start()
    for pipe in theirs:
        pipe.close()
    try:
        yield Rivals(list(ours))
    finally:
        for pipe in ours:
            with suppress(BrokenPipeError):
                pipe.send(None)
        parent.join(10)
        if parent.is_alive():
            parent.kill()
