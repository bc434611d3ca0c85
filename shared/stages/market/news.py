"""News: the account's own headlines and what feeds have, each story once, on its way to be read.

Text is made plain here, once, before anything else sees it. A story that is sent twice does no harm: its id is a hash
of what it says and of whom, and who reads it looks first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.contracts.messages import MAX_SLICE, MAX_STORIES, FoundStory, Message, StoryBatch
from shared.contracts.records import Table
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.schedule import DueJob, Job
from shared.core.text.cleaning import clean
from shared.core.text.linking import listings_of, symbols_in
from shared.core.unread import unread_in
from shared.core.values import parse_utc
from shared.ports import Ports
from shared.stages.base.day_market import tell_unread
from shared.stages.base.runs import run_due
from shared.stages.market.feeds import FEEDS, FeedLook, look_at_feeds

logger = logging.getLogger("gatehouse.news")

OVERLAP = timedelta(minutes=15)
"""Headlines may arrive late: each scan looks at the slot before its own again."""

OVERNIGHT = timedelta(hours=10)

LIFETIME = timedelta(hours=1)
"""A story that nobody has read by then is read no more."""
MAX_BATCH_BYTES = 40_000
"""Of a message as JSON: a queue takes 48 KiB, and the envelope needs some of it."""

_MAX_SOURCE = 64
_UNNAMED = "unnamed"


def news(ports: Ports) -> list[Message]:
    """Run the news scan if one is due."""
    return run_due(ports, frozenset({Job.NEWS_SCAN}), lambda slot: run_slot(ports, slot), lookback=OVERLAP)


def run_slot(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Read what has come since the last scan, and send the stories that are not known."""
    start = min(slot.due_at - OVERLAP, _last_scan(ports, slot)) - OVERLAP
    headlines = ports.market.news(start, ports.clock.now())
    look = look_at_feeds(ports, slot)
    weights = ports.settings.news.weight_of
    own = _plain((headline, weights.get(_source_of(headline).casefold(), 1.0)) for headline in headlines)
    foreign = _linked(ports, look)
    known = {row.get("story_id") for _, row in ports.tables.query(Table.STORIES, str(slot.on), columns=("story_id",))}
    stories: dict[str, FoundStory] = {}
    for headline, weight in (*own, *(foreign or ())):
        story_id = story_of(headline)
        if headline.symbols and story_id not in known:
            stories.setdefault(story_id, _found(story_id, headline, weight))
    day = ports.calendar.day(slot.on)
    messages: list[Message] = [*_batches(ports, slot, stories.values()), *look.notices]
    messages += [] if day is None else tell_unread(ports, day, unread_in(headlines))
    if foreign is not None:
        ports.tables.put_many(Table.FEEDS, FEEDS, look.rows)
    return messages


def _source_of(headline: Headline) -> str:
    return clean(headline.source)[:_MAX_SOURCE] or _UNNAMED


def _last_scan(ports: Ports, slot: DueJob) -> datetime:
    """When the day's last finished scan was due; the day's first looks back over the night."""
    first, after = f"{slot.job}|", f"{slot.job}}}"
    rows = ports.tables.query(Table.RUNS, str(slot.on), key_from=first, key_to=after, columns=("status", "due_at"))
    done = [parse_utc(str(row["due_at"])) for _, row in rows if row["status"] == "done"]
    return max(done, default=slot.due_at - OVERNIGHT)


def story_of(headline: Headline) -> str:
    """Id of the story a headline tells: its words, whatever their case and order of symbols, so an echo is one."""
    words = " ".join(headline.headline.casefold().split())
    return hash_id("story", words, *sorted(headline.symbols))


def _plain(items: Iterable[tuple[Headline, float]]) -> list[tuple[Headline, float]]:
    """Items made plain, without those of which nothing is left."""
    found: list[tuple[Headline, float]] = []
    empty = 0
    for item, weight in items:
        headline, summary = clean(item.headline), clean(item.summary)
        if (headline, summary) != (item.headline, item.summary):
            logger.info("news item %s came as %.600r, %.600r", item.news_id, item.headline, item.summary)
        if not headline:
            headline, summary = summary, ""
        if headline:
            same = summary.casefold() == headline.casefold()
            found.append((replace(item, headline=headline, summary="" if same else summary), weight))
        else:
            empty += 1
    if empty:
        logger.warning("%d news items have no text that a person could see: dropped", empty)
    return found


def _linked(ports: Ports, look: FeedLook) -> list[tuple[Headline, float]] | None:
    """Items of feeds with the symbols that they name; None where nobody can say now, and they are read again."""
    items = _plain(look.items)
    if not items:
        return []
    try:
        listings = listings_of(ports.market.assets())
    except (TransientError, BrokerError, ContractError) as error:
        logger.warning("items of feeds are left for the next scan, since nothing says what is listed: %s", error)
        return None
    return [
        (replace(item, symbols=symbols_in(item.headline, listings) or symbols_in(item.summary, listings)), weight)
        for item, weight in items
    ]


def _found(story_id: str, headline: Headline, weight: float) -> FoundStory:
    return FoundStory(
        story_id=story_id,
        published_at=headline.published_at,
        source=_source_of(headline),
        headline=headline.headline,
        summary=headline.summary,
        url=headline.url,
        symbols=tuple(dict.fromkeys(headline.symbols))[:MAX_SLICE],
        weight=weight,
    )


def _batches(ports: Ports, slot: DueJob, stories: Iterable[FoundStory]) -> list[StoryBatch]:
    """Stories in messages, oldest first, each message as long as its queue takes."""
    parts: list[list[FoundStory]] = []
    room = 0
    for story in sorted(stories, key=lambda each: (each.published_at, each.story_id)):
        size = len(ports.codec.encode(story).encode())
        if not parts or len(parts[-1]) == MAX_STORIES or size > room:
            parts.append([])
            room = MAX_BATCH_BYTES
        parts[-1].append(story)
        room -= size
    now = ports.clock.now()
    ids = [hash_id("stories", str(slot.on), *(story.story_id for story in part)) for part in parts]
    return [
        StoryBatch(
            message_id=message_id,
            correlation_id=message_id,
            causation_id=hash_id("run", str(slot.on), slot.key),
            decided_at=now,
            expires_at=now + LIFETIME,
            on=slot.on,
            stories=tuple(part),
        )
        for message_id, part in zip(ids, parts, strict=True)
    ]
