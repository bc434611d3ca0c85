"""Narratives: what a language model makes of a symbol's stories, and what is believed of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from shared.core.values import Symbol, require, require_fraction, require_utc

MAX_SUMMARY, MAX_ENTITIES, MAX_CITATIONS = 512, 5, 3
MODEL_SHARE, SENTIMENT_SHARE = 0.6, 0.4
"""A narrative's score is so much the language model's and so much the stories' sentiment."""


class NarrativeStatus(StrEnum):
    """What became of the question for a narrative. Only what is `TOLD` is ever acted on."""

    TOLD = "TOLD"
    INVALID_PARSE = "INVALID_PARSE"
    UNGROUNDED = "UNGROUNDED"
    UNAVAILABLE = "NARRATIVE_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Words of a story, letter by letter."""

    text: str
    story_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrativeAnswer:
    """What a language model may say: its types and bounds cannot enlarge anything.

    `score` in [-1, 1] is what the stories mean for the price, `confidence` in [0, 1].
    """

    summary: str
    score: float
    confidence: float
    entities: tuple[str, ...] = ()
    quotes: tuple[Citation, ...] = ()
    source_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        require(len(self.summary) <= MAX_SUMMARY, "summary", len(self.summary), f"at most {MAX_SUMMARY} characters")
        require(math.isfinite(self.score) and abs(self.score) <= 1, "score", self.score, "from -1 to 1")
        require_fraction("confidence", self.confidence)
        require(len(self.entities) <= MAX_ENTITIES, "entities", len(self.entities), f"at most {MAX_ENTITIES}")
        require(len(self.quotes) <= MAX_CITATIONS, "quotes", len(self.quotes), f"at most {MAX_CITATIONS}")
        require(len(self.source_ids) >= 1, "source_ids", self.source_ids, "one at least")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePast:
    """A symbol's narrative scores before one of them: how many, their mean, and their sum of squared deviations."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def then(self, score: float) -> ScorePast:
        """The past with one more score (Welford 1962)."""
        count = self.count + 1
        off = score - self.mean
        mean = self.mean + off / count
        return ScorePast(count=count, mean=mean, squares=self.squares + off * (score - mean))


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrative:
    """What was asked about a symbol's stories, and what came of it.

    Attributes
    ----------
    asked_at, told_at : datetime
        A narrative exists for a decision from `told_at` on.
    story_ids, evidence_ids : tuple of str
        The new stories that asked for it, and all that it was shown.
    fault : str
        What is wrong with an answer that is not `TOLD`.
    sentiment : float or None
        Mean polarity of the new stories by source weight, in [-1, 1].
    score : float or None
        `MODEL_SHARE` of the answer's and `SENTIMENT_SHARE` of the sentiment, in [-1, 1]; None unless `TOLD`.
    novelty, weight : float or None, float
        Largest novelty and largest source weight of the new stories.
    past : ScorePast
        Of the symbol's narratives told before this one.
    model, prompt_id, records : str, str, tuple of str
        Who answered to which prompt, and the names of the recorded calls in container language.
    signal : str
        The decision that acted on it; empty so far.
    """

    schema_id: str = "narrative.v1"
    narrative_id: str
    symbol: Symbol
    on: date
    asked_at: datetime
    told_at: datetime
    story_ids: tuple[str, ...]
    evidence_ids: tuple[str, ...]
    status: NarrativeStatus
    fault: str = ""
    answer: NarrativeAnswer | None = None
    sentiment: float | None = None
    score: float | None = None
    novelty: float | None = None
    weight: float = 1.0
    past: ScorePast = ScorePast()
    model: str = ""
    prompt_id: str = ""
    records: tuple[str, ...] = ()
    is_repaired: bool = False
    signal: str = ""

    def __post_init__(self) -> None:
        require(self.schema_id == "narrative.v1", "schema_id", self.schema_id, "narrative.v1")
        require_utc("asked_at", self.asked_at)
        require_utc("told_at", self.told_at)
        require(self.asked_at <= self.told_at, "told_at", self.told_at, f"at or after asked_at {self.asked_at}")
        told = self.status is NarrativeStatus.TOLD
        require(told == (self.answer is not None), "answer", self.answer, "there where it is TOLD, and only there")
        require(told == (self.score is not None), "score", self.score, "there where it is TOLD, and only there")

    @property
    def confidence(self) -> float:
        """The answer's; 0 where there is none."""
        return self.answer.confidence if self.answer else 0.0
