"""Stories sent to the running app by hand, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.adapters.codec import decode_json
from shared.contracts.messages import FoundStory, StoryBatch
from shared.contracts.records import Queue, Table
from shared.core.ids import hash_id
from shared.core.text.narratives import Narrative
from simulation.market.scenario import DEFAULT_ON
from tests.support.app import Sandbox


def send_stories(box: Sandbox, stories: Sequence[FoundStory]) -> None:
    """Send what one look at the feeds would have found now."""
    at = box.clock.now()
    message_id = hash_id("batch", *(story.story_id for story in stories))
    batch = StoryBatch(
        message_id=message_id,
        correlation_id=message_id,
        causation_id="by-hand",
        decided_at=at,
        expires_at=at + timedelta(hours=1),
        on=DEFAULT_ON,
        stories=tuple(stories),
    )
    box.send(Queue.STORIES, batch)


def narratives_of(box: Sandbox) -> dict[str, Narrative]:
    """The newest narrative of each symbol."""
    rows = box.rows(Table.NARRATIVES).values()
    found = (decode_json(Narrative, row["narrative"]) for row in rows)
    return {told.symbol: told for told in sorted(found, key=lambda told: told.told_at)}


def slots_of(box: Sandbox, symbol: str) -> dict[str, set[str]]:
    """Slots in which a symbol was scored, by strategy."""
    found: dict[str, set[str]] = {}
    for row in box.rows(Table.SIGNALS).values():
        if row["symbol"] == symbol:
            found.setdefault(row["strategy"], set()).add(row["slot"])
    return found
