"""Asking a language model: recorded once, within a budget, behind a breaker, replayed without a call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.language import ChatCompletions
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.messages import Severity
from shared.contracts.records import Container, Table
from shared.contracts.settings import LanguageSettings
from shared.core.breaker import FAILURES_TO_OPEN, OPEN_FOR
from shared.core.errors import ConflictError, TransientError
from shared.core.packing import pack, unpack
from shared.core.text.language import LanguageError, LanguageFault, LanguageReply, LanguageRequest
from shared.ports import Row
from shared.stages.narrative.calls import LanguageCall, RecordedLanguage, ask, faults_of, record_name
from shared.stages.narrative.resting import BREAKER, SERVICE
from shared.stages.narrative.spending import DAY, Spending, worst_of
from tests.support.language import HandLanguage, completion, question, reply
from tests.support.ports import FakePorts, fake_ports
from tests.support.scripted_server import Answer, scripted_server

NOON = datetime(2025, 10, 15, 16, 0, tzinfo=UTC)
ON = date(2025, 10, 15)
SERVICE_SET = {"GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1", "GATEHOUSE_LANGUAGE_MODEL": "small-model"}


def ports_with(language: HandLanguage, *, tables: MemoryTables | None = None, **settings: str) -> FakePorts:
    ports = fake_ports(NOON, tables=tables, **{**SERVICE_SET, **settings})
    ports.language = language
    return ports


def put(ports: FakePorts, request: LanguageRequest | None = None, **changes: Any) -> LanguageCall:
    return ask(ports, request or question(), **{"on": ON, "deadline_s": 5.0, "judge": lambda _: "TOLD", **changes})


def fails(fault: LanguageFault = LanguageFault.DOWN) -> Callable[[LanguageRequest], LanguageError]:
    return lambda _: LanguageError(fault, "as the test says")


def call_rows(ports: FakePorts) -> list[dict[str, object]]:
    return [row for key, row in ports.rows(Table.CALLS, ON).items() if key != DAY]


def spent(ports: FakePorts) -> Spending:
    return Spending.of(ports.rows(Table.CALLS, ON)[DAY])  # type: ignore[arg-type]


def titles(calls: Sequence[LanguageCall]) -> list[tuple[str, Severity]]:
    return [(each.kind, each.severity) for call in calls for each in call.notices]


class NoStorage:
    """Fails a test that touches it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"storage was asked to {name}")


# Records


def test_without_an_address_nothing_is_asked_and_storage_is_not_touched() -> None:
    language = HandLanguage()
    ports = ports_with(language, GATEHOUSE_LANGUAGE_URL="")
    ports.tables, ports.blobs = NoStorage(), NoStorage()
    found = put(ports)
    assert (found.fault, found.reply) == (LanguageFault.OFF, None)
    assert not language.asked


def test_a_call_is_answered_recorded_and_told_in_a_row() -> None:
    ports = ports_with(HandLanguage())
    found = put(ports, is_repair=True)
    assert found.reply == reply()
    assert ports.blobs.names(Container.LANGUAGE, "") == [found.record]
    [row] = call_rows(ports)
    assert row == {
        "model": "small-model-2026",
        "prompt_id": "narrative.v1@1234",
        "tokens_in": 40,
        "tokens_out": 9,
        "latency_ms": 700,
        "outcome": "OK",
        "is_repair": True,
        "status": "TOLD",
        "usd": "0.0000114",
        "record": found.record,
    }
    assert [key for key in ports.rows(Table.CALLS, ON) if key.startswith("120000.000000|")]


def test_a_question_that_comes_again_is_answered_by_its_record_and_paid_once() -> None:
    language = HandLanguage(lambda _: reply(f"{len(language.asked)}"))
    ports = ports_with(language)
    first, day, rows = put(ports), spent(ports), call_rows(ports)
    ports.clock.pass_by(timedelta(hours=3))
    again = put(ports)
    assert first.reply is not None
    assert again.reply == dataclasses.replace(first.reply, latency_ms=0)
    assert (len(language.asked), spent(ports), call_rows(ports)) == (1, day, rows)


def test_the_first_answer_that_is_recorded_is_the_answer() -> None:
    ports = ports_with(HandLanguage())

    def another_was_quicker(_: LanguageRequest) -> LanguageReply:
        other = ports_with(HandLanguage(lambda _: reply("the first")))
        other.blobs = ports.blobs
        put(other)
        return reply("the second")

    ports.language = HandLanguage(another_was_quicker)
    found = put(ports)
    assert found.reply is not None
    assert found.reply.text == "the first"
    assert call_rows(ports)[0]["outcome"] == "OK"
    assert spent(ports).calls == 1


def test_an_invented_record_is_refused_outside_the_sandbox() -> None:
    ports = ports_with(HandLanguage(lambda _: reply(model="commentator-seeded/7")))
    put(ports)
    assert put(ports).fault is None
    paper = ports_with(HandLanguage(), ALPACA_ENVIRONMENT="paper", ALPACA_TRADING_URL="", ALPACA_DATA_URL="")
    paper.blobs = ports.blobs
    assert put(paper).fault is LanguageFault.INVENTED


def test_a_record_that_is_spoiled_or_of_another_question_is_no_answer() -> None:
    language = HandLanguage()
    ports = ports_with(language)
    found = put(ports)
    stored = ports.blobs.get(Container.LANGUAGE, found.record)
    assert stored is not None
    other = record_name(ports.settings.language, question("another"))
    ports.blobs.put(Container.LANGUAGE, other, stored.value)
    assert put(ports, question("another")).fault is LanguageFault.NONSENSE
    for bad in (stored.value[:20], b"", pack(b"{}"), pack(b"[1]"), pack(unpack(stored.value)[:-9])):
        ports.blobs.put(Container.LANGUAGE, found.record, bad)
        assert put(ports).fault is LanguageFault.NONSENSE
    assert len(language.asked) == 1


SETTINGS = st.builds(
    lambda model, slots: LanguageSettings(url="http://x/v1", model=model, slots=slots),
    model=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    slots=st.integers(1, 64),
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
REQUESTS = st.builds(
    LanguageRequest, prompt_id=WORDS, system=WORDS, user=WORDS, schema=WORDS, max_tokens=st.integers(50, 4000)
)


@given(a=st.tuples(SETTINGS, REQUESTS), b=st.tuples(SETTINGS, REQUESTS))
def test_what_differs_in_model_slots_prompt_or_evidence_never_shares_a_record(
    a: tuple[LanguageSettings, LanguageRequest], b: tuple[LanguageSettings, LanguageRequest]
) -> None:
    def meant(settings: LanguageSettings, request: LanguageRequest) -> object:
        return settings.model, settings.slots, request

    assert (record_name(*a) == record_name(*b)) == (meant(*a) == meant(*b))


@given(
    settings=SETTINGS,
    request_=REQUESTS,
    name=st.sampled_from(["model", "slots", "prompt_id", "system", "user", "schema", "max_tokens"]),
)
def test_each_part_of_a_question_tells_it_from_others(
    settings: LanguageSettings, request_: LanguageRequest, name: str
) -> None:
    of = settings if hasattr(settings, name) and name != "max_tokens" else request_
    changed = getattr(of, name) + (1 if name in {"slots", "max_tokens"} else "x")
    other = dataclasses.replace(of, **{name: changed})
    pair = (other, request_) if of is settings else (settings, other)
    assert record_name(*pair) != record_name(settings, request_)


def test_address_and_keys_are_no_part_of_a_record() -> None:
    names = {
        record_name(LanguageSettings(url=url, model="m", keys=keys), question())
        for url, keys in [("https://a.example/v1", ("key-1-of-it",)), ("http://127.0.0.1:1/v1", ())]
    }
    assert len(names) == 1


# Replay


def contents(ports: FakePorts) -> tuple[object, object]:
    assert isinstance(ports.blobs, MemoryBlobs)
    blobs = {name: ports.blobs.get(Container.LANGUAGE, name) for name in ports.blobs.names(Container.LANGUAGE, "")}
    return ports.rows(Table.CALLS, ON), blobs


def test_a_replay_is_equal_to_the_bit_and_makes_no_call() -> None:
    with scripted_server() as server:
        ports = ports_with(HandLanguage(), GATEHOUSE_LANGUAGE_URL=f"{server.url}/v1")
        ports.language = ChatCompletions(ports.settings.language, is_sandbox=True)
        server.will_answer(*[completion(f'{{"score":0.{digit}}}') for digit in range(1, 8)], Answer("down", 404))
        requests = [question(f"story {number}") for number in range(8)]
        first = [put(ports, request) for request in requests]
        assert len(server.asked) == 8
        before = contents(ports)
        ports.language = RecordedLanguage(settings=ports.settings.language, faults=faults_of(ports.tables, ON))
        ports.clock.pass_by(timedelta(days=30))
        for _ in range(2):
            again = [put(ports, request) for request in requests]
            assert [call.reply and call.reply.text for call in again] == [
                call.reply and call.reply.text for call in first
            ]
            assert [call.record for call in again] == [call.record for call in first]
            assert [call.fault for call in again] == [None] * 7 + [LanguageFault.REFUSED]
        assert contents(ports) == before
        assert len(server.asked) == 8


def test_what_was_never_asked_has_no_answer_in_a_replay() -> None:
    ports = fake_ports(NOON)  # without an address
    ports.language = RecordedLanguage(settings=LanguageSettings(model="small-model"))
    found = put(ports)
    assert found.fault is LanguageFault.UNRECORDED
    assert contents(ports) == ({}, {})


def test_a_backtest_reads_the_records_of_the_settings_that_it_names() -> None:
    ports = ports_with(HandLanguage())
    put(ports)
    other = fake_ports(NOON)
    other.blobs = ports.blobs
    other.language = RecordedLanguage(settings=ports.settings.language)
    assert put(other).fault is None


# The budget


def test_the_budget_stops_before_anything_is_asked_and_is_told_once_a_day() -> None:
    language = HandLanguage()
    ports = ports_with(language, GATEHOUSE_LANGUAGE_TOKENS_A_DAY="400")
    calls = [put(ports, question(f"story {number}")) for number in range(10)]
    answered = [call for call in calls if call.reply]
    assert len(language.asked) == len(answered)
    assert 0 < len(answered) < 10
    used = spent(ports)
    assert (used.calls, used.tokens_in, used.tokens_out) == (len(answered), 40 * len(answered), 9 * len(answered))
    worst = worst_of(ports.settings.language, question("story 9"))
    assert used.tokens_in + used.tokens_out <= 400 < used.tokens_in + used.tokens_out + worst.tokens_in + 100
    assert {call.fault for call in calls if not call.reply} == {LanguageFault.BUDGET}
    assert titles(calls) == [("language-spent", Severity.WARNING)]
    assert [row["outcome"] for row in call_rows(ports)].count("BUDGET") == 10 - len(answered)
    tomorrow = put(ports, on=ON + timedelta(days=1), request=question("tomorrow's story"))
    assert tomorrow.reply is not None


def test_the_budget_in_usd_counts_at_the_configured_prices() -> None:
    ports = ports_with(
        HandLanguage(),
        GATEHOUSE_LANGUAGE_USD_A_DAY="0.115",
        GATEHOUSE_LANGUAGE_USD_PER_MILLION_IN="100",
        GATEHOUSE_LANGUAGE_USD_PER_MILLION_OUT="1000",
    )
    first, second = put(ports), put(ports, question("a second story"))
    assert first.reply is not None
    assert spent(ports).usd == Decimal("0.013")
    assert second.fault is LanguageFault.BUDGET
    assert "0.013 USD of 1 calls leave no room" in second.why


def test_a_budget_of_nothing_asks_nothing() -> None:
    language = HandLanguage()
    assert put(ports_with(language, GATEHOUSE_LANGUAGE_TOKENS_A_DAY="0")).fault is LanguageFault.BUDGET
    assert not language.asked


@pytest.mark.parametrize(
    ("fault", "is_paid"),
    [
        (LanguageFault.TIMEOUT, True),
        (LanguageFault.NONSENSE, True),
        (LanguageFault.INVENTED, True),
        (LanguageFault.DOWN, False),
        (LanguageFault.REFUSED, False),
        (LanguageFault.RATE_LIMITED, False),
        (LanguageFault.RESTING, False),
    ],
)
def test_an_answer_that_may_have_been_written_for_nothing_is_paid_in_full(fault: LanguageFault, is_paid: bool) -> None:
    ports = ports_with(HandLanguage(fails(fault)))
    found = put(ports)
    worst = worst_of(ports.settings.language, question())
    assert found.fault is fault
    assert spent(ports) == (worst if is_paid else Spending())
    assert call_rows(ports)[0]["tokens_out"] == (100 if is_paid else 0)


def test_who_asks_at_the_same_time_loses_no_count_and_spends_no_more_than_there_is() -> None:
    barrier = Barrier(8)

    def together(_: LanguageRequest) -> LanguageReply:
        return reply()

    tables = MemoryTables()
    ports = ports_with(HandLanguage(together), tables=tables, GATEHOUSE_LANGUAGE_TOKENS_A_DAY="1000")

    def work(number: int) -> list[LanguageCall]:
        barrier.wait(10)
        return [put(ports, question(f"story {number} {part}")) for part in range(4)]

    with ThreadPoolExecutor(8) as pool:
        calls = [call for found in pool.map(work, range(8)) for call in found]
    answered = sum(call.reply is not None for call in calls)
    used = spent(ports)
    assert (used.calls, used.tokens_in, used.tokens_out) == (answered, 40 * answered, 9 * answered)
    assert used.tokens_in + used.tokens_out <= 1000
    assert len(call_rows(ports)) == 32


class Contested(MemoryTables):
    """Tables whose row of the day another one has always just changed."""

    rounds = 3

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        if key == DAY and self.rounds:
            self.rounds -= 1
            stored = self.get(table, partition, key)
            assert stored is not None
            self.put(table, partition, key, {**stored.value, "tokens_in": int(str(stored.value["tokens_in"])) + 1000})
        super().replace(table, partition, key, row, etag)


def test_a_lost_race_for_the_days_row_is_run_again() -> None:
    ports = ports_with(HandLanguage(), tables=Contested())
    put(ports)
    put(ports, question("a second story"))
    assert spent(ports) == Spending(calls=2, tokens_in=2 * 40 + 3000, tokens_out=18, usd=Decimal("0.0000228"))


def test_races_without_end_are_given_up_before_anything_is_asked() -> None:
    language, tables = HandLanguage(), Contested()
    ports = ports_with(language, tables=tables)
    put(ports)
    tables.rounds = 100
    with pytest.raises(TransientError, match="lost 16 races"):
        put(ports, question("a second story"))
    assert len(language.asked) == 1


def test_an_answer_that_was_paid_is_told_though_the_days_row_is_fought_for() -> None:
    tables = Contested()

    def fought(_: LanguageRequest) -> LanguageReply:
        tables.rounds = 100
        return reply()

    ports = ports_with(HandLanguage(fought), tables=tables)
    assert put(ports).reply is not None
    assert spent(ports).tokens_out == 100


def test_a_days_row_that_cannot_be_read_stops_asking_and_a_person_is_told() -> None:
    language = HandLanguage()
    ports = ports_with(language)
    ports.tables.put(Table.CALLS, str(ON), DAY, {"calls": 1, "tokens_in": "many", "tokens_out": 0, "usd": "0"})
    found = put(ports)
    assert found.fault is LanguageFault.BUDGET
    assert [each.kind for each in found.notices] == ["broken-row"]
    assert not language.asked


def test_without_time_nothing_is_asked() -> None:
    language = HandLanguage()
    ports = ports_with(language)
    assert put(ports, deadline_s=-0.1).fault is LanguageFault.TIMEOUT
    assert not language.asked
    assert call_rows(ports)[0]["outcome"] == "TIMEOUT"
    assert ports.rows(Table.CALLS, BREAKER) == {}


# The breaker


def test_a_service_that_keeps_failing_rests_is_tried_by_one_and_comes_back() -> None:
    language = HandLanguage(fails())
    ports = ports_with(language)
    failed = [put(ports, question(f"story {number}")) for number in range(FAILURES_TO_OPEN + 2)]
    assert len(language.asked) == FAILURES_TO_OPEN
    assert [call.fault for call in failed] == [LanguageFault.DOWN] * FAILURES_TO_OPEN + [LanguageFault.RESTING] * 2
    assert titles(failed) == [("language-down", Severity.WARNING)]
    assert "price-only trading goes on" in failed[FAILURES_TO_OPEN - 1].notices[0].title
    ports.clock.pass_by(OPEN_FOR)
    still = [put(ports, question("later")) for _ in range(2)]  # half open: one is tried, and it fails
    assert [call.fault for call in still] == [LanguageFault.DOWN, LanguageFault.RESTING]
    assert not titles(still)
    ports.clock.pass_by(OPEN_FOR)
    language.answer = lambda _: reply()
    back = [put(ports, question(f"late story {number}")) for number in range(3)]
    assert all(call.reply for call in back)
    assert titles(back) == [("language-back", Severity.INFO)]
    assert "from 12:00 to 12:04" in back[0].notices[0].body
    assert {row["status"] for row in ports.rows(Table.INCIDENTS, ON).values()} == {"closed"}
    assert ports.rows(Table.CALLS, BREAKER)[SERVICE]["failures"] == 0


def test_half_open_only_whoever_comes_first_is_let_through() -> None:
    ports = ports_with(HandLanguage(fails()))
    for number in range(FAILURES_TO_OPEN):
        put(ports, question(f"story {number}"))
    ports.clock.pass_by(OPEN_FOR)
    meanwhile: list[LanguageCall] = []

    def first(_: LanguageRequest) -> LanguageReply:
        if not meanwhile:
            meanwhile.append(put(ports, question("meanwhile")))
        return reply()

    ports.language = HandLanguage(first)
    assert put(ports, question("first")).reply is not None
    assert [call.fault for call in meanwhile] == [LanguageFault.RESTING]


class Claimed(MemoryTables):
    """Tables in which another one claims a half open breaker a moment earlier."""

    def replace(self, table: str, partition: str, key: str, row: Row, etag: str) -> None:
        if key == SERVICE and row.get("open_until"):
            raise ConflictError("another one was first")
        super().replace(table, partition, key, row, etag)


def test_who_loses_the_race_for_a_half_open_breaker_rests() -> None:
    ports = ports_with(HandLanguage(fails()))
    for number in range(FAILURES_TO_OPEN):
        put(ports, question(f"story {number}"))
    tables = Claimed()
    for key, row in ports.rows(Table.CALLS, BREAKER).items():
        tables.put(Table.CALLS, BREAKER, key, row)  # type: ignore[arg-type]
    language = HandLanguage()
    late = ports_with(language, tables=tables)
    late.clock.pass_by(OPEN_FOR)
    assert put(late).fault is LanguageFault.RESTING
    assert not language.asked


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    language = HandLanguage()
    ports = ports_with(language)
    for number in range(4 * FAILURES_TO_OPEN):
        language.answer = (lambda _: reply()) if number % FAILURES_TO_OPEN == 0 else fails()
        assert put(ports, question(f"story {number}")).fault is not LanguageFault.RESTING


def test_an_outage_that_comes_back_the_same_day_is_told_again() -> None:
    language = HandLanguage()
    ports = ports_with(language)
    told: list[LanguageCall] = []
    for outage in range(2):
        language.answer = fails()
        told += [put(ports, question(f"story {outage} {number}")) for number in range(FAILURES_TO_OPEN)]
        ports.clock.pass_by(OPEN_FOR)
        language.answer = lambda _: reply()
        told.append(put(ports, question(f"back {outage}")))
    assert [kind for kind, _ in titles(told)] == ["language-down", "language-back"] * 2
    assert len({each.message_id for call in told for each in call.notices}) == 4


@pytest.mark.parametrize("fault", [LanguageFault.OFF, LanguageFault.RESTING, LanguageFault.BUDGET])
def test_what_was_not_asked_is_no_failure_of_the_service(fault: LanguageFault) -> None:
    ports = ports_with(HandLanguage(fails(fault)))
    assert [put(ports).fault for _ in range(FAILURES_TO_OPEN + 1)] == [fault] * (FAILURES_TO_OPEN + 1)
    assert ports.rows(Table.CALLS, BREAKER) == {}


def test_a_breaker_that_cannot_be_read_is_begun_anew() -> None:
    language = HandLanguage(fails())
    ports = ports_with(language)
    ports.tables.put(Table.CALLS, BREAKER, SERVICE, {"breaker": "{", "open_until": "soon", "opened_at": "once"})
    for number in range(FAILURES_TO_OPEN):
        put(ports, question(f"story {number}"))
    assert len(language.asked) == FAILURES_TO_OPEN
    assert put(ports).fault is LanguageFault.RESTING
