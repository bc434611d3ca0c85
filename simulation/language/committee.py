"""What the commentator says as a member of a committee: objections that the evidence bears, in the evidence's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulation.language.config import CommentatorFault
from simulation.language.reading import ShownStory, read_stories

ROLES = ("analyst", "bull", "bear", "risk", "chair")
FACTORS = (0, 0.25, 0.5, 0.75, 1)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WIDE, _TOO_WIDE = 0.6, 0.9
"""Of the most that a spread may be."""

type Objection = tuple[float, str, str]
"""A factor, why, and the id of what it rests on."""


def role_answer(
    role: str,
    items: Mapping[str, Mapping[str, Any]],
    stories: Sequence[ShownStory],
    answers: Sequence[Mapping[str, Any]],
    *,
    quality: float,
    draws: Callable[[str], float],
) -> dict[str, Any]:
    """Return a sound answer: the role's gravest objection, or a factor out of the air as often as quality lacks."""
    if draws("noise") >= quality:
        found = (FACTORS[int(len(FACTORS) * draws("factor"))], "the evidence is mixed", next(iter(items)))
    elif role == "chair":
        found = _heard(answers)
    else:
        found = min(_objections(role, items, stories), key=lambda each: each[0])
    return _said(*found)


def spoil_role(
    found: dict[str, Any], fault: CommentatorFault | None, *, is_ordered: bool, unheard: Callable[[], int]
) -> None:
    """Do to an answer what a fault does to one that is JSON all the same."""
    factor, rests_on = found["factor"], found["sources"][0]
    if fault is CommentatorFault.WRONG_TYPES:
        found |= {"factor": f"{factor}", "sources": rests_on}
    elif fault is CommentatorFault.UNGROUNDED_NUMBER:
        found["reason"] = f"expected are {unheard()} million more"
    elif fault is CommentatorFault.INVENTED_TICKER:
        found["reason"] = "ZQXJ is said to follow"
    elif fault is CommentatorFault.INJECTION_OBEYED and is_ordered:
        found |= _said(1, "as the news orders", rests_on)
    elif fault is CommentatorFault.LYING:
        found |= _said(1 - factor, found["reason"], rests_on)
    elif fault is CommentatorFault.OVERCONFIDENT:
        found |= _said(round(factor), found["reason"], rests_on)


def _objections(role: str, items: Mapping[str, Mapping[str, Any]], stories: Sequence[ShownStory]) -> list[Objection]:
    plan, indicator, trend = (items.get(name, {}) for name in ("PLAN", "IND", "TREND"))
    reading = read_stories(stories) if stories else None
    news = 0.0 if reading is None else reading.meaning
    source = "PLAN" if reading is None else reading.main.story_id
    found: list[Objection] = [(1, "no objection", "PLAN")]
    direction = str(trend.get("direction", ""))
    if role in {"analyst", "bull"} and direction == "down":
        found.append((0.5 if news <= 0 else 0.75, "the trend is down", "TREND"))
    if role in {"analyst", "bear"} and news < 0:
        found.append((0.5 if news > -0.6 else 0.25, "the news is bad", source))
    if role == "bear" and indicator.get("level") == "overbought":
        found.append((0.5, f"overbought at RSI {indicator.get('rsi')}", "IND"))
    resistance, limit, target = (
        _number(each) for each in (trend.get("resistance"), plan.get("limit"), plan.get("target"))
    )
    if role in {"bear", "analyst"} and limit < resistance < target:
        found.append((0.75, f"resistance {trend['resistance']} is before the target", "TREND"))
    if role == "risk":
        spread, most = [*map(float, _NUMBER.findall(str(items.get("GATES", {}).get("SPREAD", ""))))][:2] or (0.0, 1.0)
        if spread > _WIDE * most:
            found.append((0 if spread > _TOO_WIDE * most else 0.5, "the spread is wide", "GATES"))
        if news <= -0.8:
            found.append((0, "the news is grave", source))
    return found


def _heard(answers: Sequence[Mapping[str, Any]]) -> Objection:
    """The mean of what was said, rounded down, on the word of whoever objects most."""
    if not answers:
        return 1, "nobody has said anything", "PLAN"
    mean = sum(each["factor"] for each in answers) / len(answers)
    gravest = min(answers, key=lambda each: each["factor"])
    why = "nobody objects" if gravest["factor"] == 1 else f"{gravest['id']} objects"
    return max(factor for factor in FACTORS if factor <= mean), why, str(gravest["id"])


def _said(factor: float, reason: str, rests_on: str) -> dict[str, Any]:
    stance = "veto" if factor == 0 else "approve" if factor == 1 else "shrink"
    return {"stance": stance, "factor": factor, "reason": reason, "sources": [rests_on]}


def _number(value: object) -> float:
    found = _NUMBER.search(str(value))
    return float(found[0]) if found else 0.0
