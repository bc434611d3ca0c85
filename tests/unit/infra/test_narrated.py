"""What narratives add to a month: tokens within their budgets, and functions as they are counted or reckoned."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from requests import Request

from benchmarks.cost import SCENARIOS, month
from benchmarks.meter import Meter, Usage
from benchmarks.narrated import CALL_OPS, NARRATIVES_A_DAY, STORY_FUNCTIONS, Narrated, without_stories
from benchmarks.prices import ANSWER_WAIT_S, Op
from sandbox.host.observer import CallOutcome, Invocation, TriggerKind
from shared.adapters.memory import MemoryBlobs, MemoryTables
from shared.contracts.settings import LanguageSettings
from shared.stages.narrative.calls import ask
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings
from tests.support.language import HandLanguage, question
from tests.support.ports import fake_ports

NOON = datetime(2025, 10, 15, 16, 0, tzinfo=UTC)
SCORE = Usage(
    kind=TriggerKind.QUEUE,
    executions=150,
    wall_s=15.0,
    billed_s=150.0,
    broker_requests=300,
    ops=Counter({Op.TABLE: 700}),
)
DAY = Narrated(batches=64)
EXAMPLE = read_local_settings(ROOT / "local.settings.json.example")


class Counted:
    """A store whose calls are counted by name."""

    def __init__(self, store: Any, counts: Counter[str]) -> None:
        self._store, self._counts = store, counts

    def __getattr__(self, name: str) -> Any:
        self._counts[name] += 1
        return getattr(self._store, name)


def test_a_call_asks_as_much_of_storage_as_is_reckoned() -> None:
    tables: Counter[str] = Counter()
    blobs: Counter[str] = Counter()
    ports = fake_ports(NOON, GATEHOUSE_LANGUAGE_URL="http://127.0.0.1:1/v1", GATEHOUSE_LANGUAGE_MODEL="small-model")
    ports.language = HandLanguage()
    ports.tables, ports.blobs = Counted(MemoryTables(), tables), Counted(MemoryBlobs(), blobs)
    for number in range(2):  # the day's first call finds no row yet
        tables.clear()
        blobs.clear()
        ask(ports, question(f"story {number}"), on=date(2025, 10, 15), deadline_s=5.0, judge=lambda _: "TOLD")
    assert tables.total() == CALL_OPS[Op.TABLE]
    assert blobs == {"get": CALL_OPS[Op.BLOB_READ], "insert": CALL_OPS[Op.BLOB_WRITE]}


def test_tokens_cost_what_the_settings_say_and_no_more_than_the_budgets() -> None:
    assert DAY.narratives == NARRATIVES_A_DAY
    tokens_in, tokens_out = DAY.tokens
    assert DAY.usd == pytest.approx(NARRATIVES_A_DAY * (tokens_in * 0.15 + tokens_out * 0.6) / 1e6)
    few = Narrated(batches=64, settings=LanguageSettings(tokens_a_day=30_000))
    assert few.narratives * sum(few.tokens) == pytest.approx(30_000)
    poor = Narrated(batches=64, settings=LanguageSettings(usd_a_day=0.01))
    assert poor.usd == pytest.approx(0.01)
    own = Narrated(batches=64, settings=LanguageSettings(usd_per_million_in=0, usd_per_million_out=0))
    assert (own.narratives, own.usd) == (NARRATIVES_A_DAY, 0)


def test_stories_add_two_functions_and_a_slice_for_each_batch() -> None:
    usage = DAY.reckoned({"score_candidates": SCORE})
    assert {name: used.executions for name, used in usage.items()} == {
        "score_candidates": 150 + 64,
        "read_stories": 64,
        "narrate": 64,
    }
    assert usage["score_candidates"].ops[Op.TABLE] == round(700 * 214 / 150)
    assert usage["narrate"].billed_s > NARRATIVES_A_DAY * ANSWER_WAIT_S
    assert without_stories(usage).keys() == {"score_candidates"}
    assert usage.keys() >= STORY_FUNCTIONS
    off, on = (
        month(each, SCENARIOS[0], EXAMPLE, 6.5)
        for each in ({"score_candidates": SCORE}, DAY.reckoned({"score_candidates": SCORE}))
    )
    assert on.executions - off.executions == pytest.approx(21 * 3 * 64)


def test_an_answer_that_is_waited_for_is_billed_and_no_storage_request() -> None:
    meter = Meter()
    run = Invocation(function="narrate", kind=TriggerKind.QUEUE, trigger_id="m", invocation_id="1", at=NOON)
    meter.before(run)
    meter.sent(Request("POST", "http://127.0.0.1:8080/v1/chat/completions", data=b"{}").prepare())
    meter.after(run, CallOutcome(wall_s=0.1, error=None))
    used = meter.usage["narrate"]
    assert used.billed_s == pytest.approx(0.1 + ANSWER_WAIT_S)
    assert (used.ops.total(), used.broker_requests) == (0, 0)
