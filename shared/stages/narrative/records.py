"""Rows of stories and narratives, and what was known of symbols at an instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from weakref import WeakKeyDictionary

from shared.contracts.records import RENAMED, Table, renamed, symbol_key, time_key
from shared.core.errors import ContractError
from shared.core.text.narratives import Narrative
from shared.core.text.novelty import KnownStory
from shared.core.text.stories import Story, SymbolText
from shared.core.text.vectors import packed, unpacked
from shared.core.values import Symbol, iso, parse_utc
from shared.ports import Cell, Ports, Row, TableStore

STORIES_WITHIN = timedelta(hours=24)
"""Stories that a decision is shown."""

LATEST = "latest"
"""Partition of table narratives that holds each symbol's scores so far."""

STORY_COLUMNS = (
    *("story_id", "symbols", "published_at", "received_at", RENAMED["received_at"], "source", "headline", "summary"),
    *("url", "weight", "polarity", "novelty", "echo_of"),
)
"""What `story_of` takes of a row: all of a story but its vector."""


class StoryFate(StrEnum):
    """What a story has led to: column `led_to` of its row."""

    NARRATIVE = "narrative"
    CANDIDATES = "candidates"
    ECHO = "echo"
    COOLDOWN = "cooldown"
    NOT_TRADABLE = "not-tradable"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRow:
    """A story as its row keeps it: what it led to, and in which message it came."""

    known: KnownStory
    led_to: str
    batch: str

    @property
    def story(self) -> Story:
        """The story."""
        return self.known.story


def story_row(row: StoryRow) -> tuple[str, Row]:
    """Row key and cells of a story."""
    story, vector = row.story, row.known.vector
    cells: dict[str, Cell] = {
        "story_id": story.story_id,
        "published_at": iso(story.published_at),
        "received_at": iso(story.received_at),
        "source": story.source,
        "headline": story.headline,
        "summary": story.summary,
        "url": story.url,
        "symbols": " ".join(story.symbols),
        "weight": story.weight,
        "polarity": story.polarity,
        "novelty": story.novelty,
        "echo_of": story.echo_of,
        "vector": "" if vector is None else packed(vector),
        "led_to": row.led_to,
        "batch": row.batch,
    }
    return time_key(story.received_at, story.story_id), cells


def stories_since(ports: Ports, on: date, since: datetime, *, columns: Sequence[str] = ()) -> list[StoryRow]:
    """Stories received after an instant, up to a session date's last, by `received_at`; a broken row is passed over.

    Parameters
    ----------
    columns : sequence of str
        `STORY_COLUMNS` where the vectors are not needed; all by default.
    """
    found = [
        row
        for partition in _dates(ports, on, since)
        for row in (_stories_on(ports, partition, columns) if partition == on else _stories_before(ports, partition))
    ]
    return [row for row in found if row.story.received_at > since]


_BEFORE: WeakKeyDictionary[TableStore, dict[date, tuple[StoryRow, ...]]] = WeakKeyDictionary()
"""Stories of session dates that are over, by the storage that they are in: what is written once is read once."""


def _stories_before(ports: Ports, on: date) -> tuple[StoryRow, ...]:
    known = _BEFORE.setdefault(ports.tables, {})
    if on not in known:
        known[on] = tuple(_stories_on(ports, on, ()))
    return known[on]


def _stories_on(ports: Ports, on: date, columns: Sequence[str]) -> Iterator[StoryRow]:
    for _, row in ports.tables.query(Table.STORIES, str(on), columns=columns):
        with suppress(ContractError, ValueError, KeyError):
            yield _read(row)


def _dates(ports: Ports, on: date, since: datetime) -> Iterator[date]:
    """Session dates whose stories may be later than an instant, oldest first."""
    days = max((on - since.date()).days, 0)
    earlier = ports.calendar.previous_days(on, days) if days else ()
    yield from (day.on for day in earlier if day.on >= since.date())
    yield on


def _read(row: Row) -> StoryRow:
    vector = str(row.get("vector") or "")
    return StoryRow(
        known=KnownStory(story=story_of(row), vector=unpacked(vector) if vector else None),
        led_to=str(row.get("led_to") or ""),
        batch=str(row.get("batch") or ""),
    )


def story_of(row: Row) -> Story:
    """The story that a row keeps. Raises ValueError or KeyError where it is broken."""
    row = renamed(row)
    return Story(
        story_id=str(row["story_id"]),
        symbols=tuple(map(Symbol, str(row["symbols"]).split())),
        published_at=parse_utc(str(row["published_at"])),
        received_at=parse_utc(str(row["received_at"])),
        source=str(row["source"]),
        headline=str(row["headline"]),
        summary=str(row.get("summary") or ""),
        url=str(row.get("url") or ""),
        weight=float(str(row.get("weight", 1.0))),
        polarity=_number(row.get("polarity")),
        novelty=_number(row.get("novelty")),
        echo_of=str(row.get("echo_of") or ""),
    )


def _number(cell: Cell) -> float | None:
    return None if cell is None else float(cell)


def narrative_key(narrative: Narrative) -> str:
    """Row key of a narrative: the symbol, when it was asked for, and its id."""
    return symbol_key(narrative.symbol, time_key(narrative.asked_at, narrative.narrative_id))


def narrative_row(ports: Ports, narrative: Narrative) -> Row:
    """Cells of a narrative: the whole as JSON, and what people look for beside it."""
    return {
        "narrative_id": narrative.narrative_id,
        "symbol": narrative.symbol,
        "status": narrative.status.value,
        "score": narrative.score,
        "confidence": narrative.confidence,
        "asked_at": iso(narrative.asked_at),
        "told_at": iso(narrative.told_at),
        "model": narrative.model,
        "fault": narrative.fault,
        "signal": narrative.signal,
        "narrative": ports.codec.encode(narrative),
    }


def texts_of(ports: Ports, on: date, symbols: Sequence[Symbol], at: datetime) -> dict[Symbol, SymbolText]:
    """What the day's news says of symbols, as it is known at an instant; a broken row is passed over."""
    since = at - STORIES_WITHIN
    rows = stories_since(ports, on, since, columns=STORY_COLUMNS)
    stories = sorted(
        (row.story for row in rows if row.story.received_at <= at), key=lambda s: (s.received_at, s.story_id)
    )
    newest: dict[Symbol, Narrative] = {}
    # One of the session before is a night old, and halved every 90 minutes: it says nothing any more.
    for _, row in ports.tables.query(Table.NARRATIVES, str(on), columns=("symbol", "told_at", "narrative")):
        symbol = Symbol(str(row.get("symbol")))
        if symbol in symbols and str(row.get("told_at")) <= iso(at):
            with suppress(ContractError, KeyError):
                narrative = ports.codec.decode(Narrative, str(row["narrative"]))
                before = newest.get(symbol)
                if narrative.told_at <= at and (before is None or before.told_at <= narrative.told_at):
                    newest[symbol] = narrative
    fault = "" if ports.settings.language.url else "no language model is configured: GATEHOUSE_LANGUAGE_URL"
    return {
        symbol: SymbolText(
            stories=tuple(story for story in stories if symbol in story.symbols),
            narrative=newest.get(symbol),
            fault=fault,
        )
        for symbol in symbols
    }


def acted_on(ports: Ports, narrative: Narrative, decision: str) -> None:
    """Note in a narrative's row which decision acts on it, so that no other does."""
    row = narrative_row(ports, replace(narrative, signal=decision))
    ports.tables.put(Table.NARRATIVES, str(narrative.on), narrative_key(narrative), row)
