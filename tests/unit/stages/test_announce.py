"""A decision told with its story; what cannot be read makes it shorter and stops nothing."""

from __future__ import annotations

import json

from shared.contracts.messages import Notice, OrderIntent
from shared.contracts.records import Container, Table
from shared.core.errors import TransientError
from shared.core.packing import pack
from shared.core.values import iso
from shared.stages.announce import gate_and_tell
from tests.support.orders import NOW, ON
from tests.support.ports import FakePorts, fake_ports
from tests.unit.stages.test_gate import signal

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
    assert message.title.startswith(f"Buying {intent.qty_shares} AAA at {intent.limit_price}")
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
    assert intent.qty_shares > 0
    assert "Indicators" not in message.body
    assert f"decision {intent.decision_id}" in message.body


def test_without_channels_nothing_is_read_for_the_story() -> None:
    ports = fake_ports(NOW)
    assert "Story" not in told(ports)[1].body
