"""The page News and the panel of a case: what the stories led to, what is off, and text of others as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard.day import table_of
from dashboard.news import (
    Consequences,
    Thread,
    calls_on,
    figures_of,
    narratives_on,
    opinions_on,
    stories_on,
    threads_of,
    what_is_off,
)
from dashboard.theme import WebLink, _html
from shared.bootstrap import JsonCodec
from shared.contracts.cases import (
    Case,
    CaseEnding,
    CaseInputs,
    CaseScores,
    CaseText,
    ChartBars,
    OrderOutcome,
    case_blob,
)
from shared.contracts.records import Container, Table
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.stories import Story
from shared.core.values import Symbol
from shared.ports import Row
from tests.support.news_rows import (
    AT,
    READER,
    call_row,
    feed_row,
    narrative_of,
    narrative_row,
    opinion_row,
    story_row,
)
from tests.support.views import ON, MemorySource, current_ledger, many_days, shown, words

EVIL = "<img src=x onerror=alert(1)>"
TRICK = "[click](javascript:alert(1)) **bold** :material/star: $x$"


@pytest.fixture
def source() -> MemorySource:
    """A day without news."""
    made = MemorySource()
    many_days(made, 1)
    current_ledger(made)
    return made


def story(story_id: str, minute: int = 0, echo_of: str = "") -> Story:
    at = AT + timedelta(minutes=minute)
    return Story(
        story_id=story_id,
        symbols=(Symbol("AAA"),),
        published_at=at,
        received_at=at,
        source="Wire",
        headline=f"AAA {story_id}",
        echo_of=echo_of,
    )


def consequences(source: MemorySource) -> Consequences:
    told, _ = narratives_on(source, ON)
    decisions, orders = (table_of(source, table, ON) for table in (Table.DECISIONS, Table.ORDERS))
    return Consequences(told, opinions_on(source, ON), decisions, orders)


def test_echoes_are_folded_under_their_first_and_the_latest_story_stands_first() -> None:
    first, echo, again, other = story("1"), story("2", 1, "1"), story("3", 2, "2"), story("4", 3)
    assert threads_of([again, other, echo, first]) == [Thread(first=other), Thread(first=first, echoes=(echo, again))]


def test_an_echo_of_a_story_of_another_day_stands_for_itself() -> None:
    echo = story("2", 1, "gone")
    assert threads_of([echo]) == [Thread(first=echo)]


def test_stories_that_name_each_other_as_the_first_hang_no_page() -> None:
    assert threads_of([story("1", 0, "2"), story("2", 1, "1"), story("3", 2, "3")]) == []


def test_a_story_led_to_a_narrative_an_opinion_a_decision_and_an_order(source: MemorySource) -> None:
    story_row(source, "1", 0)
    narrative_row(source, narrative_of("1"))
    decision_id = opinion_row(source, 3)
    source.tables.put(Table.DECISIONS, str(ON), "AAA|1003|x", {"decision_id": decision_id, "verdict": "approved"})
    source.tables.put(Table.ORDERS, str(ON), "AAA|x", {"decision_id": decision_id, "phase": "PROTECTED"})
    (found,) = stories_on(source, ON).stories
    (led,) = consequences(source).of(found)
    assert led.narrative is not None
    assert (led.narrative.status, led.strategy, led.policy) == (NarrativeStatus.TOLD, READER, "ENTER")
    assert (led.verdict, led.phase) == ("approved", "PROTECTED")


def test_an_opinion_before_the_narrative_or_long_after_it_is_not_taken_for_one_on_it(source: MemorySource) -> None:
    narrative_row(source, narrative_of("1", minute=10))
    opinion_row(source, 9)
    opinion_row(source, 26)
    (told,), _ = narratives_on(source, ON)
    assert consequences(source).of_narrative(told).policy == ""


def test_a_narrative_that_names_its_decision_is_taken_at_its_word(source: MemorySource) -> None:
    decision_id = opinion_row(source, 40)
    narrative_row(source, narrative_of("1", signal=decision_id))
    (told,), _ = narratives_on(source, ON)
    assert consequences(source).of_narrative(told).decision_id == decision_id


def test_rows_that_cannot_be_read_are_counted_and_the_others_shown(source: MemorySource) -> None:
    story_row(source, "1", 0)
    story_row(source, "2", 1, received_at="yesterday")
    source.tables.put(Table.NARRATIVES, str(ON), "AAA|1", {"narrative": "{"})
    found = stories_on(source, ON)
    assert (len(found.stories), found.unread) == (1, 1)
    assert narratives_on(source, ON) == ((), 1)
    with shown("news", source) as app:
        assert not app.exception
        assert "2 rows of stories and narratives cannot be read" in words(app)


def test_calls_are_reckoned_by_what_became_of_them(source: MemorySource) -> None:
    source.tables.put(Table.CALLS, str(ON), "!day", {"tokens_in": 9e9, "usd": 1e6})
    for number in (1, 2):
        call_row(source, number)
    call_row(source, 3, status="UNGROUNDED")
    call_row(source, 4, is_repair=True, status="INVALID_PARSE")
    call_row(source, 5, outcome="TIMEOUT", status="", latency_ms=9000)
    found = figures_of(calls_on(source, ON))
    assert (found.calls, found.answered, found.p50_ms) == (5, 4, 250.0)
    assert found.p95_ms == pytest.approx(385.0)
    assert found.rejected == 0.5
    assert found.repairs == pytest.approx(1 / 3)
    assert (found.tokens_in, found.tokens_out) == (2500, 500)
    assert found.usd == pytest.approx(0.0005)
    assert found.outcomes == {"OK": 4, "TIMEOUT": 1}


def test_without_calls_there_is_nothing_to_reckon_from(source: MemorySource) -> None:
    found = figures_of(calls_on(source, ON))
    assert (found.calls, found.p50_ms, found.rejected, found.repairs, found.usd) == (0, None, None, None, 0.0)


def test_what_is_off_names_the_setting_that_turns_it_on(source: MemorySource) -> None:
    switches = ["GATEHOUSE_NEWS_FEEDS", "python -m training text", "python -m training text"]
    switches += ["GATEHOUSE_LANGUAGE_URL and GATEHOUSE_LANGUAGE_MODEL", "GATEHOUSE_STRATEGIES"]
    found = what_is_off([story("1")], [], calls=0, feeds=0, strategies=["momentum.v1"])
    assert [each.turned_on_by for each in found] == switches


def test_nothing_is_off_where_all_of_it_is_there(source: MemorySource) -> None:
    told = replace(story("1"), novelty=0.9, polarity=0.1)
    assert what_is_off([told], [narrative_of("1")], calls=1, feeds=1, strategies=[READER]) == []


def test_a_language_model_that_never_answered_is_off_for_its_own_reason(source: MemorySource) -> None:
    narratives = [narrative_of("1", fault="TIMEOUT: 20 s")]
    found = what_is_off([], narratives, calls=1, feeds=1, strategies=[READER])
    assert [each.why for each in found] == ["none could be had: TIMEOUT: 20 s"]


def test_the_page_shows_stories_narratives_calls_and_feeds(source: MemorySource) -> None:
    story_row(source, "first", 0, polarity=0.6, novelty=0.91)
    story_row(source, "echo", 1, echo_of="first")
    story_row(source, "late", 9, led_to="cooldown")
    narrative_row(source, narrative_of("first"))
    opinion_row(source, 3, "LOW_CONFIDENCE")
    call_row(source, 1)
    feed_row(source, "Wire feed", fault="TIMEOUT after 10 s")
    with shown("news", source) as app:
        assert not app.exception
        text = words(app)
    for said in (
        '<a class="gh-link" href="https://wire.example/first" target="_blank" rel="noopener noreferrer nofollow">',
        "1 echo</summary>",
        "not acted on: another of the symbol a little before",
        "sentiment +0.60",
        "novelty 0.91",
        "AAA narrative TOLD +0.66, confidence 80 %",
        f"AAA {READER} LOW_CONFIDENCE",
        "AAA wins.",
        "100 ms",
        "600 tokens",
        "Wire feed",
        "TIMEOUT after 10 s",
    ):
        assert said in text, said


def test_an_empty_day_says_what_is_off_and_what_turns_it_on(source: MemorySource) -> None:
    with shown("news", source) as app:
        assert not app.exception
        text = words(app)
    for said in ("No story on this day yet", "GATEHOUSE_NEWS_FEEDS", "GATEHOUSE_LANGUAGE_URL", "GATEHOUSE_STRATEGIES"):
        assert said in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", 'https://x.example/"onmouseover="alert(1)', "data:text/html,x"])
def test_an_address_that_is_none_of_the_web_is_no_link(url: str) -> None:
    assert _html(WebLink(text="AAA", url=url)) == "AAA"


def test_stories_of_others_cannot_become_markup_on_the_page(source: MemorySource) -> None:
    hostile = {"headline": EVIL, "source": EVIL, "url": f"https://x.example/{EVIL}"}
    story_row(source, "1", 0, **hostile)
    story_row(source, "2", 1, echo_of="1", **hostile)
    story_row(source, "3", 2, headline=TRICK)
    narrative_row(source, narrative_of("1", fault=EVIL, model=EVIL, prompt_id=EVIL))
    call_row(source, 1, model=EVIL, prompt_id=EVIL, outcome=EVIL)
    feed_row(source, EVIL, fault=EVIL)
    with shown("news", source) as app:
        assert not app.exception
        found: list[Any] = list(app.get("html"))
        pages = "\n".join(page.proto.body for page in found)
        kinds = ("caption", "info", "warning", "markdown", "subheader")
        marked = [str(getattr(each, "value", "")) for kind in kinds for each in app.get(kind)]
    assert "&lt;img" in pages
    assert "<img" not in pages
    assert "[click](javascript:alert(1))" in pages
    assert not [text for text in marked if "img" in text or "click" in text]


def case_with(text: CaseText | None) -> Case:
    nothing = dict.fromkeys(
        ("features_blob", "features_sha256", "bars_blob", "history_blob", "parameter_set", "settings_id")
    )
    return Case(
        decision_id="d1",
        on=ON,
        slot="1003",
        symbol=Symbol("AAA"),
        strategy=READER,
        session=None,
        ending=CaseEnding.SCORED,
        made_at=AT,
        code_revision="",
        inputs=CaseInputs(**nothing, models=()),
        scores=CaseScores(policy="ENTER", faults="", scored_at=AT),
        text=text,
        outcome=OrderOutcome(),
        bars=ChartBars(),
    )


def panel(text: CaseText | None) -> str:
    source = MemorySource()
    current_ledger(source)
    row: Row = {"decision_id": "d1", "symbol": "AAA", "slot": "1003", "verdict": "approved"}
    source.tables.put(Table.DECISIONS, str(ON), "AAA|1003|d1", row)
    source.blobs.put(Container.CASES, case_blob(ON, "d1"), JsonCodec().encode(case_with(text)).encode())
    with shown("case", source) as app:
        assert not app.exception
        return words(app)


def test_a_case_shows_narrative_quotes_scores_and_stories() -> None:
    known = replace(story("1"), url="https://wire.example/1", polarity=0.5)
    text = CaseText(
        stories=(known,),
        narrative=narrative_of("1", is_repaired=True, sentiment=0.5),
        reason="NARR_LEADS_PRICE",
        figures={"narrative": 0.6, "price_score": 0.1, "divergence": 1.4, "confidence": 0.8, "rsi_14": 55.0},
    )
    found = panel(text)
    for said in (
        "What the news said",
        "NARR_LEADS_PRICE",
        "narrative TOLD +0.66, confidence 80 %",
        "AAA wins.",
        "\u201cwins\u201d",
        'href="https://wire.example/1"',
        "+1.40",
        "after a repair",
        "rsi_14",
        "sentiment +0.50",
    ):
        assert said in found, said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "older revision of the app, which kept no news"),
        (CaseText(fault="momentum.v1 reads no news"), "momentum.v1 reads no news"),
        (CaseText(narrative=narrative_of("1", fault="RESTING: 5 failures")), "RESTING: 5 failures"),
    ],
)
def test_a_case_without_text_says_why(text: CaseText | None, said: str) -> None:
    assert said in panel(text)


def test_text_of_others_cannot_become_markup_in_a_case() -> None:
    told = narrative_of("1", model=EVIL, prompt_id=EVIL)
    assert told.answer is not None
    answer = replace(told.answer, summary=EVIL, quotes=(replace(told.answer.quotes[0], text=EVIL),))
    hostile = replace(story("1"), headline=EVIL, source=EVIL, url="javascript:alert(1)")
    found = panel(CaseText(stories=(hostile,), narrative=replace(told, answer=answer), fault=EVIL, reason=EVIL))
    assert "&lt;img" in found
    assert "<img" not in found
    assert "javascript" not in found
