"""The host by the clock, in a process of its own, killed and started again."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from azure.storage.queue import QueueServiceClient

from tests.support.apps.running import KEYS

pytest_plugins = ["tests.support.azurite"]

_PATIENCE_S = 1_500.0


@contextmanager
def served(app: str, storage: str, state_dir: Path, trace: Path, speed: float = 1.0) -> Iterator[tuple[Any, str]]:
    """A host process, killed at the end if it still lives, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.apps.serve", app, str(state_dir), str(speed)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AzureWebJobsStorage": storage, "TRACE_FILE": str(trace)},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the host did not start"
        yield process, url
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def lines(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


def status(url: str, instance_id: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/durabletask/instances/{instance_id}", timeout=60)
    return dict(answer.json())


def test_killed_host_goes_on_and_repeats_no_completed_activity(storage: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with served("crash", storage, tmp_path, trace) as (process, url):
        requests.post(f"{url}/durabletask/orchestrators/steps/one", json="6", timeout=60).raise_for_status()
        wait_for(lambda: "begin 2" in lines(trace))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done_before = [line for line in lines(trace) if line.startswith("end")]

    with served("crash", storage, tmp_path, trace) as (_, url):
        wait_for(lambda: status(url, "one")["runtimeStatus"] == "Completed")
        assert status(url, "one")["output"] == 5

    ended = Counter(line for line in lines(trace) if line.startswith("end"))
    assert set(ended) == {f"end {step}" for step in range(6)}
    # Only the activity that the kill cut off may run again.
    assert len(done_before) < 6
    assert all(ended[line] == 1 for line in done_before)
    assert Counter(line for line in lines(trace) if line == "begin 2")["begin 2"] == 2


def test_messages_timers_and_speed_in_real_time(storage: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with served("crash", storage, tmp_path, trace, speed=10.0) as (_, url):
        queue = QueueServiceClient.from_connection_string(storage).get_queue_client("slow")
        for number in range(20):
            queue.send_message(base64.b64encode(str(number).encode()).decode())
        wait_for(lambda: sum(line.startswith("message") for line in lines(trace)) == 20)
        assert sorted(line for line in lines(trace) if line.startswith("message")) == sorted(
            f"message {number}" for number in range(20)
        )
        ticks = lines(trace).count("tick")
        wait_for(lambda: lines(trace).count("tick") >= ticks + 10)
        wait_for(lambda: queue.get_queue_properties().approximate_message_count == 0)
        admin = {"x-functions-key": KEYS.master}
        assert requests.get(f"{url}/admin/host/status", headers=admin, timeout=60).json() == {"state": "Running"}
        assert requests.post(f"{url}/admin/functions/slow", headers=admin, json={"input": "by hand"}, timeout=60).ok
        wait_for(lambda: "message by hand" in lines(trace))


def test_whole_pipeline_runs_by_a_fast_clock(storage: str, tmp_path: Path) -> None:
    """Timer, two queues, the durable client, activities and a durable timer, three hundred times as fast."""
    with served("basics", storage, tmp_path, tmp_path / "trace", speed=300.0) as (_, url):

        def completed() -> list[dict[str, Any]]:
            query = {"runtimeStatus": "Completed"}
            return list(requests.get(f"{url}/durabletask/instances/", params=query, timeout=60).json())

        wait_for(lambda: len(completed()) >= 3)
        assert {found["output"]["result"] for found in completed()} == {2, 4, 6}
