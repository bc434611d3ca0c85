"""`python -m training fetch` against a real venue process over HTTP, into real storage: resumed, bounded, complete."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sandbox.clock import ClockFile
from sandbox.venue_process import venue
from shared.adapters.blobs import AzureBlobs
from shared.contracts.settings import StorageSettings
from shared.core.features.history import midnight_s
from shared.core.market import Timeframe
from shared.core.values import Symbol, from_epoch
from simulation.market.scenario import DEFAULT_ON, ROOT, Scenario
from simulation.market.tape import Tape
from tests.support.app import new_york
from tests.support.bars import CALENDAR
from training.__main__ import main
from training.data.manifest import Dates, missing
from training.data.store import BarStore

LAST = DEFAULT_ON - timedelta(days=1)
FIRST = DEFAULT_ON - timedelta(days=45)
SYMBOLS = ("SPY", "QQQ")


@dataclass(frozen=True)
class Place:
    url: str
    clock: Path


@pytest.fixture(scope="module")
def place(world: Scenario, market: Tape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("venue")
    clock = ClockFile(folder / "clock", new_york("16:30"))
    with venue(world, clock, folder) as url:
        yield Place(url=url, clock=clock.path)


def environment(place: Place, storage: str) -> dict[str, str]:
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    return {
        **os.environ,
        **{name: value for name, value in example.items() if name.startswith("ALPACA")},
        "ALPACA_TRADING_URL": place.url,
        "ALPACA_DATA_URL": place.url,
        "ALPACA_REQUESTS_PER_MIN": "10000",
        "GATEHOUSE_CLOCK_FILE": str(place.clock),
        "AzureWebJobsStorage": storage,
    }


def arguments(store: Path, *more: str) -> list[str]:
    return [
        *("fetch", "--symbols", ",".join(SYMBOLS), "--from", str(FIRST), "--to", str(LAST)),
        *("--timeframe", "5Min,1Day", "--extended", "--store", str(store), *more),
    ]


class Fetch:
    """Runs the command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place) -> None:
        self._monkeypatch, self._capsys, self._place = monkeypatch, capsys, place

    def __call__(self, store: Path, storage: str, *more: str) -> str:
        return self.run(arguments(store, *more), storage)

    def run(self, words: list[str], storage: str) -> str:
        """Return what it tells."""
        for name, value in environment(self._place, storage).items():
            self._monkeypatch.setenv(name, value)
        assert main(words) == 0
        return self._capsys.readouterr().err


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place) -> Fetch:
    return Fetch(monkeypatch, capsys, place)


def requests_of(told: str) -> int:
    return int(told.split(" requests", maxsplit=1)[0].rsplit(maxsplit=1)[-1])


def test_a_fetch_brings_the_venues_bars_whole_and_a_second_one_asks_for_nothing(
    fetch: Fetch, storage: str, tmp_path: Path, market: Tape
) -> None:
    told = fetch(tmp_path / "cache", storage, "--calendar", "--assets")
    assert requests_of(told) > 4
    blobs = AzureBlobs(StorageSettings(connection=storage))
    store = BarStore(tmp_path / "other", CALENDAR, blobs)
    start, end = from_epoch(midnight_s(FIRST)), from_epoch(midnight_s(DEFAULT_ON))
    for symbol in map(Symbol, SYMBOLS):
        for timeframe in (Timeframe.MIN_5, Timeframe.DAY_1):
            manifest, found = store.manifest(timeframe, symbol), store.read(timeframe, symbol).bars
            expected = market.bars(symbol, timeframe, start, end)
            assert manifest is not None
            assert missing(Dates(first=FIRST, last=LAST), manifest.covered) == ()
            assert np.array_equal(found.start_s, expected.start_s)
            assert np.allclose(found.close, expected.close)
            assert np.array_equal(found.volume, expected.volume)
    assert "calendar: 0 differences" in told
    assets = blobs.get("bars", f"assets/{DEFAULT_ON}.parquet")
    assert assets is not None
    assert set(SYMBOLS) <= set(pq.read_table(io.BytesIO(assets.value))["symbol"].to_pylist())
    assert requests_of(fetch(tmp_path / "cache", storage)) == 0


def test_a_fetch_that_was_killed_goes_on_where_it_stood(
    fetch: Fetch, place: Place, storage: str, tmp_path: Path
) -> None:
    blobs = AzureBlobs(StorageSettings(connection=storage))
    slowly = environment(place, storage) | {"ALPACA_REQUESTS_PER_MIN": "18"}  # two at once, then one in three seconds
    command = [sys.executable, "-m", "training", *arguments(tmp_path / "cache")]
    process = subprocess.Popen(command, env=slowly, cwd=ROOT, stderr=subprocess.DEVNULL)
    while f"5Min/{SYMBOLS[-1]}/manifest.json" not in blobs.names("bars", "5Min/"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = blobs.names("bars", "")
    again = requests_of(fetch(tmp_path / "cache", storage))
    whole = requests_of(fetch(tmp_path / "folder", ""))
    assert set(before) < set(blobs.names("bars", ""))
    assert 0 < again < whole
    resumed, at_once = BarStore(tmp_path / "other", CALENDAR, blobs), BarStore(tmp_path / "folder", CALENDAR)
    for symbol in map(Symbol, SYMBOLS):
        for timeframe in (Timeframe.MIN_5, Timeframe.DAY_1):
            assert resumed.manifest(timeframe, symbol) == at_once.manifest(timeframe, symbol)
            assert len(resumed.read(timeframe, symbol)) > 20


def test_premarket_and_after_hours_are_kept_only_on_demand_and_a_day_that_runs_is_not_fetched(
    fetch: Fetch, tmp_path: Path
) -> None:
    dates = ("--from", str(LAST - timedelta(days=6)), "--to", str(DEFAULT_ON))
    first = [text for text in arguments(tmp_path, *dates, "--timeframe", "5Min") if text != "--extended"]
    told = fetch.run(first, "")
    assert f"{DEFAULT_ON} is not over yet" in told
    bars = BarStore(tmp_path, CALENDAR).read(Timeframe.MIN_5, Symbol("SPY")).bars
    manifest = BarStore(tmp_path, CALENDAR).manifest(Timeframe.MIN_5, Symbol("SPY"))
    assert manifest is not None
    assert manifest.source == "alpaca-iex"
    assert manifest.gaps == ()
    assert len(bars) == 78 * len(
        [on for on in Dates(first=LAST - timedelta(days=6), last=LAST).each() if CALENDAR.day(on)]
    )


def test_headlines_and_quotes_are_kept_and_a_whole_month_or_day_is_not_asked_for_again(
    fetch: Fetch, tmp_path: Path, market: Tape
) -> None:
    first, last = date(2026, 9, 29), date(2026, 10, 1)
    words = arguments(tmp_path, "--from", str(first), "--to", str(last), "--timeframe", "1Day", "--news", "--quotes")
    told = fetch.run(words, "")
    news = pq.read_table(tmp_path / "bars" / "news" / "2026-09.parquet")
    start, end = from_epoch(midnight_s(date(2026, 9, 1))), from_epoch(midnight_s(date(2026, 10, 1)))
    assert sorted(news["headline"].to_pylist()) == sorted(story.headline for story in market.news(start, end))
    quotes = pq.read_table(tmp_path / "bars" / "quotes" / "SPY" / "2026-09-30.parquet")
    assert quotes.num_rows > 100
    assert np.all(quotes["ask"].to_numpy() >= quotes["bid"].to_numpy())
    again = fetch.run(words, "")
    assert "quotes: 0" in again
    assert requests_of(again) < requests_of(told)
