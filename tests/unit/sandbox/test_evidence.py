"""What a day's evidence counts, and what its digest takes in and leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from sandbox.evidence import DayEvidence, gather_evidence
from sandbox.venue_process import KEYS
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import ACCOUNT, CURRENT, Container, Table
from shared.contracts.settings import StorageSettings
from shared.ports import Cell, Row
from simulation.market.scenario import DEFAULT_ON, Scenario
from simulation.market.tape import Tape
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.app import new_york

ON = str(DEFAULT_ON)


class Left:
    """Storage and venue as a day might leave them."""

    def __init__(self, storage: str, url: str) -> None:
        self.storage, self.url = storage, url
        account = StorageSettings(connection=storage)
        self.tables, self.blobs = AzureTables(account), AzureBlobs(account)
        for slot, policy in (("1000", "ENTER"), ("1005", "EDGE_TOO_SMALL")):
            row: Row = {"symbol": "SPY", "slot": slot, "policy": policy, "p_up": 0.5, "code_revision": "abc"}
            self.tables.put(Table.SIGNALS, ON, f"SPY|{slot}", row)
        for slot in ("0700", "0915"):
            self.tables.put(Table.WATCHLIST, ON, f"SPY|{slot}", {"symbol": "SPY", "slot": slot})
        self.tables.put(Table.SIGNALS, "2026-10-13", "SPY|1000", {"policy": "ENTER"})
        self.tables.put(Table.LEDGER, ACCOUNT, CURRENT, {"reservations": 0})
        report = json.dumps({"scored": 2, "fills": 0, "journal_rows": 0, "made_at": "2026-10-14T20:30:00Z"})
        self.blobs.put(Container.REPORTS, f"{ON}/day.json", report.encode())
        self.blobs.put(Container.FEATURES, f"{ON}/1000/x.json", b"{}")

    def evidence(self) -> DayEvidence:
        return gather_evidence(Scenario(), self.storage, self.url)

    def buy(self) -> None:
        body = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
        headers = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
        requests.post(f"{self.url}/v2/orders", json=body, headers=headers, timeout=60).raise_for_status()


@pytest.fixture
def left(storage: str, market: Tape) -> Iterator[Left]:
    at = new_york("10:00")
    with ServerThread(create_app(Exchange(market), lambda: at, keys=KEYS)) as server:
        yield Left(storage, server.url)


def test_a_quiet_day_is_counted_and_nothing_is_wrong(left: Left) -> None:
    found = left.evidence()
    assert found.violations == []
    assert (found.funnel["watchlist"], found.funnel["scored"], found.funnel["signals"]) == (1, 2, 1)
    assert {found.funnel[name] for name in ("decided", "approved", "orders", "positions", "fills", "incidents")} == {0}
    assert (found.open_orders, found.open_positions, found.longest_unguarded_s) == (0, 0, 0.0)
    assert float(found.equity_usd) == 100_000
    assert json.loads(found.as_json())["digest"] == found.digest


def test_the_digest_is_the_same_until_something_that_matters_changes(left: Left) -> None:
    before = left.evidence().digest
    assert left.evidence().digest == before
    row: dict[str, Cell] = {"symbol": "SPY", "slot": "1000", "policy": "ENTER", "p_up": 0.5}
    left.tables.put(Table.SIGNALS, ON, "SPY|1000", row | {"code_revision": "def"})
    assert left.evidence().digest == before
    left.tables.put(Table.SIGNALS, ON, "SPY|1000", row | {"p_up": 0.500001})
    assert left.evidence().digest != before


@pytest.mark.parametrize("container", [Container.FEATURES, Container.WATCHLISTS, Container.REPORTS, Container.BARS])
def test_the_digest_takes_in_blobs(left: Left, container: Container) -> None:
    before = left.evidence().digest
    left.blobs.put(container, f"{ON}/more.json", b'{"more":1}')
    assert left.evidence().digest != before


def test_what_the_venue_did_is_in_the_evidence(left: Left) -> None:
    before = left.evidence().digest
    left.buy()
    found = left.evidence()
    assert found.digest != before
    assert found.open_positions == 1
    assert {text.partition(":")[0] for text in found.violations} == {"nothing_open", "fills_agree"}


def test_a_day_without_a_report_is_no_finished_day(left: Left) -> None:
    left.blobs.put(Container.REPORTS, f"{ON}/day.json", b"{}")
    assert left.evidence().violations == ["counted: there is no day report"]
