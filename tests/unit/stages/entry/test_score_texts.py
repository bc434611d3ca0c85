"""Strategies that read the news are shown what was known of it; what they decide is recorded and replays the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.contracts.records import Table
from shared.core.features import ALL_FEATURE_NAMES, FEATURE_NAMES
from shared.core.ids import decision_id
from shared.core.policy import PolicyCode
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.novelty import KnownStory
from shared.stages.entry.score import score
from shared.stages.evidence.case_maker import CaseMaker, day_records
from shared.stages.evidence.replay import Replayer
from shared.stages.narrative.records import StoryRow, narrative_key, narrative_row, story_row
from tests.support import told
from tests.support.books import NOON, NightFakes, night_ports, slice_of
from tests.support.market_day import ON

LANGUAGE = {"GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1", "GATEHOUSE_LANGUAGE_MODEL": "by-hand"}
STRATEGY = "divergence.v1"
EAGER = " ".join(f"{STRATEGY}.{each}" for each in ("divergence=0.5", "volume_z=-2"))
TWO = {"GATEHOUSE_STRATEGIES": f"momentum.v1=0.5 {STRATEGY}=0.5", "GATEHOUSE_STRATEGY_PARAMETERS": EAGER}


def heard(ports: NightFakes, received: datetime, *, status: NarrativeStatus = NarrativeStatus.TOLD) -> None:
    """Keep a story of AAA and its narrative, a minute after it."""
    row = StoryRow(known=KnownStory(story=told.story(received), vector=None), led_to="narrative", batch="b")
    key, cells = story_row(row)
    ports.tables.put(Table.STORIES, str(ON), key, cells)
    at = received + timedelta(minutes=1)
    sure = told.narrative(at, score=1.0)
    made = sure if status is NarrativeStatus.TOLD else told.untold(at, status)
    made = replace(made, asked_at=received, on=ON)
    ports.tables.put(Table.NARRATIVES, str(ON), narrative_key(made), narrative_row(ports, made))


def ready(*received: datetime, **settings: str) -> NightFakes:
    ports = night_ports(NOON, **{**LANGUAGE, **TWO, **settings})
    for at in received:
        heard(ports, at)
    return ports


def signal_row(ports: NightFakes, symbol: str = "AAA", slot: str = "1201") -> dict[str, object]:
    return ports.rows("signals", ON)[f"{symbol}|{slot}|{STRATEGY}"]


def of_strategy(ports: NightFakes, *symbols: str) -> Sequence[str]:
    found = score(slice_of(ports, *(symbols or ("AAA", "BBB")), slot="1201"), ports)
    return [signal.symbol for signal in found if signal.strategy == STRATEGY]


def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the price say nothing: these tests are about what is known, not about the tape of a seeded day."""
    monkeypatch.setattr("shared.strategies.divergence.Divergence._judged", _sure)


def _sure(self: object, narrative: object, figures: object, *, is_borne: bool) -> object:
    return PolicyCode.COOLDOWN_ACTIVE if getattr(narrative, "signal", "") else PolicyCode.ENTER


def test_every_symbol_with_news_has_a_reason_and_its_figures_are_kept() -> None:
    ports = ready(NOON - timedelta(minutes=5))
    of_strategy(ports)
    row = signal_row(ports)
    figures = json.loads(str(row["figures"]))
    assert figures["confidence"] == 0.9
    assert (row["narrative"], row["price_score"], row["divergence"]) == tuple(
        figures[name] for name in ("narrative", "price_score", "divergence")
    )
    assert [row["strategy"] for row in ports.rows("signals", ON).values() if row["symbol"] == "BBB"] == ["momentum.v1"]
    assert {str(row["policy"]) for row in ports.rows("signals", ON).values()} <= {
        "ENTER",
        "NO_DIVERGENCE",
        "WEAK_VOLUME",
        "PRICE_CONDITION",
        "EDGE_TOO_SMALL",
        "MOVE_TOO_SMALL",
        "DUPLICATE",
    }


def test_without_a_language_model_the_strategy_says_so_and_price_goes_on() -> None:
    ports = ready(NOON - timedelta(minutes=5), GATEHOUSE_LANGUAGE_URL="", GATEHOUSE_LANGUAGE_MODEL="")
    found = score(slice_of(ports, "AAA", "BBB", slot="1201"), ports)
    assert {signal.strategy for signal in found} == {"momentum.v1"}
    assert signal_row(ports)["policy"] == "NARRATIVE_UNAVAILABLE"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (NarrativeStatus.INVALID_PARSE, "INVALID_PARSE"),
        (NarrativeStatus.UNGROUNDED, "UNGROUNDED"),
        (NarrativeStatus.UNAVAILABLE, "NARRATIVE_UNAVAILABLE"),
    ],
)
def test_a_narrative_that_was_not_told_is_never_traded_on(status: NarrativeStatus, code: str) -> None:
    ports = ready()
    heard(ports, NOON - timedelta(minutes=5), status=status)
    assert of_strategy(ports) == []
    assert signal_row(ports)["policy"] == code


def test_what_was_received_or_told_later_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    calm(monkeypatch)
    late = ready(NOON + timedelta(seconds=1))
    assert of_strategy(late) == []
    assert STRATEGY not in {str(row["strategy"]) for row in late.rows("signals", ON).values()}
    untold = ready(NOON - timedelta(seconds=30))
    assert of_strategy(untold) == []
    assert signal_row(untold)["policy"] == "NARRATIVE_UNAVAILABLE"


def test_a_narrative_is_acted_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calm(monkeypatch)
    ports = ready(NOON - timedelta(minutes=5), GATEHOUSE_STRATEGIES=f"{STRATEGY}=1")
    message = slice_of(ports, "AAA", slot="1201")
    first = score(message, ports)
    assert [signal.symbol for signal in first] == ["AAA"]
    assert signal_row(ports)["reason"] == "NARR_LEADS_PRICE"
    (row,) = (row for key, row in ports.rows("narratives", ON).items() if key.startswith("AAA|"))
    assert row["signal"] == decision_id(ON, "1201", "AAA", STRATEGY)
    assert score(message, ports) == first, "delivered again, it decides the same"
    ports.clock.at += timedelta(minutes=5)
    assert score(slice_of(ports, "AAA", slot="1206"), ports) == []
    assert signal_row(ports, slot="1206")["policy"] == "COOLDOWN_ACTIVE"


def test_a_decision_on_the_news_replays_equal_from_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    calm(monkeypatch)
    ports = ready(NOON - timedelta(minutes=5))
    score(slice_of(ports, "AAA", "BBB", slot="1201"), ports)
    heard(ports, NOON - timedelta(minutes=1))  # what comes to be known later changes nothing
    records = day_records(ports, ON)
    maker = CaseMaker(ports, ports.archive, records)
    for key in records.signals:
        case = maker.case(key)
        assert Replayer(ports, ports.archive).replay(case).equal, (case.symbol, case.strategy)
        if case.strategy == "momentum.v1":
            assert case.scores.contributions
    case = maker.case(decision_id(ON, "1201", "AAA", STRATEGY))
    assert case.text is not None
    assert case.text.narrative is not None
    assert [story.story_id for story in case.text.stories] == ["s1"]
    assert case.text.reason == "NARR_LEADS_PRICE"


def test_only_where_the_news_is_read_do_vectors_have_its_features() -> None:
    for settings, names in (({}, FEATURE_NAMES), (TWO, ALL_FEATURE_NAMES)):
        ports = night_ports(NOON, **LANGUAGE, **settings)
        heard(ports, NOON - timedelta(minutes=5))
        score(slice_of(ports, "AAA", slot="1201"), ports)
        case = CaseMaker(ports, ports.archive, day_records(ports, ON)).case(
            decision_id(ON, "1201", "AAA", "momentum.v1")
        )
        document = CaseMaker(ports, ports.archive, day_records(ports, ON))._slice(case.inputs.features_blob)
        assert document is not None
        assert document[0].names == names
