"""Rows of a day's news as the stages write them: stories, narratives, calls, feeds, opinions on them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from shared.bootstrap import JsonCodec
from shared.contracts.records import Table, symbol_key, time_key
from shared.core.text.narratives import Citation, Narrative, NarrativeAnswer, NarrativeStatus
from shared.core.values import Symbol, iso
from shared.ports import Cell
from shared.stages.narrative.records import narrative_key
from tests.support.views import ON, MemorySource

AT = datetime(ON.year, ON.month, ON.day, 14, tzinfo=UTC)
READER = "divergence.v1"
"""A strategy that reads the news."""


def story_row(source: MemorySource, story_id: str, minute: int, /, **cells: Cell) -> None:
    """Write a story of AAA that was received so many minutes after 10:00 in New York."""
    at = AT + timedelta(minutes=minute)
    told: dict[str, Cell] = {
        "story_id": story_id,
        "published_at": iso(at - timedelta(minutes=1)),
        "received_at": iso(at),
        "source": "Wire",
        "headline": f"AAA {story_id}",
        "summary": "",
        "url": f"https://wire.example/{story_id}",
        "symbols": "AAA",
        "weight": 1.0,
    }
    source.tables.put(Table.STORIES, str(ON), time_key(at, story_id), {**told, **cells})


def narrative_of(
    *story_ids: str, minute: int = 2, symbol: str = "AAA", fault: str = "", **changes: object
) -> Narrative:
    """A narrative that was told so many minutes after 10:00; one with a fault could not be had."""
    answer = NarrativeAnswer(
        summary="AAA wins.",
        score=0.7,
        confidence=0.8,
        quotes=(Citation(text="wins", story_id=story_ids[0]),),
        source_ids=story_ids,
    )
    told = {"status": NarrativeStatus.TOLD, "answer": answer, "score": 0.66}
    untold = {"status": NarrativeStatus.UNAVAILABLE, "fault": fault}
    made = {
        "narrative_id": f"n{minute}",
        "symbol": Symbol("AAA"),
        "on": ON,
        "asked_at": AT + timedelta(minutes=minute - 1),
        "told_at": AT + timedelta(minutes=minute),
        "story_ids": story_ids,
        "evidence_ids": story_ids,
        "model": "commentator-seeded",
        "prompt_id": "narrative.v1@abc",
        **(untold if fault else told),
        **changes,
    }
    return Narrative(**made)  # type: ignore[arg-type]


def narrative_row(source: MemorySource, told: Narrative) -> None:
    """Write a narrative."""
    flat: dict[str, Cell] = {"symbol": told.symbol, "status": told.status.value, "narrative": JsonCodec().encode(told)}
    source.tables.put(Table.NARRATIVES, str(ON), narrative_key(told), flat)


def call_row(source: MemorySource, number: int, **cells: Cell) -> None:
    """Write a call that was answered in 100 ms times its number."""
    told: dict[str, Cell] = {
        "model": "commentator-seeded",
        "prompt_id": "narrative.v1@abc",
        "outcome": "OK",
        "is_repair": False,
        "status": "TOLD",
        "latency_ms": 100 * number,
        "tokens_in": 500,
        "tokens_out": 100,
        "usd": 0.0001,
        "record": f"r{number}",
    }
    source.tables.put(Table.CALLS, str(ON), f"10{number:02d}00.000000|c{number}", {**told, **cells})


def feed_row(source: MemorySource, name: str, **cells: Cell) -> None:
    """Write a feed as it was last read."""
    told: dict[str, Cell] = {"name": name, "etag": "", "modified": "", "read_at": iso(AT), "items": 3, "fault": ""}
    source.tables.put(Table.FEEDS, Table.FEEDS.value, name, {**told, "unchanged": False, **cells})


def opinion_row(source: MemorySource, minute: int, policy: str = "ENTER") -> str:
    """Write an opinion of the strategy that reads the news; return the id of its decision."""
    at = AT + timedelta(minutes=minute)
    decision_id, slot = f"d{minute}", f"10{minute:02d}"
    row: dict[str, Cell] = {
        "decision_id": decision_id,
        "symbol": "AAA",
        "slot": slot,
        "strategy": READER,
        "policy": policy,
        "scored_at": iso(at),
        "reason": "NARR_LEADS_PRICE" if policy == "ENTER" else "",
        "figures": json.dumps({"narrative": 0.6, "price_score": 0.1, "divergence": 1.4}),
        "narrative": 0.6,
        "price_score": 0.1,
        "divergence": 1.4,
    }
    source.tables.put(Table.SIGNALS, str(ON), symbol_key("AAA", slot, READER), row)
    return decision_id
