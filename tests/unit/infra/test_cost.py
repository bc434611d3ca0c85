"""The reckoning of a month: what a request and a second are billed as, and how a day becomes a month."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.cost import (
    SCENARIOS,
    SCHEDULES,
    Scenario,
    Usage,
    billed_as,
    billed_s,
    deployed_memory_gb,
    firings,
    month,
)
from benchmarks.prices import DELETED_AFTER_MONTHS, HOST_OPS, Op, Prices
from sandbox.host.observer import TriggerKind
from sandbox.host.settings import read_local_settings
from sandbox.world import ROOT
from shared.contracts.records import Container, Table
from tests.unit.infra.bicep import prefixes_of_rules

EXAMPLE = read_local_settings(ROOT / "local.settings.json.example")
SCORE = Usage(
    kind=TriggerKind.QUEUE, executions=100, wall_s=5.0, billed_s=100.0, ops=Counter({Op.TABLE: 200}),
    written_bytes=Counter({Container.FEATURES.value: 1_000_000}),
)  # fmt: skip
SUPERVISE = Usage(kind=TriggerKind.TIMER, executions=1000, wall_s=10.0, billed_s=1000.0)


@pytest.mark.parametrize(
    ("wall_s", "expected"), [(0.0, 1.0), (0.999, 1.0), (1.0, 1.0), (1.01, 1.1), (1.2, 1.2), (2.34, 2.4)]
)
def test_execution_is_billed_from_one_second_in_tenths(wall_s: float, expected: float) -> None:
    assert billed_s(wall_s) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "devstoreaccount1/orders(PartitionKey='a',RowKey='b')", (Op.TABLE, "tables")),
        ("POST", "devstoreaccount1/$batch", (Op.TABLE, "tables")),
        ("PUT", "devstoreaccount1/features/2026-10-14/x.json", (Op.BLOB_WRITE, "features/2026-10-14")),
        ("GET", "devstoreaccount1/models/signal/champion.json", (Op.BLOB_READ, "models/signal")),
        ("GET", "devstoreaccount1/models?restype=container&comp=list", (Op.BLOB_WRITE, "models")),
        ("GET", "v2/account", None),
        ("GET", "v1beta1/news", None),
    ],
)
def test_request_is_billed_by_service_and_act(method: str, path: str, expected: tuple[Op, str] | None) -> None:
    assert billed_as(method, f"http://127.0.0.1:10000/{path}") == expected


def test_no_table_is_named_like_a_container() -> None:
    assert not set(Table) & set(Container)


def test_every_timer_is_carried_over_by_its_own_schedule() -> None:
    assert set(SCHEDULES.values()) == {name for name in EXAMPLE if name.endswith("_SCHEDULE")}
    assert firings("0 */15 17-22 * * 1-5") == (21 * 6 * 4, 21 * 6)
    assert firings("0 * * * * *") == (30 * 24 * 60, 30 * 24)


def test_month_takes_timers_from_their_schedules_and_messages_from_trading_days() -> None:
    found = month({"score_candidates": SCORE, "supervise_account": SUPERVISE}, SCENARIOS[0], EXAMPLE, 6.5)
    fired, hours = firings(EXAMPLE["GATEHOUSE_SUPERVISE_SCHEDULE"])
    assert found.executions == pytest.approx(fired + 21 * 100)
    assert found.billed_s == pytest.approx(fired + 21 * 100)
    assert found.ops[Op.TABLE] == pytest.approx(21 * 200)
    assert found.ops[Op.QUEUE] == pytest.approx(21 * 100 * HOST_OPS[TriggerKind.QUEUE][Op.QUEUE])
    assert found.host_ops[Op.TABLE] == pytest.approx(hours * 720)


def test_more_symbols_score_more_and_supervise_no_more() -> None:
    usage = {"score_candidates": SCORE, "supervise_account": SUPERVISE}
    one, ten = (month(usage, Scenario(name="x", symbols=symbols), EXAMPLE, 6.5) for symbols in (1.0, 10.0))
    assert ten.executions - one.executions == pytest.approx(9 * 21 * 100)
    assert ten.billed_s - one.billed_s == pytest.approx(9 * 21 * 100)


def test_market_that_never_closes_runs_every_hour_of_the_month() -> None:
    found = month({"score_candidates": SCORE}, Scenario(name="x", is_always_open=True), EXAMPLE, 6.0)
    assert found.executions == pytest.approx(100 * 30 * 24 / 6.0)


def test_grant_is_taken_off_and_never_pays_back() -> None:
    found = month({"supervise_account": SUPERVISE}, SCENARIOS[0], EXAMPLE, 6.5)
    prices = Prices()
    granted = found.items(prices, 2.0, is_granted=True)
    full = found.items(prices, 2.0, is_granted=False)
    assert granted["execution time"] == 0.0
    assert full["execution time"] == pytest.approx(found.billed_s * 2.0 * 0.000026)
    assert full["executions"] == pytest.approx(found.executions * 0.40 / 1e6)


def test_stored_bytes_are_priced_for_as_long_as_they_are_kept() -> None:
    kept = {"score_candidates": SCORE}
    gone = {
        "score_candidates": Usage(
            kind=TriggerKind.QUEUE, executions=100, written_bytes=Counter({"bars/history": 1_000_000})
        )
    }
    prices = Prices()
    usd = [month(usage, SCENARIOS[0], EXAMPLE, 6.5).items(prices, 2.0, is_granted=True) for usage in (kept, gone)]
    assert usd[0]["stored, after a year"] == pytest.approx(12 * usd[1]["stored, after a year"])


def test_blobs_priced_as_deleted_are_those_that_infra_deletes() -> None:
    rules = {prefix: actions for prefixes, actions in prefixes_of_rules().values() for prefix in prefixes}
    for where, months in DELETED_AFTER_MONTHS.items():
        days = rules[f"{where}/"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
        assert days == pytest.approx(months * 30, abs=1)


def test_memory_priced_is_the_memory_deployed() -> None:
    assert deployed_memory_gb() in {0.5, 2.0, 4.0}
