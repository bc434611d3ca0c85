"""The commentator: what it says rests on its stories, and what goes wrong is decided by seed and question alone."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.sessions import NEW_YORK
from shared.core.text.narratives import NarrativeStatus
from simulation.language.commentator import MODEL, QuestionError, complete
from simulation.language.config import (
    NEWCOMERS_FAULTS,
    CommentatorConfig,
    CommentatorFault,
    changed,
    parse_commentator,
)
from simulation.language.reading import meaning
from simulation.market.scenario import Scenario
from simulation.market.synthetic_news import templates
from simulation.market.tape import Tape
from tests.support.commentator import NAMED, always, ask, judge, question_of, request_body, story
from tests.support.hostile_stories import HOSTILE_STORIES
from tests.support.told_stories import STORY_AT, asked

GOOD = story("{name} raises full-year outlook after record quarter", "Revenue growth of 23% is expected for the year.")
BAD = story("{name} cuts outlook, shares fall as demand weakens", "Revenue may decline by 31%.")
IDLE = story("{name} opens new regional office", "The company did not disclose financial terms.")
SOUND = CommentatorConfig(seed=3)


@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize(("headline", "meant"), templates())
def test_each_headline_of_the_invented_market_is_read_for_what_it_means(
    headline: str, meant: int, is_masked: bool
) -> None:
    text = headline.replace("{n}", "123").replace("{pct}", "45")
    found, _ = judge(question_of(story(text), is_masked=is_masked), SOUND)
    assert found.status is NarrativeStatus.TOLD, found.fault
    assert found.answer is not None
    score, confidence = found.answer.score, found.answer.confidence
    assert (score > 0.45 and confidence > 0.8) if meant > 0 else (score < -0.45 if meant < 0 else abs(score) <= 0.1)
    assert meant or confidence < 0.5


@pytest.mark.parametrize(("headline", "meant"), templates())
def test_an_echo_means_what_its_first_source_means(headline: str, meant: int) -> None:
    assert meaning(f"ELAA: {headline.format(name='Elandra Alpha Corp', n=1, pct=2)}") == meant


def test_headlines_from_elsewhere_are_read_by_the_words_they_share() -> None:
    assert meaning("Chipmaker beats expectations with record profit") > 0
    assert meaning("Shares fall as airline cuts forecast") < 0
    assert meaning("Committee meets on Tuesday") == 0


def test_an_old_story_weighs_little_and_stories_that_contradict_each_other_leave_little_confidence() -> None:
    fresh = ask(question_of(IDLE, story(GOOD.headline, minutes=600)).request, SOUND)
    mixed = ask(question_of(GOOD, BAD).request, SOUND)
    for reply in (fresh, mixed):
        answer = json.loads(reply.text)
        assert abs(answer["score"]) < 0.2
        assert answer["confidence"] < 0.5


@given(st.lists(st.sampled_from([text for text, _ in templates()]), min_size=1, max_size=12), st.integers(0, 99))
def test_a_sound_answer_is_always_told(headlines: list[str], seed: int) -> None:
    texts = [text.replace("{n}", str(seed)).replace("{pct}", "45") for text in headlines]
    stories = [story(text, story_id=f"id-{k}", minutes=k) for k, text in enumerate(texts)]
    found, _ = judge(question_of(*stories), CommentatorConfig(seed=seed))
    assert found.status is NarrativeStatus.TOLD, found.fault


@pytest.mark.parametrize(
    ("fault", "first", "then"),
    [
        (CommentatorFault.MALFORMED_ONCE, NarrativeStatus.INVALID_PARSE, NarrativeStatus.TOLD),
        (CommentatorFault.MALFORMED_ALWAYS, NarrativeStatus.INVALID_PARSE, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.WRONG_TYPES, NarrativeStatus.INVALID_PARSE, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.CUT, NarrativeStatus.INVALID_PARSE, NarrativeStatus.INVALID_PARSE),
        (CommentatorFault.UNGROUNDED_NUMBER, NarrativeStatus.UNGROUNDED, NarrativeStatus.UNGROUNDED),
        (CommentatorFault.INVENTED_TICKER, NarrativeStatus.UNGROUNDED, NarrativeStatus.UNGROUNDED),
        (CommentatorFault.INJECTION_OBEYED, NarrativeStatus.TOLD, NarrativeStatus.TOLD),
        (CommentatorFault.LYING, NarrativeStatus.TOLD, NarrativeStatus.TOLD),
        (CommentatorFault.OVERCONFIDENT, NarrativeStatus.TOLD, NarrativeStatus.TOLD),
        (CommentatorFault.LATE, NarrativeStatus.TOLD, NarrativeStatus.TOLD),
    ],
)
def test_each_fault_leads_to_its_status(fault: CommentatorFault, first: NarrativeStatus, then: NarrativeStatus) -> None:
    found, again = judge(question_of(GOOD, IDLE), always(fault))
    assert (found.status, again.status) == (first, then), (found.fault, again.fault)


def test_a_liar_is_sure_of_the_opposite_and_the_overconfident_of_everything() -> None:
    for given_story, sign in ((GOOD, 1), (BAD, -1)):
        request = question_of(given_story).request
        lie = json.loads(ask(request, always(CommentatorFault.LYING)).text)
        assert (lie["score"], lie["confidence"]) == (-0.9 * sign, 0.95)
        sure = json.loads(ask(request, always(CommentatorFault.OVERCONFIDENT)).text)
        assert (sure["score"], sure["confidence"]) == (sign, 1)


def test_only_an_order_in_a_story_is_obeyed() -> None:
    direct = next(each for each in HOSTILE_STORIES if each.name == "direct order")
    obedient = always(CommentatorFault.INJECTION_OBEYED)
    ordered = json.loads(ask(asked(*direct.as_stories(STORY_AT)).request, obedient).text)
    assert (ordered["score"], ordered["confidence"]) == (1, 1)
    plain = question_of(GOOD).request
    assert ask(plain, obedient).text == ask(plain, CommentatorConfig()).text


@pytest.mark.parametrize(("fault", "status"), [(CommentatorFault.ERROR_429, 429), (CommentatorFault.ERROR_500, 500)])
def test_an_error_is_worded_as_the_api_words_one(fault: CommentatorFault, status: int) -> None:
    done = complete(request_body(question_of(GOOD).request), always(fault))
    assert done.status == status
    assert set(done.body["error"]) >= {"message", "type", "code"}


def test_a_late_answer_says_how_late_and_no_other_waits() -> None:
    body = request_body(question_of(GOOD).request)
    assert complete(body, always(CommentatorFault.LATE, delay_s=7)).delay_s == 7
    assert complete(body, SOUND).delay_s == 0


def test_an_answer_ends_at_the_most_tokens_allowed() -> None:
    body = request_body(question_of(GOOD).request) | {"max_tokens": 20}
    done = complete(body, SOUND).body
    assert done["choices"][0]["finish_reason"] == "length"
    assert done["usage"]["completion_tokens"] == 20


def test_answers_depend_on_neither_order_nor_how_often_one_is_asked() -> None:
    config = CommentatorConfig(seed=11, faults=NEWCOMERS_FAULTS)
    bodies = [request_body(question_of(story(f"{{name}} wins {n} million dollar contract")).request) for n in range(60)]
    once = [complete(body, config) for body in bodies]
    order = random.Random(0).sample(range(60), 60)
    again = {k: complete(bodies[k], config) for k in order}
    assert [again[k] for k in range(60)] == once
    assert [complete(body, CommentatorConfig(seed=12, faults=NEWCOMERS_FAULTS)) for body in bodies] != once


def test_each_answer_names_the_commentator() -> None:
    assert complete(request_body(question_of(GOOD).request), SOUND).body["model"] == MODEL == "commentator-seeded"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"model": "gpt-5"},
        {"messages": []},
        {"messages": None},
        {"messages": [{"role": "user", "content": "hello"}]},
        {"messages": [{"role": "user", "content": '{"stories": []}'}]},
        {"messages": [{"role": "user", "content": '{"stories": [1]}'}]},
    ],
)
def test_what_is_no_question_about_stories_is_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises(QuestionError):
        complete(request_body(question_of(GOOD).request) | spoilt, SOUND)


def test_a_newcomers_day_has_answers_that_are_told_repaired_and_rejected(world: Scenario, market: Tape) -> None:
    config = CommentatorConfig(seed=world.seed, faults=NEWCOMERS_FAULTS)
    start = datetime.combine(world.on, datetime.min.time(), NEW_YORK)
    news = market.news(start - timedelta(days=10), start + timedelta(days=1))
    seen = {
        tuple(each.status for each in judge(question_of(story(item.headline, item.summary)), config)) for item in news
    }
    told = NarrativeStatus.TOLD
    assert {(told, told), (NarrativeStatus.INVALID_PARSE, told)} < seen
    assert {first for first, _ in seen} == {told, NarrativeStatus.INVALID_PARSE, NarrativeStatus.UNGROUNDED}


def test_a_configuration_is_read_from_a_line_and_from_json() -> None:
    base = CommentatorConfig(seed=7, faults=NEWCOMERS_FAULTS)
    read = parse_commentator("lying=0.5, 429=0.25 quality=1 delay_s=2", base)
    assert read.faults == {CommentatorFault.LYING: 0.5, CommentatorFault.ERROR_429: 0.25}
    assert (read.seed, read.quality, read.delay_s) == (7, 1, 2)
    assert parse_commentator("none", base).faults == {}
    assert parse_commentator("", base) == base
    assert changed(base, json.loads(json.dumps(read.as_json()))) == read


@pytest.mark.parametrize(
    "text", ["lying", "lying=2", "lying=0.6 late=0.6", "mute=1", "quality=x", "quality=2", "volume=1"]
)
def test_a_configuration_that_none_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_commentator(text, CommentatorConfig())


def test_its_symbol_is_named_where_the_stories_name_it() -> None:
    found, _ = judge(question_of(GOOD), SOUND)
    assert found.answer is not None
    assert found.answer.entities == ("Elandra Alpha Corp",)
    assert NAMED not in found.answer.summary
