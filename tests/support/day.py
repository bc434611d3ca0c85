"""The sandbox as a person runs it: commands in processes of their own, killed where a test wants them killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.storage.queue import QueueServiceClient

from sandbox.evidence import DayEvidence, gather_evidence
from sandbox.venue_process import KEYS
from shared.adapters.clock import FileClock
from shared.adapters.codec import encode_message
from shared.adapters.tables import AzureTables
from shared.contracts.messages import Envelope
from shared.contracts.records import Table
from shared.contracts.settings import StorageSettings
from simulation.market.scenario import DEFAULT_ON, ROOT, Scenario

ENVIRONMENT = dict(os.environ)
"""As the session found it: a day in the background hears nothing of what a test sets for itself meanwhile."""


def run_day(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run `python -m sandbox day` with its state and outcome (`day.json`) in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sandbox", "day", *arguments]
    command += ["--folder", str(folder / "state"), "--json", str(folder / "day.json")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment or ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A sandbox that serves by the clock."""

    process: subprocess.Popen[bytes]
    folder: Path
    places: dict[str, str]

    @property
    def storage(self) -> str:
        """Connection string."""
        return self.places["storage"]

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Rows of the day."""
        tables = AzureTables(StorageSettings(connection=self.storage))
        return [dict(row) for _, row in tables.query(table, str(DEFAULT_ON))]

    def phases(self) -> list[str]:
        """Phase of every order."""
        return [row["phase"] for row in self.rows(Table.ORDERS)]

    def send(self, queue: str, *messages: Envelope) -> None:
        """Put messages into a queue."""
        with QueueServiceClient.from_connection_string(self.storage) as service:
            for message in messages:
                service.get_queue_client(queue).send_message(encode_message(message))

    def clock(self) -> FileClock:
        """The sandbox's clock."""
        return FileClock(self.folder / "clock")

    def venue(self, path: str) -> Any:
        """Ask the venue."""
        return json.loads(self._venue(path))

    def venue_log(self) -> list[dict[str, Any]]:
        """The venue's own log."""
        return [dict(json.loads(line)) for line in self._venue("/sandbox/log").splitlines()]

    def _venue(self, path: str) -> str:
        headers = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
        answer = requests.get(self.places["venue"] + path, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.text

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Call an HTTP function of the app."""
        headers = {"x-functions-key": self.places["key"]}
        requests.post(self.places["app"] + path, json=body, headers=headers, timeout=300).raise_for_status()

    def evidence(self, world: Scenario) -> DayEvidence:
        """Everything that storage and venue say, checked."""
        return gather_evidence(world, self.storage, self.places["venue"])

    def kill_everything(self) -> None:
        """kill -9 of app, storage and venue at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_app(self) -> None:
        """kill -9 of the app; storage and venue notice and end in order."""
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not group_lives(self.process.pid), "storage and venue to end")


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Serving]:
    """Serve in a process group of its own until it listens; kill what is left of it at the end."""
    places = folder / "places.json"
    places.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sandbox", "serve", "--free-ports", "--folder", str(folder), *arguments]
    log = folder / "serve.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink, start_new_session=True)
    try:
        wait_for(lambda: places.is_file() or process.poll() is not None, "the sandbox to listen")
        assert process.poll() is None, log.read_text()[-4000:]
        yield Serving(process=process, folder=folder, places=json.loads(places.read_text()))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def group_lives(group: int) -> bool:
    """Whether a process of a group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(what: Callable[[], bool], name: str, patience_s: float = 1_500.0) -> None:
    """Look again and again until something is so."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, f"waited too long for {name}"
        time.sleep(0.05)
