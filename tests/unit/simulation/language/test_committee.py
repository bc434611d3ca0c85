"""The commentator as a committee: sound answers count, each fault leads to its own, and one role may be slow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.prompts import committee_prompts
from shared.core.committee.deliberation import Answered, deliberation
from shared.core.committee.evidence import CommitteeQuestion
from shared.core.committee.values import ABSTAIN, CommitteeRole, Deliberation, Stance
from shared.core.risk import Gate, Verdict
from shared.core.values import ZERO
from simulation.language.commentator import QuestionError, complete
from simulation.language.config import CommentatorConfig, CommentatorFault
from tests.support.commentator import always, reply_of, request_body
from tests.support.committee import REPORTS, evidence
from tests.support.hostile_stories import HOSTILE_STORIES, NAMES
from tests.support.told_stories import STORY_AT, told

SOUND = CommentatorConfig(quality=1.0)
CALM: dict[str, Any] = {
    "reports": {"trend": {"direction": "up", "resistance": 15.0}, "indicator": {"level": "neutral", "rsi": 55.0}},
    "stories": (told("Acme opens new regional office"),),
}


def held(config: CommentatorConfig, **changes: Any) -> Deliberation:
    def ask(question: CommitteeQuestion, timeout_s: float) -> Answered:
        done = complete(request_body(question.request), config)
        if done.delay_s > timeout_s:
            return None, "TIMEOUT", ""
        return (reply_of(done.body), "", "") if done.status == 200 else (None, "RATE_LIMITED", "")

    return deliberation(
        ask,
        evidence(**changes),
        names=NAMES,
        prompts=committee_prompts(),
        max_tokens=96,
        timeout_s=600,
        default=ABSTAIN,
        weights={},
    )


def stances(found: Deliberation) -> dict[str, Stance | str]:
    return {each.role: each.answer.stance if each.answer else each.fault for each in found.outcomes}


def test_nobody_objects_to_a_calm_plan() -> None:
    found = held(SOUND, **CALM)
    assert set(stances(found).values()) == {Stance.APPROVE}
    assert (str(found.factor), found.why) == ("1", "chair approve: nobody objects")


def test_each_objects_to_what_is_its_own() -> None:
    overbought = held(SOUND, **CALM | {"reports": REPORTS})
    assert stances(overbought) == {
        "analyst": "shrink", "bull": "approve", "bear": "shrink", "risk": "approve", "chair": "shrink"
    }  # fmt: skip
    assert overbought.outcomes[2].answer is not None
    assert overbought.outcomes[2].answer.reason == "overbought at RSI 71.25"
    down = held(SOUND, **CALM | {"reports": {"trend": {"direction": "down"}}})
    assert (stances(down)["bull"], stances(down)["bear"]) == ("shrink", "approve")
    wide = Verdict(gate=Gate.SPREAD, passed=True, found="24.9", limit="<= 25")
    vetoed = held(SOUND, **CALM | {"gates": (wide,)})
    assert (vetoed.factor, vetoed.why) == (ZERO, "risk veto: the spread is wide")
    grave = held(SOUND, **CALM | {"stories": (told("Acme cuts outlook, shares fall as demand weakens"),)})
    assert grave.factor == 0


@given(st.integers(0, 999), st.floats(0, 1), st.booleans(), st.booleans())
def test_a_sound_answer_always_counts(seed: int, quality: float, has_reports: bool, has_stories: bool) -> None:
    changes: dict[str, Any] = ({} if has_reports else {"reports": {}}) | ({} if has_stories else {"stories": ()})
    found = held(CommentatorConfig(seed=seed, quality=quality), **changes)
    assert not [each.fault for each in found.outcomes if each.fault], found
    assert all(each.answer is not None and len(each.answer.reason) <= 80 for each in found.outcomes)


@pytest.mark.parametrize(
    ("fault", "becomes"),
    [
        (CommentatorFault.MALFORMED_ONCE, "INVALID"),
        (CommentatorFault.MALFORMED_ALWAYS, "INVALID"),
        (CommentatorFault.WRONG_TYPES, "INVALID"),
        (CommentatorFault.CUT, "INVALID"),
        (CommentatorFault.UNGROUNDED_NUMBER, "UNGROUNDED"),
        (CommentatorFault.INVENTED_TICKER, "UNGROUNDED"),
        (CommentatorFault.LATE, "LATE"),
        (CommentatorFault.ERROR_429, "UNAVAILABLE"),
        (CommentatorFault.ERROR_500, "UNAVAILABLE"),
    ],
)
def test_each_fault_leads_to_its_own(fault: CommentatorFault, becomes: str) -> None:
    found = held(always(fault, delay_s=700))
    assert set(stances(found).values()) == {becomes, "UNAVAILABLE"}  # the chair is not asked where nobody answers
    assert found.factor == 1


def test_one_role_of_an_entry_is_slow_and_another_of_another() -> None:
    slow = set()
    for price in range(40):
        found = held(always(CommentatorFault.SLOW_ROLE, delay_s=700), p_up=price / 100)
        (late,) = [each.role for each in found.outcomes if each.fault]
        slow.add(late)
    assert slow == set(CommitteeRole)


def test_a_liar_says_the_opposite_and_only_an_order_in_a_story_is_obeyed() -> None:
    assert held(always(CommentatorFault.LYING, quality=1.0), **CALM).why.startswith("risk veto")
    obedient = always(CommentatorFault.INJECTION_OBEYED, quality=1.0)
    direct = next(each for each in HOSTILE_STORIES if each.name == "direct order")
    obeyed = held(obedient, stories=direct.as_stories(STORY_AT))
    assert set(stances(obeyed).values()) == {Stance.APPROVE}
    assert held(obedient) == held(CommentatorConfig(quality=1.0))


def test_a_role_that_no_committee_has_is_no_question() -> None:
    messages = [{"role": "user", "content": '{"evidence": [{"id": "PLAN", "found": {}}], "role": "clown"}'}]
    with pytest.raises(QuestionError, match="role must be one of analyst"):
        complete({"model": "commentator-seeded", "messages": messages}, SOUND)
