"""One slot of many symbols, scored by one, two and four hosts against one storage account.

`python -m benchmarks scale [--symbols N] [--hosts 1 2 4] [--json FILE]`. Each host is a process with the app's own
ports: it takes slices from the queue, scores them, and sends what comes of it. The first slot finds the hosts cold
(models and the prepared past are yet to be loaded), the second warm. All share this machine's cores with the emulator
and the venue, so what is seen is that nothing is lost or doubled and where the time goes, not what Azure would do.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient
from rich.console import Console
from rich.table import Table as Sheet

from sandbox.app_settings import app_settings
from sandbox.azurite import Azurite
from sandbox.clock import ClockFile
from sandbox.day import prepared_world
from sandbox.seeding import publish_models
from sandbox.venue_process import KEYS, end_with_parent
from shared.adapters.codec import decode_message, encode_message
from shared.bootstrap import App, app
from shared.contracts.messages import MAX_SLICE as SLICE
from shared.contracts.messages import CandidateSlice
from shared.contracts.records import Queue, Table
from shared.core.sessions import NEW_YORK
from shared.stages.entry.score import score
from shared.stages.market.scan import scan
from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED, ROOT, Scenario, core_symbols
from simulation.market.synthetic import SyntheticTape
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread

SLOT = timedelta(minutes=5)
REQUESTS_A_MINUTE = 200
"""What Alpaca's free plan grants."""
POLL_S = 0.02


@dataclass(slots=True, kw_only=True)
class Slot:
    """What became of one slot. `calls` are requests at the venue by path; `scored` rows that table signals holds."""

    wall_s: float
    slices: int
    scored: int
    by_host: list[int]
    calls: Counter[str] = field(default_factory=Counter)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit 1 where a slice was lost or a symbol not scored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--symbols", type=int, default=500, help="watched (default %(default)s, the setting's bound)")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        return _work()
    found = measure(options.symbols, options.hosts)
    _show(found, options.symbols)
    if options.json:
        figures = {hosts: [slot.wall_s for slot in slots] for hosts, slots in found.items()}
        options.json.write_text(json.dumps(figures, indent=1))
    return int(any(slot.scored != options.symbols for slots in found.values() for slot in slots))


def measure(symbols: int, hosts: Sequence[int]) -> dict[int, tuple[Slot, Slot]]:
    """For each number of hosts a cold and a warm slot, on one storage account and one venue."""
    tape = SyntheticTape(DEFAULT_SEED, DEFAULT_ON, n_symbols=symbols + 100)
    prepared = prepared_world(Scenario())
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder) / "azurite") as azurite:
        clock = ClockFile(Path(folder) / "clock", _at("09:15:30"))
        calls: Counter[str] = Counter()
        exchange = Exchange(tape, VenueConfig(requests_per_minute=100_000))
        with ServerThread(_counted(create_app(exchange, clock.now, keys=KEYS), calls)) as server:
            given = app_settings(prepared, venue_url=server.url, clock_file=clock.path, revision="benchmark")
            os.environ |= given | {
                "AzureWebJobsStorage": azurite.connection_string,
                "GATEHOUSE_CORE_SYMBOLS": " ".join(core_symbols(tape, symbols)),
                "GATEHOUSE_MAX_WATCHLIST": str(symbols),
                "ALPACA_REQUESTS_PER_MIN": "10000",
            }
            publish_models(prepared, azurite.connection_string, at=clock.now())
            app.cache_clear()
            ports = app()
            scan(ports)
            clock.jump(_at("10:00:05"))
            found: dict[int, tuple[Slot, Slot]] = {}
            for count in hosts:
                with _Hosts(count) as running:
                    pair = [_slot(ports, clock, running, calls) for _ in range(2)]
                found[count] = (pair[0], pair[1])
    return found


def _slot(ports: App, clock: ClockFile, hosts: _Hosts, calls: Counter[str]) -> Slot:
    clock.jump(clock.now() + SLOT)
    slices = [message for message in scan(ports) if isinstance(message, CandidateSlice)]
    calls.clear()
    queue = _queue(ports.settings.storage.connection)
    started = time.perf_counter()
    for message in slices:
        queue.send_message(encode_message(message, ports.blobs))
    by_host = hosts.wait_for(len(slices))
    wall_s = time.perf_counter() - started
    slot = slices[0].slot
    rows = [key for key, _ in ports.tables.query(Table.SIGNALS, str(DEFAULT_ON)) if key.split("|")[1] == slot]
    return Slot(wall_s=wall_s, slices=len(slices), scored=len(rows), by_host=by_host, calls=Counter(calls))


class _Hosts:
    """Processes that take slices from the queue until their standard input is closed."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", "benchmarks", "scale", "--worker"]
        self._processes = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        self._done: SimpleQueue[int] = SimpleQueue()
        for number, process in enumerate(self._processes):
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for _ in process.stdout:
            self._done.put(number)

    def wait_for(self, slices: int) -> list[int]:
        """Return how many slices each host has taken, once all are done. Raises queue.Empty."""
        taken = Counter(self._done.get(timeout=60) for _ in range(slices))
        return [taken[number] for number in range(len(self._processes))]

    def __enter__(self) -> Self:
        """Wait until each has said that it listens."""
        self.wait_for(len(self._processes))
        return self

    def __exit__(self, *_: object) -> None:
        """Close their input and wait."""
        for process in self._processes:
            process.communicate()


def _work() -> int:
    """Be a host: its own ports, its own caches. A line for each slice that is done."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    ports = app()
    connection = ports.settings.storage.connection
    taken, sent = _queue(connection), _queue(connection, Queue.SIGNALS)
    print("ready", flush=True)
    while True:
        message = taken.receive_message(visibility_timeout=60)
        if message is None:
            time.sleep(POLL_S)
            continue
        for signal in score(decode_message(message.content, CandidateSlice, blobs=ports.blobs), ports):
            sent.send_message(encode_message(signal, ports.blobs))
        taken.delete_message(message)
        print(message.id, flush=True)


def _queue(connection: str, name: Queue = Queue.CANDIDATES) -> QueueClient:
    client = QueueClient.from_connection_string(connection, name)
    with contextlib.suppress(ResourceExistsError):
        client.create_queue()
    return client


def _at(text: str) -> datetime:
    return datetime.combine(DEFAULT_ON, wall_time.fromisoformat(text), NEW_YORK).astimezone(UTC)


def _counted(served: Any, calls: Counter[str]) -> Any:
    """Count an ASGI app's requests by path."""

    async def count(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            calls[scope["path"]] += 1
        await served(scope, receive, send)

    return count


def _show(found: Mapping[int, tuple[Slot, Slot]], symbols: int) -> None:
    sheet = Sheet("hosts", "slices", "cold s", "warm s", "slices by host", "scored", "asked of the venue")
    for hosts, (cold, warm) in found.items():
        times, by_host = (f"{cold.wall_s:.2f}", f"{warm.wall_s:.2f}"), " ".join(map(str, warm.by_host))
        scored, asked = f"{warm.scored} of {symbols}", str(warm.calls.total())
        sheet.add_row(str(hosts), str(warm.slices), *times, by_host, scored, asked)
    Console(highlight=False).print(sheet)
    warm = next(iter(found.values()))[1]
    calls = warm.calls.total()
    most = int(REQUESTS_A_MINUTE / calls * warm.slices * SLICE) if calls else 0
    granted = f"{REQUESTS_A_MINUTE} a minute carry {most} symbols"
    print(f"A slot of {symbols} symbols asks the venue {calls} times; {granted}.")


if __name__ == "__main__":
    sys.exit(main())
