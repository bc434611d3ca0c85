"""Golden messages: what is on the wire today must be readable tomorrow, byte for byte."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shared.adapters.codec import MESSAGE_CLASSES, decode_json, decode_message, encode_json, encode_message
from shared.contracts.messages import (
    CandidateSlice,
    Envelope,
    FoundStory,
    Link,
    NarrativeRequest,
    Notice,
    OrderIntent,
    Severity,
    Signal,
    StoriesOf,
    StoryBatch,
)
from shared.contracts.model_card import Champion, ModelCard, RecordedPair
from shared.core.sessions import Session
from shared.core.values import Side, Symbol

GOLDEN = Path(__file__).parent / "golden"
DECIDED_AT = datetime(2025, 10, 15, 14, 5, 0, 250_000, tzinfo=UTC)
EXPIRES_AT = datetime(2025, 10, 15, 14, 9, tzinfo=UTC)

MESSAGES: dict[str, Envelope] = {
    "stories.v1": StoryBatch(
        message_id="4d5e6f70819203142536",
        correlation_id="4d5e6f70819203142536",
        causation_id="run-news-20251015-1000",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        on=date(2025, 10, 15),
        stories=(
            FoundStory(
                story_id="5e6f7081920314253647",
                published_at=datetime(2025, 10, 15, 13, 58, tzinfo=UTC),
                source="Northwire",
                headline="Café Ltd wins 40 million dollar contract",
                summary="The award is the largest in the company's history.",
                url="https://news.example/5e6f",
                symbols=(Symbol("CAFE"), Symbol("BRK.B")),
                weight=0.75,
            ),
        ),
    ),
    "narratives.v1": NarrativeRequest(
        message_id="6f708192031425364758",
        correlation_id="6f708192031425364758",
        causation_id="4d5e6f70819203142536",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        on=date(2025, 10, 15),
        asked=(StoriesOf(symbol=Symbol("CAFE"), story_ids=("5e6f7081920314253647",)),),
    ),
    "candidates.v1": CandidateSlice(
        message_id="0f3a5c7e9b1d2f4a6c8e",
        correlation_id="20251015-1005",
        causation_id="run-candidates-20251015-1005",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        on=date(2025, 10, 15),
        slot="1005",
        symbols=(Symbol("AAPL"), Symbol("BRK.B"), Symbol("BTC/USD")),
        watchlist_blob="2025-10-15/0915.json",
        history_blob="2025-10-15/history.json",
    ),
    "signal.v1": Signal(
        message_id="1a2b3c4d5e6f70819203",
        correlation_id="c0ffee00c0ffee00c0ff",
        causation_id="0f3a5c7e9b1d2f4a6c8e",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        decision_id="c0ffee00c0ffee00c0ff",
        on=date(2025, 10, 15),
        slot="1005",
        symbol=Symbol("AAPL"),
        strategy="price",
        session=Session.REG_AM,
        reference_price=Decimal("249.10"),
        atr=Decimal("0.8125"),
        adv_shares=51_234_567,
        daily_volatility=0.0174,
        p_up=0.5,
        p_none=0.3125,
        p_down=0.1875,
        expected_move=-0.0021,
        features_blob="2025-10-15/1005/AAPL.json",
        model_versions=("signal/2025-10-14", "move/2025-10-14"),
        parameter_set="default",
    ),
    "order-intent.v2": OrderIntent(
        message_id="2b3c4d5e6f7081920314",
        correlation_id="c0ffee00c0ffee00c0ff",
        causation_id="1a2b3c4d5e6f70819203",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        intent_id="feedfacefeedfacefeed",
        decision_id="c0ffee00c0ffee00c0ff",
        on=date(2025, 10, 15),
        symbol=Symbol("SOFI"),
        side=Side.BUY,
        session=Session.REG_AM,
        qty=Decimal(120),
        arrival_price=Decimal("0.9812"),
        limit_price=Decimal("0.9820"),
        worst_price=Decimal("0.9841"),
        stop_price=Decimal("0.9600"),
        target_price=Decimal("1.02"),
        exit_by=datetime(2025, 10, 15, 15, 5, tzinfo=UTC),
        account_id="904837e3-3b76-47ec-b432-046db621571b",
        parameter_set="default",
    ),
    "notice.v1": Notice(
        message_id="3c4d5e6f708192031425",
        correlation_id="c0ffee00c0ffee00c0ff",
        causation_id="2b3c4d5e6f7081920314",
        decided_at=DECIDED_AT,
        expires_at=EXPIRES_AT,
        kind="entry",
        severity=Severity.WARNING,
        title="SOFI: 120 @ 0.98 · “late” fill, naïve café",
        body='line 1\nline 2\t"quoted" \\ ☃',
        links=(Link(label="Approve", url="https://gatehouse.example/api/answer?token=abc.def"),),
    ),
}

CARD = ModelCard(
    name="signal",
    version="2025-10-14",
    sha256="ab" * 32,
    feature_names=("rsi_14", "rvol"),
    output_names=("down", "none", "up"),
    label="+1.5 ATR before -1 ATR within 60 minutes",
    trained_from=date(2025, 7, 1),
    trained_to=date(2025, 10, 13),
    created_at=datetime(2025, 10, 14, 21, 30, tzinfo=UTC),
    expires_on=date(2025, 11, 14),
    code_revision="0123abc",
    metrics={"log_loss": 0.987, "brier": 0.21},
    pairs=(RecordedPair(features=(55.5, None), output=(0.25, 0.5, 0.25)),),
)
CHAMPION = Champion(name="signal", version="2025-10-14", promoted_at=datetime(2025, 10, 14, 22, 0, tzinfo=UTC))


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")


def test_every_message_class_has_a_golden_file() -> None:
    assert sorted(MESSAGE_CLASSES) == sorted(MESSAGES)
    assert {name: type(message) for name, message in MESSAGES.items()} == dict(MESSAGE_CLASSES)


@pytest.mark.parametrize("schema_id", sorted(MESSAGES))
def test_a_message_is_spelled_exactly_as_its_golden_file(schema_id: str) -> None:
    assert encode_json(MESSAGES[schema_id]) == golden(schema_id)
    assert encode_message(MESSAGES[schema_id]) == base64.b64encode(golden(schema_id)).decode()


@pytest.mark.parametrize("schema_id", sorted(MESSAGES))
def test_a_golden_message_reads_back_as_the_value_it_was(schema_id: str) -> None:
    message = MESSAGES[schema_id]
    assert decode_message(base64.b64encode(golden(schema_id)), type(message)) == message
    assert decode_message(golden(schema_id), type(message)) == message


@pytest.mark.parametrize("schema_id", sorted(MESSAGES))
def test_a_golden_message_survives_an_editor_that_reformats_it(schema_id: str) -> None:
    message = MESSAGES[schema_id]
    edited = json.dumps(json.loads(golden(schema_id)), indent=2, ensure_ascii=True)
    assert decode_message(f"\n{edited}\n", type(message)) == message


@pytest.mark.parametrize(("name", "value"), [("model-card.v1", CARD), ("champion.v1", CHAMPION)])
def test_what_the_trainer_publishes_is_spelled_exactly_as_its_golden_file(
    name: str, value: ModelCard | Champion
) -> None:
    assert encode_json(value) == golden(name)
    assert decode_json(type(value), golden(name)) == value


@pytest.mark.parametrize(("name", "value"), [("model-card.v1.first", CARD), ("champion.v1.first", CHAMPION)])
def test_what_an_older_trainer_published_is_still_read(name: str, value: ModelCard | Champion) -> None:
    assert decode_json(type(value), golden(name)) == value


@pytest.mark.parametrize(("name", "changes"), [("order-intent.v1", {}), ("order-intent.v1.first", {"account_id": ""})])
def test_an_intent_that_older_code_has_left_in_the_queue_is_still_read(name: str, changes: dict[str, str]) -> None:
    intent = MESSAGES["order-intent.v2"]
    assert isinstance(intent, OrderIntent)
    assert decode_message(golden(name), OrderIntent) == replace(intent, **changes)  # type: ignore[arg-type]
    assert decode_message(base64.b64encode(golden(name)), OrderIntent) == replace(intent, **changes)  # type: ignore[arg-type]


def test_a_signal_of_older_code_is_still_read_and_leaves_exits_to_the_settings() -> None:
    """It names neither stop, target nor time limit, and always has chances."""
    assert decode_message(golden("signal.v1.first"), Signal) == MESSAGES["signal.v1"]
