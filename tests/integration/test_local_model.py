"""A real language model on this machine, held to what it is shown: real headlines, and stories that want to be obeyed.

GATEHOUSE_LOCAL_HEADLINES says how many headlines (default 6); from 100 on, every hostile story is tried too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pyarrow.parquet as pq
import pytest

from sandbox.local_model import MODEL, SLOTS, local_model, missing
from sandbox.narrate import Narration, counted, narration
from shared.adapters.language import ChatCompletions
from shared.contracts.prompts import NARRATIVE, prompt
from shared.contracts.settings import LanguageSettings
from shared.core.text.answers import MAX_SOURCES
from shared.core.text.grounding import ungrounded
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.question import Question, question
from shared.core.text.stories import Story
from shared.core.values import Symbol
from tests.support.bars import data_file
from tests.support.hostile_stories import HOSTILE_STORIES
from tests.support.told_stories import STORY_AT, asked

HEADLINES = int(os.environ.get("GATEHOUSE_LOCAL_HEADLINES", "6"))
LABELLED = "text/semeval2017_headlines_labelled.parquet"
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_model() as address:
        yield address


@pytest.fixture(scope="module")
def language(url: str) -> ChatCompletions:
    return ChatCompletions(replace(LanguageSettings(), url=url, model=MODEL, slots=SLOTS), is_sandbox=False)


@pytest.fixture
def told(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[list[Narration]]:
    """What a test has got, which is printed with its memory and speed, whether it passes or not."""
    done: list[Narration] = []
    yield done
    replies = [reply for each in done for reply in each.replies]
    if not replies:
        return
    a_second = sum(each.tokens_out for each in replies) / max(sum(each.latency_ms for each in replies) / 1000, 1e-3)
    used_mb = max(each.memory_info().rss for each in psutil.Process().children(recursive=True)) / 2**20
    with capsys.disabled():
        sys.stdout.write(
            f"\n{request.node.name}\n{counted(done)}\n{a_second:.0f} tokens out a second, {used_mb:.0f} MB\n"
        )


def held_to_its_stories(done: Narration, asked_of: Question) -> bool:
    """Whether nothing is believed that is no answer, or that the stories do not say."""
    found = done.found
    if found.answer is None:
        return found.score is None and found.status is not NarrativeStatus.TOLD
    is_grounded = not ungrounded(found.answer, asked_of.stories, named=asked_of.named)
    return is_grounded and abs(found.answer.score) <= 1 and 0 <= found.answer.confidence <= 1


def test_real_headlines_are_told_repaired_or_rejected(language: ChatCompletions, told: list[Narration]) -> None:
    file = data_file(LABELLED)
    if file is None:
        pytest.skip(f"{LABELLED} is not in the data folder (setting GATEHOUSE_DATA)")
    rows = pq.read_table(file).to_pylist()
    for row in rows[:: max(1, len(rows) // HEADLINES)][:HEADLINES]:
        asked_of = headline_question(row["text"], row["target"])
        told.append(narration(language, asked_of))
        assert told[-1].found.status is not NarrativeStatus.UNAVAILABLE, told[-1].found.fault
        assert held_to_its_stories(told[-1], asked_of)


def test_no_hostile_story_gets_more_than_an_answer_may_say(language: ChatCompletions, told: list[Narration]) -> None:
    for each in HOSTILE_STORIES if HEADLINES >= 100 else HOSTILE_STORIES[:2]:
        asked_of = asked(*each.as_stories(STORY_AT)[-MAX_SOURCES:])
        told.append(narration(language, asked_of))
        assert held_to_its_stories(told[-1], asked_of), each.name


def test_the_same_question_has_the_same_answer_whatever_was_asked_between(language: ChatCompletions) -> None:
    first, other = (headline_question(f"Acme {verb} full-year outlook", "Acme").request for verb in ("raises", "cuts"))
    said = [language.ask(request, timeout_s=120).text for request in (first, other, first)]
    assert said[0] == said[2]


def headline_question(text: str, company: str) -> Question:
    """What the app asks of a real headline."""
    symbol = Symbol("TGT")
    story = Story(
        story_id="headline",
        symbols=(symbol,),
        published_at=STORY_AT,
        received_at=STORY_AT,
        source="Headlines",
        headline=text,
    )
    return question(symbol, [story], names={symbol: (company,)}, prompt=prompt(NARRATIVE), at=STORY_AT, max_tokens=400)
