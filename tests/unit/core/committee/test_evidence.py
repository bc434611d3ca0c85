"""What a committee is shown: no size, no account, no name, no date; and what it may say of it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.prompts import committee_prompts
from shared.core.committee.evidence import CommitteeEvidence, CommitteeQuestion, chair_request, role_request
from shared.core.committee.values import CommitteeRole
from shared.core.risk import Gate, Verdict
from tests.support.committee import REPORTS, STORIES, evidence, reply, said
from tests.support.hostile_stories import HOSTILE_STORIES, NAMES, SUBJECT, HostileStory
from tests.support.told_stories import STORY_AT

BEAR = CommitteeRole.BEAR


def asked(found: CommitteeEvidence | None = None, role: CommitteeRole = BEAR, **options: Any) -> CommitteeQuestion:
    how: dict[str, Any] = {"names": NAMES, "prompt": committee_prompts()[role], "max_tokens": 96} | options
    return role_request(role, found or evidence(), **how)


def test_the_question_is_one_document_in_which_every_item_has_an_id() -> None:
    question = asked()
    assert json.loads(question.request.user) == {
        "about": {"ticker": "TICKER_1", "company": "COMPANY_1"},
        "evidence": [
            {
                "id": "PLAN",
                "found": {
                    "expected_move": 0.0012,
                    "limit": "$12.34",
                    "p_up": 0.61,
                    "reason": "TICKER_1 leads",
                    "side": "buy",
                    "stop": "$12",
                    "strategy": "trend.v1",
                    "target": "$13",
                },
            },
            {"id": "IND", "found": {"level": "overbought", "macd": -0.123457, "rsi": 71.25}},
            {"id": "PAT", "found": {"breakout_probability": 0.5, "primary": "HAMMER"}},
            {"id": "TREND", "found": {"direction": "up", "resistance": "12.9", "support": "11.8"}},
            {"id": "GATES", "found": {"SPREAD": "14.5, limit <= 25"}},
            {
                "id": "S1",
                "headline": "COMPANY_1 beats, up 12% on DATE_1",
                "summary": "COMPANY_1_2 (TICKER_1) said so.",
                "source": "Northwire",
                "age_min": 1,
            },
            {"id": "S2", "headline": "COMPANY_1 sues Globex", "summary": "", "source": "Northwire", "age_min": 9},
        ],
        "role": "bear",
    }
    assert question.shown_ids == ("PLAN", "IND", "PAT", "TREND", "GATES", "S1", "S2")
    assert question.request.prompt_id.startswith("bear.v1@")


def test_neither_the_size_nor_anything_of_the_account_is_shown() -> None:
    gates = tuple(Verdict(gate=gate, passed=True, found="31337", limit="< 31338") for gate in Gate)
    shown = json.loads(asked(evidence(gates=gates)).request.user)["evidence"][4]["found"]
    assert set(shown) == {"SPREAD", "SLIPPAGE", "STALE_QUOTE", "SESSION", "DATA_QUALITY"}


def test_the_same_evidence_makes_the_same_bytes_in_whatever_order_it_comes() -> None:
    turned = json.loads(json.dumps(REPORTS, default=str, sort_keys=True))
    turned = {name: dict(reversed(report.items())) for name, report in reversed(turned.items())}
    turned["trend"] = {"support": Decimal("11.8"), "resistance": Decimal("12.90"), "direction": "up"}
    assert asked(evidence(reports=turned)).request == asked().request
    assert asked(evidence(p_up=0.62)).request != asked().request
    assert asked(role=CommitteeRole.BULL).request != asked().request


def test_evidence_is_of_its_time_and_of_known_reports() -> None:
    with pytest.raises(ValueError, match="stories must be received by"):
        evidence(at=STORY_AT - timedelta(minutes=5))
    with pytest.raises(ValueError, match="reports must be among indicator, pattern, trend"):
        evidence(reports={"tips": {}})
    with pytest.raises(ValueError, match="stories must be at most 12"):
        evidence(stories=STORIES * 7)
    with pytest.raises(TypeError, match="evidence must be of JSON's values or Decimal"):
        asked(evidence(reports={"trend": {"at": STORY_AT}}))


def test_what_is_not_known_is_null_and_without_gates_and_stories_there_is_no_item() -> None:
    bare = evidence(p_up=None, expected_move=float("nan"), reports={}, stories=(), gates=())
    document = json.loads(asked(bare).request.user)
    assert [each["id"] for each in document["evidence"]] == ["PLAN"]
    assert (document["evidence"][0]["found"]["p_up"], document["evidence"][0]["found"]["expected_move"]) == (None, None)
    assert document["about"] == {"ticker": "TICKER_1", "company": "COMPANY_1"}


def test_names_dates_and_stories_ids_are_put_back() -> None:
    question = asked()
    answer = question.answered(
        reply(said(reason="COMPANY_1 up 12% on DATE_1, TICKER_1 overbought", sources=["S1", "IND"]))
    )
    assert not question.ungrounded(answer)
    restored = question.restored(answer)
    assert restored.reason == "Acme up 12% on March 3, 2025, ACME overbought"
    assert restored.source_ids == (STORIES[0].story_id, "IND")


def test_a_reason_that_names_made_longer_ends_at_a_whole_word() -> None:
    names = {SUBJECT: ("Acme " * 16 + "Corp",)}
    question = asked(names=names)
    answer = question.answered(reply(said(reason="COMPANY_1 COMPANY_1 COMPANY_1")))
    assert len(question.restored(answer).reason) <= 160


@pytest.mark.parametrize(
    "reason",
    [
        "RSI 71.25 and MACD -0.123457",
        "stop $12 is near limit $12.34",
        "limit 12.34, target 13",
        "SPREAD 14.5 of 25",
        "p_up 0.61 is thin",
        "Hammer at support 11.8; breakout 0.5",
        "COMPANY_1 sues Globex 9 min ago",
        "TREND up, IND overbought, PLAN sound",
        "overbought, and no news",
    ],
)
def test_what_the_evidence_says_may_be_said(reason: str) -> None:
    question = asked()
    assert question.ungrounded(question.answered(reply(said(reason=reason)))) == ""


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("RSI 71", "number '71' is in no story"),
        ("RSI 80, overbought", "number '80'"),
        ("chance of 61%", "number '61%'"),
        ("up 13 %", "number '13 %'"),
        ("777 shares are many", "number '777'"),
        ("GLOBX is better", "ticker 'GLOBX'"),
        ("Initech warns", "name 'Initech'"),
        ("see https://evil.example/x", "an address, 'https://', is not taken"),
        ("so says 'COMPANY_7'", "ticker 'COMPANY_7'"),
    ],
)
def test_what_the_evidence_does_not_say_is_ungrounded(reason: str, fault: str) -> None:
    question = asked()
    assert fault in question.ungrounded(question.answered(reply(said(reason=reason))))


def test_the_chair_is_shown_the_answers_masked_and_may_rest_on_them() -> None:
    answers = []
    for role in (CommitteeRole.ANALYST, BEAR):
        question = asked(role=role)
        answers.append(question.answered(reply(said(reason="COMPANY_1 is overbought"))))
    prompt = committee_prompts()[CommitteeRole.CHAIR]
    chair = chair_request(evidence(), answers, names=NAMES, prompt=prompt, max_tokens=96)
    document = json.loads(chair.request.user)
    assert document["role"] == "chair"
    assert document["answers"][1] == {
        "id": "BEAR",
        "stance": "shrink",
        "factor": 0.5,
        "reason": "COMPANY_1 is overbought",
        "sources": ["IND", "TREND"],
    }
    found = chair.answered(reply(said(reason="BEAR says 0.5, COMPANY_1 is overbought", sources=["BEAR", "S2"])))
    assert not chair.ungrounded(found)
    assert chair.restored(found).source_ids == ("BEAR", STORIES[1].story_id)


def test_unmasked_it_is_told_who_it_is() -> None:
    shown = json.loads(asked(is_masked=False).request.user)
    assert shown["about"]["ticker"] == SUBJECT
    assert shown["evidence"][0]["found"]["reason"] == "ACME leads"


@pytest.mark.parametrize("hostile", HOSTILE_STORIES, ids=lambda hostile: hostile.name)
def test_no_story_leaves_its_place_in_the_document(hostile: HostileStory) -> None:
    stories = hostile.as_stories(STORY_AT)[-8:]
    question = asked(evidence(stories=stories))
    shown = json.loads(question.request.user)
    assert set(shown) == {"about", "evidence", "role"}
    items = shown["evidence"]
    assert [each["id"] for each in items] == [*question.shown_ids]
    restored = [tuple(map(question.mask.restore, (each["headline"], each["summary"]))) for each in items[5:]]
    assert restored == [(story.headline, story.summary) for story in stories]
    assert question.request.system == asked().request.system
