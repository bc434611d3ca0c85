"""`python -m training nightly --fetch` as a command: a venue over HTTP, real storage, killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.clock import ClockFile
from sandbox.venue_process import venue
from shared.adapters.blobs import AzureBlobs
from shared.adapters.codec import decode_json
from shared.adapters.tables import AzureTables
from shared.contracts.records import Container, Table
from shared.contracts.settings import StorageSettings
from shared.core.market import Timeframe
from shared.core.values import Symbol
from simulation.market.scenario import DEFAULT_ON, ROOT, Scenario, core_symbols
from simulation.market.tape import Tape
from tests.integration.test_training_fetch import Place, environment
from tests.support.app import new_york
from tests.support.bars import CALENDAR
from training import publish
from training.__main__ import main
from training.data.manifest import Dates, missing
from training.data.store import BarStore
from training.registry.nightly import LOCK_LENGTH
from training.registry.nightly_state import NightRun, NightStep, folder_of

LAST = DEFAULT_ON - timedelta(days=1)
FIRST = CALENDAR.previous_days(DEFAULT_ON, 41)[0].on
KNOWN = DEFAULT_ON - timedelta(days=6)
"""What was fetched by hand reaches to here; the night brings the rest."""


@pytest.fixture
def clock(tmp_path: Path) -> ClockFile:
    return ClockFile(tmp_path / "clock", new_york("17:30"))


@pytest.fixture(autouse=True)
def place(
    world: Scenario, clock: ClockFile, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A venue, and an environment that names it."""
    with venue(world, clock, tmp_path) as url:
        for name, value in environment(Place(url=url, clock=clock.path), storage).items():
            monkeypatch.setenv(name, value)
        yield


def night_of(blobs: AzureBlobs) -> NightRun | None:
    stored = blobs.get(Container.REPORTS, f"{folder_of(LAST)}/run.json")
    return None if stored is None else decode_json(NightRun, stored.value)


def until_trained(process: subprocess.Popen[bytes], blobs: AzureBlobs) -> None:
    while (night := night_of(blobs)) is None or not night.has(NightStep.TRAIN):
        assert process.poll() is None
        time.sleep(0.02)


def test_a_night_fetches_trains_is_killed_goes_on_and_is_done_once(
    clock: ClockFile, storage: str, market: Tape, tmp_path: Path
) -> None:
    settings = StorageSettings(connection=storage)
    blobs, tables = AzureBlobs(settings), AzureTables(settings)
    store = ["--store", str(tmp_path / "store")]
    symbols = [Symbol(name) for name in core_symbols(market, 3)]
    dates = ["--from", str(FIRST), "--to", str(KNOWN), "--timeframe", "5Min,1Day"]
    assert main(["fetch", "--symbols", ",".join(symbols), *dates, "--extended", *store]) == 0
    words = ["nightly", "--fetch", "--trials", "1", "--work", str(tmp_path / "work"), *store]

    killed = subprocess.Popen([sys.executable, "-m", "training", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    until_trained(killed, blobs)
    killed.kill()
    killed.wait()
    first = night_of(blobs)
    assert first is not None
    assert not first.is_over
    manifest = BarStore(tmp_path / "other", CALENDAR, blobs).manifest(Timeframe.MIN_5, symbols[0])
    assert manifest is not None
    assert missing(Dates(first=FIRST, last=LAST), manifest.covered) == ()

    assert main(words) == 1, "who was killed has not given its lock back"
    clock.jump(clock.now() + LOCK_LENGTH)
    assert main(words) == 0
    second = night_of(blobs)
    assert second is not None
    assert second.is_over
    assert (second.attempt, second.challenger, second.content_id) == (2, first.challenger, first.content_id)
    assert second.finished[: len(first.finished)] == first.finished
    assert [done.step for done in second.finished] == list(NightStep)
    assert list(publish.versions_of(blobs, "signal")) == [second.challenger]
    assert publish.card_of(blobs, "signal", second.challenger).is_synthetic
    row = dict(tables.query(Table.RUNS, str(LAST)))["nightly|1730"]
    assert (row["status"], row["attempt"]) == ("done", 2)
    before = {name: blobs.get(Container.REPORTS, name) for name in blobs.names(Container.REPORTS, folder_of(LAST))}
    assert f"{folder_of(LAST)}/report.html" in before

    assert main(words) == 0
    assert {name: blobs.get(Container.REPORTS, name) for name in before} == before
    assert night_of(blobs) == second
