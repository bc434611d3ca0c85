"""What is taken as a role's answer, and what is refused with which words."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from shared.core.committee.answers import MAX_ROLE_ANSWER, parse_role, role_schema
from shared.core.committee.values import (
    ABSTAIN,
    FACTORS,
    REFUSE,
    CommitteeRole,
    RoleOutcome,
    Stance,
    concluded,
    shrunk,
    stance_of,
)
from shared.core.text.answers import AnswerError
from tests.support.committee import GOOD, outcomes_of, said
from tests.support.hostile_answers import hostile_role_answers

IDS = ("PLAN", "IND", "PAT", "TREND", "S1", "S2")
VALID = validator_for(json.loads(role_schema(IDS)))


def parse(text: str, **options: str) -> Any:
    return parse_role(text, CommitteeRole.BEAR, shown_ids=IDS, **options)


def fault_of(text: str, **options: str) -> str:
    with pytest.raises(AnswerError) as refused:
        parse(text, **options)
    return str(refused.value)


def test_an_answer_as_asked_for_is_taken() -> None:
    found = parse(said())
    assert (found.role, found.stance, found.factor) == (CommitteeRole.BEAR, Stance.SHRINK, Decimal("0.5"))
    assert (found.reason, found.source_ids) == (GOOD["reason"], ("IND", "TREND"))
    assert parse(f"```json\n{said()}\n```") == found
    for factor in FACTORS:
        assert str(parse(said(stance=stance_of(factor), factor=float(factor))).factor) == str(factor)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (said(factor=5), "factor: expected one of 0, 0.25, 0.5, 0.75, 1, found 5.0"),
        (said(factor=-1), "found -1.0"),
        (said(factor=0.3), "found 0.3"),
        (said(factor=1e308), "found 1e+308"),
        (said(factor=10**400), "factor: expected one of"),
        (said(factor=float("nan")), "NaN is no JSON number"),
        (said(factor="0.5"), 'found "0.5"'),
        (said(factor=True, stance="approve"), "found true"),
        (said(factor=None), "found null"),
        (said(factor=[0.5]), "found [0.5]"),
        (said(stance="SHRINK"), 'stance: expected one of approve, shrink, veto, found "SHRINK"'),
        (said(stance="hold"), 'found "hold"'),
        (said(stance=0), "stance: expected one of approve, shrink, veto, found 0.0"),
        (said(stance=["shrink"]), "stance: expected one of"),
        (said(factor=1), "stance shrink contradicts factor 1"),
        (said(factor=0), "stance shrink contradicts factor 0"),
        (said(stance="veto"), "stance veto contradicts factor 0.5"),
        (said(stance="approve"), "stance approve contradicts factor 0.5"),
        (said(reason=""), "reason: expected 1 to 80 characters, found 0"),
        (said(reason="\u200b"), "reason: expected 1 to 80 characters, found 0"),
        (said(reason="x" * 81), "reason: expected 1 to 80 characters, found 81"),
        (said(reason=5), "reason: expected a string, found 5.0"),
        (said(sources=[]), "sources: expected 1 to 2, found 0"),
        (said(sources=["IND"] * 5), "sources: expected 1 to 2, found 5"),
        (said(sources="IND"), 'sources: expected a list, found "IND"'),
        (said(sources=["S3"]), 'sources: "S3" was not shown'),
        (said(sources=["ind"]), 'sources: "ind" was not shown'),
        (said(qty=100), 'expected the keys stance, factor, reason, sources and no other, found "qty"'),
        (json.dumps({key: GOOD[key] for key in GOOD if key != "reason"}), "the answer: reason missing"),
        (f'{said()[:-1]}, "factor": 1}}', 'key "factor" stands there twice'),
        (f"{said()} {said()}", "expected one JSON object and nothing else"),
        (f"I object. {said()}", "expected one JSON object and nothing else"),
        (f"[{said()}]", "expected an object"),
        ("x" * 1_000_000, f"expected at most {MAX_ROLE_ANSWER} characters, found 1000000"),
        ("[" * 1000, "levels of brackets"),
        ("", "expected one JSON object and nothing else"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_expected(text: str, fault: str) -> None:
    assert fault in fault_of(text)


def test_an_answer_that_was_cut_off_is_refused_even_where_it_reads_well() -> None:
    assert "cut off" in fault_of(said(), finish="length")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=90) | st.lists(st.text(max_size=5))
answers = st.fixed_dictionaries(
    {
        key: st.just(value) | values | st.sampled_from(["approve", "veto", 0, 1, 0.75, ["S1"], ["S9"]])
        for key, value in GOOD.items()
    }
)


@given(answers)
def test_nothing_is_taken_that_the_schema_does_not_allow(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    try:
        parse(text)
    except AnswerError:
        return
    assert VALID.is_valid(json.loads(text))


@given(
    st.sampled_from(FACTORS),
    st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x24F), min_size=1, max_size=80),
    st.lists(st.sampled_from(IDS), min_size=1, max_size=2),
)
def test_what_the_schema_allows_and_agrees_with_itself_is_taken(factor: Decimal, reason: str, ids: list[str]) -> None:
    value = {"stance": stance_of(factor), "factor": float(factor), "reason": reason, "sources": ids}
    assert VALID.is_valid(value)
    assert parse(json.dumps(value)).factor == factor


def test_a_hundred_thousand_hostile_answers_never_enlarge_a_risk() -> None:
    planned, step = Decimal(777), Decimal(1)
    sound = outcomes_of("1", "1", "1", "1", "1")
    found: Counter[str] = Counter()
    roles = [*CommitteeRole]
    for k, text in enumerate(hostile_role_answers(15, 100_000)):
        role = roles[k % len(roles)]
        try:
            answer = parse_role(text, role, shown_ids=IDS)
            its = RoleOutcome(role=role, answer=answer)
            assert answer.factor in FACTORS
            assert answer.stance is stance_of(answer.factor)
            assert 0 < len(answer.reason) <= 80
            assert set(answer.source_ids) <= set(IDS)
            found[answer.stance] += 1
        except AnswerError:
            its = RoleOutcome(role=role, fault="INVALID")
            found["refused"] += 1
        heard = [its if each.role is role else each for each in sound]
        for default in (ABSTAIN, REFUSE):
            factor = concluded(heard, default=default, weights={}).factor
            assert factor in FACTORS
            assert 0 <= shrunk(planned, factor, step) <= planned
            assert default == ABSTAIN or its.answer is not None or factor == 0
    # The grammar meets every way out, and often.
    assert min(found[each] for each in (*Stance, "refused")) > 5_000, found
