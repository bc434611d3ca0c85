"""A venue that was killed comes back as it was, from the requests that changed it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.venue_journal import JournalledVenue
from sandbox.venue_process import KEYS
from simulation.market.tape import Tape
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from tests.support.app import new_york
from tests.support.clock import HandClock

HEADERS = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
BEGIN = new_york("10:00")


@dataclass(slots=True)
class Venue:
    """One life of a venue over a journal."""

    app: JournalledVenue
    exchange: Exchange
    clock: Any

    def ask(self, method: str, path: str, body: Any = None, *, may_hang_up: bool = False) -> httpx.Response | None:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://venue", headers=HEADERS) as client:
                return await client.request(method, path, json=body)

        try:
            return asyncio.run(run())
        except ConnectionError:
            assert may_hang_up
            return None

    def order(self, client_order_id: str, **changes: Any) -> httpx.Response | None:
        body = {"symbol": "SPY", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"}
        return self.ask("POST", "/v2/orders", {**body, "client_order_id": client_order_id, **changes}, may_hang_up=True)

    def log(self) -> list[dict[str, Any]]:
        return [entry.as_json() for entry in self.exchange.log]


@pytest.fixture
def start(market: Tape, tmp_path: Path) -> Callable[[HandClock], Venue]:
    def make(clock: HandClock) -> Venue:
        exchange = Exchange(market)
        app = JournalledVenue(lambda now: create_app(exchange, now, keys=KEYS), clock.now, tmp_path / "venue.jsonl")
        return Venue(app=app, exchange=exchange, clock=clock)

    return make


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "venue.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def live(venue: Venue, clock: HandClock) -> None:
    """Buy, ask for more than there is, rest a limit, change it, cancel it, sell."""
    venue.order("a")
    clock.pass_by(timedelta(seconds=20))
    venue.order("too-much", qty="100000000")
    venue.order("b", type="limit", limit_price="1.00")
    clock.pass_by(timedelta(seconds=0.25))
    resting = venue.ask("GET", "/v2/orders:by_client_order_id?client_order_id=b")
    assert resting is not None
    changed = venue.ask("PATCH", f"/v2/orders/{resting.json()['id']}", {"limit_price": "2.00"})
    assert changed is not None
    clock.pass_by(timedelta(minutes=1))
    venue.ask("DELETE", f"/v2/orders/{changed.json()['id']}")
    venue.order("c", side="sell", qty="1")
    clock.pass_by(timedelta(minutes=1))
    venue.ask("GET", "/v2/account")


def test_venue_comes_back_with_the_same_log_orders_and_money(
    start: Callable[[HandClock], Venue], tmp_path: Path
) -> None:
    clock = HandClock(BEGIN)
    before = start(clock)
    live(before, clock)
    told = lines(tmp_path)
    clock.pass_by(timedelta(hours=1))
    after = start(clock)
    for path in ("/v2/account", "/v2/positions", "/v2/orders?status=all"):
        one, other = before.ask("GET", path), after.ask("GET", path)
        assert one is not None
        assert other is not None
        assert one.json() == other.json()
    assert after.log() == before.log()
    assert len(after.log()) > 8
    assert lines(tmp_path) == told
    assert [line["method"] for line in told] == ["POST", "POST", "PATCH", "DELETE", "POST"]


def test_an_order_sent_again_after_the_restart_is_a_duplicate(start: Callable[[HandClock], Venue]) -> None:
    clock = HandClock(BEGIN)
    start(clock).order("a")
    again = start(clock).order("a")
    assert again is not None
    assert (again.status_code, again.json()["code"]) == (422, 40010001)


@pytest.mark.parametrize(
    ("kind", "stands"), [("500", False), ("429", False), ("nonsense", True), ("lost_answer", True)]
)
def test_only_what_had_its_effect_is_told_again(
    start: Callable[[HandClock], Venue], kind: str, stands: bool, tmp_path: Path
) -> None:
    clock = HandClock(BEGIN)
    before = start(clock)
    before.ask("POST", "/sandbox/faults", {"rules": [{"kind": kind, "method": "POST", "path": "/v2", "next": 1}]})
    before.order("a")
    after = start(clock)
    found = after.ask("GET", "/v2/orders:by_client_order_id?client_order_id=a")
    assert found is not None
    assert (found.status_code == 200) is stands
    assert after.log() == before.log()
    assert len(lines(tmp_path)) == stands


def test_faults_end_with_the_process(start: Callable[[HandClock], Venue]) -> None:
    clock = HandClock(BEGIN)
    start(clock).ask("POST", "/sandbox/faults", {"rules": [{"kind": "500", "next": 1000}]})
    answer = start(clock).ask("GET", "/v2/account")
    assert answer is not None
    assert answer.status_code == 200


def test_a_last_line_that_a_kill_cut_off_is_left_out(start: Callable[[HandClock], Venue], tmp_path: Path) -> None:
    clock = HandClock(BEGIN)
    start(clock).order("a")
    journal = tmp_path / "venue.jsonl"
    journal.write_text(journal.read_text() + '{"at": "2026-10-14T14:00:00Z", "meth')
    after = start(clock)
    after.order("b")
    again = start(clock)
    assert again.log() == after.log()
    assert {entry["client_order_id"] for entry in again.log()} == {"a", "b"}


def test_times_are_kept_to_the_microsecond(start: Callable[[HandClock], Venue], tmp_path: Path) -> None:
    clock = HandClock(datetime(2026, 10, 14, 14, 0, 0, 123_456, tzinfo=UTC))
    start(clock).order("a")
    assert lines(tmp_path)[0]["at"] == "2026-10-14T14:00:00.123456Z"
