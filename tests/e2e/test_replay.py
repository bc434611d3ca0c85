"""Recorded days through the whole system. The recordings are no part of the checkout: without them, skipped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import Azurite
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.contracts.records import Container, Table
from shared.contracts.settings import StorageSettings
from shared.core.packing import unpack
from tests.support.days import DATA, HAS_RECORDINGS, RECORDED, DayRuns

pytestmark = [pytest.mark.slow]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A recorded day: what came of it, and what it left in storage."""

    on: date
    day: dict[str, Any]
    rows: dict[Table, list[dict[str, Any]]]
    histories: list[str]
    features: dict[str, Any]


REASON = f"recorded bars are not there: {DATA} (GATEHOUSE_DATA)"


@pytest.fixture(scope="module")
def replayed(day_runs: DayRuns) -> dict[date, Replayed]:
    """Both recorded days."""
    days = day_runs.outcomes(RECORDED)
    return {
        date.fromisoformat(on): _read(date.fromisoformat(on), day_runs.storage(on), day) for on, day in days.items()
    }


def _read(on: date, storage: Path, day: dict[str, Any]) -> Replayed:
    with Azurite(storage) as azurite:
        account = StorageSettings(connection=azurite.connection_string)
        tables, blobs = AzureTables(account), AzureBlobs(account)
        rows = {table: [dict(row) for _, row in tables.query(table, str(on))] for table in Table}
        histories = list(blobs.names(Container.BARS, "history/"))
        first = blobs.get(Container.FEATURES, blobs.names(Container.FEATURES, "")[0])
    assert first is not None
    return Replayed(on=on, day=day, rows=rows, histories=histories, features=json.loads(unpack(first.value)))


def check(replayed: Replayed) -> None:
    assert replayed.day["violations"] == []
    assert (replayed.day["open_orders"], replayed.day["open_positions"]) == (0, 0)
    assert replayed.day["funnel"]["incidents"] == 0
    assert replayed.day["report"]["on"] == str(replayed.on)
    assert replayed.histories


@pytest.mark.skipif(not HAS_RECORDINGS, reason=REASON)
def test_a_recorded_day_of_a_hundred_symbols_runs_through_the_system(replayed: dict[date, Replayed]) -> None:
    found = replayed[date(2025, 10, 15)]
    check(found)
    assert found.day["funnel"]["watchlist"] >= 30
    assert found.day["funnel"]["scored"] > 1000
    sessions = {row["session"] for row in found.rows[Table.SIGNALS] if "session" in row}
    assert sessions == {"REG-AM", "REG-MID", "REG-PM"}


@pytest.mark.skipif(not HAS_RECORDINGS, reason=REASON)
def test_a_recorded_day_with_premarket_bars_runs_through_the_system(replayed: dict[date, Replayed]) -> None:
    found = replayed[date(2013, 10, 10)]
    check(found)
    assert found.day["funnel"]["watchlist"] >= 3
    assert found.day["funnel"]["scored"] >= 70 * 3
    # The premarket bars came through venue, SDK and app: from the first slot on, features know their volume and range.
    names, rows = found.features["names"], found.features["rows"]
    for feature in ("premarket_volume", "premarket_range"):
        assert all(row[names.index(feature)] > 0 for row in rows)
