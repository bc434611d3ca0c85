"""A day on which stories come: ports whose watchlist stands, batches of stories, and answers made from a question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.contracts.messages import FoundStory, Message, StoryBatch
from shared.core.ids import hash_id
from shared.core.text.language import LanguageReply, LanguageRequest
from shared.core.values import Symbol
from shared.pipeline import run
from shared.stages.market.scan import scan
from tests.support.language import reply
from tests.support.market_day import ON, market_ports
from tests.support.ports import FakePorts
from tests.support.tape import ny
from tests.support.texts import HandReader, HandTexts

LANGUAGE: Mapping[str, str] = {
    "GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1",
    "GATEHOUSE_LANGUAGE_MODEL": "by-hand",
}
"""Settings with a service that nobody serves."""
GOOD = "Aaa wins large contract from the navy"


def opened(clock: str = "10:02", **settings: str) -> FakePorts:
    """Ports of a day whose watchlist stands, with a reader to whom wins sound good."""
    ports = market_ports(ny(ON, "09:15"), **settings)
    scan(ports)
    ports.clock.at = ny(ON, clock)
    ports.texts = HandTexts(HandReader(sounds={"wins": 0.8, "cuts": -0.6}))
    return ports


def found(headline: str, *symbols: str, source: str = "Wire", weight: float = 1.0) -> FoundStory:
    """A story as the news timer finds it; of AAA where nothing is said."""
    return FoundStory(
        story_id=hash_id("story", headline, *symbols),
        published_at=ny(ON, "10:00"),
        source=source,
        headline=headline,
        symbols=tuple(map(Symbol, symbols or ("AAA",))),
        weight=weight,
    )


def batch(ports: FakePorts, *stories: FoundStory) -> StoryBatch:
    """What one look at the feeds has found now."""
    at = ports.clock.now()
    message_id = hash_id("batch", *(story.story_id for story in stories))
    return StoryBatch(
        message_id=message_id,
        correlation_id=message_id,
        causation_id="run",
        decided_at=at,
        expires_at=at + timedelta(hours=1),
        on=ON,
        stories=stories,
    )


def read(ports: FakePorts, *stories: FoundStory) -> list[Message]:
    """Have stories read, and return what they lead to."""
    return list(run(batch(ports, *stories), ports))


def sound(request: LanguageRequest, **changes: Any) -> LanguageReply:
    """An answer that says what the first story of its question says; `changes` are members of it."""
    first = json.loads(request.user)["stories"][0]
    answer = {
        "summary": first["headline"],
        "score": 0.8,
        "confidence": 0.9,
        "entities": [],
        "quotes": [{"text": first["headline"], "story_id": first["id"]}],
        "source_ids": [first["id"]],
    }
    return reply(json.dumps(answer | changes))
