"""What a day leaves behind: its cases, decisions that replay equal, and tables that answer questions."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.applications import Starlette

from sandbox.books import opened
from sandbox.deliberate import deliberate, proposals
from sandbox.query import answer, download
from sandbox.questions import QUESTIONS
from sandbox.replay import last_day, replayed
from shared.adapters.codec import decode_json
from shared.bootstrap import App
from shared.contracts.cases import Case, CaseEnding
from shared.contracts.records import Container, Table
from shared.contracts.settings import LanguageSettings
from shared.core.committee.values import Deliberation
from shared.core.risk import Facts
from shared.core.settings import FIRST_STRATEGY
from shared.core.text.narratives import Narrative
from shared.stages.evidence.nightly import ReplayReport
from shared.stages.narrative.calls import ANSWERED
from shared.stages.narrative.spending import DAY
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.language.face import ROUTES
from simulation.market.scenario import DEFAULT_ON
from simulation.venue.face.server import ServerThread
from tests.support.commentator import always
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
    assert all(case.scores.contributions for case in cases if case.strategy == FIRST_STRATEGY)
    realised = sum(float(case.outcome.realised_usd or 0) for case in cases)
    assert realised == pytest.approx(float(day["report"]["realised_usd"]), abs=0.01)


def test_stories_became_narratives_that_quote_them_and_every_call_is_recorded(books: App) -> None:
    on = str(DEFAULT_ON)
    stories = {str(row["story_id"]): row for _, row in books.tables.query(Table.STORIES, on)}
    assert {"narrative", "echo"} <= {str(row["led_to"]) for row in stories.values()}
    assert all(row["vector"] and row["polarity"] is not None for row in stories.values())
    rows = [row for _, row in books.tables.query(Table.NARRATIVES, on)]
    narratives = [decode_json(Narrative, str(row["narrative"])) for row in rows]
    told = [each for each in narratives if each.answer is not None]
    assert told
    for quote in (quote for each in told if each.answer for quote in each.answer.quotes):
        story = stories[quote.story_id]
        assert quote.text in f"{story['headline']}\n{story['summary']}"
    calls = [row for key, row in books.tables.query(Table.CALLS, on) if key != DAY]
    recorded = set(books.blobs.names(Container.LANGUAGE, ""))
    assert {row["outcome"] for row in calls} == {ANSWERED}
    named = {name for each in narratives for name in each.records}
    named |= {each.record for found in deliberations(books) for each in found.outcomes}
    assert {str(row["record"]) for row in calls} == named <= recorded


def deliberations(books: App) -> list[Deliberation]:
    rows = [row for _, row in books.tables.query(Table.DECISIONS, str(DEFAULT_ON)) if row.get("factor")]
    found = [decode_json(Facts, str(row["facts"])).committee for row in rows]
    return [each for each in found if each is not None]


def test_what_the_gates_would_let_pass_was_deliberated_on_and_nothing_else(books: App) -> None:
    rows = [row for _, row in books.tables.query(Table.DECISIONS, str(DEFAULT_ON))]
    for row in rows:
        refused_by = {*str(row["refused_by"]).split()} - {"COMMITTEE", "SIZE"}
        assert bool(row.get("factor")) is not bool(refused_by)
        if row.get("factor"):
            planned = min(Decimal(qty) for name, qty in json.loads(str(row["bounds"])).items() if name != "committee")
            assert Decimal(str(row["qty"])) == (planned * Decimal(str(row["factor"]))).to_integral_value("ROUND_FLOOR")
    found = deliberations(books)
    assert {each.factor for each in found} > {Decimal(0), Decimal(1)}
    assert sum(outcome.answer is not None for each in found for outcome in each.outcomes) > 3 * len(found)


def asked_anew(left: Path, config: CommentatorConfig) -> tuple[int, str]:
    app, console = Starlette(routes=ROUTES), Console(file=io.StringIO(), width=200)
    app.state.commentator = config
    with ServerThread(app) as server:
        service = replace(LanguageSettings(), url=f"{server.url}/v1", model=MODEL)
        code = deliberate(console, folder=left, count=6, timeout_s=600, settings=service)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_another_model_can_be_asked_what_the_days_committee_was_asked(left: Path, books: App) -> None:
    code, text = asked_anew(left, CommentatorConfig(seed=7))
    assert code == 0
    for role in ("analyst", "bull", "bear", "risk", "chair"):
        assert f"{role:<8} 6 valid" in text
    asked = [proposal.evidence for proposal in proposals(books)]
    assert len(asked) == len(deliberations(books))
    assert [each.at for each in asked] == sorted(each.at for each in asked)
    assert all(each.stop_usd < each.limit_usd < each.target_usd and each.reports for each in asked)


def test_a_model_that_answers_nothing_is_told(left: Path) -> None:
    code, text = asked_anew(left, always(CommentatorFault.ERROR_500))
    assert code == 1
    assert "risk     6 UNAVAILABLE" in text
    assert "factors  6 x 1" in text


def test_an_entry_on_the_news_has_a_case_that_shows_what_it_rests_on(books: App) -> None:
    on = str(DEFAULT_ON)
    names = books.blobs.names(Container.CASES, f"{on}/")
    stored = [blob for name in names if (blob := books.blobs.get(Container.CASES, name))]
    cases = [case for blob in stored if (case := decode_json(Case, blob.value)).strategy == "divergence.v1"]
    assert cases
    acted_on = {str(row["signal"]) for _, row in books.tables.query(Table.NARRATIVES, on)}
    for case in cases:
        assert case.text is not None
        told = case.text.narrative
        assert told is not None
        assert told.answer is not None
        assert all(case.text.story(quote.story_id) for quote in told.answer.quotes)
        assert {"narrative", "price_score", "divergence", "volume_z", "rsi_14", "macd"} <= case.text.figures.keys()
        assert (case.text.reason, case.decision_id in acted_on) == ("NARR_LEADS_PRICE", True)


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
