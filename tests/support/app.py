"""The real app in virtual time: the sandbox's host, real storage, and a venue on the seeded market."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueServiceClient

from sandbox.app_settings import app_settings
from sandbox.clock import ClockFile
from sandbox.host.host import Host
from sandbox.prepared import Prepared
from sandbox.seeding import publish_models
from sandbox.venue_process import KEYS
from shared.adapters.blobs import AzureBlobs
from shared.adapters.codec import decode_json, encode_message
from shared.adapters.tables import AzureTables
from shared.bootstrap import app
from shared.contracts.messages import Envelope, Signal
from shared.contracts.records import Container, Queue, Table
from shared.contracts.settings import StorageSettings
from shared.core.ids import decision_id, hash_id
from shared.core.market import Timeframe
from shared.core.sessions import NEW_YORK, Session
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import Symbol, from_epoch, to_price
from simulation.market.scenario import DEFAULT_ON, ROOT
from simulation.market.tape import Tape
from simulation.venue.beside import Beside
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.apps.running import KEYS as HOST_KEYS
from tests.support.apps.running import Trace

NEVER = "0 0 3 1 1 *"
QUIET = {
    "GATEHOUSE_SCAN_SCHEDULE": NEVER,
    "GATEHOUSE_NEWS_SCHEDULE": NEVER,
    "GATEHOUSE_REPORT_SCHEDULE": NEVER,
    "GATEHOUSE_SILENT_SLOTS": "0",
    "GATEHOUSE_NIGHTLY_SCHEDULE": NEVER,
}
"""Settings under which only supervision fires by itself, and nobody minds that the others are silent."""

type Rows = dict[str, dict[str, Any]]


def new_york(text: str) -> datetime:
    """Instant of a New York wall time, HH:MM[:SS], on the sandbox's day."""
    return datetime.combine(DEFAULT_ON, time.fromisoformat(text), NEW_YORK).astimezone(from_epoch(0).tzinfo)


ON_PRICE_ALONE = {"GATEHOUSE_STRATEGIES": f"{FIRST_STRATEGY}=1", "GATEHOUSE_COMMITTEE": ""}
"""What trades unless a test says otherwise."""
WITH_NEWS = {"GATEHOUSE_STRATEGIES": f"{FIRST_STRATEGY}=0.7 divergence.v1=0.3", "GATEHOUSE_COMMITTEE": ""}
"""As in a sandbox day."""


class Sandbox:
    """Storage, venue and app around one scenario.

    Parameters
    ----------
    storage : str
        Connection string of an empty account.
    folder : Path
        For the clock and the host's state.
    prepared : Prepared
        Core symbols and models.
    tape : Tape
        The market.
    at : str
        New York time at which the scenario begins.
    settings : mapping
        App settings beside the sandbox's own; the last word.
    with_models : bool
        Whether the prepared models are published at the start.
    venue_url : str
        A venue that runs already; by default one is served in a thread.

    Attributes
    ----------
    beside : Beside
        What a person trades by hand in the same account; nothing unless a test says otherwise.
    """

    def __init__(
        self,
        *,
        storage: str,
        folder: Path,
        prepared: Prepared,
        tape: Tape,
        at: str = "10:00:30",
        settings: Mapping[str, str] | None = None,
        with_models: bool = True,
        venue_url: str = "",
    ) -> None:
        self.storage = storage
        self.folder = folder
        self.prepared = prepared
        self.tape = tape
        self.clock = ClockFile(folder / "clock", new_york(at))
        self.trace = Trace()
        self.settings = dict(settings or {})
        self.venue_url = venue_url
        self.beside = Beside()
        account = StorageSettings(connection=storage)
        self.tables, self.blobs = AzureTables(account), AzureBlobs(account)
        self.queues = QueueServiceClient.from_connection_string(storage)
        for queue in Queue:  # nothing listens to these, so no host makes them; infra/storage.bicep does
            with contextlib.suppress(ResourceExistsError):
                self.queues.create_queue(f"{queue}-poison")
        self.host: Host
        if with_models:
            publish_models(prepared, storage, at=self.clock.now())

    def run[T](self, scenario: Callable[[Sandbox], Awaitable[T]]) -> T:
        """Start venue and host, run the scenario, stop both. May be called again: storage and clock stay."""
        if self.venue_url:
            return asyncio.run(self._with_host(scenario))
        exchange = Exchange(self.tape, VenueConfig(requests_per_minute=1000))
        exchange.beside = self.beside
        with ServerThread(create_app(exchange, self.clock.now, keys=KEYS)) as server:
            self.venue_url = server.url
            try:
                return asyncio.run(self._with_host(scenario))
            finally:
                self.venue_url = ""

    async def _with_host[T](self, scenario: Callable[[Sandbox], Awaitable[T]]) -> T:
        given = app_settings(self.prepared, venue_url=self.venue_url, clock_file=self.clock.path, revision="test")
        app.cache_clear()
        settings = given | ON_PRICE_ALONE | self.settings
        self.host = Host(
            ROOT, settings, self.storage, self.clock, self.folder, keys=HOST_KEYS, observer=self.trace, is_virtual=True
        )
        await self.host.start()
        try:
            return await scenario(self)
        finally:
            await self.host.stop()
            app.cache_clear()

    # Time

    async def until(self, text: str) -> None:
        """Run to a New York time."""
        await self.host.run_virtual(new_york(text))

    async def for_s(self, seconds: float) -> None:
        """Run for so long."""
        await self.host.run_virtual(self.clock.now() + timedelta(seconds=seconds))

    # Queues

    def put(self, queue: str, *texts: str) -> None:
        """Put texts into a queue as they are."""
        client = self.queues.get_queue_client(queue)
        for text in texts:
            client.send_message(text)
        self.host.touch(queue)

    def send(self, queue: str, *messages: Envelope) -> None:
        """Put messages into a queue."""
        self.put(queue, *(encode_message(message, self.blobs) for message in messages))

    def waiting(self, queue: str) -> int:
        """Messages that lie in a queue, hidden ones too."""
        return int(self.queues.get_queue_client(queue).get_queue_properties().approximate_message_count or 0)

    # What is left behind

    def rows(self, table: Table, partition: str = str(DEFAULT_ON)) -> Rows:
        """Rows of a day."""
        return {key: dict(row) for key, row in self.tables.query(table, partition)}

    def incidents(self, kind: str = "") -> list[dict[str, Any]]:
        """The day's incidents, of one kind or all."""
        return [row for row in self.rows(Table.INCIDENTS).values() if kind in {"", row["kind"]}]

    def quarantined(self) -> dict[str, bytes]:
        """What is in quarantine, by name."""
        found = {name: self.blobs.get(Container.QUARANTINE, name) for name in self.blobs.names("quarantine", "")}
        return {name: stored.value for name, stored in found.items() if stored is not None}

    # The venue

    def venue(self, method: str, path: str, **options: Any) -> Any:
        """Ask the venue."""
        headers = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
        answer = requests.request(method, self.venue_url + path, headers=headers, timeout=300, **options)
        answer.raise_for_status()
        return answer.json()

    def venue_log(self) -> list[dict[str, Any]]:
        """The venue's own log."""
        text = requests.get(f"{self.venue_url}/sandbox/log", timeout=300).text
        return [dict(decode_json(dict[str, Any], line)) for line in text.splitlines()]

    def sent(self) -> Counter[str]:
        """How often each client order id reached the venue as an order."""
        return Counter(entry["client_order_id"] for entry in self.venue_log() if entry["event"] == "pending_new")

    def bought(self) -> Counter[str]:
        """How many entry orders reached the venue, by symbol."""
        log = self.venue_log()
        return Counter(e["symbol"] for e in log if e["event"] == "pending_new" and e["side"] == "buy")

    def break_venue(self, *rules: Mapping[str, Any]) -> None:
        """Make the venue fail by these rules; without any it is well again."""
        self.venue("POST", "/sandbox/faults", json={"rules": list(rules)})

    # The app's HTTP functions

    async def http(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = HOST_KEYS.function,
        media: str = "application/json",
    ) -> Any:
        """Call an HTTP function; return status and parsed body (text where it is no JSON)."""
        headers = {} if key is None else {"x-functions-key": key}
        headers |= {"Content-Type": media} if method == "POST" else {}
        text = body if isinstance(body, str | bytes | None) else json.dumps(body)

        def call() -> Any:
            answer = requests.request(method, self.host.url + path, data=text, headers=headers, timeout=300)
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            return answer.status_code, answer.json() if is_json else answer.text

        return await asyncio.to_thread(call)

    def signal(self, symbol: str, slot: str = "1000", **changes: Any) -> Signal:
        """A signal of now that policy would send and the gates would pass."""
        quote = self.venue("GET", f"/v2/stocks/{symbol}/quotes/latest")["quote"]
        return replace(made_signal(self.clock.now(), symbol, quote["ap"], slot), **changes)


def made_signal(now: datetime, symbol: str, ask: float, slot: str = "1000") -> Signal:
    """A signal that the gates would pass at this time and price."""
    decided = decision_id(DEFAULT_ON, slot, Symbol(symbol), FIRST_STRATEGY)
    price = to_price(ask)
    return Signal(
        message_id=hash_id("signal", decided),
        correlation_id=decided,
        causation_id="by-hand",
        decided_at=now,
        expires_at=now + timedelta(seconds=240),
        decision_id=decided,
        on=DEFAULT_ON,
        slot=slot,
        symbol=Symbol(symbol),
        strategy=FIRST_STRATEGY,
        session=Session.REG_AM,
        reference_price=price,
        atr=to_price(max(float(price) * 0.004, 0.01)),
        adv_shares=5_000_000,
        daily_volatility=0.015,
        p_up=0.7,
        p_none=0.1,
        p_down=0.2,
        expected_move=0.006,
        features_blob="by-hand",
        model_versions=("signal/by-hand",),
        parameter_set="default",
    )


def thin_symbols(tape: Tape) -> list[str]:
    """Symbols that trade every minute after 10:00 but so little that an entry takes its time, thinnest first."""
    turnover: dict[str, float] = {}
    for symbol in tape.assets:
        bars = tape.bars(symbol, Timeframe.MIN_1, new_york("10:00"), new_york("10:10"))
        if len(bars) == 10:
            turnover[symbol] = float((bars.close * bars.volume).sum())
    return sorted((s for s, value in turnover.items() if value > 150_000), key=turnover.__getitem__)


def base64_of(data: bytes | str) -> str:
    """Queue text of some bytes."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()
