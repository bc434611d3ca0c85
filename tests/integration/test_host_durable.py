"""The task hub: the real durable SDK driven through its history protocol, in virtual time."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.data.tables import TableServiceClient

from sandbox.azurite import Azurite, connection_string
from sandbox.host import CallOutcome, Host, Invocation, WorkerLostError
from sandbox.host.durable.history import Event
from tests.support.apps.running import BEGIN, Trace, client_of, run_app

pytest_plugins = ["tests.support.azurite"]

# The SDK warns about every event that is raised before somebody waits for it.
pytestmark = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")

SETTINGS = {"HUB": "TestsHub"}
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def run(storage: str, tmp_path: Path, scenario: Any, **options: Any) -> Any:
    return run_app("orchestrations", storage, tmp_path, scenario, settings=SETTINGS, **options)


def calls() -> list[str]:
    return list(sys.modules["function_app"].CALLS)


async def outcome(host: Host, name: str, data: Any = None, for_: timedelta = HOUR, **start: Any) -> tuple[str, Any]:
    """Start an orchestration, let time pass, and return its status and output."""
    client = client_of(host)
    instance_id = await client.start_new(name, client_input=data, **start)
    await host.run_virtual(host.engine.hub.now() + for_)
    status = await client.get_status(instance_id)
    return status.runtime_status.value, status.output


def test_chain_runs_activities_in_order_and_shows_custom_status(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "chain", ["a", "b", "c"], instance_id="one") == ("Completed", ["A", "B", "C"])
        assert calls() == ["a", "b", "c"]
        status = await client_of(host).get_status("one", show_history=True, show_history_output=True)
        assert status.custom_status == {"done": 3}
        assert status.input_ == '["a", "b", "c"]'
        assert [e["EventType"] for e in status.historyEvents] == [
            "ExecutionStarted",
            *["TaskScheduled", "TaskCompleted"] * 3,
            "ExecutionCompleted",
        ]

    run(storage, tmp_path, scenario)


def test_fan_out_gives_results_in_order_of_the_calls(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "fan_out", 150) == ("Completed", [str(n) for n in range(150)])

    run(storage, tmp_path, scenario)


def test_timer_wins_when_no_event_comes(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "wait") == ("Completed", {"timeout": "2025-03-03T15:00:00+00:00"})

    run(storage, tmp_path, scenario)


def test_event_wins_and_the_cancelled_timer_does_not_keep_the_instance(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "one")
        await host.run_virtual(BEGIN + 10 * MINUTE)
        await client.raise_event("one", "go", {"why": "now"})
        await host.run_virtual(BEGIN + 11 * MINUTE)
        status = await client.get_status("one")
        assert status.runtime_status.value == "Completed"
        # The extension hands on what the SDK's client sends, JSON text, as text.
        assert json.loads(status.output["go"]) == {"why": "now"}
        assert status.output["at"] == "2025-03-03T14:10:00+00:00"

    run(storage, tmp_path, scenario)


def test_event_raised_by_webhook_arrives_as_data(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "one")
        await host.run_virtual(BEGIN + MINUTE)
        url = client.create_http_management_payload("one")["sendEventPostUri"].replace("{eventName}", "go")
        async with aiohttp.ClientSession() as session, session.post(url, json={"n": 1}) as answer:
            assert answer.status == 202
        await host.run_virtual(BEGIN + 2 * MINUTE)
        assert (await client.get_status("one")).output["go"] == {"n": 1}

    run(storage, tmp_path, scenario)


def test_event_raised_early_is_kept_until_somebody_waits(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("works_first", "one")
        await client.raise_event("one", "go", 7)
        await host.run_virtual(BEGIN + MINUTE)
        assert (await client.get_status("one")).runtime_status.value == "Running"
        await host.run_virtual(BEGIN + 5 * MINUTE)
        assert (await client.get_status("one")).output == "7"

    run(storage, tmp_path, scenario)


def test_uncancelled_timer_keeps_the_instance_running(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "forgets_timer", for_=59 * MINUTE, instance_id="one") == ("Running", None)
        await host.run_virtual(BEGIN + HOUR)
        assert (await client_of(host).get_status("one")).output == "ended"

    run(storage, tmp_path, scenario)


def test_sub_orchestrations_return_fail_and_know_their_parent(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "parent", instance_id="p") == ("Completed", [["A"], ["B", "C"], True])
        assert host.engine.hub.instances["child-of-p"].output_json == '["A"]'
        children = [i for i in host.engine.hub.instances.values() if i.parent is not None]
        assert sorted(i.status.value for i in children) == ["Completed", "Completed", "Failed"]

    run(storage, tmp_path, scenario)


def test_failing_activity_can_be_caught(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "catches") == ("Completed", "NO LUCK")

    run(storage, tmp_path, scenario)


def test_failing_activity_that_nobody_catches_fails_the_orchestration(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        status, output = await outcome(host, "catches_nothing")
        assert status == "Failed"
        assert "Orchestrator function 'catches_nothing' failed" in output
        assert "ValueError: no luck" in output

    run(storage, tmp_path, scenario)


def test_retries_wait_their_interval_and_keep_task_ids_apart(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        # Attempt, "other", attempt: the second attempt is the third call.
        status, output = await outcome(host, "retries", 2)
        assert status == "Completed"
        assert output == [3, "OTHER", "LAST", "2025-03-03T14:01:00+00:00"]

    run(storage, tmp_path, scenario)


def test_retries_give_up_after_the_last_attempt(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        status, output = await outcome(host, "retries", 99)
        assert status == "Failed"
        assert "ValueError" in output
        assert calls().count("try") == 4

    run(storage, tmp_path, scenario)


def test_continue_as_new_begins_anew_and_keeps_events_that_nobody_took(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("eternal", "one", 100)
        await host.run_virtual(BEGIN + MINUTE)
        for number in (1, 2, 3):
            await client.raise_event("one", "add", number)
            await host.run_virtual(host.engine.hub.now() + MINUTE)
        instance = host.engine.hub.instances["one"]
        assert (instance.generation, instance.input_json) == (4, '"106"')
        await client.raise_event("one", "add", 4)
        await client.raise_event("one", "add", 0)
        await host.run_virtual(host.engine.hub.now() + MINUTE)
        assert (await client.get_status("one")).output == 110

    run(storage, tmp_path, scenario)


def test_suspended_instance_takes_nothing_until_it_is_resumed(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "one")
        await host.run_virtual(BEGIN + MINUTE)
        await client.suspend("one", "lunch")
        await client.raise_event("one", "go", 1)
        await host.run_virtual(BEGIN + 2 * HOUR)
        assert (await client.get_status("one")).runtime_status.value == "Suspended"
        await client.resume("one", "back")
        await host.run_virtual(BEGIN + 3 * HOUR)
        assert (await client.get_status("one")).output == {"go": "1", "at": "2025-03-03T16:00:00+00:00"}

    run(storage, tmp_path, scenario)


def test_terminated_instance_ends_with_its_reason_and_refuses_events(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "one")
        await host.run_virtual(BEGIN + MINUTE)
        await client.terminate("one", "enough")
        await host.run_virtual(BEGIN + 2 * HOUR)
        status = await client.get_status("one")
        assert (status.runtime_status.value, status.output) == ("Terminated", "enough")
        with pytest.raises(Exception, match="gone"):
            await client.raise_event("one", "go", 1)
        with pytest.raises(Exception, match="No instance"):
            await client.raise_event("two", "go", 1)

    run(storage, tmp_path, scenario)


def test_purge_forgets_ended_instances_only(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await outcome(host, "chain", ["a"], for_=MINUTE, instance_id="done")
        await outcome(host, "wait", for_=MINUTE, instance_id="waiting")
        assert (await client.purge_instance_history("waiting")).instances_deleted == 0
        assert (await client.purge_instance_history("done")).instances_deleted == 1
        assert not await client.get_status("done")
        assert [s.instance_id for s in await client.get_status_all()] == ["waiting"]

    run(storage, tmp_path, scenario)
    tables = TableServiceClient.from_connection_string(storage)
    keys = {row["PartitionKey"] for row in tables.get_table_client("TestsHubHistory").list_entities()}
    assert keys == {"waiting"}


def test_instances_are_listed_by_status_time_and_prefix(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await outcome(host, "chain", ["a"], for_=MINUTE, instance_id="a-1")
        await outcome(host, "wait", for_=MINUTE, instance_id="a-2")
        await outcome(host, "wait", for_=MINUTE, instance_id="b-1")

        async def ids(**query: Any) -> list[str]:
            return [s.instance_id for s in await client.get_status_by(**query)]

        statuses = type((await client.get_status("a-1")).runtime_status)
        assert await ids(runtime_status=[statuses.Running]) == ["a-2", "b-1"]
        assert await ids(created_time_from=BEGIN + MINUTE, created_time_to=BEGIN + MINUTE) == ["a-2"]

    run(storage, tmp_path, scenario)


def test_start_on_a_running_id_is_refused_and_on_an_ended_one_replaces_it(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "one")
        with pytest.raises(Exception, match="already exists"):
            await client.start_new("chain", "one", ["a"])
        await host.run_virtual(BEGIN + 2 * HOUR)
        assert await outcome(host, "chain", ["a"], instance_id="one") == ("Completed", ["A"])

    run(storage, tmp_path, scenario)


def test_unknown_orchestrators_and_activities_are_refused_by_name(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Exception, match="'nobody' doesn't exist"):
            await client_of(host).start_new("nobody")
        status, output = await outcome(host, "unknown_activity")
        assert status == "Failed"
        assert "'nowhere' doesn't exist" in output

    run(storage, tmp_path, scenario)


def test_rewind_says_that_it_is_not_supported(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await outcome(host, "catches_nothing", instance_id="one")
        url = client.create_http_management_payload("one")["rewindPostUri"]
        async with aiohttp.ClientSession() as session, session.post(url) as answer:
            assert answer.status == 501

    run(storage, tmp_path, scenario)


def test_newer_version_than_the_apps_fails_where_host_json_says_so(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert (await outcome(host, "chain", ["a"], version="1.5"))[0] == "Completed"
        assert (await outcome(host, "chain", ["a"], version="10.0"))[0] == "Failed"

    run(storage, tmp_path, scenario)


def test_large_texts_survive_a_restart(storage: str, tmp_path: Path) -> None:
    text = "x" * 200_000

    async def first(host: Host) -> None:
        assert await outcome(host, "large", text, instance_id="one") == ("Completed", text.upper())

    async def second(host: Host) -> None:
        status = await client_of(host).get_status("one", show_history=True, show_history_output=True)
        assert status.output == text.upper()
        assert json.loads(status.historyEvents[2]["Result"]) == text.upper()

    run(storage, tmp_path, first)
    run(storage, tmp_path, second)


def test_instances_go_on_after_a_restart_where_they_were(storage: str, tmp_path: Path) -> None:
    async def first(host: Host) -> None:
        client = client_of(host)
        await client.start_new("wait", "timer")
        await client.start_new("wait", "event")
        await client.start_new("works_first", "early")
        await host.run_virtual(BEGIN + MINUTE)
        await client.start_new("chain", "pending", ["z"])
        await client.raise_event("event", "go", "x")
        await client.raise_event("early", "go", "y")

    async def second(host: Host) -> None:
        await host.run_virtual(BEGIN + HOUR)
        client = client_of(host)
        outputs = {name: (await client.get_status(name)).output for name in ("timer", "event", "early", "pending")}
        assert outputs == {
            "timer": {"timeout": "2025-03-03T15:00:00+00:00"},
            "event": {"go": '"x"', "at": "2025-03-03T14:01:00+00:00"},
            "early": '"y"',
            "pending": ["Z"],
        }
        assert calls() == ["z"]

    run(storage, tmp_path, first)
    run(storage, tmp_path, second)


def test_lost_worker_repeats_the_activity_and_the_episode(storage: str, tmp_path: Path) -> None:
    class Crash(Trace):
        def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
            super().after(invocation, outcome)
            if self.count(invocation.function) == 1:
                raise WorkerLostError

    trace = Crash()

    async def scenario(host: Host) -> None:
        assert await outcome(host, "chain", ["a", "b"]) == ("Completed", ["A", "B"])

    run(storage, tmp_path, scenario, observer=trace)
    assert [c.at - BEGIN for c in trace.calls if c.function == "shout"] == [5 * MINUTE, 10 * MINUTE, 10 * MINUTE]


def test_two_virtual_runs_are_equal_bit_for_bit(azurite: Azurite, storage: str, tmp_path: Path) -> None:
    def one(account: str, folder: Path) -> tuple[list[Invocation], dict[str, list[Event]]]:
        folder.mkdir()
        trace = Trace()

        async def scenario(host: Host) -> dict[str, list[Event]]:
            await host.run_virtual(BEGIN + 12 * MINUTE)
            return {name: i.history for name, i in host.engine.hub.instances.items()}

        return trace.calls, run_app("basics", account, folder, scenario, observer=trace, port=0)

    first = one(storage, tmp_path / "1")
    second = one(connection_string(azurite.ports, "test499"), tmp_path / "2")
    assert first == second
    assert len(first[1]) == 6
    assert len(first[0]) == 50


def test_of_two_early_events_of_one_name_the_sdk_keeps_the_last(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        client = client_of(host)
        await client.start_new("works_first", "one")
        await client.raise_event("one", "go", 1)
        await client.raise_event("one", "go", 2)
        await host.run_virtual(BEGIN + HOUR)
        assert (await client.get_status("one")).output == "2"

    run(storage, tmp_path, scenario)


def test_run_that_is_killed_in_an_activity_goes_on_with_the_next_host(storage: str, tmp_path: Path) -> None:
    class KilledError(BaseException):
        pass

    class Kill(Trace):
        def after(self, invocation: Invocation, outcome: CallOutcome) -> None:
            if self.count("shout") == 2:
                raise KilledError

    async def killed(host: Host) -> None:
        await outcome(host, "chain", ["a", "b", "c"], instance_id="one")

    async def next_host(host: Host) -> list[str]:
        await host.run_virtual(BEGIN + HOUR)
        assert (await client_of(host).get_status("one")).output == ["A", "B", "C"]
        return calls()

    with pytest.raises(KilledError):
        run(storage, tmp_path, killed, observer=Kill())
    assert run(storage, tmp_path, next_host) == ["b", "c"]


def test_sub_orchestrations_are_retried_with_and_without_their_own_id(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        # Each fails once: the first and the third call of the activity do.
        assert await outcome(host, "sub_retries") == ("Completed", [2, 4, "2025-03-03T14:02:00+00:00"])

    run(storage, tmp_path, scenario)


def test_timer_over_six_days_fires_on_time(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await outcome(host, "long_timer", for_=timedelta(days=10), instance_id="one") == ("Completed", "LATE")
        assert host.engine.hub.instances["one"].updated_at == BEGIN + timedelta(days=10)

    run(storage, tmp_path, scenario)


def test_sub_orchestration_on_a_running_id_fails_in_the_parent(storage: str, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await client_of(host).start_new("wait", "shared-child")
        assert await outcome(host, "same_child", for_=MINUTE) == ("Completed", True)

    run(storage, tmp_path, scenario)


def test_killed_host_recovers_sub_orchestrations_and_suspension(storage: str, tmp_path: Path) -> None:
    async def first(host: Host) -> None:
        client = client_of(host)
        await client.start_new("waiting_parent", "parent")
        await client.start_new("wait", "asleep")
        await host.run_virtual(BEGIN + MINUTE)
        await client.suspend("asleep", "night")
        await host.run_virtual(BEGIN + 2 * MINUTE)

    async def second(host: Host) -> None:
        client = client_of(host)
        await client.raise_event("child", "go", 1)
        await host.run_virtual(BEGIN + 2 * HOUR)
        assert (await client.get_status("parent")).output["go"] == "1"
        assert (await client.get_status("asleep")).runtime_status.value == "Suspended"

    run(storage, tmp_path, first)
    run(storage, tmp_path, second)
