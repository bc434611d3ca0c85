"""The day's news as records tell: stories with their echoes, what each led to, and calls of the language model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from dashboard.dataframes import counts, records
from dashboard.day import table_of
from dashboard.store import Query, Source
from shared.bootstrap import JsonCodec
from shared.contracts.records import Table
from shared.core.errors import ContractError
from shared.core.text.narratives import Narrative, NarrativeStatus
from shared.core.text.stories import Story
from shared.core.values import Symbol
from shared.stages.base.incidents import BROKEN
from shared.stages.evidence.case_maker import reads_news
from shared.stages.narrative.records import STORY_COLUMNS, StoryFate, story_of

OPINION_WITHIN = timedelta(minutes=15)
"""So long after a story or its narrative an opinion may be taken for one on it."""

ANSWERED = "OK"
"""Outcome of a call that was answered."""
REJECTED = frozenset({NarrativeStatus.INVALID_PARSE.value, NarrativeStatus.UNGROUNDED.value})
"""What becomes of an answer that is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A story that was the first to say so, and those that repeat it, in the order in which they were received."""

    first: Story
    echoes: tuple[Story, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """What a story led to for one of its symbols: a narrative, an opinion, a decision, an order, as far as it came."""

    symbol: Symbol
    narrative: Narrative | None = None
    strategy: str = ""
    policy: str = ""
    verdict: str = ""
    phase: str = ""
    decision_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStories:
    """A day's stories in the order in which they were received, why those by id were not acted on, rows not read."""

    stories: tuple[Story, ...]
    passed_by: Mapping[str, str]
    unread: int


_PASSED_BY = {
    StoryFate.COOLDOWN: "not acted on: another of the symbol a little before",
    StoryFate.NOT_TRADABLE: "not acted on: no symbol that is traded",
    StoryFate.CLOSED: "not acted on: no entries at that time",
}


def stories_on(source: Source, on: date) -> DayStories:
    """Return the stories of a day."""
    rows = source.rows(Table.STORIES, str(on), Query(columns=(*STORY_COLUMNS, "led_to")))
    found: list[Story] = []
    passed_by: dict[str, str] = {}
    for row in rows:
        with suppress(*BROKEN):
            story, fate = story_of(row), row.get("led_to")
            found.append(story)
            if fate in _PASSED_BY:
                passed_by[story.story_id] = _PASSED_BY[StoryFate(str(fate))]
    return DayStories(stories=tuple(found), passed_by=passed_by, unread=len(rows) - len(found))


def narratives_on(source: Source, on: date) -> tuple[tuple[Narrative, ...], int]:
    """Return the narratives of a day by the time they were told, and how many rows cannot be read."""
    rows = source.rows(Table.NARRATIVES, str(on), Query(columns=("narrative",)))
    found: list[Narrative] = []
    for row in rows:
        with suppress(ContractError):
            found.append(JsonCodec().decode(Narrative, str(row.get("narrative") or "")))
    return tuple(sorted(found, key=lambda told: told.told_at)), len(rows) - len(found)


def threads_of(stories: Iterable[Story]) -> list[Thread]:
    """Fold echoes under the story that they repeat, the latest story first.

    An echo of a story that is not among them, as one of the day before, stands for itself.
    """
    known = {story.story_id: story for story in sorted(stories, key=lambda story: story.received_at)}
    echoes: dict[str, list[Story]] = {story_id: [] for story_id, story in known.items() if story.echo_of not in known}
    for story in known.values():
        first = _first(story, known)
        if first != story.story_id and first in echoes:
            echoes[first].append(story)
    found = [Thread(first=known[first], echoes=tuple(those)) for first, those in echoes.items()]
    return sorted(found, key=lambda thread: thread.first.received_at, reverse=True)


def _first(story: Story, known: Mapping[str, Story]) -> str:
    passed = {story.story_id}
    while story.echo_of in known and story.echo_of not in passed:
        story = known[story.echo_of]
        passed.add(story.story_id)
    return story.story_id


class Consequences:
    """What the stories of a day led to.

    Parameters
    ----------
    narratives : sequence of Narrative
        By the time they were told.
    opinions : DataFrame
        Those of strategies that read the news (`opinions_on`).
    decisions, orders : DataFrame
    """

    def __init__(
        self, narratives: Sequence[Narrative], opinions: pd.DataFrame, decisions: pd.DataFrame, orders: pd.DataFrame
    ) -> None:
        self._narratives = {(told.symbol, story): told for told in narratives for story in told.story_ids}
        self._opinions = {str(symbol): records(rows) for symbol, rows in opinions.groupby("symbol")}
        self._verdicts = dict(zip(decisions["decision_id"], decisions["verdict"], strict=True))
        self._phases = dict(zip(orders["decision_id"], orders["phase"], strict=True))

    def of(self, story: Story) -> list[Led]:
        """Return what a story led to, for each symbol for which it led to anything."""
        found = [self._led(symbol, self._narratives.get((symbol, story.story_id)), story) for symbol in story.symbols]
        return [led for led in found if led.narrative or led.policy]

    def of_narrative(self, told: Narrative) -> Led:
        """Return what a narrative led to."""
        return self._led(told.symbol, told, None)

    def _led(self, symbol: Symbol, told: Narrative | None, story: Story | None) -> Led:
        since = told.told_at if told else story.received_at if story else None
        row = self._named(symbol, told) or self._next(symbol, since)
        if row is not None:
            decision_id = str(row["decision_id"])
            return Led(
                symbol=symbol,
                narrative=told,
                strategy=str(row["strategy"]),
                policy=str(row["policy"]),
                verdict=str(self._verdicts.get(decision_id, "")),
                phase=str(self._phases.get(decision_id, "")),
                decision_id=decision_id,
            )
        return Led(symbol=symbol, narrative=told)

    def _named(self, symbol: Symbol, told: Narrative | None) -> Mapping[str, Any] | None:
        """The opinion that acted on a narrative."""
        rows = self._opinions.get(symbol, []) if told is not None and told.signal else []
        return next((row for row in rows if told is not None and row["decision_id"] == told.signal), None)

    def _next(self, symbol: Symbol, since: datetime | None) -> Mapping[str, Any] | None:
        """The first opinion that knew of it: one of the same instant may have been given before."""
        rows = self._opinions.get(symbol, []) if since is not None else []
        return next(
            (row for row in rows if since is not None and since <= row["scored_at"] <= since + OPINION_WITHIN), None
        )


def opinions_on(source: Source, on: date) -> pd.DataFrame:
    """Return the day's opinions of strategies that read the news, in the order in which they were given."""
    found = table_of(source, Table.SIGNALS, on)
    return found[found["strategy"].map(reads_news).astype(bool)].sort_values("scored_at", kind="stable")


def feeds_of(source: Source) -> pd.DataFrame:
    """Return the feeds as they were last read; they are of no day."""
    return table_of(source, Table.FEEDS, Table.FEEDS.value)


def calls_on(source: Source, on: date) -> pd.DataFrame:
    """Return a day's calls of the language model; the row of the day's budget is none."""
    found = table_of(source, Table.CALLS, on)
    return found[~found["key"].str.startswith("!")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """Figures of calls of a language model.

    None where there is nothing to reckon from: latency and shares are of calls that were answered.

    Attributes
    ----------
    p50_ms, p95_ms : float or None
    rejected : float or None
        Share of the answers that could not be read or were not held by their stories.
    repairs : float or None
        Share of the first answers after which a repair was asked for.
    outcomes : mapping
        How often each, the most frequent first.
    """

    calls: int
    answered: int
    p50_ms: float | None
    p95_ms: float | None
    tokens_in: float
    tokens_out: float
    rejected: float | None
    repairs: float | None
    usd: float
    outcomes: Mapping[str, int]


def figures_of(calls: pd.DataFrame) -> CallFigures:
    """Reckon calls: columns outcome, status, is_repair, latency_ms, tokens_in, tokens_out, usd."""
    answered = calls[calls["outcome"] == ANSWERED]
    is_repair = answered["is_repair"] == str(True)
    repairs, firsts = int((calls["is_repair"] == str(True)).sum()), int((~is_repair).sum())
    latency = answered["latency_ms"].dropna()
    return CallFigures(
        calls=len(calls),
        answered=len(answered),
        p50_ms=float(latency.quantile(0.5)) if len(latency) else None,
        p95_ms=float(latency.quantile(0.95)) if len(latency) else None,
        tokens_in=float(calls["tokens_in"].sum()),
        tokens_out=float(calls["tokens_out"].sum()),
        rejected=float(answered["status"].isin(REJECTED).mean()) if len(answered) else None,
        repairs=repairs / firsts if firsts else None,
        usd=float(calls["usd"].sum()),
        outcomes=counts(calls["outcome"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """A part of the news that is off: what it is, why as far as storage tells, and what turns it on."""

    part: str
    why: str
    turned_on_by: str


_TEXT_MODELS = "python -m training text"


def what_is_off(
    stories: Sequence[Story],
    narratives: Sequence[Narrative],
    *,
    calls: int,
    feeds: int,
    strategies: Iterable[str],
) -> list[Off]:
    """Say which parts of the news are off on a day, and what turns each on.

    Parameters
    ----------
    calls, feeds : int
        How many calls of the language model there were, and how many feeds are known.
    strategies : iterable of str
        Those that trade.
    """
    found: list[Off] = []
    if not feeds:
        why = "no feed was ever read: the account's own news is all there is"
        found.append(Off(part="RSS and Atom feeds", why=why, turned_on_by="GATEHOUSE_NEWS_FEEDS"))
    if stories and all(story.novelty is None for story in stories):
        why = "no story has been embedded: only equal words are known for an echo"
        found.append(Off(part="Echoes and novelty", why=why, turned_on_by=_TEXT_MODELS))
    if stories and all(story.polarity is None for story in stories):
        found.append(Off(part="Sentiment", why="no story has a polarity", turned_on_by=_TEXT_MODELS))
    untold = [each for each in narratives if each.status is NarrativeStatus.UNAVAILABLE]
    switches = "GATEHOUSE_LANGUAGE_URL and GATEHOUSE_LANGUAGE_MODEL"
    if not narratives and not calls:
        found.append(Off(part="Narratives", why="no language model was asked on this day", turned_on_by=switches))
    elif narratives and len(untold) == len(narratives):
        found.append(Off(part="Narratives", why=f"none could be had: {untold[-1].fault}", turned_on_by=switches))
    if not any(map(reads_news, strategies)):
        why = "no strategy that trades reads the news"
        found.append(Off(part="Trading on the news", why=why, turned_on_by="GATEHOUSE_STRATEGIES"))
    return found
