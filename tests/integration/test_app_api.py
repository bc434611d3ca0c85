"""The operator's API on the real app: parameter sets, replays, jobs by hand, rollback, health, metrics."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from shared.adapters.codec import decode_json, encode_json
from shared.bootstrap import JsonCodec, app
from shared.contracts.model_card import Champion, ModelCard
from shared.contracts.openapi import ROUTES
from shared.contracts.parameters import Evidence, ParameterSet
from shared.contracts.records import CONTROLS, Container, Queue, Table
from shared.core.errors import TransientError
from shared.core.ids import digest
from shared.core.settings import FIRST_STRATEGY
from shared.stages.operator.parameters import propose
from simulation.market.scenario import DEFAULT_ON
from tests.support.app import QUIET, Sandbox, base64_of, new_york
from tests.support.apps.running import KEYS as HOST_KEYS
from tests.support.bad_input import NOT_SHOWN

SWEPT, SWEPT_AGAIN = "10:01:05", "10:06:05"
"""After the first sweeps of the poison queues."""

type MakeSandbox = Callable[..., Sandbox]

DOWN = {"kind": "500", "path": "/v2", "probability": 1.0}
WHO = {"by": "test", "reason": "drill"}


def store_set(box: Sandbox, name: str, **values: str) -> None:
    """Propose a parameter set."""
    evidence = Evidence(blob="reports/backtests/1/summary.json", figures={"sharpe": 1.5})
    made = ParameterSet(name=name, created_at=new_york("09:00"), proposed_by="test", values=values, evidence=evidence)
    propose(box.blobs, JsonCodec(), made)


async def post(box: Sandbox, path: str, **body: Any) -> Any:
    return await box.http("POST", f"/api/{path}", WHO | body)


def acts(box: Sandbox) -> list[tuple[str, int]]:
    return sorted((row["act"], row["status"]) for row in box.rows(Table.CONTROLS).values())


def test_an_accepted_parameter_set_decides_the_next_signal_and_is_named_in_it(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        store_set(box, "one-only", GATEHOUSE_MAX_POSITIONS="1")
        store_set(box, "greedy", GATEHOUSE_MAX_POSITIONS="15")
        status, before = await box.http("GET", "/api/parameters")
        assert (status, before["in_force"], before["sets"]) == (200, "default", ["greedy", "one-only"])
        assert (await box.http("GET", "/api/parameters/one-only"))[1]["values"] == {"GATEHOUSE_MAX_POSITIONS": "1"}
        assert (await box.http("GET", "/api/parameters/none-such"))[0] == 404
        assert (await post(box, "parameters/accept", name="none-such"))[0] == 404
        status, told = await post(box, "parameters/accept", name="greedy")
        assert (status, told["field"]) == (409, "name")
        assert await post(box, "parameters/accept", name="one-only") == (
            200,
            {"parameter_set": "one-only", "previous": "default"},
        )
        assert (await box.http("GET", "/api/parameters"))[1]["in_force"] == "one-only"
        box.send(Queue.SIGNALS, box.signal("SPY"))
        await box.for_s(20)
        box.send(Queue.SIGNALS, box.signal("QQQ", slot="1001"))
        await box.for_s(20)
        decisions = {row["symbol"]: row for row in box.rows(Table.DECISIONS).values()}
        assert {row["parameter_set"] for row in decisions.values()} == {"one-only"}
        assert decisions["SPY"]["verdict"] == "approved"
        assert "MAX_POSITIONS" in decisions["QQQ"]["refused_by"].split()
        assert box.rows(Table.CONTROLS, CONTROLS)["parameters"]["by"] == "test"
        assert acts(box) == [("accept-parameters", 200), ("accept-parameters", 404), ("accept-parameters", 409)]
        assert box.trace.errors == []

    sandbox(settings=QUIET).run(scenario)


def test_one_strategy_is_halted_and_resumed_while_the_other_enters(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        own, other = box.signal("SPY"), replace(box.signal("QQQ"), strategy="dip-buyer.v1")
        assert (await post(box, "strategies/dip-buyer.v1/halt"))[0] == 200
        assert (await post(box, "strategies/none-such.v1/halt"))[0] == 404
        assert (await post(box, "strategies/..%2Fkill/halt"))[0] == 404
        found = (await box.http("GET", "/api/status"))[1]["strategies"]
        assert (found["dip-buyer.v1"]["halted"], found["momentum.v1"]["halted"]) == ("halted by test: drill", None)
        box.send(Queue.SIGNALS, own, other)
        await box.for_s(20)
        decisions = {row["symbol"]: row for row in box.rows(Table.DECISIONS).values()}
        assert decisions["SPY"]["verdict"] == "approved"
        assert decisions["QQQ"]["refused_by"] == "STRATEGY_HALTED"
        assert (await post(box, "strategies/dip-buyer.v1/resume"))[0] == 200
        assert (await box.http("GET", "/api/status"))[1]["strategies"]["dip-buyer.v1"]["halted"] is None
        again = replace(box.signal("QQQ", slot="1001"), strategy="dip-buyer.v1")
        box.send(Queue.SIGNALS, again)
        await box.for_s(20)
        decisions = {row["slot"]: row for row in box.rows(Table.DECISIONS).values() if row["symbol"] == "QQQ"}
        assert decisions["1001"]["verdict"] == "approved"
        assert box.trace.errors == []

    both = {"GATEHOUSE_STRATEGIES": "momentum.v1=0.5 dip-buyer.v1=0.5"}
    sandbox(settings=QUIET | both).run(scenario)


def test_a_set_that_was_tampered_with_stays_out_of_force_and_is_told(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        store_set(box, "one-only", GATEHOUSE_MAX_POSITIONS="1")
        await post(box, "parameters/accept", name="one-only")
        stored = box.blobs.get(Container.PARAMETERS, "one-only.json")
        assert stored is not None
        box.blobs.put(Container.PARAMETERS, "one-only.json", stored.value.replace(b'"1"', b'"9"'))
        app.cache_clear()
        await box.for_s(90)
        status, found = await box.http("GET", "/api/health/ready")
        assert status == 503
        assert "not what was accepted" in found["checks"]["parameters"]["fault"]
        assert len(box.incidents("parameters")) == 1

    sandbox(settings=QUIET).run(scenario)


def test_a_poison_message_sent_back_is_handled_once(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        text = base64_of(encode_json(box.signal("SPY")))
        box.put(f"{Queue.SIGNALS}-poison", text)
        await box.until(SWEPT)
        (key,) = (k for k, row in box.rows(Table.INCIDENTS).items() if row["kind"] == "poison")
        asked = {"on": str(DEFAULT_ON), "incident": key}
        assert box.rows(Table.DECISIONS) == {}
        status, told = await post(box, "poison/redrive", **asked)
        assert (status, told["queue"], told["characters"]) == (200, "signals", len(text))
        await box.for_s(20)
        await post(box, "poison/redrive", **asked)
        await box.for_s(20)
        (decision,) = box.rows(Table.DECISIONS).values()
        assert (decision["symbol"], decision["verdict"]) == ("SPY", "approved")
        assert box.bought() == {"SPY": 1}
        assert box.rows(Table.INCIDENTS)[key]["status"] == "replayed"
        assert (await post(box, "quarantine/redrive", **asked))[0] == 409
        assert (await post(box, "poison/redrive", **asked | {"on": "2026-10-13"}))[0] == 404
        assert ("poison-redrive", 200) in acts(box)
        assert box.trace.errors == []

    sandbox(settings=QUIET).run(scenario)


def test_a_poison_message_that_fails_again_is_told_again(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        text = base64_of("failed five times")
        box.put(f"{Queue.SIGNALS}-poison", text)
        await box.until(SWEPT)
        (key,) = box.rows(Table.INCIDENTS)
        await post(box, "poison/redrive", on=str(DEFAULT_ON), incident=key)
        box.put(f"{Queue.SIGNALS}-poison", text)
        await box.until(SWEPT_AGAIN)
        assert box.rows(Table.INCIDENTS)[key]["status"] == "open"

    sandbox(settings=QUIET).run(scenario)


def test_a_quarantined_message_sent_back_to_code_that_cannot_read_it_is_quarantined_again(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.put(Queue.CANDIDATES, "not base64!")
        await box.for_s(5)
        (key,) = box.rows(Table.INCIDENTS)
        status, _ = await post(box, "quarantine/redrive", on=str(DEFAULT_ON), incident=key)
        assert status == 200
        await box.for_s(5)
        assert box.trace.count("score_candidates") == 2
        assert box.rows(Table.INCIDENTS)[key]["status"] == "open"

    sandbox(settings=QUIET).run(scenario)


def test_a_job_runs_by_hand_once_in_a_minute_and_is_recorded(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        status, told = await post(box, "jobs/premarket-final/run")
        assert (status, told["job"], told["slot"]) == (200, "premarket-final", "1000")
        assert (await post(box, "jobs/premarket-final/run"))[0] == 409
        status, told = await post(box, "jobs/candidates/run")
        assert status == 200
        assert told["messages"] >= 1
        await box.for_s(5)
        assert box.trace.count("score_candidates") == told["messages"]
        runs = box.rows(Table.RUNS)
        assert (runs["premarket-final|1000"]["status"], runs["candidates|1000"]["status"]) == ("done", "done")
        for job in ("supervise", "flatten", "none-such", "..%2Fcandidates"):
            assert (await post(box, f"jobs/{job}/run"))[0] == 404
        assert ("run-job", 200) in acts(box)
        assert ("run-job", 404) in acts(box)
        assert box.trace.errors == []

    sandbox(settings=QUIET).run(scenario)


def test_a_job_that_fails_by_hand_says_so_and_is_recorded_as_failed(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.break_venue(DOWN)
        status, told = await post(box, "jobs/intraday-refresh/run")
        assert status == 503
        assert told["error"]
        assert box.rows(Table.RUNS)["intraday-refresh|1000"]["status"] == "failed"

    sandbox(settings=QUIET).run(scenario)


def test_a_model_rolls_back_to_the_champion_before_it_and_no_further(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        first = champion(box)
        second = publish_copy(box, first.version, "copy")
        status, found = await box.http("GET", "/api/status")
        assert (status, found["models"]["signal"]["version"]) == (200, "copy")
        assert (await post(box, "models/signal/rollback", version=first.version))[0] == 409
        assert (await post(box, "models/none-such/rollback", version="x"))[0] == 404
        assert (await post(box, "models/..%2Fsignal/rollback", version="x"))[0] == 404
        status, told = await post(box, "models/signal/rollback", version=second.version)
        assert (status, told["version"]) == (200, first.version)
        assert (await post(box, "models/signal/rollback", version=second.version))[0] == 409
        assert (await post(box, "models/signal/rollback", version=first.version))[0] == 409
        await box.for_s(61)
        assert (await box.http("GET", "/api/status"))[1]["models"]["signal"]["version"] == first.version
        left = champion(box).past[-1]
        assert (left.version, "by test: drill" in left.fault) == ("copy", True)

    sandbox(settings=QUIET).run(scenario)


def champion(box: Sandbox) -> Champion:
    stored = box.blobs.get(Container.MODELS, "signal/champion.json")
    assert stored is not None
    return decode_json(Champion, stored.value)


def publish_copy(box: Sandbox, version: str, name: str) -> Champion:
    """The same model under another version, made champion as the trainer does."""
    from training.publish import publish  # noqa: PLC0415 - the trainer's own libraries

    onnx = box.blobs.get(Container.MODELS, f"signal/{version}/model.onnx")
    card = box.blobs.get(Container.MODELS, f"signal/{version}/card.json")
    assert onnx is not None
    assert card is not None
    copy = replace(decode_json(ModelCard, card.value), version=name)
    assert digest(onnx.value) == copy.sha256
    publish(box.blobs, onnx.value, copy, promoted_at=box.clock.now())
    return champion(box)


def test_ready_names_what_is_not_well(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        assert (await box.http("GET", "/api/health/live"))[0] == 200
        status, found = await box.http("GET", "/api/health/ready")
        faults = {name: check["fault"] for name, check in found["checks"].items()}
        assert found["checks"]["clock"]["found"] == {"skew_s": 0.0}
        assert {name for name, fault in faults.items() if fault} <= {"jobs", "supervise"}, faults
        box.break_venue(DOWN)
        status, found = await box.http("GET", "/api/health/ready")
        assert status == 503
        assert not found["checks"]["broker"]["ok"]
        assert found["checks"]["storage"]["ok"]
        assert (await box.http("GET", "/api/health/live"))[0] == 200

    sandbox(settings=QUIET).run(scenario)


def test_metrics_are_prometheus_text_and_agree_with_the_tables(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(Queue.SIGNALS, box.signal("SPY"))
        box.put(f"{Queue.SIGNALS}-poison", base64_of("failed five times"))
        await box.for_s(70)
        await post(box, "kill", flatten=False)
        status, text = await box.http("GET", "/api/metrics")
        assert status == 200
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert found["gatehouse_decisions", FIRST_STRATEGY, "approved"] == 1  # labels stand in order
        assert found["gatehouse_orders", "PROTECTED"] == 1
        assert found["gatehouse_fills", "entry", FIRST_STRATEGY] == len(box.rows(Table.FILLS))
        assert found["gatehouse_incidents", "poison"] == 1
        assert found["gatehouse_kill_switch",] == 1
        assert found["gatehouse_queue_messages", "signals-poison"] == 0
        assert found["gatehouse_equity_usd",] > 0
        assert found["gatehouse_model_age_s", "signal"] > 0
        assert ("gatehouse_slippage_bp", "entry") in found

    sandbox(settings=QUIET).run(scenario)


def test_what_is_too_large_or_of_another_type_is_refused_before_it_is_read(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        good = json.dumps(WHO)
        for media in ("text/plain", "application/x-www-form-urlencoded", ""):
            assert (await box.http("POST", "/api/halt", good, media=media))[0] == 415
        assert (await box.http("POST", "/api/halt", good + " " * 20_000))[0] == 413
        assert (await box.http("POST", "/api/halt", '{"by": "x", "by": "y", "reason": "z"}'))[0] == 400
        assert (await box.http("POST", "/api/halt", '{"by": ' + "[" * 8000))[0] == 400
        assert (await box.http("GET", "/api/halt"))[0] in {404, 405}
        assert (await box.http("POST", "/api/nothing-here", good))[0] == 404
        assert (await box.http("GET", "/api/status"))[1]["kill_switch"] is None
        assert (await box.http("POST", "/api/halt", good, media="application/json; charset=utf-8"))[0] == 200
        assert (await box.http("GET", "/api/status"))[1]["kill_switch"] == "drill"

    sandbox(settings=QUIET).run(scenario)


def test_no_call_writes_a_second_line_into_log_or_tables(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        for bad in NOT_SHOWN:
            for who in ({"by": f"me{bad}", "reason": "odd"}, {"by": "me", "reason": f"odd{bad}"}):
                assert (await box.http("POST", "/api/kill", who))[0] == 200, "no kill waits for its wording"
            refused = {"by": f"me{bad}", "reason": "odd", f"flat{bad}": True}
            assert (await box.http("POST", "/api/halt", refused))[0] == 400
        assert (await box.http("POST", "/api/kill", {"by": "Zoë", "reason": "日本語 odd"}))[0] == 200
        await box.for_s(5)
        rows = box.rows(Table.CONTROLS).values()
        assert {row["status"] for row in rows} == {200, 400}
        for status in (200, 400):
            assert "me\ufffd\ufffdCRITICAL forged" in {row["by"] for row in rows if row["status"] == status}
        for row in rows:
            for text in map(str, row.values()):
                assert text.isprintable(), row
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("gatehouse")]
        assert any("日本語 odd" in line for line in lines)
        assert all(line.isprintable() for line in lines)

    caplog.set_level(logging.INFO)
    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_a_record_that_storage_does_not_take_leaves_one_line(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise TransientError("storage is away")

    async def scenario(box: Sandbox) -> None:
        monkeypatch.setattr("functions.http.record_call", lost)
        await box.http("POST", "/api/halt", {"by": "me\r\nCRITICAL forged", "reason": "odd\u2028INFO all is well"})
        (line,) = [r.getMessage() for r in caplog.records if "could not be recorded" in r.getMessage()]
        assert line.isprintable()
        assert "me\ufffd\ufffdCRITICAL forged" in line

    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_nothing_that_changes_anything_answers_get(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        for route in ROUTES.values():
            if route.method == "POST" and not route.is_keyless:
                path = route.path.format(job="news-scan", name="signal")
                assert (await box.http("GET", f"/api/{path}"))[0] in {404, 405}, route.name
        assert box.rows(Table.CONTROLS) == {}

    sandbox(settings=QUIET, with_models=False).run(scenario)


def test_the_caller_is_named_only_where_a_setting_says_that_the_header_can_be_believed(sandbox: MakeSandbox) -> None:
    headers = {"x-functions-key": HOST_KEYS.function, "X-MS-CLIENT-PRINCIPAL-NAME": "me@example.com"}

    async def scenario(box: Sandbox) -> None:
        address = f"{box.host.url}/api/notices/test"
        await asyncio.to_thread(requests.post, address, json=WHO, headers=headers, timeout=300)

    box = sandbox(settings=QUIET, with_models=False)
    box.run(scenario)
    box.clock.jump(box.clock.now() + timedelta(minutes=1))
    box.settings = QUIET | {"GATEHOUSE_PRINCIPAL_HEADER": "X-MS-CLIENT-PRINCIPAL-NAME"}
    box.run(scenario)
    assert [row.get("caller") for _, row in sorted(box.rows(Table.CONTROLS).items())] == [None, "me@example.com"]


def test_a_test_notice_goes_the_way_of_every_notice(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        status, told = await post(box, "notices/test")
        assert status == 200
        await box.for_s(2)
        assert box.trace.count("send_notice") == 1
        assert len(told["message_id"]) == 20

    sandbox(settings=QUIET, with_models=False).run(scenario)
