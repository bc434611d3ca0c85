"""Whole days that the tests of this folder look at: each is run once, by a process of its own, beside other tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from simulation.market.scenario import ROOT
from tests.support.day import outcome, start_day

DATA = Path(os.environ.get("GATEHOUSE_DATA", ROOT / ".." / "shared" / "data")).resolve()
INTRADAY = DATA / "intraday" / "us101_5min_2025.parquet"
LEAN = DATA / "lean"
"""Recorded bars. They are no part of the checkout."""

SEEDED: Mapping[str, tuple[str, ...]] = {
    "first": ("--seed", "7"),
    "again": ("--seed", "7"),
    "other": ("--seed", "8"),
}
"""The same seed twice, and another."""
RECORDED: Mapping[str, tuple[str, ...]] = {
    str(date(2025, 10, 15)): ("--on", "2025-10-15", "--bars", str(INTRADAY)),
    str(date(2013, 10, 10)): (
        *("--on", "2013-10-10", "--bars", str(LEAN / "equity_minute_trades.parquet")),
        *("--daily", str(LEAN / "equity_daily.parquet"), "--quotes", str(LEAN / "equity_minute_quotes.parquet")),
    ),
}
HAS_RECORDINGS = INTRADAY.is_file() and LEAN.is_dir()
HERE = Path(__file__).parent


class DayRuns:
    """Days that run in the background from the start of the session on.

    Parameters
    ----------
    folder : Path
        Where each has a folder of its own.
    at_once : int
        How many run side by side: one beside other tests, which take the second core, two where there are none.
    """

    def __init__(self, folder: Path, at_once: int) -> None:
        self.folder = folder
        self._pool = ThreadPoolExecutor(max_workers=at_once)
        self._days: dict[str, Future[dict[str, Any]]] = {}

    def begin(self) -> None:
        """Queue every day, those first that most tests wait for."""
        wanted = {**SEEDED, **(RECORDED if HAS_RECORDINGS else {})}
        self._days = {name: self._pool.submit(self._run, name, arguments) for name, arguments in wanted.items()}

    def _run(self, name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
        return outcome(start_day(self.folder / name, *arguments), self.folder / name)

    def outcomes(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What came of the days, as `--json` writes it."""
        return {name: self._days[name].result() for name in names}

    def storage(self, name: str) -> Path:
        """Folder of the storage that a day has left."""
        return self.folder / name / "state" / "azurite"

    def end(self) -> None:
        """Begin no further day, and wait for the one that runs."""
        self._pool.shutdown(cancel_futures=True)


RUNS = pytest.StashKey[DayRuns]()


def _is_here(item: pytest.Item) -> bool:
    return item.path.is_relative_to(HERE)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for days comes last."""
    items.sort(key=_is_here)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Run the days while the other tests run."""
    needs_days = any("day_runs" in getattr(item, "fixturenames", ()) for item in session.items)
    if not needs_days or session.config.option.collectonly:
        return (yield)
    is_alone = all(map(_is_here, session.items))
    with tempfile.TemporaryDirectory(prefix="gatehouse-days-") as folder:
        runs = session.config.stash[RUNS] = DayRuns(Path(folder), at_once=2 if is_alone else 1)
        runs.begin()
        try:
            return (yield)
        finally:
            runs.end()


@pytest.fixture(scope="session")
def day_runs(request: pytest.FixtureRequest) -> DayRuns:
    """The days that run in the background."""
    return request.config.stash[RUNS]
