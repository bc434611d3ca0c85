"""The question stays one JSON document whatever a story says, and an answer that obeys is refused or bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.prompts import REPAIR, prompt
from shared.core.text.answers import ANSWER_SCHEMA
from shared.core.text.judging import JudgedAnswer, blended, judged, mean_polarity, narrative_of
from shared.core.text.narratives import NarrativeStatus, ScorePast
from shared.core.text.question import MAX_REFUSED, repair_request
from shared.core.text.retrieval import evidence
from shared.core.text.stories import MAX_TEXT, Story
from tests.support.hostile_stories import HOSTILE_STORIES, NAMES, HostileStory, obeying_answer
from tests.support.told_stories import STORY_AT, asked, replied, told

NEWS = (told("Acme beats, up 12% on March 3, 2025", "Acme Corp (ACME) said so."), told("Acme sues Globex", minutes=90))
ANSWER = {
    "summary": "COMPANY_1 is up 12% after DATE_1.",
    "score": 0.5,
    "confidence": 0.7,
    "entities": ["COMPANY_1"],
    "quotes": [{"text": "COMPANY_1 beats, up 12% on DATE_1", "story_id": "S1"}],
    "source_ids": ["S1", "S2"],
}


def test_the_question_says_what_it_is_about_and_shows_no_name_and_no_date() -> None:
    request = asked(*NEWS).request
    assert json.loads(request.user) == {
        "about": {"ticker": "TICKER_1", "company": "COMPANY_1"},
        "stories": [
            {
                "id": "S1",
                "headline": "COMPANY_1 beats, up 12% on DATE_1",
                "summary": "COMPANY_1_2 (TICKER_1) said so.",
                "source": "Northwire",
                "age_min": 1,
            },
            {"id": "S2", "headline": "COMPANY_1 sues Globex", "summary": "", "source": "Northwire", "age_min": 90},
        ],
    }
    assert json.loads(request.schema) == ANSWER_SCHEMA
    assert request.prompt_id.startswith("narrative.v1@")
    assert request == asked(*NEWS).request


def test_names_dates_and_ids_are_put_back_in_the_answer() -> None:
    of_it = judged(asked(*NEWS), replied(json.dumps(ANSWER)), sentiment=-0.5)
    assert of_it.status is NarrativeStatus.TOLD
    assert of_it.answer is not None
    assert of_it.answer.summary == "Acme is up 12% after March 3, 2025."
    assert of_it.answer.entities == ("Acme",)
    assert of_it.answer.source_ids == (NEWS[0].story_id, NEWS[1].story_id)
    assert of_it.answer.quotes[0].text == NEWS[0].headline
    assert of_it.score == pytest.approx(0.6 * 0.5 - 0.4 * 0.5)


def test_a_question_without_a_mask_is_judged_alike() -> None:
    question = asked(*NEWS, is_masked=False)
    assert "Acme beats, up 12% on March 3, 2025" in question.request.user
    plain = ANSWER | {"summary": "Acme is up 12%.", "entities": ["Acme"], "quotes": []}
    assert judged(question, replied(json.dumps(plain)), sentiment=None).status is NarrativeStatus.TOLD


@pytest.mark.parametrize(
    ("other", "status", "fault"),
    [
        ({"score": "1"}, NarrativeStatus.INVALID_PARSE, "score: expected a number"),
        ({"source_ids": ["S3"]}, NarrativeStatus.UNGROUNDED, "source 'S3 (not shown)'"),
        ({"source_ids": [NEWS[0].story_id]}, NarrativeStatus.UNGROUNDED, "is none of the stories"),
        ({"summary": "COMPANY_3 is up."}, NarrativeStatus.UNGROUNDED, "'COMPANY_3'"),
        ({"summary": "Up 13%."}, NarrativeStatus.UNGROUNDED, "number '13%'"),
    ],
)
def test_a_refused_answer_has_neither_answer_nor_score(
    other: dict[str, object], status: NarrativeStatus, fault: str
) -> None:
    of_it = judged(asked(*NEWS), replied(json.dumps(ANSWER | other)), sentiment=1)
    assert (of_it.status, of_it.answer, of_it.score) == (status, None, None)
    assert fault in of_it.fault


def test_an_answer_that_was_cut_off_is_invalid() -> None:
    of_it = judged(asked(*NEWS), replied(json.dumps(ANSWER), finish="length"), sentiment=1)
    assert of_it.status is NarrativeStatus.INVALID_PARSE


def test_a_summary_that_grows_with_its_names_is_cut_between_words() -> None:
    story = told("International Acme Holdings beats", story_id="x")
    question = asked(story, names={story.symbols[0]: ("International Acme Holdings",)})
    long = ANSWER | {"summary": "COMPANY_1 beats " * 30, "entities": [], "quotes": [], "source_ids": ["S1"]}
    answer = judged(question, replied(json.dumps(long)), sentiment=None).answer
    assert answer is not None
    assert len(answer.summary) <= 512
    assert answer.summary.endswith(("International", "Acme", "Holdings", "beats"))


def test_a_repair_shows_the_same_stories_and_what_was_wrong_within_bounds() -> None:
    request = asked(*NEWS).request
    again = repair_request(request, prompt(REPAIR), answer="}" * 10**6, fault="score: expected a number" * 10**4)
    document = json.loads(again.user)
    assert document["refused"]["answer"] == "}" * MAX_REFUSED
    assert document["refused"]["fault"].startswith("score: expected a number")
    assert {key: document[key] for key in ("about", "stories")} == json.loads(request.user)
    assert len(again.user) < len(request.user) + 2 * MAX_REFUSED
    assert again.system.startswith(request.system)
    assert again.prompt_id == f"{request.prompt_id}+{prompt(REPAIR).id}"
    assert (again.schema, again.max_tokens) == (request.schema, request.max_tokens)


def test_a_question_shows_no_story_from_later_and_not_without_any() -> None:
    with pytest.raises(ValueError, match="received by"):
        asked(told("later", minutes=-1))
    with pytest.raises(ValueError, match="stories must be 1 to 12"):
        asked()


@pytest.mark.parametrize(
    ("stories", "mean"),
    [
        ([], None),
        ([told("a")], None),
        ([told("a", polarity=0.5), told("b")], 0.5),
        ([told("a", polarity=1, weight=0.25), told("b", polarity=-1, weight=0.75)], -0.5),
        ([told("a", polarity=1, weight=0)], None),
    ],
)
def test_sentiment_is_the_mean_polarity_by_weight(stories: list[Story], mean: float | None) -> None:
    assert mean_polarity(stories) == mean


def test_a_narrative_keeps_what_was_asked_and_what_came_of_it() -> None:
    question, new = asked(*NEWS), [replace(NEWS[0], polarity=-0.5, novelty=0.7, weight=0.8)]
    outcome = judged(question, replied(json.dumps(ANSWER)), sentiment=mean_polarity(new))
    on, later = STORY_AT.date(), STORY_AT + timedelta(seconds=3)
    kept = narrative_of(
        question, outcome, new=new, on=on, asked_at=STORY_AT, told_at=later, past=ScorePast(), records=["r"], model="m"
    )
    assert kept.story_ids == (NEWS[0].story_id,)
    assert kept.evidence_ids == tuple(story.story_id for story in NEWS)
    assert (kept.sentiment, kept.novelty, kept.weight) == (-0.5, 0.7, 0.8)
    assert (kept.score, kept.confidence) == (outcome.score, 0.7)
    assert (kept.model, kept.records, kept.prompt_id) == ("m", ("r",), question.request.prompt_id)
    down = JudgedAnswer(status=NarrativeStatus.UNAVAILABLE, fault="DOWN: no connection")
    without = narrative_of(question, down, new=new, on=on, asked_at=STORY_AT, told_at=later, past=ScorePast())
    assert (without.score, without.answer, without.confidence) == (None, None, 0)
    assert without.narrative_id == kept.narrative_id


@given(st.floats(-1, 1), st.none() | st.floats(-1, 1))
def test_a_blended_score_is_within_its_bounds(score: float, sentiment: float | None) -> None:
    assert -1 <= blended(score, sentiment) <= 1
    assert abs(blended(score, None)) <= abs(score)


@given(st.lists(st.tuples(st.text(max_size=MAX_TEXT), st.text(max_size=200)), min_size=1, max_size=5))
def test_the_evidence_is_one_document_whatever_a_story_says(pairs: list[tuple[str, str]]) -> None:
    stories = [told(headline, summary, story_id=str(k)) for k, (headline, summary) in enumerate(pairs)]
    shown = json.loads(asked(*stories, is_masked=False).request.user)["stories"]
    assert [(each["headline"], each["summary"]) for each in shown] == pairs


@pytest.mark.parametrize("hostile", HOSTILE_STORIES, ids=lambda hostile: hostile.name)
def test_a_hostile_story_stays_data(hostile: HostileStory) -> None:
    stories = hostile.as_stories(STORY_AT)[-8:]
    question = asked(*stories)
    document = json.loads(question.request.user)
    assert set(document) == {"about", "stories"}
    restored = [tuple(map(question.mask.restore, (each["headline"], each["summary"]))) for each in document["stories"]]
    assert restored == [(story.headline, story.summary) for story in stories]
    assert question.request.system == asked(*NEWS).request.system


@pytest.mark.parametrize("hostile", HOSTILE_STORIES, ids=lambda hostile: hostile.name)
def test_an_answer_that_obeys_a_hostile_story_is_refused_or_bounded(hostile: HostileStory) -> None:
    of_it = judged(asked(*hostile.as_stories(STORY_AT)[-8:]), replied(obeying_answer(hostile)), sentiment=-1.0)
    assert (of_it.status is not NarrativeStatus.TOLD) == hostile.is_refused, of_it.fault
    if of_it.answer is not None:
        # At worst it is as sure and as good as can be, and the sentiment of the stories still counts against it.
        assert (of_it.answer.score, of_it.answer.confidence) == (1, 1)
        assert of_it.score == pytest.approx(0.2)


def test_fifty_copies_of_a_story_are_shown_once() -> None:
    copies = next(each for each in HOSTILE_STORIES if each.name.startswith("fifty")).as_stories(STORY_AT)
    shown = evidence(copies, copies, np.eye(len(copies)), at=STORY_AT, echo_cosine=0.85)
    assert [story.headline for story in shown] == [copies[-1].headline, copies[0].headline]


def test_an_old_story_is_worth_a_sixteenth_after_four_days() -> None:
    new = told("Acme beats estimates", story_id="new")
    poisoned = told("poisoned", minutes=timedelta(days=4).total_seconds() / 60, story_id="old")
    others = [told(f"other {k}", minutes=5, story_id=f"other-{k}") for k in range(3)]
    vectors = np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], *(np.eye(5)[2:] + 0.2 * np.eye(5)[:1])])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shown = evidence([new], [new, poisoned, *others], vectors, at=STORY_AT, echo_cosine=0.85, limit=4)
    assert "old" not in [story.story_id for story in shown]


def test_a_name_of_the_look_alike_is_not_that_of_the_subject() -> None:
    story = told("Globex Hospitality files for bankruptcy", "Not Globex Industries.", symbols=("ACME", "GLOBX"))
    shown = json.loads(asked(story, names=NAMES).request.user)["stories"][0]
    assert shown["summary"] == "Not COMPANY_2_2."
