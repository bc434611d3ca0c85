"""Stories and what is asked of them, for tests of narratives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from shared.contracts.prompts import NARRATIVE, prompt
from shared.core.text.language import LanguageReply
from shared.core.text.question import Question, question
from shared.core.text.stories import Story
from shared.core.values import Symbol
from tests.support.hostile_stories import NAMES, SUBJECT

STORY_AT = datetime(2026, 11, 30, 15, tzinfo=UTC)


def told(
    headline: str,
    summary: str = "",
    *,
    story_id: str = "",
    minutes: float = 1,
    symbols: Sequence[str] = (SUBJECT,),
    weight: float = 1.0,
    polarity: float | None = None,
) -> Story:
    """A story that was received so many minutes before `STORY_AT`."""
    received_at = STORY_AT - timedelta(minutes=minutes)
    return Story(
        story_id=story_id or f"id-{headline}",
        symbols=tuple(map(Symbol, symbols)),
        published_at=received_at,
        received_at=received_at,
        source="Northwire",
        headline=headline,
        summary=summary,
        weight=weight,
        polarity=polarity,
    )


def asked(
    *stories: Story, names: Mapping[Symbol, Sequence[str]] = NAMES, at: datetime = STORY_AT, is_masked: bool = True
) -> Question:
    """What is asked of `SUBJECT`'s stories."""
    return question(SUBJECT, stories, names=names, prompt=prompt(NARRATIVE), at=at, max_tokens=400, is_masked=is_masked)


def replied(text: str, *, finish: str = "stop") -> LanguageReply:
    """A reply of these words."""
    return LanguageReply(text=text, model="m", tokens_in=1, tokens_out=1, latency_ms=1, finish=finish)
