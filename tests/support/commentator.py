"""Questions as the app asks them, put to the commentator without HTTP in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contracts.prompts import NARRATIVE, REPAIR, prompt
from shared.core.text.judging import JudgedAnswer, judged
from shared.core.text.language import LanguageReply, LanguageRequest
from shared.core.text.question import Question, question, repair_request
from shared.core.text.stories import Story
from shared.core.values import Symbol
from simulation.language.commentator import MODEL, complete
from simulation.language.config import CommentatorConfig, CommentatorFault
from tests.support.told_stories import STORY_AT, told

NAMED = Symbol("ELAA")
COMPANY = "Elandra Alpha Corp"


def story(headline: str, summary: str = "", **members: Any) -> Story:
    """A story of `NAMED`; `{name}` is its company."""
    return told(headline.format(name=COMPANY), summary, symbols=(NAMED,), **members)


def question_of(*stories: Story, is_masked: bool = True) -> Question:
    """What the app asks of stories of `NAMED`."""
    how: dict[str, Any] = {"at": STORY_AT, "max_tokens": 400, "is_masked": is_masked}
    return question(NAMED, stories, names={NAMED: (COMPANY,)}, prompt=prompt(NARRATIVE), **how)


def request_body(request: LanguageRequest) -> dict[str, Any]:
    """What is posted."""
    messages = [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}]
    return {"model": MODEL, "messages": messages, "max_tokens": request.max_tokens, "temperature": 0}


def reply_of(body: Mapping[str, Any]) -> LanguageReply:
    """A chat completion as the app's adapter hands it on."""
    choice, usage = body["choices"][0], body["usage"]
    return LanguageReply(
        text=choice["message"]["content"],
        model=body["model"],
        tokens_in=usage["prompt_tokens"],
        tokens_out=usage["completion_tokens"],
        latency_ms=1,
        finish=choice["finish_reason"],
    )


def ask(request: LanguageRequest, config: CommentatorConfig) -> LanguageReply:
    """What the commentator answers where it answers."""
    done = complete(request_body(request), config)
    assert done.status == 200
    return reply_of(done.body)


def judge(asked: Question, config: CommentatorConfig) -> tuple[JudgedAnswer, JudgedAnswer]:
    """What is made of its first answer, and of the one that the app asks for where the first is no answer."""
    reply = ask(asked.request, config)
    first = judged(asked, reply, sentiment=None)
    again = repair_request(asked.request, prompt(REPAIR), answer=reply.text, fault=first.fault)
    return first, judged(asked, ask(again, config), sentiment=None)


def always(fault: CommentatorFault, **members: Any) -> CommentatorConfig:
    """A commentator that does nothing else."""
    return CommentatorConfig(faults={fault: 1.0}, **members)
