"""What becomes of an answer: parsed, its names put back, held to its stories, scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.core.ids import hash_id
from shared.core.text.answers import AnswerError, parse_answer
from shared.core.text.grounding import ungrounded
from shared.core.text.language import LanguageReply
from shared.core.text.narratives import (
    MODEL_SHARE,
    SENTIMENT_SHARE,
    Narrative,
    NarrativeAnswer,
    NarrativeStatus,
    ScorePast,
)
from shared.core.text.question import Question
from shared.core.text.stories import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """An answer, as far as it is believed: `answer` and `score` are there where it is `TOLD`, else `fault`."""

    status: NarrativeStatus
    fault: str = ""
    answer: NarrativeAnswer | None = None
    score: float | None = None


def judged(question: Question, reply: LanguageReply, *, sentiment: float | None) -> JudgedAnswer:
    """Judge what came. A fault of `INVALID_PARSE` is worth one repair; what is ungrounded is not asked again.

    A model that has made something up is told nothing that would help it to hide that better.
    """
    try:
        parsed = parse_answer(reply.text, finish=reply.finish)
    except AnswerError as error:
        return JudgedAnswer(status=NarrativeStatus.INVALID_PARSE, fault=str(error))
    answer = question.restored(parsed)
    if fault := ungrounded(answer, question.stories, named=question.named):
        return JudgedAnswer(status=NarrativeStatus.UNGROUNDED, fault=fault)
    return JudgedAnswer(status=NarrativeStatus.TOLD, answer=answer, score=blended(answer.score, sentiment))


def blended(score: float, sentiment: float | None) -> float:
    """Return a narrative's score in [-1, 1]; without a sentiment model its share counts as neutral, so it says less."""
    return MODEL_SHARE * score + SENTIMENT_SHARE * (sentiment or 0.0)


def mean_polarity(stories: Sequence[Story]) -> float | None:
    """Return the polarity of stories by source weight, in [-1, 1]; None where none of any weight has one."""
    read = [(story.weight, story.polarity) for story in stories if story.polarity is not None]
    total = sum(weight for weight, _ in read)
    if not total > 0:
        return None
    return max(-1.0, min(1.0, sum(weight * polarity for weight, polarity in read) / total))


def narrative_of(
    question: Question,
    outcome: JudgedAnswer,
    *,
    new: Sequence[Story],
    on: date,
    asked_at: datetime,
    told_at: datetime,
    past: ScorePast,
    model: str = "",
    prompt_id: str = "",
    records: Sequence[str] = (),
    is_repaired: bool = False,
) -> Narrative:
    """Return what is kept of a question. Its id is a hash of date, symbol and new stories: asked twice, kept once.

    Parameters
    ----------
    question, outcome
        What was asked, and what was made of the last answer; without one, a `JudgedAnswer` of status `UNAVAILABLE`.
    new : sequence of Story
        Those that asked for it, of one or more.
    prompt_id : str
        Of the last call; the question's own where none is given.
    """
    return Narrative(
        narrative_id=hash_id("narrative", on.isoformat(), question.symbol, *sorted(story.story_id for story in new)),
        symbol=question.symbol,
        on=on,
        asked_at=asked_at,
        told_at=told_at,
        story_ids=tuple(story.story_id for story in new),
        evidence_ids=tuple(story.story_id for story in question.stories),
        status=outcome.status,
        fault=outcome.fault,
        answer=outcome.answer,
        sentiment=mean_polarity(new),
        score=outcome.score,
        novelty=max((story.novelty for story in new if story.novelty is not None), default=None),
        weight=max((story.weight for story in new), default=0.0),
        past=past,
        model=model,
        prompt_id=prompt_id or question.request.prompt_id,
        records=tuple(records),
        is_repaired=is_repaired,
    )
