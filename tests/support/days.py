"""Whole days that tests look at: each is run once, by a process of its own, beside other tests."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sandbox.state import held
from simulation.market.scenario import ROOT
from tests.support.day import run_day

DATA = Path(os.environ.get("GATEHOUSE_DATA", ROOT / ".." / "shared" / "data")).resolve()
INTRADAY = DATA / "intraday" / "us101_5min_2025.parquet"
LEAN = DATA / "lean"
"""Recorded bars. They are no part of the checkout."""

SEEDED: Mapping[str, tuple[str, ...]] = {"first": ("--seed", "7"), "other": ("--seed", "8")}
"""The day that the README shows, and another."""
RECORDED: Mapping[str, tuple[str, ...]] = {
    str(date(2025, 10, 15)): ("--on", "2025-10-15", "--bars", str(INTRADAY)),
    str(date(2013, 10, 10)): (
        *("--on", "2013-10-10", "--bars", str(LEAN / "equity_minute_trades.parquet")),
        *("--daily", str(LEAN / "equity_daily.parquet"), "--quotes", str(LEAN / "equity_minute_quotes.parquet")),
    ),
}
HAS_RECORDINGS = INTRADAY.is_file() and LEAN.is_dir()


class DayRuns:
    """Days that run in the background from the start of the session on; each runs once for all workers.

    Parameters
    ----------
    folder : Path
        Where each has a folder of its own; the workers of a session share it.
    at_once : int
        How many run side by side: one beside other tests, which take the second core, two where there are none.
    number : int
        Of the worker.
    """

    def __init__(self, folder: Path, at_once: int, number: int = 0) -> None:
        self.folder = folder
        self._number = number
        self._pool = ThreadPoolExecutor(max_workers=at_once)
        self._days: dict[str, Future[dict[str, Any]]] = {}

    def begin(self) -> None:
        """Queue every day, those first that most tests wait for; each worker begins with others."""
        wanted = {**SEEDED, **(RECORDED if HAS_RECORDINGS else {})}
        mine = deque(wanted.items())
        mine.rotate(-self._number * len(SEEDED))
        self._days = {name: self._pool.submit(self._run, name, arguments) for name, arguments in mine}

    def _run(self, name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
        """Run a day, or wait while another worker runs it."""
        place = self.folder / name
        with held(place, "a test", waiting=lambda _: None):
            if not (done := place / "done").exists():
                run_day(place, *arguments)
                done.touch()
        return dict(json.loads((place / "day.json").read_text()))

    def outcomes(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What came of the days, as `--json` writes it."""
        return {name: self._days[name].result() for name in names}

    def storage(self, name: str) -> Path:
        """Folder of the storage that a day has left."""
        return self.folder / name / "state" / "azurite"

    def end(self) -> None:
        """Begin no further day, and wait for the one that runs."""
        self._pool.shutdown(cancel_futures=True)


def _is_e2e(item: pytest.Item) -> bool:
    return item.nodeid.startswith("tests/e2e/")


def _needs_days(item: pytest.Item) -> bool:
    return "day_runs" in getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes come first: who waits for them leaves the cores to others. What waits for days comes last."""
    items.sort(key=lambda item: (_needs_days(item), not _is_e2e(item)))


@pytest.fixture(scope="session", autouse=True)
def _background(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DayRuns]:
    """Run the days while the other tests run, if any test needs them."""
    root, items = tmp_path_factory.getbasetemp(), request.session.items
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # gw0, gw1, ...: its folder is one beside those of the others
    folder, at_once = (root.parent if worker else root) / "days", 2 if all(map(_is_e2e, items)) else 1
    runs = DayRuns(folder, at_once, number=int(worker.removeprefix("gw") or 0))
    if any(map(_needs_days, items)):
        runs.begin()
    yield runs
    runs.end()


@pytest.fixture(scope="session")
def day_runs(_background: DayRuns) -> DayRuns:
    """The days that run in the background."""
    return _background
