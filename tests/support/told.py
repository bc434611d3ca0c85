"""Stories and narratives of one symbol, for whoever tests what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.core.text.narratives import Narrative, NarrativeAnswer, NarrativeStatus
from shared.core.text.stories import Story, SymbolText
from shared.core.values import Symbol

SYMBOL = Symbol("AAA")


def story(received_at: datetime, story_id: str = "s1", **changes: Any) -> Story:
    """A good story of a known source, published half a minute before it was received."""
    plain = Story(
        story_id=story_id,
        symbols=(SYMBOL,),
        published_at=received_at - timedelta(seconds=30),
        received_at=received_at,
        source="wire",
        headline="AAA raises its outlook",
        polarity=0.7,
        novelty=0.8,
    )
    return replace(plain, **changes)


def narrative(told_at: datetime, *, confidence: float = 0.9, **changes: Any) -> Narrative:
    """A good, sure narrative of the story `s1`, asked for three seconds before it was told."""
    answer = NarrativeAnswer(summary="It raises its outlook.", score=0.8, confidence=confidence, source_ids=("s1",))
    plain = Narrative(
        narrative_id="n1",
        symbol=SYMBOL,
        on=told_at.date(),
        asked_at=told_at - timedelta(seconds=3),
        told_at=told_at,
        story_ids=("s1",),
        evidence_ids=("s1",),
        status=NarrativeStatus.TOLD,
        answer=answer,
        sentiment=0.7,
        score=0.8,
        novelty=0.8,
        model="m",
    )
    return replace(plain, **changes)


def untold(told_at: datetime, status: NarrativeStatus) -> Narrative:
    """A narrative that came to nothing."""
    return narrative(told_at, status=status, answer=None, score=None, fault="of the tests")


def text_of(now: datetime) -> SymbolText:
    """A story of five minutes ago, and its narrative."""
    told_at = now - timedelta(minutes=4)
    return SymbolText(stories=(story(now - timedelta(minutes=5)),), narrative=narrative(told_at))
