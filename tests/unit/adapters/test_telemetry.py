"""Rows as lines and figures: what is recorded is what is logged."""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import pytest

from shared.adapters.memory import MemoryTables
from shared.adapters.telemetry import Labels, ObservedModels, ObservedTables, Telemetry
from shared.contracts.records import Table
from shared.core.errors import TransientError
from shared.core.unread import Unread
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from tests.support.orders import NOW, ON, Life
from tests.support.ports import fake_ports, sure_models
from tests.unit.stages.entry.test_gate import signal


@dataclass
class HandMeter:
    """Keeps every figure."""

    figures: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)
    spans: list[str] = field(default_factory=list)

    def count(self, name: str, by: int, labels: Labels) -> None:
        self.figures.append((name, by, dict(labels)))

    def measure(self, name: str, value: float, labels: Labels) -> None:
        self.figures.append((name, value, dict(labels)))

    level = measure

    def span(self, name: str, ids: Labels) -> AbstractContextManager[object]:
        self.spans.append(name)
        return nullcontext()

    def named(self, name: str) -> list[tuple[float, dict[str, str]]]:
        return [(value, labels) for found, value, labels in self.figures if found == name]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="gatehouse.events")
    return caplog


def events(lines: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(record.getMessage()) for record in lines.records if record.name == "gatehouse.events"]


def test_a_decisions_whole_way_is_found_by_its_id(lines: pytest.LogCaptureFixture) -> None:
    meter = HandMeter()
    ports = fake_ports(NOW, tables=ObservedTables(MemoryTables(), Telemetry(meter)))
    (intent,) = gate(signal(), ports)
    life = Life(ports, execute(intent, ports)[0])
    life.step()
    ports.broker.fill(f"{intent.intent_id}-entry-0", price="10.01")
    life.step()
    ports.broker.fill(f"{intent.intent_id}-entry-0", leg="target", price="10.40")
    life.look()
    life.to_end()
    of_it = [event for event in events(lines) if intent.decision_id in json.dumps(event)]
    kinds = [event["event"] for event in of_it]
    assert kinds[0] == "decision"
    assert {"step", "fill"} <= set(kinds)
    assert all(event["correlation_id"] == intent.decision_id for event in of_it)
    assert of_it[-1]["phase"] == "CLOSED"
    assert meter.named("decisions") == [(1, {"verdict": "approved", "strategy": "momentum.v1"})]
    assert {labels["role"] for _, labels in meter.named("slippage_bp")} == {"entry", "target"}


def test_a_refusal_is_counted_by_each_gate(lines: pytest.LogCaptureFixture) -> None:
    meter = HandMeter()
    ports = fake_ports(NOW, tables=ObservedTables(MemoryTables(), Telemetry(meter)))
    gate(signal(), ports)
    gate(signal(slot="1005"), ports)
    assert "DUPLICATE" in {labels["gate"] for _, labels in meter.named("gate_refusals")}
    refusal = next(event for event in events(lines) if event.get("verdict") == "refused")
    assert "DUPLICATE" in str(refusal["refused_by"])


def test_a_row_that_was_there_already_is_not_told_again(lines: pytest.LogCaptureFixture) -> None:
    tables = ObservedTables(MemoryTables(), Telemetry())
    row = {"kind": "poison", "title": "t", "body": "b", "at": "x", "status": "open"}
    assert [tables.insert(Table.INCIDENTS, str(ON), "k", row) for _ in range(2)] == [True, False]
    assert [event["event"] for event in events(lines)] == ["incident"]


def test_a_row_that_cannot_be_told_of_is_written_all_the_same(lines: pytest.LogCaptureFixture) -> None:
    tables = ObservedTables(MemoryTables(), Telemetry())
    assert tables.insert(Table.DECISIONS, str(ON), "k", {"nothing": "of use"})
    assert tables.get(Table.DECISIONS, str(ON), "k") is not None
    assert "could not be told of" in lines.text


def test_a_stage_is_timed_and_its_error_named_and_not_swallowed(lines: pytest.LogCaptureFixture) -> None:
    meter = HandMeter()
    telemetry = Telemetry(meter)
    with telemetry.stage("signals", correlation_id="d1") as fields:
        fields["sent"] = ["m1"]
    with pytest.raises(TransientError), telemetry.stage("signals", correlation_id="d2"):
        raise TransientError("down: not for the log")
    done, failed = events(lines)
    assert (done["correlation_id"], done["sent"]) == ("d1", ["m1"])
    assert failed["error"] == "TransientError"
    assert "not for the log" not in lines.text
    assert [labels["outcome"] for _, labels in meter.named("stage_latency_ms")] == ["done", "failed"]
    assert meter.spans == ["signals", "signals"]


def test_equity_and_drawdown_are_levels() -> None:
    meter = HandMeter()
    tables = ObservedTables(MemoryTables(), Telemetry(meter))
    ledger = json.dumps({"equity": "95000", "peak_equity": "100000"})
    tables.put(Table.LEDGER, "account", "current", {"ledger": ledger})
    assert meter.named("drawdown_fraction") == [(0.05, {})]


def test_a_ledgers_backup_is_told_to_nobody(lines: pytest.LogCaptureFixture) -> None:
    tables = ObservedTables(MemoryTables(), Telemetry(HandMeter()))
    tables.put(Table.LEDGER, "account", "backup", {"backup": "{}", "at": "2025-10-15T14:00:00Z"})
    assert lines.records == []


def test_a_models_age_is_told_when_it_is_used() -> None:
    meter = HandMeter()
    models = ObservedModels(sure_models(), Telemetry(meter), lambda: NOW)
    state = models.current("signal")
    assert state.predictor is not None
    (found,) = meter.named("model_age_s")
    assert found == ((NOW - state.predictor.card.created_at).total_seconds(), {"model": "signal"})


def test_without_a_meter_only_lines_are_made() -> None:
    assert not Telemetry().is_measuring
    Telemetry().count("anything")


def test_every_row_that_cannot_be_read_is_logged_and_counted(lines: pytest.LogCaptureFixture) -> None:
    meter = HandMeter()
    rows = [Unread(what="quote", name=name, fault="bp is null", raw="{}") for name in ("AAA", "", "AAA")]
    Telemetry(meter).unread(rows)
    assert meter.named("unread_rows") == [(1, {"what": "quote"})] * 3
    assert [(each["event"], each.get("symbol")) for each in events(lines)] == [
        ("unread", "AAA"),
        ("unread", None),
        ("unread", "AAA"),
    ]
