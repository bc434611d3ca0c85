"""Recorded days through the whole system. The recordings are no part of the checkout: without them, skipped."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import Azurite
from sandbox.world import ROOT
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import Container, Table
from shared.contracts.settings import StorageSettings
from tests.support.day import outcome, start_day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DATA = Path(os.environ.get("GATEHOUSE_DATA", ROOT / ".." / "shared" / "data")).resolve()
INTRADAY = DATA / "intraday" / "us101_5min_2025.parquet"
LEAN = DATA / "lean"


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A recorded day: what came of it, and what it left in storage."""

    on: date
    day: dict[str, Any]
    rows: dict[Table, list[dict[str, Any]]]
    histories: list[str]
    features: dict[str, Any]


REASON = f"recorded bars are not there: {DATA} (GATEHOUSE_DATA)"
WORLDS = {
    date(2025, 10, 15): ("--bars", INTRADAY),
    date(2013, 10, 10): (
        *("--bars", LEAN / "equity_minute_trades.parquet"),
        *("--daily", LEAN / "equity_daily.parquet"),
        *("--quotes", LEAN / "equity_minute_quotes.parquet"),
    ),
}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[date, Replayed]:
    """Both days side by side, in processes of their own."""
    folder = tmp_path_factory.mktemp("replay")
    started = {
        on: start_day(folder / str(on), "--on", str(on), *map(str, arguments)) for on, arguments in WORLDS.items()
    }
    return {on: _read(on, folder / str(on), outcome(process, folder / str(on))) for on, process in started.items()}


def _read(on: date, folder: Path, day: dict[str, Any]) -> Replayed:
    with Azurite(folder / "state" / "azurite") as azurite:
        account = StorageSettings(connection=azurite.connection_string)
        tables, blobs = AzureTables(account), AzureBlobs(account)
        rows = {table: [dict(row) for _, row in tables.query(table, str(on))] for table in Table}
        histories = list(blobs.names(Container.BARS, "history/"))
        first = blobs.get(Container.FEATURES, blobs.names(Container.FEATURES, "")[0])
    assert first is not None
    return Replayed(on=on, day=day, rows=rows, histories=histories, features=json.loads(first.value))


def check(replayed: Replayed) -> None:
    assert replayed.day["violations"] == []
    assert (replayed.day["open_orders"], replayed.day["open_positions"]) == (0, 0)
    assert replayed.day["funnel"]["incidents"] == 0
    assert replayed.day["report"]["on"] == str(replayed.on)
    assert replayed.histories


@pytest.mark.skipif(not (INTRADAY.is_file() and LEAN.is_dir()), reason=REASON)
def test_a_recorded_day_of_a_hundred_symbols_runs_through_the_system(replayed: dict[date, Replayed]) -> None:
    found = replayed[date(2025, 10, 15)]
    check(found)
    assert found.day["funnel"]["watchlist"] >= 30
    assert found.day["funnel"]["scored"] > 1000
    sessions = {row["session"] for row in found.rows[Table.SIGNALS] if "session" in row}
    assert sessions == {"REG-AM", "REG-MID", "REG-PM"}


@pytest.mark.skipif(not (INTRADAY.is_file() and LEAN.is_dir()), reason=REASON)
def test_a_recorded_day_with_premarket_bars_runs_through_the_system(replayed: dict[date, Replayed]) -> None:
    found = replayed[date(2013, 10, 10)]
    check(found)
    assert found.day["funnel"]["watchlist"] >= 3
    assert found.day["funnel"]["scored"] >= 70 * 3
    # The premarket bars came through venue, SDK and app: from the first slot on, features know their volume and range.
    names, rows = found.features["names"], found.features["rows"]
    for feature in ("premarket_volume", "premarket_range"):
        assert all(row[names.index(feature)] > 0 for row in rows)
