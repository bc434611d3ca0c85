"""A batch of stories becomes rows with sentiment and novelty, and asks for what is to be done at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.messages import CandidateSlice, NarrativeRequest
from shared.core.values import Symbol
from shared.pipeline import run
from shared.stages.narrative.records import stories_since, texts_of
from tests.support.market_day import ON
from tests.support.ports import FakePorts
from tests.support.story_day import GOOD, LANGUAGE, batch, found, opened, read
from tests.support.tape import ny
from tests.support.texts import HandTexts


def fates(ports: FakePorts) -> dict[str, str]:
    return {str(row["headline"]): str(row["led_to"]) for row in ports.rows("stories", ON).values()}


def test_a_story_is_kept_with_what_is_read_out_of_it() -> None:
    ports = opened()
    read(ports, found(GOOD, weight=0.5))
    ((key, row),) = ports.rows("stories", ON).items()
    assert key.startswith("100200|")
    assert (row["polarity"], row["novelty"], row["echo_of"]) == (0.8, 1.0, "")
    assert (row["symbols"], row["source"], row["weight"]) == ("AAA", "Wire", 0.5)
    assert row["received_at"] == "2025-10-15T14:02:00Z"
    (kept,) = stories_since(ports, ON, ny(ON, "10:00"))
    assert kept.known.vector is not None
    assert kept.story.text == GOOD


def test_without_a_language_model_a_new_story_is_scored_at_once_in_a_slot_of_its_own() -> None:
    ports = opened("10:00")
    (sent,) = read(ports, found(GOOD))
    assert isinstance(sent, CandidateSlice)
    assert (sent.symbols, sent.slot, sent.on) == (("AAA",), "1001", ON)
    assert ports.history.pasts(sent.history_blob, ports.calendar.day(ON)).keys() >= {"AAA"}  # type: ignore[arg-type]
    assert fates(ports) == {GOOD: "candidates"}


def test_with_a_language_model_the_symbols_of_a_batch_are_asked_about_in_one_message() -> None:
    ports = opened(**LANGUAGE)
    (sent,) = read(ports, found(GOOD), found("Bbb cuts outlook", "BBB"), found("Aaa opens plant in Texas"))
    assert isinstance(sent, NarrativeRequest)
    assert [(each.symbol, len(each.story_ids)) for each in sent.asked] == [("AAA", 2), ("BBB", 1)]
    assert set(fates(ports).values()) == {"narrative"}


def test_an_echo_is_linked_to_its_first_source_and_asks_for_nothing() -> None:
    ports = opened()
    read(ports, found(GOOD))
    first = next(iter(ports.rows("stories", ON).values()))["story_id"]
    for minutes in (20, 40):
        ports.clock.at += timedelta(minutes=minutes)
        said = f"{GOOD} today" if minutes == 20 else f"{GOOD} today again"
        assert read(ports, found(said, source="Echo")) == []
    echoes = [row for row in ports.rows("stories", ON).values() if row["source"] == "Echo"]
    assert [row["echo_of"] for row in echoes] == [first, first]
    assert all(float(row["novelty"]) < 0.2 for row in echoes)  # type: ignore[arg-type]


def test_fifty_copies_of_one_story_ask_once() -> None:
    ports = opened()
    copies = [found(f"{GOOD} {'!' * n}", source=f"Wire {n}") for n in range(50)]
    (sent,) = read(ports, *copies)
    assert isinstance(sent, CandidateSlice)
    assert sorted(fates(ports).values()) == ["candidates", *["echo"] * 49]


def test_within_the_cooldown_of_a_symbol_another_story_asks_for_nothing() -> None:
    ports = opened()
    assert read(ports, found(GOOD))
    ports.clock.at += timedelta(minutes=14)
    assert read(ports, found("Aaa appoints chief engineer")) == []
    assert read(ports, found("Bbb appoints chief engineer", "BBB"))
    ports.clock.at += timedelta(minutes=1)
    assert read(ports, found("Aaa sells its rail business"))
    assert sorted(fates(ports).values()) == ["candidates", "candidates", "candidates", "cooldown"]


@pytest.mark.parametrize(("clock", "fate"), [("08:00", "closed"), ("17:00", "closed")])
def test_where_no_entry_is_possible_nothing_is_scored_but_a_narrative_is_asked_for(clock: str, fate: str) -> None:
    ports = opened(clock)
    assert read(ports, found(GOOD)) == []
    assert fates(ports) == {GOOD: fate}
    ports = opened(clock, **LANGUAGE)
    (sent,) = read(ports, found(GOOD))
    assert isinstance(sent, NarrativeRequest)


def test_a_symbol_that_is_neither_watched_nor_liquid_is_kept_and_not_traded_on() -> None:
    ports = opened()
    assert read(ports, found("Zzz wins large contract", "ZZZ")) == []
    assert fates(ports) == {"Zzz wins large contract": "not-tradable"}


def test_a_batch_delivered_twice_keeps_its_rows_and_asks_for_the_same() -> None:
    ports = opened(**LANGUAGE)
    message = batch(ports, found(GOOD), found(f"{GOOD} today", source="Echo"))
    first = run(message, ports)
    rows = ports.rows("stories", ON)
    ports.clock.at += timedelta(minutes=2)
    assert run(message, ports) == first
    assert ports.rows("stories", ON) == rows


def test_a_story_that_came_before_in_another_batch_is_not_read_again() -> None:
    ports = opened()
    read(ports, found(GOOD))
    ports.clock.at += timedelta(minutes=30)
    assert read(ports, found(GOOD), found("Bbb cuts outlook", "BBB"))
    assert len(ports.rows("stories", ON)) == 2


def test_a_message_that_has_lain_too_long_is_kept_and_asks_for_nothing() -> None:
    ports = opened(**LANGUAGE)
    message = batch(ports, found(GOOD))
    ports.clock.at = message.expires_at
    assert run(message, ports) == []
    assert fates(ports) == {GOOD: "closed"}


def test_without_a_model_of_text_stories_are_kept_and_say_that_nothing_was_read() -> None:
    ports = opened()
    ports.texts = HandTexts(None)
    (sent,) = read(ports, found(GOOD))
    assert isinstance(sent, CandidateSlice)
    (row,) = ports.rows("stories", ON).values()
    assert (row.get("polarity"), row.get("novelty"), row["vector"]) == (None, None, "")


def test_nothing_received_later_is_known_at_a_decision() -> None:
    ports = opened()
    read(ports, found(GOOD))
    received = ports.clock.now()
    for at, count in ((received - timedelta(seconds=1), 0), (received, 1), (received + timedelta(hours=24), 0)):
        text = texts_of(ports, ON, (Symbol("AAA"), Symbol("BBB")), at)
        assert len(text[Symbol("AAA")].stories) == count
        assert text[Symbol("BBB")].stories == ()
        assert "GATEHOUSE_LANGUAGE_URL" in text[Symbol("AAA")].fault


def test_no_message_asks_about_more_symbols_than_are_asked_side_by_side() -> None:
    ports = opened(**LANGUAGE, GATEHOUSE_LANGUAGE_SLOTS="2")
    sent = read(ports, *(found(f"{symbol.title()} wins large contract", symbol) for symbol in ("AAA", "BBB", "CCC")))
    asked = [tuple(one.symbol for one in each.asked) for each in sent if isinstance(each, NarrativeRequest)]
    assert asked == [("AAA", "BBB"), ("CCC",)]
