"""What a day leaves behind: its cases, decisions that replay equal, and tables that answer questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.books import opened
from sandbox.query import answer, download
from sandbox.questions import QUESTIONS
from sandbox.replay import last_day, replayed
from shared.adapters.codec import decode_json
from shared.bootstrap import App
from shared.contracts.cases import Case, CaseEnding
from shared.contracts.records import Container
from shared.stages.evidence.nightly import ReplayReport
from simulation.market.scenario import DEFAULT_ON
from tests.support.days import DayRuns
from tests.support.kernels import lesser_kernels, run_under

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def day(day_runs: DayRuns) -> dict[str, Any]:
    """The first day's outcome."""
    return day_runs.outcomes(["first"])["first"]


@pytest.fixture(scope="module")
def left(day: dict[str, Any], day_runs: DayRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what that day has left in storage: other tests may have the original open."""
    assert day["violations"] == []
    folder = tmp_path_factory.mktemp("books")
    shutil.copytree(day_runs.storage("first"), folder / "azurite")
    return folder


@pytest.fixture(scope="module")
def books(left: Path) -> Iterator[App]:
    """That copy, opened."""
    with opened("", left) as ports:
        yield ports


def test_every_decision_has_a_case_that_ended(books: App, day: dict[str, Any]) -> None:
    names = books.blobs.names(Container.CASES, f"{DEFAULT_ON}/")
    stored = [blob for name in names if (blob := books.blobs.get(Container.CASES, name))]
    cases = [decode_json(Case, blob.value) for blob in stored]
    assert len(cases) == day["funnel"]["decided"] > 0
    endings = [case.ending for case in cases]
    assert CaseEnding.RUNNING not in endings
    assert endings.count(CaseEnding.CLOSED) == day["report"]["orders"].get("CLOSED", 0)
    assert all(case.outcome.after_15m_bp is not None for case in cases)
    assert all(case.scores.contributions for case in cases)
    realised = sum(float(case.outcome.realised_usd or 0) for case in cases)
    assert realised == pytest.approx(float(day["report"]["realised_usd"]), abs=0.01)


def test_a_hundred_decisions_of_the_day_replay_equal(books: App) -> None:
    assert last_day(books) == DEFAULT_ON
    found = list(replayed(books, count=100))
    assert len(found) == 100
    assert [(item.case.decision_id, item.replay.differences) for item in found if not item.replay.equal] == []


def test_decisions_of_the_day_replay_within_tolerance_under_other_kernels(left: Path, tmp_path: Path) -> None:
    found, given = tmp_path / "found.json", ["--count", "40", "--folder", str(left)]
    run_under(lesser_kernels(), "-m", "sandbox", "replay", *given, "--json", str(found))
    replays = json.loads(found.read_text())
    assert [(each["agrees"], each["differs"]) for each in replays] == [(True, {})] * 40
    assert {part for each in replays for part in each["close"]} <= {"features", "scores", "ATR", "signal", "intent"}


def test_the_nightly_check_found_its_sample_equal(books: App) -> None:
    stored = books.blobs.get(Container.REPORTS, f"{DEFAULT_ON}/replay.json")
    assert stored is not None
    report = decode_json(ReplayReport, stored.value)
    assert report.sampled == report.equal == min(report.cases, books.settings.cases.replay_sample) > 0


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_documented_question_is_answered_by_the_days_export(name: str, books: App, tmp_path: Path) -> None:
    assert answer(download(books.blobs, tmp_path), QUESTIONS[name].sql).rows
