"""Every function of the app, invoked by the worker library on real storage against a real venue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import Azurite, connection_string
from sandbox.prepared import Prepared
from shared.contracts.openapi import ROUTES
from shared.contracts.records import CONTROLS, Container, Queue, Table
from shared.core.packing import unpack
from simulation.market.scenario import DEFAULT_ON
from simulation.market.tape import Tape
from tests.support.app import Sandbox, base64_of, new_york
from tests.support.apps.running import KEYS


@dataclass(frozen=True, kw_only=True)
class Morning:
    """What a morning left behind: 09:29 to 09:50 as it comes, then the minutes around the day report."""

    box: Sandbox
    functions: tuple[str, ...]
    answers: dict[str, Any]
    log: list[dict[str, Any]]
    positions: list[dict[str, Any]]


@pytest.fixture(scope="module")
def morning(
    azurite: Azurite,
    _free_accounts: Iterator[str],
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Prepared,
    market: Tape,
) -> Morning:
    folder: Path = tmp_path_factory.mktemp("morning")
    storage = connection_string(azurite.ports, next(_free_accounts))
    box = Sandbox(storage=storage, folder=folder, prepared=prepared, tape=market, at="09:29:30")
    return box.run(_morning)


async def _morning(box: Sandbox) -> Morning:
    answers: dict[str, Any] = {}
    await box.until("09:40:30")
    box.send("signals", box.signal("SPY"))
    box.put(Queue.CANDIDATES, "not base64!")
    for queue in Queue:
        box.put(f"{queue}-poison", base64_of(f"failed five times in {queue}"))
    await box.until("09:44:30")  # before the next slot, whose scores may turn against what is held
    answers["status"] = await box.http("GET", "/api/status")
    for name, method in HTTP.items():
        answers[f"{name} without a key"] = await box.http(method, f"/api/{path_of(name)}", {}, key=None)
        answers[f"{name} with a wrong key"] = await box.http(method, f"/api/{path_of(name)}", {}, key="guessed")
        answers[f"{name} with an empty body"] = await box.http(method, f"/api/{path_of(name)}", {})
    for name, body in BAD_BODIES.items():
        answers[name] = await box.http("POST", "/api/kill", body)
    for name, body in BAD_ANSWERS.items():
        answers[name] = await box.http("POST", "/api/approve", {"by": "test", "reason": "drill", **body})
    for name in ("answer-page", "answer"):
        answers[name] = await box.http(ROUTES[name].method, "/api/answer", "token=x", key=None, media=FORM)
    answers["after bad bodies"] = await box.http("GET", "/api/status")
    answers["kill"] = await box.http("POST", "/api/kill", {"by": "test", "reason": "drill", "flatten": True})
    answers["killed"] = await box.http("GET", "/api/status")
    box.send("signals", box.signal("QQQ", slot="0944"))
    await box.until("09:48:30")
    answers["flat"] = await box.http("GET", "/api/status")
    answers["resume"] = await box.http("POST", "/api/resume", {"by": "test", "reason": "drill over"})
    await box.until("09:49:30")
    answers["resumed"] = await box.http("GET", "/api/status")
    box.clock.jump(new_york("16:29:30"))
    await box.until("16:31")
    await box.host.invoke("supervise_evening")
    return Morning(
        box=box,
        functions=tuple(function.name for function in box.host.functions),
        answers=answers,
        log=box.venue_log(),
        positions=box.venue("GET", "/v2/positions"),
    )


HTTP = {route.name: route.method for route in ROUTES.values() if not route.is_keyless}


def path_of(name: str) -> str:
    """Path of a route, its parts filled with what exists."""
    return ROUTES[name].path.format(**{part.name: part.example for part in ROUTES[name].parts})


FORM = "application/x-www-form-urlencoded"
BAD_BODIES: dict[str, Any] = {
    "no body": None,
    "not JSON": "{",
    "a list": [],
    "no by": {"reason": "x"},
    "empty reason": {"by": "x", "reason": ""},
    "long reason": {"by": "x", "reason": "x" * 501},
    "number as by": {"by": 7, "reason": "x"},
    "text as flatten": {"by": "x", "reason": "x", "flatten": "false"},
    "bytes": b"\xff\xfe",
}
BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "approve without an order": {"approve": True},
    "approve without an answer": {"intent_id": "x"},
    "approve with text": {"intent_id": "x", "approve": "yes"},
    "approve a long id": {"intent_id": "x" * 65, "approve": True},
    "approve a number": {"intent_id": 1, "approve": True},
    "approve what is not there": {"intent_id": "feedface", "approve": True},
    "approve a path": {"intent_id": "../../x?y#z", "approve": True},
}
NAMED = {
    "no by": "by",
    "empty reason": "reason",
    "long reason": "reason",
    "number as by": "by",
    "text as flatten": "flatten",
}


def test_every_function_was_invoked_and_none_failed(morning: Morning) -> None:
    assert {name for name in morning.functions if not morning.box.trace.count(name)} == set()
    assert morning.box.trace.errors == []


def test_scan_made_a_watchlist_and_slices_were_scored_by_the_models(morning: Morning) -> None:
    box = morning.box
    jobs = {(row["job"], row["status"]) for row in box.rows(Table.RUNS).values()}
    assert {("premarket-final", "done"), ("intraday-refresh", "done"), ("candidates", "done")} <= jobs
    signals = box.rows(Table.SIGNALS).values()
    assert {row["slot"] for row in signals if row["policy"] != "TOO_LATE"} >= {"0935", "0940", "0945"}
    scored = [row for row in signals if row.get("models")]
    assert scored
    assert all(abs(row["p_up"] + row["p_none"] + row["p_down"] - 1) < 1e-3 for row in scored)


def test_features_of_each_slice_are_kept_exactly(morning: Morning) -> None:
    box = morning.box
    row = next(row for row in box.rows(Table.SIGNALS).values() if row.get("features_blob"))
    stored = box.blobs.get(Container.FEATURES, row["features_blob"])
    assert stored is not None
    kept = json.loads(unpack(stored.value))
    assert len(kept["rows"][kept["symbols"].index(row["symbol"])]) == len(kept["names"])


def test_a_signal_became_an_order_with_its_bracket_and_was_sent_once(morning: Morning) -> None:
    (decision,) = [row for row in morning.box.rows(Table.DECISIONS).values() if row["symbol"] == "SPY"]
    assert decision["verdict"] == "approved"
    heads = {e["client_order_id"]: e for e in morning.log if e["symbol"] == "SPY" and e["event"] == "pending_new"}
    entries = [e for e in heads.values() if e["side"] == "buy"]
    assert [e["order_class"] for e in entries] == ["bracket"] * len(entries)
    assert all(e["client_order_id"].startswith(decision["intent_id"]) for e in entries)


def test_kill_with_flatten_sells_what_is_held_and_lets_nothing_in(morning: Morning) -> None:
    box = morning.box
    assert int(morning.answers["status"][1]["positions"]["SPY"]) > 0
    assert morning.answers["kill"] == (200, {"kill_switch": "drill", "flatten": True})
    assert morning.answers["killed"][1]["kill_switch"] == "drill"
    assert morning.answers["flat"][1]["positions"] == {}
    (order,) = [row for row in box.rows(Table.ORDERS).values() if row["symbol"] == "SPY"]
    assert (order["phase"], order["exit_reason"]) == ("CLOSED", "KILL")
    (refused,) = [row for row in box.rows(Table.DECISIONS).values() if row["symbol"] == "QQQ" and row["slot"] == "0944"]
    assert "KILL_SWITCH" in refused["refused_by"].split()
    assert not [e for e in morning.log if e["symbol"] == "QQQ"]


def test_resume_turns_the_kill_switch_off(morning: Morning) -> None:
    assert morning.answers["resume"] == (200, {"kill_switch": None})
    assert morning.answers["resumed"][1]["kill_switch"] is None


def test_each_act_of_the_operator_is_kept_with_who_and_why(morning: Morning) -> None:
    history = sorted(morning.box.rows(Table.CONTROLS).items())
    done = [(row["act"], row["by"], row["reason"]) for _, row in history if row["status"] == 200]
    assert done == [("kill", "test", "drill"), ("resume", "test", "drill over")]


def test_each_refused_call_is_kept_with_what_was_wrong(morning: Morning) -> None:
    refused = [row for row in morning.box.rows(Table.CONTROLS).values() if row["status"] != 200]
    assert {row["act"] for row in refused} == {name for name, method in HTTP.items() if method == "POST"}
    assert all(row["problem"] and row["status"] in {400, 404} for row in refused)
    assert any(row["problem"].startswith("flatten:") and row.get("by") == "x" for row in refused)


def test_the_kill_switchs_row_says_how_it_stands(morning: Morning) -> None:
    assert morning.box.rows(Table.CONTROLS, CONTROLS)["kill"]["is_on"] is False


@pytest.mark.parametrize("name", HTTP)
def test_http_functions_answer_401_without_a_good_key(morning: Morning, name: str) -> None:
    assert morning.answers[f"{name} without a key"][0] == 401
    assert morning.answers[f"{name} with a wrong key"][0] == 401
    expected = {200, 404, 503} if HTTP[name] == "GET" else {400}
    assert morning.answers[f"{name} with an empty body"][0] in expected


@pytest.mark.parametrize("name", sorted(BAD_BODIES))
def test_bad_body_is_answered_with_400_and_the_field_and_changes_nothing(morning: Morning, name: str) -> None:
    status, body = morning.answers[name]
    assert status == 400
    assert body["error"].startswith(f"{NAMED.get(name, 'body')}:")
    assert morning.answers["after bad bodies"][1]["kill_switch"] is None


@pytest.mark.parametrize("name", sorted(BAD_ANSWERS))
def test_bad_answer_to_an_approval_is_refused_with_the_field(morning: Morning, name: str) -> None:
    status, body = morning.answers[name]
    assert status in {400, 404}
    assert body["error"].partition(":")[0] in {"intent_id", "approve"}


def test_status_tells_session_models_and_account(morning: Morning) -> None:
    status, body = morning.answers["status"]
    assert status == 200
    assert (body["session"], body["environment"], body["code_revision"]) == ("REG-AM", "sandbox", "test")
    assert all(model["version"] and model["fault"] is None for model in body["models"].values())
    assert float(body["equity_usd"]) > 0
    secrets = (KEYS.function, KEYS.master, "sandbox-secret")
    assert not any(secret in json.dumps(body) for secret in secrets)


@pytest.mark.parametrize("queue", list(Queue))
def test_poison_message_becomes_one_incident_with_its_bytes(morning: Morning, queue: Queue) -> None:
    found = [row for row in morning.box.incidents("poison") if f"/{queue}-poison/" in row["blob"]]
    assert len(found) == 1
    assert morning.box.quarantined()[found[0]["blob"]] == base64_of(f"failed five times in {queue}").encode()


def test_day_report_counts_what_the_tables_hold(morning: Morning) -> None:
    stored = morning.box.blobs.get(Container.REPORTS, f"{DEFAULT_ON}/day.json")
    assert stored is not None
    made = json.loads(stored.value)
    assert made["orders"]["CLOSED"] >= 1
    assert made["fills"] == len(morning.box.rows(Table.FILLS))
    assert made["decisions"]["approved"] == made["orders"]["CLOSED"] + sum(
        count for phase, count in made["orders"].items() if phase != "CLOSED"
    )
    assert made["open_positions"] == len(morning.positions) == 0
    assert made["quarantined"] == 1
    assert made["incidents"] == len(morning.box.incidents()) >= 1 + len(Queue)


def test_jobs_that_were_slept_through_are_recorded_as_missed_and_told_once(morning: Morning) -> None:
    runs = morning.box.rows(Table.RUNS)
    missed = {key for key, row in runs.items() if row["status"] == "missed"}
    assert {"intraday-refresh|1130", "intraday-refresh|1330", "candidates|1200"} <= missed
    assert runs["after-hours|1605"]["status"] == "done"
    assert runs["day-report|1630"]["status"] == "done"
