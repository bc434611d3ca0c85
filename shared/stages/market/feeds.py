"""RSS and Atom feeds beside the account's own news: what stands in them that did not before, and how each is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import Table
from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.schedule import DueJob
from shared.core.values import iso
from shared.ports import Cell, FeedReading, FeedState, Ports, Row
from shared.stages.base.incidents import record_incident

FEEDS = "feeds"
"""Partition of the feeds' rows."""
OLDEST = timedelta(hours=24)
"""An item that was published longer ago is no news."""
_MARK = 12
"""Hex digits by which an item is known again: of 200, two are taken for one once in 10^10 readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLook:
    """One look at all feeds.

    Attributes
    ----------
    items : tuple of (Headline, float)
        What is new, without symbols and as it came, with the weight of its feed.
    notices : tuple of Notice
        Of feeds that cannot be read, once a day each.
    rows : mapping of str to row
        How each feed stands now: to be written when its items are on their way.
    """

    items: tuple[tuple[Headline, float], ...] = ()
    notices: tuple[Notice, ...] = ()
    rows: Mapping[str, Row]


def look_at_feeds(ports: Ports, slot: DueJob) -> FeedLook:
    """Read every feed that is configured; one that fails costs itself alone."""
    feeds = ports.settings.news.feeds
    if not feeds:
        return FeedLook(rows={})
    known = dict(ports.tables.query(Table.FEEDS, FEEDS))
    before = {feed.name: known.get(key_of(feed.name), {}) for feed in feeds}
    states = {
        name: FeedState(etag=str(row.get("etag") or ""), modified=str(row.get("modified") or ""))
        for name, row in before.items()
    }
    readings = ports.feeds.read(feeds, states)
    now = ports.clock.now()
    items: list[tuple[Headline, float]] = []
    notices: list[Notice] = []
    rows: dict[str, Row] = {}
    for reading in readings:
        name = reading.feed.name
        rows[key_of(name)] = _row(reading, before[name], now)
        weight = ports.settings.news.weight_of.get(name.casefold(), reading.feed.weight)
        items += [(item, weight) for item in _new_in(reading, before[name], now)]
        if reading.fault:
            notices += _told(ports, slot, reading, now)
    return FeedLook(items=tuple(items), notices=tuple(notices), rows=rows)


def key_of(name: str) -> str:
    """Row key of a feed."""
    return hash_id("feed", name)


def _mark(item: Headline) -> str:
    """What an item is known by as long as its words stay: its date may be missing, or move with every reading."""
    return hash_id("item", item.news_id, item.headline)[:_MARK]


def _new_in(reading: FeedReading, before: Row, now: datetime) -> Sequence[Headline]:
    seen = frozenset(str(before.get("seen") or "").split())
    return [item for item in reading.items if item.published_at >= now - OLDEST and _mark(item) not in seen]


def _row(reading: FeedReading, before: Row, now: datetime) -> Row:
    row: dict[str, Cell] = {
        "name": reading.feed.name,
        "etag": reading.state.etag,
        "modified": reading.state.modified,
        "read_at": iso(now),
        "fault": reading.fault,
        "items": len(reading.items),
        "unchanged": reading.is_unchanged,
        "seen": " ".join(map(_mark, reading.items)),
    }
    if reading.fault or reading.is_unchanged:
        row |= {name: before[name] for name in ("items", "seen") if name in before}
    return row


def _told(ports: Ports, slot: DueJob, reading: FeedReading, now: datetime) -> Sequence[Notice]:
    name = reading.feed.name
    return record_incident(
        ports,
        slot.on,
        f"feed|{key_of(name)}",
        now=now,
        kind="feed",
        title=f"The feed {name} cannot be read",
        body=f"{reading.fault}. Every news scan tries again; the other sources are read all the same.",
        severity=Severity.WARNING,
    )
