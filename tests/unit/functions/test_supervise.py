"""The supervise trigger: each part, each wake and each notice by itself, whatever the task hub or a part answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
import pytest

from functions import supervise as trigger
from shared.adapters.codec import decode_message
from shared.contracts.messages import Notice
from shared.stages.account.reconcile import Wake
from shared.stages.account.supervise import Supervision
from shared.stages.order.records import order_row
from tests.support.orders import AAA, NOW, ON, new_life
from tests.support.ports import FakePorts, fake_ports
from tests.unit.stages.operator.test_health import HandGauge

INTENTS = ("one", "two", "three", "four")


@dataclass
class HandClient:
    """A task hub that fails for some."""

    silent: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    raised: list[str] = field(default_factory=list)

    async def get_status(self, intent_id: str) -> Any:
        if intent_id in self.silent:
            raise RuntimeError("HTTP 500")
        return SimpleNamespace(runtime_status=df.OrchestrationRuntimeStatus.Running)

    async def raise_event(self, intent_id: str, _name: str, _event: str) -> None:
        if intent_id in self.deaf:
            raise RuntimeError("HTTP 410")
        self.raised.append(intent_id)


@dataclass
class Out:
    """An output binding."""

    texts: list[str] = field(default_factory=list)

    def set(self, texts: list[str]) -> None:
        self.texts += texts


class Telemetry:
    """Takes everything."""

    @contextmanager
    def stage(self, *_: object, **__: object) -> Iterator[dict[str, object]]:
        yield {}


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> FakePorts:
    """The app on memory; each part of the minute's work does nothing unless a test says otherwise."""
    made = fake_ports(NOW)
    facade = _Facade(made)
    monkeypatch.setattr(trigger, "app", facade)
    monkeypatch.setattr("functions.edges.app", facade)
    wakes = tuple(Wake(on=ON, symbol=AAA, intent_id=each, event="KILL") for each in INTENTS)
    monkeypatch.setattr(trigger, "supervise", lambda _: Supervision(wakes=wakes))
    monkeypatch.setattr(trigger, "drain", lambda *_: None)
    return made


class _Facade:
    """The bootstrap's handle: called for its ports, asked for its own."""

    parameter_fault = ""

    def __init__(self, ports: FakePorts) -> None:
        self.own = ports
        names = ("settings", "clock", "calendar", "tables", "blobs", "codec", "market", "broker", "models", "notifier")
        parts = {name: getattr(ports, name) for name in names}
        self._ports = SimpleNamespace(**parts, queues=HandGauge(), telemetry=Telemetry())

    def __call__(self) -> Any:
        return self._ports


def run(client: HandClient) -> list[str]:
    """Titles of the notices that a firing sends."""
    out = Out()
    asyncio.run(trigger._supervise(client, out))  # type: ignore[arg-type]
    found = [decode_message(text, Notice) for text in out.texts]
    return [each.title for each in found if isinstance(each, Notice)]


@pytest.mark.parametrize("kind", ["silent", "deaf"])
@pytest.mark.parametrize("which", INTENTS)
def test_a_lifecycle_that_cannot_be_told_keeps_no_other_from_being_told(
    ports: FakePorts, kind: str, which: str
) -> None:
    client = HandClient()
    setattr(client, kind, frozenset({which}))
    assert run(client) == ["AAA: its order could not be told KILL"]
    assert client.raised == [each for each in INTENTS if each != which]
    assert run(client) == [], "once a day"
    assert client.raised.count(INTENTS[0]) == (2 if which != INTENTS[0] else 0)


@pytest.mark.parametrize("part", ["supervise", "fault_incident", "watch_stages", "untold", "drain"])
def test_a_part_that_fails_is_told_and_keeps_no_other_from_being_done(
    ports: FakePorts, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("status")

    monkeypatch.setattr(trigger, part, fails)
    client = HandClient(silent=frozenset({"two"}))
    titles = run(client)
    assert any(title.startswith("Every minute's work fails in part:") for title in titles)
    woken = [] if part == "supervise" else ["one", "three", "four"]
    assert client.raised == woken
    assert ("AAA: its order could not be told KILL" in titles) is bool(woken)


def test_an_order_s_row_that_cannot_be_read_keeps_no_other_from_being_started_again(
    ports: FakePorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    async def gone(_: object, intent_id: str) -> None:
        return None

    async def start_new(_: object, _name: str, intent_id: str, _state: str) -> None:
        started.append(intent_id)

    monkeypatch.setattr(HandClient, "get_status", gone)
    monkeypatch.setattr(HandClient, "start_new", start_new, raising=False)
    state = new_life().state
    for each in INTENTS:
        row = order_row(replace(state, plan=replace(state.plan, intent_id=each)), ports.codec, NOW)
        broken = {"state": "{"} if each == "two" else {}
        ports.tables.put("orders", str(ON), f"{AAA}|{each}", {**row, **broken})
    assert run(HandClient()) == ["AAA: its order could not be told KILL"]
    assert started == ["one", "three", "four"]
