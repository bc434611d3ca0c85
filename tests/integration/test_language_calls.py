"""Calls of a language model on Azure's own tables and blobs, as Azurite keeps them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Barrier

from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import Table
from shared.contracts.settings import StorageSettings
from shared.core.breaker import FAILURES_TO_OPEN, OPEN_FOR
from shared.core.text.language import LanguageError, LanguageFault
from shared.stages.narrative.calls import LanguageCall, RecordedLanguage, ask, faults_of
from shared.stages.narrative.spending import DAY, Spending
from tests.support.language import HandLanguage, question, reply
from tests.support.ports import FakePorts, fake_ports

NOON = datetime(2025, 10, 15, 16, 0, tzinfo=UTC)
ON = date(2025, 10, 15)


def ports_on(storage: str, language: HandLanguage) -> FakePorts:
    """What one instance has: its own clients of the same account."""
    where = StorageSettings(connection=storage)
    address = {"GATEHOUSE_LANGUAGE_URL": "http://127.0.0.1:1/v1", "GATEHOUSE_LANGUAGE_MODEL": "small-model"}
    ports = fake_ports(NOON, tables=None, **address)
    ports.tables, ports.blobs, ports.language = AzureTables(where), AzureBlobs(where), language
    return ports


def put(ports: FakePorts, story: str) -> LanguageCall:
    return ask(ports, question(story), on=ON, deadline_s=5.0, judge=lambda _: "TOLD")


def test_instances_that_ask_at_the_same_time_lose_no_count_and_share_their_records(storage: str) -> None:
    instances = [ports_on(storage, HandLanguage()) for _ in range(4)]
    barrier = Barrier(len(instances))

    def work(number: int) -> list[LanguageCall]:
        barrier.wait(30)
        return [put(instances[number], f"story {number} {part}") for part in range(3)]

    with ThreadPoolExecutor(len(instances)) as pool:
        calls = [call for found in pool.map(work, range(len(instances))) for call in found]
    assert all(call.reply for call in calls)
    rows = instances[0].rows(Table.CALLS, ON)
    used = Spending.of(rows.pop(DAY))  # type: ignore[arg-type]
    assert (used.calls, used.tokens_in, used.tokens_out, len(rows)) == (12, 480, 108, 12)
    again = [put(instances[3], f"story {number} {part}") for number in range(4) for part in range(3)]
    assert [call.reply and call.reply.text for call in again] == [call.reply and call.reply.text for call in calls]
    assert len(instances[3].language.asked) == 3  # type: ignore[attr-defined]


def test_an_outage_is_kept_told_and_replayed_from_storage(storage: str) -> None:
    language = HandLanguage(lambda _: LanguageError(LanguageFault.DOWN, "closed"))
    ports = ports_on(storage, language)
    calls = [put(ports, f"story {number}") for number in range(FAILURES_TO_OPEN + 1)]
    ports.clock.pass_by(OPEN_FOR)
    language.answer = lambda _: reply()
    calls.append(put(ports, "later"))
    assert [each.kind for call in calls for each in call.notices] == ["language-down", "language-back"]
    faults = [LanguageFault.DOWN] * FAILURES_TO_OPEN + [LanguageFault.RESTING, None]
    assert [call.fault for call in calls] == faults
    ports.language = RecordedLanguage(settings=ports.settings.language, faults=faults_of(ports.tables, ON))
    stories = [*(f"story {number}" for number in range(FAILURES_TO_OPEN + 1)), "later"]
    assert [put(ports, story).fault for story in stories] == faults
    [answered] = [row for row in ports.rows(Table.CALLS, ON).values() if row.get("record") == calls[-1].record]
    assert answered["status"] == "TOLD"
