"""A decision told with its story; what cannot be read makes it shorter and stops nothing."""

from __future__ import annotations

import json

from shared.contracts.messages import Notice, OrderIntent
from shared.contracts.records import Container, Table
from shared.core.approvals import Answer
from shared.core.errors import TransientError
from shared.core.order_states import Phase
from shared.core.order_steps import next_step
from shared.core.packing import pack
from shared.core.values import iso
from shared.stages.entry.announce import gate_and_tell
from shared.stages.entry.execute import execute
from shared.stages.order.step import carry_out
from tests.support.orders import NOW, ON, Life, answered
from tests.support.ports import FakePorts, fake_ports, settings_with
from tests.unit.stages.entry.test_gate import signal
from tests.unit.stages.order.test_recheck import closes

CHANNELS = "phone: json://phone.invalid/a"


def with_evidence() -> FakePorts:
    ports = fake_ports(NOW, GATEHOUSE_NOTICE_CHANNELS=CHANNELS)
    names = ["rsi_14", "gap", "rvol_day", "volume_ratio"]
    document = {"names": names, "symbols": ["ZZZ", "AAA"], "rows": [[1, 2, 3, 4], [61.25, None, 4.3, 9]]}
    ports.blobs.put(Container.FEATURES, signal().features_blob, pack(json.dumps(document).encode()))
    for key, symbols, headline in (("1", "AAA BBB", "AAA wins"), ("2", "BBB", "BBB loses")):
        row = {"headline": headline, "source": "Wire", "symbols": symbols, "published_at": iso(NOW)}
        ports.tables.put(Table.STORIES, str(ON), key, row)
    return ports


def told(ports: FakePorts) -> tuple[OrderIntent, Notice]:
    intent, message = gate_and_tell(signal(), ports)
    assert isinstance(intent, OrderIntent)
    assert isinstance(message, Notice)
    return intent, message


def test_a_decision_comes_with_story_indicators_reasons_and_ids() -> None:
    intent, message = told(with_evidence())
    assert message.title.startswith(f"Buying {intent.qty} AAA at {intent.limit_price}")
    lines = message.body.splitlines()
    assert lines[0] == "Story: AAA wins (Wire)"
    assert lines[1] == "Indicators: rsi_14 61.25, rvol_day 4.3"
    assert f"Trace: decision {intent.decision_id}, intent {intent.intent_id}" in lines
    assert any("gates passed" in line and "size bound by" in line for line in lines)
    assert "BBB" not in message.body


def test_a_repeated_signal_is_told_under_the_same_id() -> None:
    ports = with_evidence()
    assert told(ports)[1].message_id == told(ports)[1].message_id


def test_a_refusal_is_not_told() -> None:
    ports = with_evidence()
    told(ports)
    assert gate_and_tell(signal(slot="1005"), ports) == []


def test_evidence_that_cannot_be_read_stops_no_intent() -> None:
    ports = with_evidence()

    def down(*_: object) -> None:
        raise TransientError("down")

    ports.blobs.get = down  # type: ignore[method-assign, assignment]
    intent, message = told(ports)
    assert intent.qty > 0
    assert "Indicators" not in message.body
    assert f"decision {intent.decision_id}" in message.body


def test_without_channels_nothing_is_read_for_the_story() -> None:
    ports = fake_ports(NOW)
    assert "Story" not in told(ports)[1].body


def test_an_order_that_waits_for_a_person_is_told_when_it_is_sent_and_in_the_size_that_is_sent() -> None:
    ports = with_evidence()
    ports.settings = settings_with(GATEHOUSE_NOTICE_CHANNELS=CHANNELS, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate_and_tell(signal(), ports)
    assert isinstance(intent, OrderIntent)
    life = Life(ports, execute(intent, ports)[0])
    answered(life, Answer.APPROVE)
    closes(life, 10.00)
    ports.broker.buying_power /= 20
    titles: list[str] = []
    for _ in range(2):
        life.state, told_now = carry_out(life.state, next_step(life.state, NOW), ports)
        titles += [each.title for each in told_now]
    assert life.state.phase is Phase.WORKING
    (title,) = titles
    assert life.state.wanted < intent.qty
    assert title.startswith(f"Buying {life.state.wanted} AAA at {intent.limit_price}, ")


def test_an_order_that_was_refused_is_never_told_to_be_bought() -> None:
    ports = with_evidence()
    ports.settings = settings_with(GATEHOUSE_NOTICE_CHANNELS=CHANNELS, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate_and_tell(signal(), ports)
    assert isinstance(intent, OrderIntent)
    life = Life(ports, execute(intent, ports)[0])
    answered(life, Answer.REFUSE)
    told_now: list[Notice] = []
    while not life.state.phase.is_over:
        life.state, found = carry_out(life.state, next_step(life.state, NOW), ports)
        told_now += found
    assert [each.kind for each in told_now] == ["order-ended"]
