"""What is asked of a language model about new stories, what is kept of it, and that a slice follows whatever came."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from shared.contracts.messages import CandidateSlice, Message, NarrativeRequest, Notice
from shared.contracts.records import Container, Table, symbol_key
from shared.core.packing import pack
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.core.text.narratives import Narrative, NarrativeStatus, ScorePast
from shared.core.values import Symbol
from shared.pipeline import run
from shared.stages.narrative.calls import RecordedLanguage, faults_of
from shared.stages.narrative.records import LATEST, texts_of
from shared.stages.narrative.spending import DAY
from tests.support.language import HandLanguage, reply
from tests.support.market_day import ON
from tests.support.ports import FakePorts
from tests.support.story_day import GOOD, LANGUAGE, found, opened, read, sound
from tests.support.tape import ny

BAD = "Bbb cuts outlook as demand weakens"


def with_language(
    answer: Callable[[LanguageRequest], LanguageReply | LanguageError] = sound, clock: str = "10:02", **settings: str
) -> tuple[FakePorts, HandLanguage]:
    ports, language = opened(clock, **{**LANGUAGE, **settings}), HandLanguage(answer)
    ports.language = language
    return ports, language


def asked(ports: FakePorts, *headlines: tuple[str, str]) -> NarrativeRequest:
    """What reading stories of symbols asks for; by default one of AAA."""
    stories = [found(headline, symbol) for headline, symbol in headlines or ((GOOD, "AAA"),)]
    requests = [each for each in read(ports, *stories) if isinstance(each, NarrativeRequest)]
    assert requests
    return replace(requests[0], asked=tuple(one for each in requests for one in each.asked))


def narratives(ports: FakePorts) -> dict[str, Narrative]:
    """The day's narratives by symbol."""
    rows = ports.rows(Table.NARRATIVES, ON).values()
    return {str(row["symbol"]): ports.codec.decode(Narrative, str(row["narrative"])) for row in rows}


def call_rows(ports: FakePorts) -> list[dict[str, object]]:
    return [row for key, row in ports.rows(Table.CALLS, ON).items() if key != DAY]


def scored(messages: Sequence[Message]) -> list[tuple[str, ...]]:
    return [tuple(each.symbols) for each in messages if isinstance(each, CandidateSlice)]


def past(ports: FakePorts, symbol: str = "AAA") -> ScorePast:
    row = ports.rows(Table.NARRATIVES, LATEST)[symbol_key(Symbol(symbol))]
    return ports.codec.decode(ScorePast, str(row["past"]))


def user(request: LanguageRequest) -> dict[str, Any]:
    return dict(json.loads(request.user))


def is_repair(request: LanguageRequest) -> bool:
    return "refused" in user(request)


def nonsense(request: LanguageRequest) -> LanguageReply:
    return reply("Here is what I make of it: it is good.")


# What comes of an answer


def test_a_sound_answer_is_a_narrative_with_its_score_and_its_record() -> None:
    ports, _ = with_language()
    request = asked(ports)
    ports.clock.pass_by(timedelta(seconds=2))
    assert scored(run(request, ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.fault, told.is_repaired) == (NarrativeStatus.TOLD, "", False)
    assert told.answer is not None
    assert (told.answer.summary, told.answer.quotes[0].text) == (GOOD, GOOD)
    assert told.answer.source_ids == told.story_ids == told.evidence_ids
    assert told.score == pytest.approx(0.6 * 0.8 + 0.4 * 0.8)
    assert (told.sentiment, told.novelty, told.weight) == (0.8, 1.0, 1.0)
    assert (told.asked_at, told.told_at) == (ny(ON, "10:02"), ny(ON, "10:02") + timedelta(seconds=2))
    (row,) = ports.rows(Table.NARRATIVES, ON).values()
    assert (row["status"], row["confidence"], row["model"]) == ("TOLD", 0.9, "small-model-2026")
    (call,) = call_rows(ports)
    assert (call["outcome"], call["status"], call["is_repair"]) == ("OK", "TOLD", False)
    assert told.records == (call["record"],)
    assert ports.blobs.get(Container.LANGUAGE, told.records[0]) is not None


def test_an_answer_of_the_wrong_form_is_repaired_once_and_told_what_is_wrong() -> None:
    ports, language = with_language(lambda request: sound(request) if is_repair(request) else nonsense(request))
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.is_repaired, len(told.records)) == (NarrativeStatus.TOLD, True, 2)
    refused = user(language.asked[1])["refused"]
    assert refused["answer"].startswith("Here is")
    assert "JSON" in refused["fault"]
    assert sorted((bool(row["is_repair"]), str(row["status"])) for row in call_rows(ports)) == [
        (False, "INVALID_PARSE"),
        (True, "TOLD"),
    ]


def test_an_answer_that_is_no_better_the_second_time_is_rejected() -> None:
    ports, language = with_language(nonsense)
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.score, told.answer, told.confidence) == (NarrativeStatus.INVALID_PARSE, None, None, 0)
    assert told.fault
    assert len(language.asked) == 2
    assert [row["status"] for row in call_rows(ports)] == ["INVALID_PARSE"] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"summary": "Aaa wins 999 contracts"},
        {"entities": ["ZQXJ"]},
        {"quotes": [{"text": "never said by anybody", "story_id": "S1"}]},
        {"source_ids": ["S2"]},
    ],
)
def test_what_no_story_says_is_ungrounded_and_is_not_asked_again(changes: Mapping[str, Any]) -> None:
    ports, language = with_language(lambda request: sound(request, **changes))
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.score) == (NarrativeStatus.UNGROUNDED, None)
    assert len(language.asked) == 1


# What comes of none


@pytest.mark.parametrize("fault", [each for each in LanguageFault if each is not LanguageFault.UNRECORDED])
def test_without_an_answer_the_slice_follows_all_the_same(fault: LanguageFault) -> None:
    ports, language = with_language(lambda _: LanguageError(fault, "as the test says"))
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.score, told.records) == (NarrativeStatus.UNAVAILABLE, None, ())
    assert told.fault.startswith(fault.value)
    assert len(language.asked) == 1


@dataclass(slots=True)
class RaisingLanguage:
    """A model whose adapter has a fault of its own."""

    error: Exception

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("x"), ZeroDivisionError(), KeyError("choices"), RecursionError()])
def test_a_model_that_raises_anything_leads_to_a_slice_all_the_same(error: Exception) -> None:
    ports, _ = with_language()
    ports.language = RaisingLanguage(error)
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert told.status is NarrativeStatus.UNAVAILABLE
    assert type(error).__name__ in told.fault
    (call,) = call_rows(ports)
    assert call["outcome"] == LanguageFault.NONSENSE


def test_an_answer_lost_after_a_repair_was_asked_for_is_unavailable() -> None:
    ports, _ = with_language(
        lambda request: LanguageError(LanguageFault.DOWN, "gone") if is_repair(request) else nonsense(request)
    )
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    assert narratives(ports)["AAA"].status is NarrativeStatus.UNAVAILABLE


def test_a_service_that_keeps_failing_is_told_of_once_and_when_it_is_back() -> None:
    is_down = True

    def answer(request: LanguageRequest) -> LanguageReply | LanguageError:
        return LanguageError(LanguageFault.DOWN, "HTTP 500") if is_down else sound(request)

    ports, _ = with_language(answer, GATEHOUSE_LANGUAGE_SLOTS="1")
    kinds: list[str] = []
    for headline in ("wins rail order", "opens plant in Texas", "appoints chief engineer", "sells its port business"):
        ports.clock.pass_by(timedelta(minutes=1))
        sent = run(asked(ports, (f"Aaa {headline}", "AAA"), (f"Bbb {headline}", "BBB")), ports)
        assert scored(sent) == [("AAA", "BBB")]
        kinds += [each.kind for each in sent if isinstance(each, Notice)]
        ports.clock.pass_by(timedelta(minutes=15))
    assert kinds == ["language-down"]
    is_down = False
    back = run(asked(ports, ("Aaa wins licence in Ohio", "AAA")), ports)
    assert [each.kind for each in back if isinstance(each, Notice)] == ["language-back"]
    assert scored(back) == [("AAA",)]


# Messages


def test_a_message_that_comes_again_asks_nothing_and_sends_the_same_slice() -> None:
    ports, language = with_language()
    request = asked(ports, (GOOD, "AAA"), (BAD, "BBB"))
    first = run(request, ports)
    rows, calls = ports.rows(Table.NARRATIVES, ON), call_rows(ports)
    ports.clock.pass_by(timedelta(seconds=30))
    (again,) = run(request, ports)
    (before,) = first
    assert isinstance(again, CandidateSlice)
    assert isinstance(before, CandidateSlice)
    assert (again.message_id, again.slot, again.symbols) == (before.message_id, before.slot, before.symbols)
    assert (ports.rows(Table.NARRATIVES, ON), call_rows(ports)) == (rows, calls)
    assert len(language.asked) == 2


def test_what_could_not_be_told_when_the_message_came_first_stands_too() -> None:
    ports, language = with_language(lambda _: LanguageError(LanguageFault.DOWN, "HTTP 500"))
    request = asked(ports)
    run(request, ports)
    language.answer = sound
    assert scored(run(request, ports)) == [("AAA",)]
    assert narratives(ports)["AAA"].status is NarrativeStatus.UNAVAILABLE
    assert len(language.asked) == 1


def test_an_answer_that_was_paid_for_is_not_paid_for_again_after_a_crash() -> None:
    ports, language = with_language()
    request = asked(ports)
    run(request, ports)
    (key,) = ports.rows(Table.NARRATIVES, ON)
    ports.tables.remove(Table.NARRATIVES, str(ON), key)  # type: ignore[attr-defined]
    ports.clock.pass_by(timedelta(minutes=3))
    assert scored(run(request, ports)) == [("AAA",)]
    assert narratives(ports)["AAA"].status is NarrativeStatus.TOLD
    assert len(language.asked) == 1


def test_a_message_that_has_lain_too_long_asks_for_nothing() -> None:
    ports, language = with_language()
    request = asked(ports)
    ports.clock.at = request.expires_at
    assert run(request, ports) == []
    assert (language.asked, narratives(ports)) == ([], {})


@pytest.mark.parametrize("clock", ["08:00", "17:00"])
def test_where_no_entry_is_possible_there_is_a_narrative_and_no_slice(clock: str) -> None:
    ports, _ = with_language(clock=clock)
    assert run(asked(ports), ports) == []
    assert narratives(ports)["AAA"].status is NarrativeStatus.TOLD


def test_a_symbol_whose_stories_are_gone_is_scored_and_has_no_narrative() -> None:
    ports, language = with_language()
    request = asked(ports)
    for key in ports.rows(Table.STORIES, ON):
        ports.tables.remove(Table.STORIES, str(ON), key)  # type: ignore[attr-defined]
    assert scored(run(request, ports)) == [("AAA",)]
    assert (language.asked, narratives(ports)) == ([], {})


# Several symbols


def test_symbols_are_asked_about_side_by_side_and_scored_in_one_slice() -> None:
    both = Barrier(2, timeout=10)

    def answer(request: LanguageRequest) -> LanguageReply:
        both.wait()  # breaks, and with it the narrative, unless the other is asked about meanwhile
        return sound(request)

    ports, language = with_language(answer)
    assert scored(run(asked(ports, (GOOD, "AAA"), (BAD, "BBB")), ports)) == [("AAA", "BBB")]
    assert {symbol: told.status for symbol, told in narratives(ports).items()} == {
        "AAA": NarrativeStatus.TOLD,
        "BBB": NarrativeStatus.TOLD,
    }
    assert len(language.asked) == 2


def test_a_symbol_that_cannot_be_told_keeps_no_other_from_it() -> None:
    def answer(request: LanguageRequest) -> LanguageReply | LanguageError:
        is_bad = "outlook" in request.user
        return LanguageError(LanguageFault.TIMEOUT, "no whole answer in time") if is_bad else sound(request)

    ports, _ = with_language(answer)
    assert scored(run(asked(ports, (GOOD, "AAA"), (BAD, "BBB")), ports)) == [("AAA", "BBB")]
    told = narratives(ports)
    assert told["AAA"].status is NarrativeStatus.TOLD
    assert told["BBB"].status is NarrativeStatus.UNAVAILABLE


# The score's past


def test_the_past_of_a_symbols_score_grows_once_for_each_narrative_that_is_told() -> None:
    ports, language = with_language()
    request = asked(ports)
    run(request, ports)
    run(request, ports)
    first = narratives(ports)["AAA"]
    assert first.score is not None
    assert first.past == ScorePast()
    assert past(ports) == ScorePast().then(first.score)

    language.answer = nonsense
    ports.clock.pass_by(timedelta(minutes=16))
    run(asked(ports, ("Aaa opens plant in Texas", "AAA")), ports)
    assert past(ports) == ScorePast().then(first.score)

    language.answer = lambda request: sound(request, score=-0.5)
    ports.clock.pass_by(timedelta(minutes=16))
    run(asked(ports, ("Aaa appoints chief engineer", "AAA")), ports)
    last = max(
        (ports.codec.decode(Narrative, str(row["narrative"])) for row in ports.rows(Table.NARRATIVES, ON).values()),
        key=lambda told: told.told_at,
    )
    assert last.past == ScorePast().then(first.score)
    assert past(ports).count == 2


@pytest.mark.parametrize("cells", [{"past": "{"}, {"past": '{"count":-1,"mean":"x"}'}, {}, {"past": None}])
def test_a_past_that_cannot_be_read_counts_as_none(cells: Mapping[str, str | None]) -> None:
    ports, _ = with_language()
    ports.tables.put(Table.NARRATIVES, LATEST, symbol_key(Symbol("AAA")), {"symbol": "AAA", **cells})
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.past) == (NarrativeStatus.TOLD, ScorePast())
    assert past(ports).count == 1


def test_a_narrative_whose_row_is_broken_is_passed_over_and_what_else_is_known_stays() -> None:
    ports, _ = with_language()
    run(asked(ports, (GOOD, "AAA"), (BAD, "BBB")), ports)
    rows = ports.rows(Table.NARRATIVES, ON)
    spoilt = next(key for key, row in rows.items() if row["symbol"] == "AAA")
    ports.tables.put(Table.NARRATIVES, str(ON), spoilt, {**rows[spoilt], "narrative": "{"})  # type: ignore[dict-item]
    known = texts_of(ports, ON, (Symbol("AAA"), Symbol("BBB")), ports.clock.now())
    assert known[Symbol("AAA")].narrative is None
    assert len(known[Symbol("AAA")].stories) == 1
    assert known[Symbol("BBB")].narrative is not None


# Time


@dataclass(slots=True)
class TimedLanguage:
    """A model whose answers take a time, and that keeps how long it was given for each."""

    latency_ms: int
    given_s: list[float] = field(default_factory=list)

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        self.given_s.append(timeout_s)
        return reply("no JSON", latency_ms=self.latency_ms)


@pytest.mark.parametrize(("latency_ms", "given_s"), [(700, [2.0, 1.3]), (2000, [2.0]), (2500, [2.0])])
def test_a_repair_has_what_the_first_answer_has_left_of_the_time(latency_ms: int, given_s: list[float]) -> None:
    ports, _ = with_language(GATEHOUSE_LANGUAGE_TIMEOUT_S="2")
    ports.language = language = TimedLanguage(latency_ms)
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    assert language.given_s == pytest.approx(given_s)
    status = narratives(ports)["AAA"].status
    assert status is (NarrativeStatus.INVALID_PARSE if len(given_s) == 2 else NarrativeStatus.UNAVAILABLE)


def test_nothing_that_came_after_the_message_is_shown_to_the_model() -> None:
    ports, language = with_language()
    read(ports, found("Aaa opens plant in Texas"))
    ports.clock.pass_by(timedelta(minutes=20))
    request = asked(ports)
    ports.clock.pass_by(timedelta(minutes=1))
    read(ports, found("Aaa appoints chief engineer"))
    run(request, ports)
    (question,) = language.asked
    shown = [story["headline"] for story in user(question)["stories"]]
    assert len(shown) == 2
    assert not any("engineer" in headline for headline in shown)
    assert len(narratives(ports)["AAA"].evidence_ids) == 2


# What the model may know


def test_the_model_sees_neither_names_nor_tickers_nor_dates_and_the_narrative_has_them_back() -> None:
    ports, language = with_language()
    names = {Symbol("AAA"): "Granite Anvil Works Inc. Common Stock", Symbol("BBB"): "Borealis Foods Corp"}
    kept = pack(ports.codec.encode(names).encode())
    assert ports.blobs.insert(Container.LANGUAGE, f"names/{ON}.json.gz", kept)
    headline = "Granite Anvil Works wins order of Borealis Foods on October 14, 2025 (NYSE: AAA)"
    (request,) = read(ports, found(headline, "AAA", "BBB"))
    run(request, ports)
    sent = "\n".join(f"{question.system}\n{question.user}" for question in language.asked).casefold()
    hidden = ("granite", "anvil", "borealis", "aaa", "bbb", "october", "2025")
    assert [each for each in hidden if each in sent] == []
    assert narratives(ports).keys() == {"AAA", "BBB"}
    for told in narratives(ports).values():
        assert told.answer is not None
        assert (told.answer.summary, told.answer.quotes[0].text) == (headline, headline)


# Replay


def test_from_the_records_come_the_same_narratives_without_a_call() -> None:
    def answer(request: LanguageRequest) -> LanguageReply | LanguageError:
        if "outlook" in request.user:
            return sound(request) if is_repair(request) else nonsense(request)
        if "merger" in request.user:
            return LanguageError(LanguageFault.DOWN, "HTTP 500")
        return sound(request, **({"entities": ["ZQXJ"]} if "strike" in request.user else {}))

    stories = ((GOOD, "AAA"), (BAD, "BBB"), ("Ccc plans merger", "CCC"), ("Qqq hit by strike", "QQQ"))
    first, language = with_language(answer)
    sent = run(asked(first, *stories), first)
    assert len(language.asked) == 5
    replayed = opened(**LANGUAGE)
    replayed.blobs = first.blobs
    replayed.language = RecordedLanguage(settings=first.settings.language, faults=faults_of(first.tables, ON))
    assert run(asked(replayed, *stories), replayed) == sent
    assert len(language.asked) == 5
    assert call_rows(replayed) == []
    before, after = narratives(first), narratives(replayed)
    assert {symbol: told.status.name for symbol, told in before.items()} == {
        "AAA": "TOLD",
        "BBB": "TOLD",
        "CCC": "UNAVAILABLE",
        "QQQ": "UNGROUNDED",
    }
    assert (before["BBB"].is_repaired, len(before["BBB"].records)) == (True, 2)
    assert before["CCC"].fault.partition(":")[0] == after["CCC"].fault.partition(":")[0] == "DOWN"
    answered = ("AAA", "BBB", "QQQ")
    encode = first.codec.encode
    assert [encode(after[symbol]) for symbol in answered] == [encode(before[symbol]) for symbol in answered]


def test_in_a_replay_a_question_that_was_never_put_is_no_narrative() -> None:
    ports = opened(**LANGUAGE)
    ports.language = RecordedLanguage(settings=ports.settings.language)
    assert scored(run(asked(ports), ports)) == [("AAA",)]
    told = narratives(ports)["AAA"]
    assert (told.status, told.fault.partition(":")[0]) == (NarrativeStatus.UNAVAILABLE, "UNRECORDED")
