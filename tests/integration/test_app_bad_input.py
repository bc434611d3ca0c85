"""What cannot be read is kept and told, never traded, and stops nobody; what comes twice or late does no harm."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from azure.core.exceptions import HttpResponseError

from shared.adapters.codec import MAX_QUEUE_BYTES, Claim, decode_json, encode_json
from shared.contracts.messages import (
    CandidateSlice,
    Envelope,
    FoundStory,
    NarrativeRequest,
    Notice,
    OrderIntent,
    Severity,
    Signal,
    StoriesOf,
    StoryBatch,
)
from shared.contracts.records import Container, Queue, Table
from shared.core.ids import digest
from shared.core.sessions import Session
from shared.core.values import Side, Symbol, to_price
from simulation.market.scenario import DEFAULT_ON
from tests.support.app import QUIET, Sandbox
from tests.support.bad_input import bad_texts

type MakeSandbox = Callable[..., Sandbox]


def candidates(box: Sandbox) -> CandidateSlice:
    now = box.clock.now()
    return CandidateSlice(
        message_id="slice",
        correlation_id="slice",
        causation_id="by-hand",
        decided_at=now,
        expires_at=now + timedelta(minutes=4),
        on=DEFAULT_ON,
        slot="1000",
        symbols=(Symbol("SPY"), Symbol("QQQ")),
        watchlist_blob=f"{DEFAULT_ON}/0935.json",
        history_blob="none",
    )


def intent(box: Sandbox) -> OrderIntent:
    now = box.clock.now()
    signal = box.signal("SPY")
    price = signal.reference_price
    return OrderIntent(
        message_id="intent-message",
        correlation_id=signal.decision_id,
        causation_id=signal.message_id,
        decided_at=now,
        expires_at=now + timedelta(minutes=4),
        intent_id="by-hand-intent",
        decision_id=signal.decision_id,
        on=DEFAULT_ON,
        symbol=Symbol("SPY"),
        side=Side.BUY,
        session=Session.REG_AM,
        qty=Decimal(3),
        arrival_price=price,
        limit_price=price,
        worst_price=to_price(float(price) * 1.003),
        stop_price=to_price(float(price) * 0.99),
        target_price=to_price(float(price) * 1.02),
        exit_by=now + timedelta(hours=1),
        parameter_set="default",
    )


def notice(box: Sandbox) -> Notice:
    now = box.clock.now()
    return Notice(
        message_id="notice",
        correlation_id="notice",
        causation_id="by-hand",
        decided_at=now,
        expires_at=now + timedelta(hours=1),
        kind="test",
        severity=Severity.INFO,
        title="All is well",
        body="",
    )


def story_batch(box: Sandbox) -> StoryBatch:
    now = box.clock.now()
    story = FoundStory(
        story_id="by-hand-story",
        published_at=now,
        source="Wire",
        headline="Spy wins contract",
        symbols=(Symbol("SPY"),),
    )
    return StoryBatch(
        message_id="story-batch",
        correlation_id="story-batch",
        causation_id="by-hand",
        decided_at=now,
        expires_at=now + timedelta(hours=1),
        on=DEFAULT_ON,
        stories=(story,),
    )


def narrative_request(box: Sandbox) -> NarrativeRequest:
    now = box.clock.now()
    return NarrativeRequest(
        message_id="narrative-request",
        correlation_id="narrative-request",
        causation_id="by-hand",
        decided_at=now,
        expires_at=now + timedelta(minutes=30),
        on=DEFAULT_ON,
        asked=(StoriesOf(symbol=Symbol("SPY"), story_ids=("by-hand-story",)),),
    )


GOOD: dict[Queue, Callable[[Sandbox], Envelope]] = {
    Queue.STORIES: story_batch,
    Queue.NARRATIVES: narrative_request,
    Queue.CANDIDATES: candidates,
    Queue.SIGNALS: lambda box: box.signal("SPY"),
    Queue.ORDER_INTENTS: intent,
    Queue.NOTICES: notice,
}


def expired(message: Envelope) -> Envelope:
    return replace(message, decided_at=message.decided_at - timedelta(hours=1), expires_at=message.decided_at)


@pytest.mark.parametrize("queue", list(Queue))
def test_bad_messages_are_quarantined_once_each_and_the_next_good_one_is_handled(
    sandbox: MakeSandbox, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        good = GOOD[queue](box)
        bad = bad_texts(good, box.blobs)
        box.put(queue, *(case.text for case in bad))
        await box.for_s(1)
        box.put(queue, *(case.text for case in bad))
        await box.for_s(15)

        assert box.trace.errors == []
        assert box.waiting(queue) == 0
        kept = box.quarantined()
        for case in bad:
            name = f"{DEFAULT_ON}/{queue}/{digest(case.text.encode())}"
            assert kept[name] == case.text.encode(), case.name
            assert case.reason in kept[f"{name}.reason.txt"].decode(), case.name
        assert {name for name in kept if not name.endswith(".reason.txt")} == {
            f"{DEFAULT_ON}/{queue}/{digest(case.text.encode())}" for case in bad
        }
        assert len(box.incidents("quarantine")) == len(box.incidents()) == len({case.text for case in bad})
        assert box.venue_log() == []
        assert box.rows(Table.DECISIONS) == box.rows(Table.ORDERS) == box.rows(Table.SIGNALS) == {}

        with caplog.at_level(logging.INFO):
            box.send(queue, good if queue in {Queue.SIGNALS, Queue.NOTICES} else expired(good))
            await box.for_s(30)
        assert box.trace.errors == []
        assert await _handled(box, queue, caplog.text)

    sandbox(settings=QUIET).run(scenario)


async def _handled(box: Sandbox, queue: Queue, logged: str) -> bool:
    match queue:
        case Queue.STORIES:
            return [row["led_to"] for row in box.rows(Table.STORIES).values()] == ["closed"]
        case Queue.NARRATIVES:
            return not box.rows(Table.NARRATIVES) and not box.rows(Table.SIGNALS)
        case Queue.CANDIDATES:
            return {row["policy"] for row in box.rows(Table.SIGNALS).values()} == {"TOO_LATE"}
        case Queue.SIGNALS:
            return box.bought()["SPY"] >= 1 and set(box.sent().values()) == {1}
        case Queue.ORDER_INTENTS:
            return [row["phase"] for row in box.rows(Table.ORDERS).values()] == ["EXPIRED"] and not box.sent()
        case Queue.NOTICES:
            return "All is well" in logged


def test_a_queue_takes_no_message_of_70_kb(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        with pytest.raises(HttpResponseError, match=r"RequestBodyTooLarge|maximum permissible"):
            box.put(Queue.SIGNALS, "A" * 70_000)
        assert MAX_QUEUE_BYTES < 70_000

    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_an_empty_message_is_quarantined(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        for queue in Queue:
            box.put(queue, "")
        await box.for_s(1)
        assert box.trace.errors == []
        assert sorted(row["title"] for row in box.incidents("quarantine")) == sorted(
            f"Quarantined a message of {queue}" for queue in Queue
        )

    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_a_message_of_70_kb_travels_as_a_claim(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        data = b" " * 70_000 + encode_json(box.signal("SPY"))
        box.blobs.insert(Container.CLAIMS, digest(data), data)
        box.put(Queue.SIGNALS, encode_json(Claim(blob=digest(data), sha256=digest(data), bytes=len(data))).decode())
        await box.for_s(30)
        assert [row["verdict"] for row in box.rows(Table.DECISIONS).values()] == ["approved"]

    sandbox(settings=QUIET).run(scenario)


@pytest.mark.parametrize("queue", [Queue.CANDIDATES, Queue.SIGNALS, Queue.ORDER_INTENTS])
def test_an_expired_message_is_recorded_and_dropped(sandbox: MakeSandbox, queue: Queue) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(queue, expired(GOOD[queue](box)))
        await box.for_s(60)
        assert box.venue_log() == []
        assert box.trace.errors == []
        recorded = {
            Queue.CANDIDATES: {row["policy"] for row in box.rows(Table.SIGNALS).values()} == {"TOO_LATE"},
            Queue.SIGNALS: {row["verdict"] for row in box.rows(Table.DECISIONS).values()} == {"expired"},
            Queue.ORDER_INTENTS: {row["phase"] for row in box.rows(Table.ORDERS).values()} == {"EXPIRED"},
        }
        assert recorded[queue]

    sandbox(settings=QUIET).run(scenario)


def test_a_signal_that_comes_again_and_again_buys_once(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        signal = box.signal("SPY")
        box.send(Queue.SIGNALS, signal, signal)
        await box.for_s(20)
        box.send(Queue.SIGNALS, signal)
        await box.for_s(40)
        box.send(Queue.SIGNALS, replace(signal, message_id="another-id"))
        await box.for_s(40)
        (decision,) = box.rows(Table.DECISIONS).values()
        (order,) = box.rows(Table.ORDERS).values()
        assert decision["intent_id"] == order["intent_id"]
        assert order["phase"] == "PROTECTED"
        assert box.bought() == {"SPY": 1}
        assert set(box.sent().values()) == {1}

    sandbox(settings=QUIET).run(scenario)


def test_an_intent_that_comes_again_starts_no_second_lifecycle(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        signal: Signal = box.signal("SPY")
        box.send(Queue.SIGNALS, signal)
        await box.for_s(60)
        (decision,) = box.rows(Table.DECISIONS).values()
        again = decode_json(OrderIntent, decision["intent"])
        box.send(Queue.ORDER_INTENTS, again, again)
        await box.until("10:20")
        box.send(Queue.ORDER_INTENTS, again)
        await box.until("10:21")
        assert box.bought() == {"SPY": 1}
        assert len(box.rows(Table.ORDERS)) == 1
        assert box.trace.errors == []

    sandbox(settings=QUIET | {"GATEHOUSE_HOLD_MAX_MIN": "5"}).run(scenario)


def test_quarantined_bytes_can_be_read_back_as_they_came(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        body = bytes(range(256))
        box.put(Queue.SIGNALS, base64.b64encode(body).decode())
        await box.for_s(1)
        (row,) = box.incidents("quarantine")
        assert base64.b64decode(box.quarantined()[row["blob"]]) == body

    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_good_messages_about_what_is_not_there_end_on_record_and_trade_nothing(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(Queue.CANDIDATES, candidates(box))  # its history blob does not exist
        unknown = replace(box.signal("SPY"), symbol=Symbol("NOSUCH"))
        box.send(Queue.SIGNALS, unknown)
        await box.until("10:06:05")  # five deliveries, and the sweep after them
        assert {row["title"] for row in box.incidents()} == {"Poison message of candidates"}
        [judged] = box.rows(Table.DECISIONS).values()
        assert (judged["symbol"], judged["verdict"], judged["refused_by"]) == ("NOSUCH", "refused", "SPREAD")
        assert box.venue_log() == []
        box.send(Queue.SIGNALS, box.signal("SPY"))
        await box.for_s(30)
        assert box.bought() == {"SPY": 1}

    sandbox(settings=QUIET).run(scenario)
