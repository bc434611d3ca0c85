"""Five questions within one deadline: nothing that is late, odd or missing makes an entry larger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event
from typing import Any

import pytest

from shared.contracts.prompts import committee_prompts
from shared.core.committee.deliberation import Answered, Ask, deliberation
from shared.core.committee.evidence import CommitteeQuestion
from shared.core.committee.values import ABSTAIN, REFUSE, ROLES, CommitteeRole, Deliberation
from shared.core.text.language import LanguageRequest
from shared.core.values import ONE, ZERO
from tests.support.committee import evidence, reply, said
from tests.support.hostile_stories import NAMES

APPROVE = said(stance="approve", factor=1, reason="fair", sources=["PLAN"])
VETO = said(stance="veto", factor=0, reason="grave", sources=["PLAN"])
LONG_S = 600.0
"""So that no machine is too slow for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """An `ask` that answers what each role is given: an answer's text, or all that is handed back."""

    says: Mapping[CommitteeRole, Any] = field(default_factory=dict)
    asked: list[tuple[CommitteeRole, float]] = field(default_factory=list)
    requests: dict[CommitteeRole, LanguageRequest] = field(default_factory=dict)

    def __call__(self, question: CommitteeQuestion, timeout_s: float) -> Answered:
        role = question.role
        self.asked.append((role, timeout_s))
        self.requests[role] = question.request
        what = self.says.get(role, APPROVE)
        if isinstance(what, Exception):
            raise what
        return (reply(what), "", f"{role}.json.gz") if isinstance(what, str) else what


def held(
    ask: Ask,
    *,
    default: str = ABSTAIN,
    timeout_s: float = LONG_S,
) -> Deliberation:
    return deliberation(
        ask,
        evidence(),
        names=NAMES,
        prompts=committee_prompts(),
        max_tokens=96,
        timeout_s=timeout_s,
        default=default,
        weights={},
    )


def faults(found: Deliberation) -> list[str]:
    return [each.fault for each in found.outcomes]


def test_four_roles_are_asked_and_then_the_chair_who_hears_them() -> None:
    ask = Scripted(
        says={CommitteeRole.BEAR: said(), CommitteeRole.CHAIR: said(reason="BEAR is right", sources=["BEAR"])}
    )
    found = held(ask)
    assert {role for role, _ in ask.asked[:4]} == set(ROLES)
    assert [role for role, _ in ask.asked[4:]] == [CommitteeRole.CHAIR]
    heard = json.loads(ask.requests[CommitteeRole.CHAIR].user)["answers"]
    assert [each["id"] for each in heard] == ["ANALYST", "BULL", "BEAR", "RISK"]
    assert (found.factor, found.why) == (Decimal("0.5"), "chair shrink: BEAR is right")
    assert [each.record for each in found.outcomes] == [f"{role}.json.gz" for role in CommitteeRole]


def test_roles_have_three_fifths_of_the_time_and_the_chair_the_rest() -> None:
    ask = Scripted()
    held(ask)
    shares = [timeout / LONG_S / 0.95 for _, timeout in ask.asked]
    assert shares == pytest.approx([0.6] * 4 + [0.4])


def test_an_answer_that_took_longer_than_it_had_is_late_though_it_came() -> None:
    ask = Scripted(says={CommitteeRole.RISK: (reply(VETO, latency_ms=343_000), "", "r")})
    found = held(ask)
    assert faults(found) == ["", "", "", "LATE", ""]
    assert (found.factor, found.outcomes[3].why) == (ONE, "it took 343000 ms of 342000")
    assert held(ask, default=REFUSE).factor == 0
    late_chair = Scripted(says={CommitteeRole.CHAIR: (reply(APPROVE, latency_ms=590_000), "", "r")})
    assert faults(held(late_chair)) == ["", "", "", "", "LATE"]


def test_a_question_that_hangs_is_left_to_itself() -> None:
    let_go = Event()

    def hang(question: CommitteeQuestion, timeout_s: float) -> Answered:
        let_go.wait()
        return reply(APPROVE), "", "r"

    try:
        found = held(hang, timeout_s=0.1)
        assert faults(found) == ["LATE"] * 4 + ["UNAVAILABLE"]
        assert (found.factor, held(hang, timeout_s=0.1, default=REFUSE).factor) == (ONE, ZERO)
    finally:
        let_go.set()


@pytest.mark.parametrize(
    ("what", "fault", "why"),
    [
        ("no", "INVALID", "expected one JSON object"),
        (said(factor=1), "INVALID", "stance shrink contradicts factor 1"),
        (said(factor=5), "INVALID", "factor: expected one of"),
        (said(sources=["S9"]), "INVALID", '"S9" was not shown'),
        (said(reason="RSI 99.9"), "UNGROUNDED", "number '99.9'"),
        ((None, "TIMEOUT: nothing came", "r"), "LATE", "TIMEOUT: nothing came"),
        ((None, "LATE", "r"), "LATE", "LATE"),
        ((None, "RATE_LIMITED: 429", "r"), "UNAVAILABLE", "RATE_LIMITED: 429"),
        ((None, "BUDGET", ""), "UNAVAILABLE", "BUDGET"),
        ((reply(APPROVE, finish="length"), "", "r"), "INVALID", "cut off"),
    ],
)
def test_what_is_no_answer_counts_as_the_default_and_is_not_repaired(what: Any, fault: str, why: str) -> None:
    ask = Scripted(says={CommitteeRole.BEAR: what})
    found = held(ask)
    assert (found.outcomes[2].fault, found.factor) == (fault, ONE)
    assert why in found.outcomes[2].why
    assert [role for role, _ in ask.asked].count(CommitteeRole.BEAR) == 1
    heard = json.loads(ask.requests[CommitteeRole.CHAIR].user)["answers"]
    assert [each["id"] for each in heard] == ["ANALYST", "BULL", "RISK"]
    assert held(ask, default=REFUSE).factor == 0
    chair = held(Scripted(says={CommitteeRole.CHAIR: what}))
    assert (chair.outcomes[4].fault, chair.factor) == (fault, ONE)


def test_where_nobody_answers_the_chair_is_not_asked() -> None:
    off: Answered = (None, "OFF", "")
    ask = Scripted(says=dict.fromkeys(CommitteeRole, off))
    found = held(ask)
    assert faults(found) == ["UNAVAILABLE"] * 5
    assert (found.factor, len(ask.asked), held(ask, default=REFUSE).factor) == (ONE, 4, ZERO)


def test_a_veto_of_risk_stands_though_the_chair_approves() -> None:
    found = held(Scripted(says={CommitteeRole.RISK: VETO}))
    assert (found.factor, found.why) == (ZERO, "risk veto: grave")


def test_what_asking_raises_is_raised() -> None:
    with pytest.raises(ConnectionError, match="storage"):
        held(Scripted(says={CommitteeRole.BULL: ConnectionError("storage")}))


def test_the_same_answers_come_to_the_same() -> None:
    ask = Scripted(says={CommitteeRole.BEAR: said()})
    assert held(ask) == held(ask)
