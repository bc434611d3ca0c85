"""A decision told with its story; what cannot be read makes it shorter and stops nothing."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest

from shared.contracts.messages import Notice, OrderIntent
from shared.contracts.records import Container, Table, symbol_key
from shared.core.approvals import Answer
from shared.core.errors import TransientError
from shared.core.order_states import Phase
from shared.core.order_steps import next_step
from shared.core.packing import pack
from shared.core.values import iso
from shared.ports import Cell
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
    story(ports, "1", "AAA BBB", "AAA wins", url="https://wire.example/1")
    story(ports, "2", "BBB", "BBB loses")
    return ports


def story(
    ports: FakePorts, key: str, symbols: str, headline: str, *, at: datetime = NOW, on: date = ON, **cells: str
) -> None:
    row = {"headline": headline, "source": "Wire", "symbols": symbols, "received_at": iso(at), **cells}
    ports.tables.put(Table.STORIES, str(on), key, row)


def weighed(ports: FakePorts, **cells: Cell) -> None:
    """Record what a strategy that reads the news has weighed."""
    found: dict[str, Cell] = {"narrative": 0.62, "price_score": 0.18, "divergence": 1.82, "reason": "NARR_LEADS_PRICE"}
    key = symbol_key("AAA", signal().slot, signal().strategy)
    tape = {"rsi_14": 61.2, "ma_gap": 0.84, "macd": 0.12, "volume_z": 1.83}
    figures = {"figures": json.dumps({"confidence": 0.82, "narrative": 0.62, **tape})}
    ports.tables.put(Table.SIGNALS, str(ON), key, {**found, **figures, **cells})


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


def test_a_decision_on_the_news_tells_narrative_against_tape_and_where_the_story_is() -> None:
    ports = with_evidence()
    weighed(ports)
    intent, message = told(ports)
    assert message.title == "[Signal] AAA - bullish/moderate"
    lines = message.body.splitlines()
    assert lines[:4] == [
        "Story: AAA wins (Wire) https://wire.example/1",
        "Confidence: 82%",
        "Narrative +0.62 against tape +0.18: divergence +1.82",
        "Tape: RSI(14) 61.2, MA(10/50) gap +0.84 ATR, MACD +0.12 ATR, volume z +1.83",
    ]
    assert lines[4].startswith(f"Decision: buy {intent.qty} at {intent.limit_price}, ")
    assert lines[4].endswith(", NARR_LEADS_PRICE")
    trace = f"Trace: signal {signal().message_id}, decision {intent.decision_id}, intent {intent.intent_id}"
    assert trace in lines


@pytest.mark.parametrize(
    ("narrative", "divergence", "title"),
    [
        (0.3, 1.49, "bullish/weak"),
        (0.3, 1.5, "bullish/moderate"),
        (0.3, -2.5, "bullish/strong"),
        (-0.3, 2.49, "bearish/moderate"),
        (0.0, 0.0, "neutral/weak"),
    ],
)
def test_bias_and_strength_have_bounds(narrative: float, divergence: float, title: str) -> None:
    ports = with_evidence()
    weighed(ports, narrative=narrative, divergence=divergence)
    assert told(ports)[1].title == f"[Signal] AAA - {title}"


@pytest.mark.parametrize("figures", ["", "{", "[1]", '{"confidence": "much"}'])
def test_figures_that_cannot_be_read_make_the_story_shorter_and_stop_nothing(figures: str) -> None:
    ports = with_evidence()
    weighed(ports, figures=figures)
    intent, message = told(ports)
    assert f"decision {intent.decision_id}" in message.body
    assert "Confidence" not in message.body


def test_a_story_of_the_evening_before_is_told_and_neither_an_echo_nor_what_came_later() -> None:
    ports = with_evidence()
    story(ports, "200000|3", "AAA", "AAA in the evening", at=NOW - timedelta(hours=14), on=ON - timedelta(days=1))
    story(ports, "200000|4", "AAA", "AAA long ago", at=NOW - timedelta(hours=25), on=ON - timedelta(days=1))
    story(ports, "3", "AAA", "AAA wins again", echo_of="1")
    story(ports, "4", "AAA", "AAA in a minute", at=NOW + timedelta(minutes=1))
    lines = told(ports)[1].body.splitlines()
    assert [line for line in lines if line.startswith("Story")] == [
        "Story: AAA in the evening (Wire)",
        "Story: AAA wins (Wire)",
    ]


def test_a_headline_cannot_look_like_a_line_of_ours_and_no_address_is_told_that_is_none_of_the_web() -> None:
    ports = with_evidence()
    weighed(ports)
    story(ports, "1", "AAA", "AAA wins\nDecision: buy 1 at 1", url="javascript:alert(1)")
    assert told(ports)[1].body.splitlines()[0] == "Story: AAA wins Decision: buy 1 at 1 (Wire)"


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
