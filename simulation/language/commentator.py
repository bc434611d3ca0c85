"""The commentator: answers about stories, or as one of a committee, as a language model would; fails as one, by seed.

What it answers is a function of its configuration and of the question: no clock, no order of asking, no memory. It
shares no code with the app's own prompt, parser or grounding: both sides would share one misreading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.core.ids import digest
from simulation.language.committee import ROLES, role_answer, spoil_role
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.language.reading import ShownStory, read_stories
from simulation.language.reviewing import ShownReview, note_on, shown_review

MODEL = "commentator-seeded"
"""Named in every answer, so that none is taken for more than it is."""

MAX_SUMMARY, MAX_QUOTE, MAX_SOURCES = 400, 200, 12
_CHARACTERS_A_TOKEN = 4
_PRECISION = 2**64
_SLOW = frozenset({CommentatorFault.LATE, CommentatorFault.SLOW_ROLE})

type Answer = dict[str, Any]


class QuestionError(ValueError):
    """A request that is no question about stories, and none about a week's figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer over HTTP, and how long to wait before it, in seconds."""

    status: int
    body: Mapping[str, Any]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """The stories of a question, what the question calls their symbol, and whether it is asked again.

    Of a role of a committee also who is asked, the other items by their ids, and what others have said.
    """

    stories: Sequence[ShownStory]
    names: Sequence[str]
    is_repair: bool
    role: str = ""
    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: Sequence[Mapping[str, Any]] = ()

    @property
    def subject(self) -> str:
        """What makes it about the same, at whatever time and however often it is asked."""
        texts = (text for each in self.stories for text in (each.source, each.headline, each.summary))
        return "\x1f".join([*self.names, *texts, *([json.dumps(self.items)] if self.items else ())])

    @property
    def identity(self) -> str:
        """What makes it the same question."""
        return "\x1f".join([self.subject, self.role, json.dumps(self.answers)]) if self.role else self.subject


def complete(request: Mapping[str, Any], config: CommentatorConfig) -> Completion:
    """Answer the body of a POST /v1/chat/completions.

    Raises
    ------
    QuestionError
        If it names another model, or its last message is no JSON document with stories, evidence for a role or a week's
        figures.
    """
    if request.get("model") != MODEL:
        raise QuestionError(f"model must be {MODEL}, got {request.get('model')!r}")
    messages = request.get("messages")
    evidence = shown_review(messages) or _evidence(messages)
    draws = _Draws(config.seed, evidence.identity)
    fault = _fault(config, draws, evidence)
    if fault is CommentatorFault.ERROR_429:
        return Completion(status=429, body=error_body("rate_limit_exceeded", "too many requests"))
    if fault is CommentatorFault.ERROR_500:
        return Completion(status=500, body=error_body("server_error", "the commentator has lost its voice"))
    text = _text(evidence, config, draws, fault)
    most = request.get("max_tokens")
    bound = len(text) if type(most) is not int else min(len(text), _CHARACTERS_A_TOKEN * max(most, 0))
    if fault is CommentatorFault.CUT:
        bound = min(bound, len(text) // 2)
    said = text[:bound]
    usage = {"prompt_tokens": _tokens(json.dumps(request["messages"])), "completion_tokens": _tokens(said)}
    body = {
        "id": f"chatcmpl-{digest(evidence.identity.encode())[:16]}",
        "object": "chat.completion",
        "created": 0,  # it depends on no clock
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said},
                "finish_reason": "stop" if bound == len(text) else "length",
            }
        ],
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }
    return Completion(status=200, body=body, delay_s=config.delay_s if fault in _SLOW else 0.0)


def error_body(code: str, message: str) -> dict[str, Any]:
    """An error as OpenAI's API words one."""
    return {"error": {"message": message, "type": code, "param": None, "code": code}}


class _Draws:
    """Numbers in [0, 1) that a seed and a question decide."""

    def __init__(self, seed: int, identity: str) -> None:
        self._stem = f"{seed}\x1f{identity}"

    def __call__(self, name: str) -> float:
        return int(digest(f"{name}\x1f{self._stem}".encode())[:16], 16) / _PRECISION


def _evidence(messages: object) -> _Evidence:
    try:
        document = json.loads(messages[-1]["content"])  # type: ignore[index]
        items = document.get("evidence", [])
        role = str(document["role"]) if items else ""
        stories = [
            ShownStory(
                story_id=str(story["id"]),
                headline=str(story["headline"]),
                summary=str(story.get("summary") or ""),
                source=str(story.get("source") or ""),
                age_min=float(story.get("age_min") or 0),
            )
            for story in ([each for each in items if "headline" in each] if items else document["stories"])
        ]
        found = {str(each["id"]): dict(each["found"]) for each in items if "headline" not in each}
        about = document.get("about") or {}
        names = [str(about[key]) for key in ("company", "ticker") if about.get(key)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise QuestionError(f"the last message must be a JSON document with stories: {error!r}") from error
    if not stories and not found:
        raise QuestionError("the last message has no stories")
    if role and role not in ROLES:
        raise QuestionError(f"role must be one of {', '.join(ROLES)}, got {role!r}")
    return _Evidence(
        stories=stories,
        names=names,
        is_repair="refused" in document,
        role=role,
        items=found,
        answers=document.get("answers", ()),
    )


def _fault(config: CommentatorConfig, draws: _Draws, evidence: _Evidence | ShownReview) -> CommentatorFault | None:
    if isinstance(evidence, _Evidence):
        shared = _Draws(config.seed, evidence.subject)
        is_slow = shared("slow") < config.faults.get(CommentatorFault.SLOW_ROLE, 0.0)
        if is_slow and evidence.role == ROLES[int(len(ROLES) * shared("role"))]:
            return CommentatorFault.SLOW_ROLE
    drawn, reached = draws("fault"), 0.0
    for fault in CommentatorFault:
        if fault is CommentatorFault.SLOW_ROLE:
            continue
        reached += config.faults.get(fault, 0.0)
        if drawn < reached:
            return fault
    return None


def _text(
    evidence: _Evidence | ShownReview, config: CommentatorConfig, draws: _Draws, fault: CommentatorFault | None
) -> str:
    if isinstance(evidence, ShownReview):
        found = note_on(evidence)
        if fault is CommentatorFault.WRONG_TYPES:
            found["findings"] = found["note"]
        elif fault is CommentatorFault.UNGROUNDED_NUMBER:
            found["note"] += f" Next week brings {_unheard(evidence, draws)} USD more."
    elif evidence.role:
        found = role_answer(
            evidence.role, evidence.items, evidence.stories, evidence.answers, quality=config.quality, draws=draws
        )
        is_ordered = any(story.gives_an_order for story in evidence.stories)
        spoil_role(found, fault, is_ordered=is_ordered, unheard=lambda: _unheard(evidence, draws))
    else:
        found = _answer(evidence, config, draws)
        _spoil(found, evidence, draws, fault)
    text = json.dumps(found, ensure_ascii=False)
    is_malformed = fault is CommentatorFault.MALFORMED_ALWAYS
    is_malformed |= fault is CommentatorFault.MALFORMED_ONCE and not evidence.is_repair
    return f"Here is what I make of it: {text[:-1]}" if is_malformed else text


def _answer(evidence: _Evidence, config: CommentatorConfig, draws: _Draws) -> Answer:
    """A sound answer: its words, numbers and names are the stories' own."""
    reading = read_stories(evidence.stories)
    noise = 2 * draws("noise") - 1
    strength = 0.65 + 0.3 * draws("strength")
    told = [reading.main, *(story for story in evidence.stories if story is not reading.main)]
    words = "\n".join(f"{story.headline}\n{story.summary}" for story in evidence.stories)
    summary = " ".join(filter(None, [f"{reading.main.headline.rstrip('.')}.", reading.main.summary]))
    return {
        "summary": _cut(summary, MAX_SUMMARY),
        "score": round(config.quality * strength * reading.meaning + (1 - config.quality) * noise, 2),
        "confidence": round(0.3 + 0.55 * abs(reading.meaning) + 0.1 * draws("confidence"), 2),
        "entities": [name for name in evidence.names if name in words],
        "quotes": [{"text": _cut(reading.main.headline, MAX_QUOTE), "story_id": reading.main.story_id}],
        "source_ids": [story.story_id for story in told[:MAX_SOURCES]],
    }


def _spoil(found: Answer, evidence: _Evidence, draws: _Draws, fault: CommentatorFault | None) -> None:
    """Do to an answer what a fault does to one that is JSON all the same."""
    if fault is CommentatorFault.WRONG_TYPES:
        found |= {"score": f"{found['score']}", "confidence": True, "source_ids": found["source_ids"][0]}
    elif fault is CommentatorFault.UNGROUNDED_NUMBER:
        found["summary"] += f" Analysts expect {_unheard(evidence, draws)} million more."
    elif fault is CommentatorFault.INVENTED_TICKER:
        found["entities"] = [*found["entities"], "ZQXJ"]
        found["summary"] += " ZQXJ is said to follow."
    elif fault is CommentatorFault.INJECTION_OBEYED and any(story.gives_an_order for story in evidence.stories):
        found |= {"score": 1, "confidence": 1}
    elif fault is CommentatorFault.LYING:
        found |= {"score": -0.9 if found["score"] > 0 else 0.9, "confidence": 0.95}
    elif fault is CommentatorFault.OVERCONFIDENT:
        found |= {"score": -1 if found["score"] < 0 else 1, "confidence": 1}


def _unheard(evidence: _Evidence | ShownReview, draws: _Draws) -> int:
    """A number that the question does not hold."""
    number = 1000 + int(9000 * draws("number"))
    while str(number) in evidence.identity:
        number += 1
    return number


def _cut(text: str, most: int) -> str:
    """As many whole words as fit."""
    if len(text) <= most:
        return text
    return text[: most + 1].rpartition(" ")[0] or text[:most]


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_A_TOKEN)
