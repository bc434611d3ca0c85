"""Read stories: what one look at the feeds has found -> rows with sentiment and novelty, and what is done at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import batched

import numpy as np

from shared.contracts.messages import MAX_SLICE, FoundStory, Message, NarrativeRequest, StoriesOf, StoryBatch
from shared.contracts.records import Table
from shared.core.ids import hash_id
from shared.core.text.novelty import NOVELTY_WITHIN, KnownStory, Novelty, novelty_of
from shared.core.text.stories import Story
from shared.core.values import Symbol
from shared.ports import Ports, TextReader
from shared.stages.market.focused import focused_slice, takes_entries, tradable
from shared.stages.narrative.records import StoryFate, StoryRow, stories_since, story_row

NARRATIVE_TTL = timedelta(minutes=30)
"""A narrative that comes later than this has nothing to say that the regular slots do not know."""


def read_stories(batch: StoryBatch, ports: Ports) -> list[Message]:
    """Read a batch of stories, keep them, and ask for narratives, or for scores at once where there are none.

    A batch that is delivered again finds its own rows: they stand, and it asks for the same.
    """
    known = stories_since(ports, batch.on, batch.decided_at - NOVELTY_WITHIN)
    before = [row for row in known if row.batch != batch.message_id]
    told = {row.story.story_id for row in before}
    own = {row.story.story_id: row for row in known if row.batch == batch.message_id}
    fresh = [found for found in batch.stories if found.story_id not in told]
    liquid = tradable(ports, sorted({symbol for found in fresh for symbol in found.symbols}), batch.decided_at)
    rule = _FateRule(
        has_language=bool(ports.settings.language.url),
        is_open=takes_entries(ports, batch.decided_at) is not None,
        is_late=ports.clock.now() >= batch.expires_at,
        liquid=liquid,
        cooldown=timedelta(minutes=ports.settings.news.story_cooldown_min),
    )
    rows = [own.get(row.story.story_id, row) for row in _placed(ports, batch, fresh, before, rule)]
    absent = [row for row in rows if row.story.story_id not in own]
    ports.tables.put_many(Table.STORIES, str(batch.on), dict(story_row(row) for row in absent))
    return [] if rule.is_late else _sent(ports, batch, rows, liquid)


def _placed(
    ports: Ports, batch: StoryBatch, found: Sequence[FoundStory], before: Sequence[StoryRow], rule: _FateRule
) -> list[StoryRow]:
    """Stories with what is read out of them, each held against those before it, and what becomes of them."""
    earlier = list(before)
    rows: list[StoryRow] = []
    for each in _read(ports.texts.current().reader, batch, found):
        placed = each
        if each.vector is not None:
            where = _novelty(ports, each, earlier)
            story = replace(each.story, novelty=where.novelty, echo_of=where.echo_of)
            placed = KnownStory(story=story, vector=each.vector)
        row = StoryRow(known=placed, led_to=rule.fate(placed.story, earlier).value, batch=batch.message_id)
        rows.append(row)
        earlier.append(row)
    return rows


def _novelty(ports: Ports, each: KnownStory, earlier: Sequence[StoryRow]) -> Novelty:
    assert each.vector is not None, "asked only where there is one"
    return novelty_of(
        each.vector,
        each.story.symbols,
        [row.known for row in earlier],
        at=each.story.received_at,
        echo_cosine=ports.settings.news.echo_cosine,
    )


def _read(reader: TextReader | None, batch: StoryBatch, found: Sequence[FoundStory]) -> list[KnownStory]:
    stories = [
        Story(
            story_id=each.story_id,
            symbols=each.symbols,
            published_at=each.published_at,
            received_at=batch.decided_at,
            source=each.source,
            headline=each.headline,
            summary=each.summary,
            url=each.url,
            weight=each.weight,
        )
        for each in sorted(found, key=lambda each: (each.published_at, each.story_id))
    ]
    if reader is None or not stories:
        return [KnownStory(story=story, vector=None) for story in stories]
    texts = [story.text for story in stories]
    vectors = reader.embed(texts)
    polarities = reader.polarity(texts, vectors)
    return [
        KnownStory(
            story=replace(story, polarity=None if np.isnan(polarity) else float(np.clip(polarity, -1, 1))),
            vector=vector,
        )
        for story, vector, polarity in zip(stories, vectors, polarities, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FateRule:
    """What decides whether a story is acted on: entries are enabled, the message has not lain too long."""

    has_language: bool
    is_open: bool
    is_late: bool
    liquid: frozenset[Symbol]
    cooldown: timedelta

    def fate(self, story: Story, earlier: Sequence[StoryRow]) -> StoryFate:
        """What a story leads to."""
        if story.echo_of:
            return StoryFate.ECHO
        if self.liquid.isdisjoint(story.symbols):
            return StoryFate.NOT_TRADABLE
        if self.is_late or not (self.has_language or self.is_open):
            return StoryFate.CLOSED
        names = self.liquid.intersection(story.symbols)
        cool = {s for row in earlier if self._burns(row, story) for s in row.story.symbols}
        if names <= cool:
            return StoryFate.COOLDOWN
        return StoryFate.NARRATIVE if self.has_language else StoryFate.CANDIDATES

    def _burns(self, row: StoryRow, story: Story) -> bool:
        """Whether an earlier story, of another look at the feeds, has been acted on so lately that this one is not."""
        acted = row.led_to in {StoryFate.NARRATIVE, StoryFate.CANDIDATES}
        return acted and story.received_at - self.cooldown < row.story.received_at < story.received_at


def _sent(ports: Ports, batch: StoryBatch, rows: Sequence[StoryRow], liquid: frozenset[Symbol]) -> list[Message]:
    """What the stories of a batch ask for: a narrative of each symbol, or scores at once."""
    told = _by_symbol((row.story for row in rows if row.led_to == StoryFate.NARRATIVE), liquid)
    scored = _by_symbol((row.story for row in rows if row.led_to == StoryFate.CANDIDATES), liquid)
    # As many as are asked for side by side: none waits for another's answer.
    most = min(ports.settings.language.slots, MAX_SLICE)
    messages: list[Message] = [_request(batch, part) for part in batched(told, most, strict=False)]
    for part in batched((each.symbol for each in scored), MAX_SLICE, strict=False):
        messages += focused_slice(ports, part, cause=batch.message_id)
    return messages


def _by_symbol(stories: Iterable[Story], liquid: frozenset[Symbol]) -> list[StoriesOf]:
    found: dict[Symbol, list[str]] = {}
    for story in stories:
        for symbol in story.symbols:
            if symbol in liquid:
                found.setdefault(symbol, []).append(story.story_id)
    return [StoriesOf(symbol=symbol, story_ids=tuple(ids)) for symbol, ids in sorted(found.items())]


def _request(batch: StoryBatch, asked: Sequence[StoriesOf]) -> NarrativeRequest:
    parts = (f"{each.symbol}:{','.join(each.story_ids)}" for each in asked)
    message_id = hash_id("narratives", batch.message_id, *parts)
    return NarrativeRequest(
        message_id=message_id,
        correlation_id=message_id,
        causation_id=batch.message_id,
        decided_at=batch.decided_at,
        expires_at=batch.decided_at + NARRATIVE_TTL,
        on=batch.on,
        asked=tuple(asked),
    )
