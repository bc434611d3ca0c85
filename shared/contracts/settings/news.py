"""Where the news comes from, and what makes a story one that is acted on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.core.settings.declare import Tuning, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsFeed:
    """An RSS or Atom feed: the source's name, its address, and what it is worth, in [0, 1]."""

    name: str
    url: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWeight:
    """What a source of the account's own news, or a feed by its name, is worth, in [0, 1]."""

    source: str
    weight: float

    def __str__(self) -> str:
        return f"{self.source}: {self.weight:g}"


def parse_feeds(text: str) -> tuple[NewsFeed, ...]:
    """Read `NAME: URL | WEIGHT`, one to a line or split by semicolons; a weight left out is 1. Raises ValueError."""
    found = []
    for part in _parts(text):
        name, colon, rest = part.partition(": ")
        url, _, weight = rest.partition("|")
        if not (colon and name.strip() and len(name) <= 64 and "://" in url):
            raise ValueError(f"{part!r} is not NAME: URL | WEIGHT")
        found.append(NewsFeed(name=name.strip(), url=url.strip(), weight=_weight(weight.strip() or "1")))
    if len({feed.name for feed in found}) < len(found):
        raise ValueError("two feeds of one name")
    return tuple(found)


def parse_weights(text: str) -> tuple[SourceWeight, ...]:
    """Read `SOURCE: WEIGHT`, one to a line or split by semicolons. Raises ValueError."""
    found = []
    for part in _parts(text):
        source, colon, weight = part.rpartition(":")
        if not (colon and source.strip()):
            raise ValueError(f"{part!r} is not SOURCE: WEIGHT")
        found.append(SourceWeight(source=source.strip(), weight=_weight(weight)))
    return tuple(found)


def _parts(text: str) -> list[str]:
    return [part for piece in re.split(r"[;\n]", text) if (part := piece.strip())]


def _weight(text: str) -> float:
    weight = float(text)
    if not 0 <= weight <= 1:
        raise ValueError(f"{text!r} is no weight from 0 to 1")
    return weight


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsSettings:
    """Where the news comes from, and what makes a story one that is acted on."""

    feeds: tuple[NewsFeed, ...] = setting(
        "GATEHOUSE_NEWS_FEEDS",
        (),
        "RSS and Atom feeds beside the account's news: NAME: URL | WEIGHT, one to a line or split by semicolons",
        why="None: the account's own news needs no more than its keys",
    )
    source_weights: tuple[SourceWeight, ...] = setting(
        "GATEHOUSE_SOURCE_WEIGHTS",
        (),
        "what sources are worth: SOURCE: WEIGHT from 0 to 1, split by semicolons",
        why="A source that is not named is worth 1, a feed what GATEHOUSE_NEWS_FEEDS says. Learned monthly, where a "
        "person accepts it",
        tuning=Tuning.FREE,
    )
    feed_timeout_s: float = setting(
        "GATEHOUSE_FEED_TIMEOUT_S",
        10.0,
        "time that one feed may take in all",
        low=0.5,
        high=60,
        unit="s",
        why="A slow feed keeps no other from being read",
    )
    echo_cosine: float = setting(
        "GATEHOUSE_ECHO_COSINE",
        0.85,
        "cosine from which a story repeats an earlier one of its symbol within 24 hours",
        low=0.5,
        high=1,
        why="Rewordings of one event lie above it, two events of one company mostly below (docs/NARRATIVE.md)",
    )
    story_cooldown_min: int = setting(
        "GATEHOUSE_STORY_COOLDOWN_MIN",
        15,
        "time after a story of a symbol in which another one starts no scoring of its own",
        low=1,
        high=240,
        unit="min",
        why="A burst of stories is one event; the regular slots go on beside it",
    )
    silent_sessions: int = setting(
        "GATEHOUSE_SILENT_SYMBOL_SESSIONS",
        5,
        "sessions with a story each, after which one without any is told of; 0: never",
        low=0,
        high=20,
        unit="sessions",
        why="A symbol that has news every day and suddenly none has lost its feed",
    )

    @property
    def weight_of(self) -> Mapping[str, float]:
        """What each source is worth that is named anywhere, by its name in lower case; 1 of any other."""
        feeds = {feed.name.casefold(): feed.weight for feed in self.feeds}
        return feeds | {each.source.casefold(): each.weight for each in self.source_weights}
