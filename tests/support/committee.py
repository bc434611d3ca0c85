"""Evidence, answers and outcomes of a committee, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shared.core.committee.evidence import CommitteeEvidence
from shared.core.committee.values import FACTORS, CommitteeRole, RoleAnswer, RoleFault, RoleOutcome, stance_of
from shared.core.risk import Gate, Verdict
from shared.core.text.language import LanguageReply
from tests.support.hostile_stories import SUBJECT
from tests.support.told_stories import STORY_AT, told

REPORTS: Mapping[str, object] = {
    "indicator": {"rsi": 71.25, "level": "overbought", "macd": -0.1234567},
    "pattern": {"primary": "HAMMER", "breakout_probability": 0.5},
    "trend": {"support": Decimal("11.80"), "resistance": Decimal("12.9"), "direction": "up"},
}
STORIES = (
    told("Acme beats, up 12% on March 3, 2025", "Acme Corp (ACME) said so."),
    told("Acme sues Globex", minutes=9),
)
GOOD: dict[str, Any] = {
    "stance": "shrink",
    "factor": 0.5,
    "reason": "RSI 71.25, overbought; resistance 12.9 near.",
    "sources": ["IND", "TREND"],
}


def evidence(**changes: Any) -> CommitteeEvidence:
    """A plan to buy `SUBJECT` with all reports, two stories, and what two gates found."""
    members: dict[str, Any] = {
        "symbol": SUBJECT,
        "strategy": "trend.v1",
        "at": STORY_AT,
        "limit_usd": Decimal("12.34"),
        "stop_usd": Decimal("12.00"),
        "target_usd": Decimal("13.00"),
        "p_up": 0.61,
        "expected_move": 0.0012,
        "reason": "ACME leads",
        "reports": REPORTS,
        "stories": STORIES,
        "gates": (
            Verdict(gate=Gate.SIZE, passed=True, found="777", limit="> 0"),
            Verdict(gate=Gate.SPREAD, passed=True, found="14.5", limit="<= 25"),
        ),
    }
    return CommitteeEvidence(**members | changes)


def said(**changes: Any) -> str:
    """An answer as a model writes it."""
    return json.dumps(GOOD | changes)


def reply(text: str, *, latency_ms: int = 1, finish: str = "stop") -> LanguageReply:
    """A reply of these words."""
    return LanguageReply(text=text, model="m", tokens_in=1, tokens_out=1, latency_ms=latency_ms, finish=finish)


def outcome(role: CommitteeRole, factor: str | Decimal | None, fault: str = RoleFault.LATE) -> RoleOutcome:
    """A role's answer of this factor; None: none, for this fault."""
    if factor is None:
        return RoleOutcome(role=role, fault=fault)
    value = Decimal(factor)
    answer = RoleAnswer(
        role=role, stance=stance_of(value), factor=value, reason=f"so says {role}", source_ids=("PLAN",)
    )
    return RoleOutcome(role=role, answer=answer)


def outcomes_of(*factors: str | Decimal | None) -> list[RoleOutcome]:
    """What the five roles said, in their order."""
    return [outcome(role, factor) for role, factor in zip(CommitteeRole, factors, strict=True)]


sayings = st.none() | st.sampled_from(FACTORS)
committees = st.tuples(*[sayings] * len(CommitteeRole))
weightings = st.dictionaries(
    st.sampled_from([*CommitteeRole]), st.decimals("0.01", "10", places=4, allow_nan=False), max_size=5
)
