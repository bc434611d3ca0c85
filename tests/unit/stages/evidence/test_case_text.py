"""A case says what the news said when it was decided, or why it says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.contracts.cases import Case, CaseText, SliceInputs
from shared.contracts.records import Container, Table, symbol_key, time_key
from shared.core.ids import decision_id
from shared.core.packing import pack, unpack
from shared.core.settings import FIRST_STRATEGY
from shared.core.text.narratives import Citation, Narrative, NarrativeAnswer, NarrativeStatus
from shared.core.text.stories import Story, SymbolText
from shared.core.values import Symbol, iso
from shared.stages.entry.score import score
from shared.stages.evidence import case_maker
from shared.stages.evidence.case_maker import CaseMaker, day_records
from shared.strategies import Needs
from shared.strategies.catalogue import Catalogue, installed
from tests.support.books import NOON, NightFakes, night_ports, slice_of
from tests.support.market_day import ON

AAA = Symbol("AAA")
FRESH = Story(
    story_id="fresh",
    symbols=(AAA,),
    published_at=NOON - timedelta(minutes=6),
    received_at=NOON - timedelta(minutes=5),
    source="Wire",
    headline="AAA wins a contract",
    url="https://wire.example/1",
    polarity=0.6,
    novelty=0.9,
)
ANSWER = NarrativeAnswer(
    summary="AAA won a contract.",
    score=0.7,
    confidence=0.8,
    quotes=(Citation(text="wins a contract", story_id="fresh"), Citation(text="talks go on", story_id="older")),
    source_ids=("fresh", "older"),
)
TOLD = Narrative(
    narrative_id="n1",
    symbol=AAA,
    on=ON,
    asked_at=NOON - timedelta(minutes=4),
    told_at=NOON - timedelta(minutes=3),
    story_ids=("fresh",),
    evidence_ids=("fresh", "older"),
    status=NarrativeStatus.TOLD,
    answer=ANSWER,
    score=0.66,
    model="commentator-seeded",
    prompt_id="narrative.v1@abc",
    records=("r1",),
)


def scored(text: SymbolText | None, **cells: str) -> NightFakes:
    """A slice of AAA that was scored, with what the news said in its inputs and cells beside those of its signal."""
    ports = night_ports()
    score(slice_of(ports, "AAA"), ports)
    key = symbol_key("AAA", "1200", FIRST_STRATEGY)
    stored = ports.tables.get(Table.SIGNALS, str(ON), key)
    assert stored is not None
    blob = str(stored.value["features_blob"])
    data = ports.blobs.get(Container.FEATURES, blob)
    assert data is not None
    inputs = ports.codec.decode(SliceInputs, unpack(data.value))
    told = replace(inputs, texts={AAA: text} if text else {})
    ports.blobs.put(Container.FEATURES, blob, pack(ports.codec.encode(told).encode()))
    ports.tables.put(Table.SIGNALS, str(ON), key, {**stored.value, **cells})
    return ports


def text_in(ports: NightFakes) -> CaseText:
    maker = CaseMaker(ports, ports.archive, day_records(ports, ON))
    case = maker.case(decision_id(ON, "1200", "AAA", FIRST_STRATEGY))
    assert ports.codec.decode(Case, ports.codec.encode(case)) == case
    assert case.text is not None
    return case.text


@pytest.fixture
def reads_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the strategy of the seeded slices be one that reads news."""
    reader = type("Reader", (installed().strategies[FIRST_STRATEGY],), {"needs": Needs(text=True)})
    known = Catalogue(strategies={FIRST_STRATEGY: reader}, faults={})
    monkeypatch.setattr(case_maker, "installed", lambda: known)


def older_story(ports: NightFakes, **cells: str) -> None:
    at = NOON - timedelta(days=2)
    row = {"story_id": "older", "symbols": "AAA BBB", "published_at": iso(at), "received_at": iso(at), "source": "Wire"}
    told = {"headline": "AAA: talks go on", "url": "https://wire.example/0", **cells}
    ports.tables.put(Table.STORIES, str(ON - timedelta(days=2)), time_key(at, "older"), {**row, **told})


@pytest.mark.usefixtures("reads_news")
def test_a_case_keeps_the_stories_the_narrative_and_the_figures_it_was_decided_on() -> None:
    figures = {"narrative": 0.6, "price_score": 0.1, "divergence": 1.4}
    ports = scored(SymbolText(stories=(FRESH,), narrative=TOLD), reason="NARR_LEADS_PRICE", figures=json.dumps(figures))
    text = text_in(ports)
    assert (text.stories, text.narrative, text.fault) == ((FRESH,), TOLD, "")
    assert (text.reason, text.figures) == ("NARR_LEADS_PRICE", figures)


@pytest.mark.usefixtures("reads_news")
def test_a_quoted_story_of_an_earlier_day_is_found_with_its_address() -> None:
    ports = scored(SymbolText(stories=(FRESH,), narrative=TOLD))
    older_story(ports)
    text = text_in(ports)
    assert [story.story_id for story in text.stories] == ["older", "fresh"]
    found = text.story("older")
    assert found is not None
    assert found.url == "https://wire.example/0"
    assert text.story("unknown") is None


@pytest.mark.usefixtures("reads_news")
def test_a_story_that_cannot_be_read_costs_no_case() -> None:
    ports = scored(SymbolText(stories=(FRESH,), narrative=TOLD))
    older_story(ports, received_at="yesterday")
    assert text_in(ports).stories == (FRESH,)


@pytest.mark.usefixtures("reads_news")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SymbolText(fault="no model of text has been published"), "no model of text has been published"),
        (None, "nothing was shown of the news"),
    ],
)
def test_a_case_without_text_says_what_is_off(text: SymbolText | None, why: str) -> None:
    assert text_in(scored(text)).fault == why


@pytest.mark.usefixtures("reads_news")
def test_a_case_whose_inputs_are_gone_says_so() -> None:
    ports = scored(None)
    for name in ports.blobs.names(Container.FEATURES, ""):
        ports.blobs.put(Container.FEATURES, name, pack(b"{}"))
    assert text_in(ports).fault == "the inputs of the slice are not kept"


def test_a_case_of_a_strategy_of_price_alone_says_that_it_reads_no_news() -> None:
    text = text_in(scored(SymbolText(stories=(FRESH,))))
    assert (text.fault, text.stories) == (f"{FIRST_STRATEGY} reads no news", (FRESH,))


def test_a_case_of_older_code_has_no_text() -> None:
    ports = scored(None)
    maker = CaseMaker(ports, ports.archive, day_records(ports, ON))
    written = json.loads(ports.codec.encode(maker.case(decision_id(ON, "1200", "AAA", FIRST_STRATEGY))))
    del written["text"]
    assert ports.codec.decode(Case, json.dumps(written)).text is None
