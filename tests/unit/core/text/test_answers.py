"""What is taken as an answer, and what is refused with which words."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from shared.contracts.prompts import NARRATIVE, prompt
from shared.core.text.answers import ANSWER_SCHEMA, MAX_ANSWER, AnswerError, parse_answer
from shared.core.text.judging import judged
from shared.core.text.language import LanguageReply
from shared.core.text.narratives import Citation, NarrativeStatus
from shared.core.text.question import question
from shared.core.text.stories import Story
from tests.support.hostile_answers import hostile_answers
from tests.support.hostile_stories import NAMES, SUBJECT

AT = datetime(2026, 11, 30, 15, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "summary": "Acme beats estimates.",
    "score": 0.4,
    "confidence": 1,
    "entities": ["Acme"],
    "quotes": [{"text": "beats estimates", "story_id": "S1"}],
    "source_ids": ["S1"],
}
VALID = validator_for(dict(ANSWER_SCHEMA))


def answer(**other: Any) -> str:
    return json.dumps(GOOD | other)


def fault_of(text: str, **options: str) -> str:
    with pytest.raises(AnswerError) as refused:
        parse_answer(text, **options)
    return str(refused.value)


def test_an_answer_as_asked_for_is_taken() -> None:
    parsed = parse_answer(answer())
    assert (parsed.summary, parsed.score, parsed.confidence) == ("Acme beats estimates.", 0.4, 1.0)
    assert parsed.quotes == (Citation(text="beats estimates", story_id="S1"),)
    assert (parsed.entities, parsed.source_ids) == (("Acme",), ("S1",))


def test_one_code_fence_around_the_one_object_is_taken() -> None:
    for fenced in (f"```json\n{answer()}\n```", f"```\n{answer()}\n```\n", f"\n```json\r\n{answer()}\r\n```"):
        assert parse_answer(fenced) == parse_answer(answer())


@pytest.mark.parametrize(
    "text",
    [
        f"Here you are:\n```json\n{answer()}\n```",
        f"```json\n{answer()}\n```\nI am confident.",
        f"```json\n{answer()}\n```\n```json\n{answer(score=1)}\n```",
        f"```json\n{answer()}",
        f"{answer()} {answer()}",
        f"{answer()};",
        f"\ufeff{answer()}",
        "",
        "no",
    ],
)
def test_a_word_or_an_object_more_is_refused(text: str) -> None:
    assert "expected one JSON object and nothing else" in fault_of(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (answer(score="0.5"), 'score: expected a number, found "0.5"'),
        (answer(score=True), "score: expected a number, found true"),
        (answer(score=None), "score: expected a number, found null"),
        (answer(score=5), "score: expected a number from -1 to 1, found 5"),
        (answer(score=1e308), "score: expected a number from -1 to 1, found 1e+308"),
        (answer(score=10**400), "score: expected a number from -1 to 1, found inf"),
        (answer(score=float("nan")), "NaN is no JSON number"),
        (answer(score=float("inf")), "Infinity is no JSON number"),
        (answer(confidence=-1), "confidence: expected a number from 0 to 1, found -1"),
        (answer(confidence="1"), 'confidence: expected a number, found "1"'),
        (answer(summary=""), "summary: expected 1 to 512 characters, found 0"),
        (answer(summary="\u200b\u2060"), "summary: expected 1 to 512 characters, found 0"),
        (answer(summary="x" * 513), "summary: expected 1 to 512 characters, found 513"),
        (answer(summary="\ufdfa" * 30), "summary: expected 1 to 512 characters, found 540"),
        (answer(summary=["x"]), 'summary: expected a string, found ["x"]'),
        (answer(entities=["a"] * 6), "entities: expected 0 to 5, found 6"),
        (answer(entities="Acme"), 'entities: expected a list, found "Acme"'),
        (answer(entities=[5]), "entities: expected a string, found 5.0"),
        (answer(quotes=[GOOD["quotes"][0]] * 4), "quotes: expected 0 to 3, found 4"),
        (answer(quotes=["x"]), 'a quote: expected an object, found "x"'),
        (answer(quotes=[{"text": "x"}]), "a quote: story_id missing"),
        (answer(quotes=[{"text": "x", "story_id": "S1", "url": "x"}]), "expected the keys text, story_id and no other"),
        (answer(source_ids=[]), "source_ids: expected 1 to 12, found 0"),
        (answer(side="buy"), 'and no other, found "side"'),
        (json.dumps({key: GOOD[key] for key in GOOD if key != "score"}), "the answer: score missing"),
        (f'{answer()[:-1]}, "score": 1}}', 'key "score" stands there twice'),
        (f"[{answer()}]", "expected no more than 3 levels of brackets"),
        ("[" * 5000, "expected no more than 3 levels of brackets"),
        ("[]", "the answer: expected an object, found []"),
        ('"' + '\\"' * 4000, "expected one JSON object and nothing else"),
        ("x" * 1_000_000, f"expected at most {MAX_ANSWER} characters, found 1000000"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_expected(text: str, fault: str) -> None:
    assert fault in fault_of(text)


def test_an_answer_that_was_cut_off_is_refused_even_where_it_reads_well() -> None:
    assert "cut off" in fault_of(answer(), finish="length")


def test_brackets_inside_a_text_are_text() -> None:
    assert parse_answer(answer(summary='[[[[ {{{{ \\" ]')).summary == '[[[[ {{{{ \\" ]'


def test_what_is_not_seen_is_taken_out_of_an_answer() -> None:
    parsed = parse_answer(answer(summary="A\u200bcme\U000e0041 \u202e up\n\n\ud800", entities=["Acme", "Ac\u2060me"]))
    assert (parsed.summary, parsed.entities) == ("Acme up", ("Acme",))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=600),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
near_answers = st.fixed_dictionaries(
    {
        key: st.just(value) | json_values | st.sampled_from([-1, 0, 1, 1.5, [], ["S1"], [""], "x"])
        for key, value in GOOD.items()
    }
)


@given(near_answers | json_values)
def test_nothing_is_taken_that_the_schema_does_not_allow(value: Any) -> None:
    text = json.dumps(value)
    try:
        parse_answer(text)
    except AnswerError:
        return
    assert VALID.is_valid(json.loads(text))


texts = st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x24F), min_size=1, max_size=30)


@given(
    st.fixed_dictionaries(
        {
            "summary": texts,
            "score": st.floats(-1, 1) | st.sampled_from([-1, 0, 1]),
            "confidence": st.floats(0, 1) | st.sampled_from([0, 1]),
            "entities": st.lists(texts, max_size=5),
            "quotes": st.lists(st.fixed_dictionaries({"text": texts, "story_id": texts}), max_size=3),
            "source_ids": st.lists(texts, min_size=1, max_size=12),
        }
    )
)
def test_what_the_schema_allows_is_taken(value: dict[str, Any]) -> None:
    assert VALID.is_valid(value)
    parsed = parse_answer(json.dumps(value))
    assert (parsed.score, parsed.confidence) == (value["score"], value["confidence"])


def test_a_hundred_thousand_hostile_answers_are_refused_or_bounded_and_grounded() -> None:
    headlines = (
        "Acme beats estimates as profit rose 12% to $3.4 million",
        "Acme Corp (NYSE: ACME) said hello to 5 analysts",
    )
    stories = [
        Story(
            story_id=f"story-{k}",
            symbols=(SUBJECT,),
            published_at=AT,
            received_at=AT - timedelta(minutes=k),
            source="Northwire",
            headline=headline,
        )
        for k, headline in enumerate(headlines, start=1)
    ]
    asked = question(SUBJECT, stories, names=NAMES, prompt=prompt(NARRATIVE), at=AT, max_tokens=400)
    shown = [asked.mask.hide(headline) for headline in headlines]
    all_told = " ".join(headlines)
    figures = {"12", "3", "4", "5", "3.4"}
    found: Counter[NarrativeStatus] = Counter()
    for text in hostile_answers(14, 100_000, texts=shown, entities=("COMPANY_1",)):
        reply = LanguageReply(text=text, model="m", tokens_in=1, tokens_out=1, latency_ms=1, finish="stop")
        of_it = judged(asked, reply, sentiment=1.0)
        found[of_it.status] += 1
        told = of_it.answer
        assert (
            (told is None) == (of_it.score is None) == bool(of_it.fault) == (of_it.status is not NarrativeStatus.TOLD)
        )
        if told is None or of_it.score is None:
            continue
        assert -1 <= told.score <= 1
        assert -1 <= of_it.score <= 1
        assert 0 <= told.confidence <= 1
        assert 0 < len(told.summary) <= 512
        assert set(told.source_ids) <= {"story-1", "story-2"}
        assert all(quote.text in headlines[int(quote.story_id[-1]) - 1] for quote in told.quotes)
        assert all(entity.casefold() in all_told.casefold() for entity in told.entities)
        assert "GLOBX" not in told.summary
        assert "://" not in text
        digits = "".join(c if c.isascii() and (c.isdigit() or c in ".,") else " " for c in told.summary)
        assert {each.strip(".,") for each in digits.split() if each.strip(".,")} <= {*figures, "3,400,000", "1"}
    # The grammar meets every way out, and often.
    assert min(found[status] for status in set(NarrativeStatus) - {NarrativeStatus.UNAVAILABLE}) > 5_000, found
