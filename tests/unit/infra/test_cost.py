"""The reckoning of a month: what a request and a second are billed as, and how a day becomes a month."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from requests import Request

from benchmarks.cost import (
    DAYS,
    SCENARIOS,
    SCHEDULES,
    Deployment,
    Month,
    UsagePattern,
    awake_hours,
    deployed,
    fired_at,
    month,
    partitions,
    same_function,
)
from benchmarks.meter import Meter, Usage, alive_minutes, billed_as, billed_s, entity_bytes
from benchmarks.prices import (
    DELETED_AFTER_MONTHS,
    DURABLE_LOOKS_PER_HOUR,
    HOST_OPS,
    LEASES_PER_HOUR,
    LISTENS_PER_HOUR,
    LOOKS_PER_HOUR,
    PARTITION_OPS_PER_HOUR,
    TRIGGERS,
    WORK_ITEM_QUEUES,
    Op,
)
from sandbox.host.observer import Invocation, TriggerKind
from shared.contracts.records import Container, Table
from simulation.market.scenario import ROOT
from simulation.runtime.local_settings import read_local_settings
from tests.support.indexed import FUNCTIONS
from tests.unit.infra.bicep import prefixes_of_rules

EXAMPLE = read_local_settings(ROOT / "local.settings.json.example")
OPS, WRITTEN = Counter({Op.TABLE: 200}), Counter({Container.FEATURES.value: 1_000_000})
SCORE = Usage(kind=TriggerKind.QUEUE, executions=100, wall_s=5.0, billed_s=100.0, ops=OPS, written_bytes=WRITTEN)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
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
        ("PUT", "devstoreaccount1/features/2026-10-14/x.json.gz", (Op.BLOB_WRITE, "features/2026-10-14")),
        ("GET", "devstoreaccount1/models/signal/champion.json", (Op.BLOB_READ, "models/signal")),
        ("GET", "devstoreaccount1/models?restype=container&comp=list", (Op.BLOB_WRITE, "models")),
        ("GET", "devstoreaccount1/signals-poison/messages?numofmessages=32", (Op.QUEUE, "queues")),
        ("GET", "devstoreaccount1/signals?comp=metadata", (Op.QUEUE, "queues")),
        ("GET", "devstoreaccount1/signals()?$filter=x", (Op.TABLE, "tables")),
        ("GET", "v2/account", None),
        ("GET", "v1beta1/news", None),
    ],
)
def test_request_is_billed_by_service_and_act(method: str, path: str, expected: tuple[Op, str] | None) -> None:
    assert billed_as(method, f"http://127.0.0.1:10000/{path}") == expected


def test_no_table_is_named_like_a_container() -> None:
    assert not set(Table) & set(Container)


def test_every_timer_is_carried_over_by_its_own_schedules() -> None:
    assert sorted(name for names in SCHEDULES.values() for name in names) == sorted(
        name for name in EXAMPLE if name.endswith("_SCHEDULE")
    )
    assert len(fired_at("0 */15 17-22 * * 1-5")) == 21 * 6 * 4
    assert len(fired_at("0 * * * * *")) == 30 * 24 * 60


def carried(usage: dict[str, Usage], scenario: UsagePattern = SCENARIOS[0], **changes: Any) -> Month:
    return month(usage, scenario, EXAMPLE, 6.5, **changes)


def test_month_takes_timers_from_their_schedules_and_messages_from_trading_days() -> None:
    found = carried({"score_candidates": SCORE, "supervise_account": SUPERVISE})
    fired = sum(len(fired_at(EXAMPLE[name])) for name in SCHEDULES["supervise_account"])
    assert fired == 21 * 16 * 60 + 20 * 60  # the first of the month's hours after midnight is Sunday's
    assert found.executions == pytest.approx(fired + 21 * 100)
    assert found.billed_s == pytest.approx(fired + 21 * 100)
    assert found.ops[Op.TABLE] == pytest.approx(21 * 200)
    assert found.ops[Op.QUEUE] == pytest.approx(21 * 100 * HOST_OPS[TriggerKind.QUEUE][Op.QUEUE])


def test_platform_looks_at_queues_with_a_trigger_as_long_as_the_app_is_awake() -> None:
    hours = DAYS * 24
    of_triggers = TRIGGERS * LOOKS_PER_HOUR
    durable = (partitions() + WORK_ITEM_QUEUES) * DURABLE_LOOKS_PER_HOUR
    assert carried({}).host_ops[Op.QUEUE] == pytest.approx(hours * (of_triggers + durable))
    assert carried({}, awake_hours=hours / 2).host_ops[Op.QUEUE] == pytest.approx(hours / 2 * (of_triggers + durable))
    assert carried({}, has_scheduler=True).host_ops[Op.QUEUE] == pytest.approx(hours * of_triggers)
    always = UsagePattern(name="x", is_always_open=True)
    assert carried({}, always, awake_hours=1.0).host_ops[Op.QUEUE] == pytest.approx(hours * (of_triggers + durable))


def test_every_trigger_that_is_counted_is_one_of_the_app() -> None:
    queues = [
        binding.get_dict_repr()["queueName"]
        for function in FUNCTIONS
        for binding in function.get_bindings()
        if binding.type == "queueTrigger"
    ]
    assert (len(queues), len(set(queues))) == (TRIGGERS, TRIGGERS)


def test_leases_are_held_in_minutes_in_which_an_instance_lives_after_any_timer() -> None:
    fired = [at for names in SCHEDULES.values() for name in names for at in fired_at(EXAMPLE[name])]
    alive_hours = alive_minutes(fired) / 60
    timers = sum(map(len, SCHEDULES.values()))
    found = carried({}).host_ops
    assert found[Op.BLOB_OTHER] == pytest.approx((timers + 1) * LEASES_PER_HOUR * alive_hours)
    assert found[Op.TABLE] == pytest.approx(PARTITION_OPS_PER_HOUR * alive_hours)
    assert carried({}, has_scheduler=True).host_ops[Op.TABLE] == 0


def test_an_instance_lives_ten_minutes_after_its_last_execution() -> None:
    assert alive_minutes([]) == 0
    assert alive_minutes([NOON]) == 10
    assert alive_minutes([NOON, NOON + timedelta(minutes=4), NOON + timedelta(minutes=30)]) == 14 + 10


def test_an_instance_listens_to_its_own_queue_while_it_lives() -> None:
    lively = Usage(kind=TriggerKind.QUEUE, executions=1, began_at=[NOON])
    more = carried({"gate_signal": lively}).host_ops[Op.QUEUE] - carried({}).host_ops[Op.QUEUE]
    assert more == pytest.approx(21 * LISTENS_PER_HOUR[TriggerKind.QUEUE] * 10 / 60)


def test_what_two_timers_do_alike_is_counted_as_one() -> None:
    evening = Usage(kind=TriggerKind.TIMER, executions=60, billed_s=60.0, ops=Counter({Op.TABLE: 3}))
    usage = {"supervise_account": replace(SUPERVISE), "supervise_evening": evening}
    found = same_function(usage)
    assert found.keys() == {"supervise_account"}
    assert (found["supervise_account"].executions, found["supervise_account"].ops[Op.TABLE]) == (1060, 3)


def test_more_symbols_score_more_and_supervise_no_more() -> None:
    usage = {"score_candidates": SCORE, "supervise_account": SUPERVISE}
    one, ten = (carried(usage, UsagePattern(name="x", symbols=symbols)) for symbols in (1.0, 10.0))
    assert ten.executions - one.executions == pytest.approx(9 * 21 * 100)
    assert ten.billed_s - one.billed_s == pytest.approx(9 * 21 * 100)


def test_market_that_never_closes_runs_every_hour_of_the_month() -> None:
    found = month({"score_candidates": SCORE}, UsagePattern(name="x", is_always_open=True), EXAMPLE, 6.0)
    assert found.executions == pytest.approx(100 * 30 * 24 / 6.0)


def test_grant_is_taken_off_and_never_pays_back() -> None:
    found = carried({"supervise_account": SUPERVISE})
    granted, full = (Deployment(memory_gb=2.0).usd(found, is_granted=is_granted) for is_granted in (True, False))
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
    usd = [Deployment().usd(carried(usage), is_granted=True) for usage in (kept, gone)]
    assert usd[0]["stored, after a year"] == pytest.approx(12 * usd[1]["stored, after a year"])


def test_blobs_priced_as_deleted_are_those_that_infra_deletes() -> None:
    rules = {prefix: actions for prefixes, actions in prefixes_of_rules().values() for prefix in prefixes}
    for where, months in DELETED_AFTER_MONTHS.items():
        days = rules[f"{where}/"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
        assert days == pytest.approx(months * 30, abs=1)


def test_what_is_priced_is_what_is_deployed() -> None:
    found = Deployment()
    assert found.memory_gb == int(deployed("instanceMemoryMB")) / 1024
    assert found.is_alerted == (deployed("isTroubleAlerted") == "true")
    empty = carried({})
    alerted, quiet = (replace(found, is_alerted=is_alerted).usd(empty, is_granted=True) for is_alerted in (True, False))
    assert alerted["alert rule"] - quiet["alert rule"] == found.prices.alert_rule
    with pytest.raises(ValueError, match="expected a default of noSuchThing"):
        deployed("noSuchThing")


def test_hours_in_which_the_app_is_stopped_are_those_of_infra() -> None:
    assert deployed("hasScheduledStop") == "true"
    assert awake_hours() == pytest.approx(21 * 17.25 + 4 * 1.0)


def test_a_row_counts_once_as_azure_measures_it() -> None:
    row = {"PartitionKey": "d", "RowKey": "k", "n": 1.5, "s": "ab", "s@odata.type": "Edm.String", "is_on": True}
    assert entity_bytes(row) == 4 + 4 + (8 + 2 + 8) + (8 + 2 + 4 + 4) + (8 + 10 + 1)
    meter = Meter()
    for at in range(3):
        meter.before(Invocation(function="f", kind=TriggerKind.TIMER, trigger_id="t", invocation_id=str(at), at=NOON))
        put = Request("PUT", "http://127.0.0.1:1/devstoreaccount1/runs(PartitionKey='d',RowKey='k')", json=row)
        meter.sent(put.prepare())
        batch = f"--b\r\nPUT http://127.0.0.1:1/devstoreaccount1/fills(x) HTTP/1.1\r\n\r\n{json.dumps(row)}\r\n--b--"
        meter.sent(Request("POST", "http://127.0.0.1:1/devstoreaccount1/$batch", data=batch).prepare())
    assert meter.usage["f"].written_bytes["tables"] == 2 * entity_bytes(row)
    assert meter.usage["f"].ops[Op.TABLE] == 6
