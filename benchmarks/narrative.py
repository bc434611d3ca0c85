"""What is told to a language model, asked of it, and made of its answer: the time that our side of it takes.

`python -m benchmarks.narrative`. The goal is retrieval among 10,000 stories of 384 components within 10 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import timeit
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from shared.contracts.prompts import NARRATIVE, prompt
from shared.core.text.judging import judged
from shared.core.text.language import LanguageReply
from shared.core.text.question import Question, question
from shared.core.text.retrieval import evidence
from shared.core.text.stories import Story
from shared.core.values import Symbol

STORIES, COMPONENTS = 10_000, 384
GOAL_MS = 10.0
AT = datetime(2026, 11, 30, 15, tzinfo=UTC)
SYMBOL = Symbol("ACME")
NAMES = {SYMBOL: ("Acme Corp", "Acme")}
ECHO_COSINE = 0.85


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if the goal is missed."""
    argparse.ArgumentParser(prog="python -m benchmarks.narrative", description=__doc__).parse_args(arguments)
    stories = [_story(k) for k in range(STORIES)]
    vectors = np.random.default_rng(1).normal(size=(STORIES, COMPONENTS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def told() -> tuple[Story, ...]:
        return evidence(stories[:1], stories, vectors, at=AT, echo_cosine=ECHO_COSINE)

    shown = told()

    def ask() -> Question:
        return question(SYMBOL, shown, names=NAMES, prompt=prompt(NARRATIVE), at=AT, max_tokens=400)

    asked, reply = ask(), _reply()
    figures = {
        "retrieval_ms": _median_ms(told, 20),
        "question_ms": _median_ms(ask, 200),
        "judging_ms": _median_ms(lambda: judged(asked, reply, sentiment=0.2), 200),
    }
    for name, value in figures.items():
        print(f"{name:>34}  {value:,.3f}")
    print(f"{'characters_of_a_question':>34}  {len(asked.request.system) + len(asked.request.user):,}")
    return 0 if figures["retrieval_ms"] <= GOAL_MS else 1


def _story(k: int) -> Story:
    return Story(
        story_id=f"story-{k}",
        symbols=(SYMBOL,),
        published_at=AT,
        received_at=AT - timedelta(minutes=k),
        source="Northwire",
        headline=f"Acme beats estimates of quarter {k}, announces buyback",
        summary=f"Profit rose {k}% at Acme Corp; the board approved a repurchase of up to {k} million shares.",
    )


def _reply() -> LanguageReply:
    answer = {
        "summary": "COMPANY_1 beats estimates and announces a buyback of up to 0 million shares.",
        "score": 0.6,
        "confidence": 0.8,
        "entities": ["COMPANY_1"],
        "quotes": [{"text": "COMPANY_1 beats estimates", "story_id": "S1"}],
        "source_ids": ["S1", "S2"],
    }
    text = json.dumps(answer)
    return LanguageReply(text=text, model="benchmark", tokens_in=0, tokens_out=0, latency_ms=0, finish="stop")


def _median_ms(work: Callable[[], object], times: int) -> float:
    return 1000 * statistics.median(timeit.repeat(work, number=1, repeat=times))
