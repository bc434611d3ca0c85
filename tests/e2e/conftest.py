"""Whole days that several tests of this folder look at: each is run once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.world import Prepared
from tests.support.day import outcome, start_day

SEEDS: Mapping[str, str] = {"first": "7", "again": "7", "other": "8"}
"""The same seed twice, and another."""


class DayRuns:
    """Days in processes of their own, side by side where several are asked for at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: dict[str, subprocess.Popen[str]] = {}
        self._outcomes: dict[str, dict[str, Any]] = {}

    def outcomes(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What came of the days, as `--json` writes it."""
        wanted = list(names)
        for name in wanted:
            if name not in self._started:
                self._started[name] = start_day(self.folder / name, "--seed", SEEDS[name])
        for name in wanted:
            if name not in self._outcomes:
                self._outcomes[name] = outcome(self._started[name], self.folder / name)
        return {name: self._outcomes[name] for name in wanted}

    def storage(self, name: str) -> Path:
        """Folder of the storage that a day has left."""
        return self.folder / name / "state" / "azurite"


@pytest.fixture(scope="session")
def day_runs(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> DayRuns:
    """The days; asking for none runs none."""
    return DayRuns(tmp_path_factory.mktemp("days"))
