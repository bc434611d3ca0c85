"""Triggers and bindings of the sandbox host, on real Azurite, through the real worker library."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from sandbox.clock import ClockFile
from sandbox.host import AppError, CallOutcome, Host, Invocation, WorkerLostError
from tests.support.apps.running import APPS, BEGIN, KEYS, Trace, run_app

pytest_plugins = ["tests.support.azurite"]

SETTINGS = {"PREFIX": "paper"}
MINUTE = timedelta(minutes=1)


def seen() -> list[dict[str, Any]]:
    """What the app's functions were given; the module lives as long as its host."""
    return list(sys.modules["function_app"].SEEN)


def put(storage: str, queue: str, *texts: str) -> None:
    client = QueueServiceClient.from_connection_string(storage).get_queue_client(queue)
    for text in texts:
        client.send_message(text)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def peek(storage: str, queue: str) -> list[str]:
    client = QueueServiceClient.from_connection_string(storage).get_queue_client(queue)
    try:
        return [str(message.content) for message in client.peek_messages(32)]
    except ResourceNotFoundError:
        return []


def run_with_messages(storage: str, tmp_path: Path, queue: str, texts: Sequence[str], **options: Any) -> list[Any]:
    async def scenario(host: Host) -> list[Any]:
        put(storage, queue, *texts)
        await host.run_virtual(BEGIN + timedelta(minutes=30))
        return seen()

    return run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS, **options)


def test_message_reaches_its_function_with_expanded_queue_name_and_is_deleted(storage: str, tmp_path: Path) -> None:
    found = [s for s in run_with_messages(storage, tmp_path, "paper-work", [encoded(b"hello")]) if "body" in s]

    assert [(s["body"], s["count"], s["inserted"]) for s in found] == [(b"hello", 1, BEGIN)]
    assert peek(storage, "paper-work") == []
    assert peek(storage, "paper-work-poison") == []


def test_failing_message_comes_back_after_visibility_timeout_and_ends_as_poison(storage: str, tmp_path: Path) -> None:
    trace = Trace()
    found = run_with_messages(storage, tmp_path, "paper-work", [encoded(b"fail")], observer=trace)

    counts = [s["count"] for s in found if "body" in s]
    times = [call.at - BEGIN for call in trace.calls if call.function == "work"]
    assert counts == [1, 2, 3]
    assert times == [timedelta(0), timedelta(seconds=30), timedelta(seconds=60)]
    assert peek(storage, "paper-work-poison") == [encoded(b"fail")]
    assert peek(storage, "paper-work") == []
    assert {error for function, error in trace.errors if function == "work"} == {"ValueError: no good"}


def test_message_that_fails_once_succeeds_on_redelivery(storage: str, tmp_path: Path) -> None:
    found = run_with_messages(storage, tmp_path, "flaky", [encoded(b"x")])

    assert [s["flaky"] for s in found if "flaky" in s] == [1, 2]
    assert peek(storage, "flaky-poison") == []


def test_message_that_is_not_base64_is_poisoned_without_running(storage: str, tmp_path: Path) -> None:
    trace = Trace()
    run_with_messages(storage, tmp_path, "paper-work", ["not base64!"], observer=trace)

    assert trace.count("work") == 0
    assert peek(storage, "paper-work-poison") == ["not base64!"]


def test_message_that_is_not_utf8_fails_until_it_is_poison(storage: str, tmp_path: Path) -> None:
    trace = Trace()
    found = run_with_messages(storage, tmp_path, "paper-work", [encoded(b"\xff\xfe")], observer=trace)

    assert [s for s in found if "body" in s] == []
    assert [error.split(":")[0] for function, error in trace.errors if function == "work"] == ["UnicodeDecodeError"] * 3
    assert peek(storage, "paper-work-poison") == [encoded(b"\xff\xfe")]


def test_binary_queue_takes_any_bytes(storage: str, tmp_path: Path) -> None:
    found = run_with_messages(storage, tmp_path, "raw", [encoded(b"\xff\x00")])

    assert [s["raw"] for s in found if "raw" in s] == [b"\xff\x00"]


def test_return_value_goes_to_its_queue(storage: str, tmp_path: Path) -> None:
    found = run_with_messages(storage, tmp_path, "answer", [encoded(b"42")])

    assert [s["raw"] for s in found if "raw" in s] == [b"\x0042"]


def test_blob_and_table_bindings_resolve_names_from_the_message(storage: str, tmp_path: Path) -> None:
    blobs = BlobServiceClient.from_connection_string(storage)
    blobs.create_container("texts").upload_blob("a.txt", b"some text")
    run_with_messages(storage, tmp_path, "copy", [encoded(b'{"name": "a"}'), encoded(b'{"name": "b"}')])

    container = blobs.get_container_client("texts")
    rows = TableServiceClient.from_connection_string(storage).get_table_client("copies").list_entities()
    assert container.download_blob("a-copy.txt").readall() == b"SOME TEXT"
    assert container.download_blob("b-copy.txt").readall() == b"MISSING"
    assert [(row["PartitionKey"], row["RowKey"], row["Length"]) for row in rows] == [("p", "a", 9), ("p", "b", 7)]


def test_table_input_gives_one_row_or_all(storage: str, tmp_path: Path) -> None:
    table = TableServiceClient.from_connection_string(storage).create_table("copies")
    for key in ("a", "b"):
        table.create_entity({"PartitionKey": "p", "RowKey": key, "Length": 3})
    found = run_with_messages(storage, tmp_path, "look", [encoded(b'{"name": "a"}'), encoded(b'{"name": "z"}')])

    looked = [s for s in found if "row" in s]
    assert looked[0]["row"]["Length"] == 3
    assert looked[1]["row"] is None
    assert [s["rows"] for s in looked] == [2, 2]


def test_output_that_cannot_be_written_fails_the_invocation(storage: str, tmp_path: Path) -> None:
    table = TableServiceClient.from_connection_string(storage).create_table("copies")
    table.create_entity({"PartitionKey": "p", "RowKey": "a"})
    run_with_messages(storage, tmp_path, "copy", [encoded(b'{"name": "a"}')])

    assert peek(storage, "copy-poison") == [encoded(b'{"name": "a"}')]


def test_timer_fires_on_its_schedule_on_startup_and_keeps_its_status(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> list[dict[str, Any]]:
        await host.run_virtual(BEGIN + timedelta(hours=2))
        return seen()

    first = run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)
    status = [s["status"] for s in first if "timer" in s]
    assert [(s["Last"], s["Next"]) for s in status] == [
        ("0001-01-01T00:00:00Z", "2025-03-03T15:00:00Z"),
        ("2025-03-03T14:00:00Z", "2025-03-03T15:00:00Z"),
        ("2025-03-03T15:00:00Z", "2025-03-03T16:00:00Z"),
    ]


def test_timer_that_was_due_while_the_host_was_down_fires_late_and_says_so(storage: str, tmp_path: Path) -> None:
    async def one_minute(host: Host) -> None:
        await host.run_virtual(BEGIN + MINUTE)

    async def until_evening(host: Host) -> list[dict[str, Any]]:
        await host.run_virtual(BEGIN + timedelta(hours=4, minutes=10))
        return seen()

    run_app("triggers", storage, tmp_path, one_minute, settings=SETTINGS)
    ClockFile(tmp_path / "clock", BEGIN).jump(BEGIN + timedelta(hours=3, minutes=10))
    found = run_app("triggers", storage, tmp_path, until_evening, settings=SETTINGS)
    # The missed 15:00 at once (which serves for the start too), then 18:00 on time.
    assert [s["timer"] for s in found if "timer" in s] == [True, False]


async def _call(host: Host, method: str, path: str, **options: Any) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.request(method, host.url + path, **options) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


def test_http_routes_methods_and_parameters(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        status, text, _ = await _call(host, "GET", "/api/open/7/x?q=1")
        assert (status, text) == (200, '{"first": "7", "rest": "x", "q": "1"}')
        assert (await _call(host, "GET", "/api/open/7"))[:2] == (200, '{"first": "7"}')
        assert (await _call(host, "GET", "/api/open/seven"))[0] == 404
        assert (await _call(host, "POST", "/api/open/7"))[0] == 405

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)


def test_http_keys_open_what_they_should(storage: str, tmp_path: Path) -> None:
    async def status(host: Host, path: str, key: str | None) -> int:
        headers = {} if key is None else {"x-functions-key": key}
        return (await _call(host, "POST", path, headers=headers, data=b"x"))[0]

    async def scenario(host: Host) -> None:
        assert await status(host, "/api/echo", None) == 401
        assert await status(host, "/api/echo", "wrong") == 401
        assert await status(host, "/api/echo", KEYS.function) == 202
        assert await status(host, f"/api/echo?code={KEYS.function}", None) == 202
        assert await status(host, "/api/echo", KEYS.master) == 202
        assert await status(host, "/api/master", KEYS.function) == 401
        assert await status(host, "/api/master", KEYS.master) == 200
        assert await status(host, "/admin/functions/hourly", KEYS.function) == 401
        assert await status(host, "/runtime/webhooks/durabletask/orchestrators/x", None) == 401

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)


def test_http_response_carries_status_headers_body_and_outputs(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        key = {"x-functions-key": KEYS.function}
        status, text, headers = await _call(host, "POST", "/api/echo", headers=key, data=b"hi")
        assert (status, text) == (202, "hi")
        assert headers["Content-Type"].startswith("text/x-echo")
        assert headers["X-Seen"] == "yes"
        await host.run_virtual(BEGIN + MINUTE)
        assert {"raw": b"hi"} in seen()
        assert (await _call(host, "GET", "/api/broken", headers=key))[0] == 500

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)


def test_functions_can_be_started_by_hand(storage: str, tmp_path: Path) -> None:
    async def by_hand(host: Host, name: str, **body: Any) -> int:
        headers = {"x-functions-key": KEYS.master}
        return (await _call(host, "POST", f"/admin/functions/{name}", headers=headers, json=body))[0]

    async def scenario(host: Host) -> None:
        assert await by_hand(host, "hourly") == 202
        assert await by_hand(host, "work", input="typed in") == 202
        assert await by_hand(host, "nobody") == 404
        assert [s["timer"] for s in seen() if "timer" in s] == [False]
        assert [s["body"] for s in seen() if "body" in s] == [b"typed in"]

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)


def test_hooks_run_first_at_their_instant_and_may_be_coroutines(storage: str, tmp_path: Path) -> None:
    order: list[str] = []

    class Watch(Trace):
        def before(self, invocation: Invocation) -> None:
            order.append(invocation.function)

    async def scenario(host: Host) -> None:
        await host.run_virtual(BEGIN + MINUTE)
        order.clear()

        async def later() -> None:
            order.append("hook")
            put(storage, "raw", encoded(b"from outside"))

        host.at(BEGIN + timedelta(hours=1), later)
        await host.run_virtual(BEGIN + timedelta(hours=1))

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS, observer=Watch())
    assert order == ["hook", "raw", "hourly"]


def test_delivery_policy_duplicates_and_delays(storage: str, tmp_path: Path) -> None:
    trace = Trace()
    run_with_messages(
        storage,
        tmp_path,
        "answer",
        [encoded(b"1")],
        observer=trace,
        delivery=lambda queue, body: (timedelta(0), timedelta(minutes=3)),
    )

    assert [c.at - BEGIN for c in trace.calls if c.function == "raw"] == [timedelta(0), timedelta(minutes=3)]


def test_observer_failure_before_or_after_fails_the_invocation(storage: str, tmp_path: Path) -> None:
    class Fault(Trace):
        def before(self, invocation: Invocation) -> None:
            super().before(invocation)
            if invocation.function == "raw" and self.count("raw") == 1:
                raise OSError("injected before")

        def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
            super().after(invocation, outcome)
            if invocation.function == "raw" and self.count("raw") == 2:
                raise OSError("injected after")

    trace = Fault()
    found = run_with_messages(storage, tmp_path, "raw", [encoded(b"x")], observer=trace)

    assert trace.count("raw") == 3
    assert len([s for s in found if "raw" in s]) == 2


def test_lost_worker_redelivers_after_the_lease(storage: str, tmp_path: Path) -> None:
    class Crash(Trace):
        def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
            super().after(invocation, outcome)
            if invocation.function == "raw" and self.count("raw") == 1:
                raise WorkerLostError

    trace = Crash()
    run_with_messages(storage, tmp_path, "raw", [encoded(b"x")], observer=trace)

    assert [c.at - BEGIN for c in trace.calls if c.function == "raw"] == [timedelta(0), timedelta(minutes=10)]


def test_messages_in_hand_are_given_back_on_stop(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        put(storage, "paper-work", encoded(b"fail"))
        await host.run_virtual(BEGIN + timedelta(seconds=10))
        assert peek(storage, "paper-work") == []

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)
    assert peek(storage, "paper-work") == [encoded(b"fail")]


def test_run_that_is_killed_goes_on_with_the_next_host(storage: str, tmp_path: Path) -> None:
    class KilledError(BaseException):
        pass

    class Kill(Trace):
        def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
            if invocation.function == "raw":
                raise KilledError

    async def killed(host: Host) -> None:
        put(storage, "raw", encoded(b"1"), encoded(b"2"))
        await host.run_virtual(BEGIN + MINUTE)

    async def next_host(host: Host) -> list[dict[str, Any]]:
        await host.run_virtual(BEGIN + MINUTE)
        return seen()

    with pytest.raises(KilledError):
        run_app("triggers", storage, tmp_path, killed, settings=SETTINGS, observer=Kill())
    found = run_app("triggers", storage, tmp_path, next_host, settings=SETTINGS)
    assert sorted(s["raw"] for s in found if "raw" in s) == [b"1", b"2"]


def test_failing_poison_function_gets_its_message_again_after_the_lease(storage: str, tmp_path: Path) -> None:
    trace = Trace()
    run_with_messages(storage, tmp_path, "tried-poison", [encoded(b"x"), "not base64!"], observer=trace)

    times = [call.at - BEGIN for call in trace.calls if call.function == "tried"]
    assert times == [timedelta(minutes=10 * n) for n in range(4)]
    assert peek(storage, "tried-poison-poison") == []


def test_app_that_cannot_be_imported_is_refused_with_its_reason(storage: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "function_app.py").write_text("import nothing_of_this_name\n")

    async def scenario(host: Host) -> None:
        raise AssertionError("must not start")

    with pytest.raises(AppError, match="nothing_of_this_name"):
        run_app(str(bad), storage, tmp_path, scenario)


def test_second_host_in_a_process_is_refused_and_harms_the_first_not(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> list[Any]:
        other = Host(APPS / "basics", {}, storage, ClockFile(tmp_path / "clock", BEGIN), tmp_path, keys=KEYS)
        with pytest.raises(AppError, match="triggers is loaded"):
            await other.start()
        put(storage, "raw", encoded(b"still here"))
        await host.run_virtual(BEGIN + MINUTE)
        return seen()

    assert {"raw": b"still here"} in run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)


def test_progress_is_told_once_for_each_instant_that_had_something_due(storage: str, tmp_path: Path) -> None:
    told: list[timedelta] = []

    async def scenario(host: Host) -> None:
        host.at(BEGIN + MINUTE, lambda: None)
        host.at(BEGIN + MINUTE, lambda: None)
        await host.run_virtual(BEGIN + timedelta(hours=1), lambda at: told.append(at - BEGIN))

    run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS)
    assert told == [MINUTE, timedelta(hours=1)]


def test_settings_are_in_the_environment_only_while_the_host_runs(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> str | None:
        return os.environ.get("PREFIX")

    assert run_app("triggers", storage, tmp_path, scenario, settings=SETTINGS) == "paper"
    assert "PREFIX" not in os.environ
    assert (APPS / "triggers").as_posix() not in sys.path
