"""News: headlines, each story once. Symbols of fresh stories join the next watchlist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.messages import Message
from shared.contracts.records import Table, time_key
from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.schedule import DueJob, Job
from shared.core.unread import unread_in
from shared.core.values import iso, parse_utc
from shared.ports import Ports, Row
from shared.stages.base.day_market import tell_unread
from shared.stages.base.runs import run_due

OVERLAP = timedelta(minutes=15)
"""Headlines may arrive late: each scan looks at the slot before its own again."""

OVERNIGHT = timedelta(hours=10)


def news(ports: Ports) -> list[Message]:
    """Run the news scan if one is due."""
    return run_due(ports, frozenset({Job.NEWS_SCAN}), lambda slot: run_slot(ports, slot), lookback=OVERLAP)


def run_slot(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Read the headlines since the last scan."""
    start = min(slot.due_at - OVERLAP, _last_scan(ports, slot)) - OVERLAP
    headlines = ports.market.news(start, ports.clock.now())
    told = ports.tables.query(Table.STORIES, str(slot.on), columns=("story_id",))
    known = {story for _, row in told if (story := row.get("story_id"))}
    rows: dict[str, Row] = {}
    for headline in headlines:
        story_id = story_of(headline)
        if story_id not in known and headline.symbols:
            known.add(story_id)
            rows[time_key(headline.published_at, story_id)] = {
                "story_id": story_id,
                "news_id": headline.news_id,
                "published_at": iso(headline.published_at),
                "seen_at": iso(ports.clock.now()),
                "source": headline.source,
                "headline": headline.headline,
                "symbols": " ".join(headline.symbols),
            }
    ports.tables.put_many(Table.STORIES, str(slot.on), rows)
    day = ports.calendar.day(slot.on)
    return [] if day is None else tell_unread(ports, day, unread_in(headlines))


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
