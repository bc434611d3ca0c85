"""A whole trading day, as `python -m sandbox day` runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simulation.day_checks import MAX_UNGUARDED_S
from simulation.market.scenario import ROOT
from tests.support.day import run_day
from tests.support.days import SEEDED, DayRuns

pytestmark = [pytest.mark.slow]

STAGES = (
    "watchlist",
    "scored",
    "signals",
    "decided",
    "approved",
    "orders",
    "positions",
    "fills",
    "stories",
    "narratives",
)


@pytest.fixture(scope="module")
def days(day_runs: DayRuns) -> dict[str, dict[str, Any]]:
    """Two seeds."""
    return day_runs.outcomes(SEEDED)


@pytest.mark.parametrize("name", ["first", "other"])
def test_no_rule_was_broken_and_the_day_ended_flat(days: dict[str, dict[str, Any]], name: str) -> None:
    day = days[name]
    assert day["violations"] == []
    assert (day["open_orders"], day["open_positions"]) == (0, 0)
    assert 0 <= day["longest_unguarded_s"] <= MAX_UNGUARDED_S


@pytest.mark.parametrize("name", ["first", "other"])
def test_something_came_through_every_stage(days: dict[str, dict[str, Any]], name: str) -> None:
    funnel = days[name]["funnel"]
    assert {stage: funnel[stage] for stage in STAGES if funnel[stage] < 1} == {}
    assert funnel["scored"] >= funnel["signals"] >= funnel["decided"] >= funnel["approved"] == funnel["orders"]


def shown() -> dict[str, str]:
    """The day that the README shows: another run, on another machine."""
    return dict(re.findall(r"^│ (\S[^│]*?) +│ (\S[^│]*?) +│$", (ROOT / "README.md").read_text(), re.MULTILINE))


def test_the_same_seed_gives_the_same_day(days: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """As the README shows it. Where rows have changed, or the processor is of a kind not tried, it is run again."""
    day = days["first"]
    if not day["digest"].startswith(shown()["digest"]):
        run_day(tmp_path / "again", *SEEDED["first"])
        assert json.loads((tmp_path / "again" / "day.json").read_text()) == day


def test_the_readme_shows_what_the_code_decides(days: dict[str, dict[str, Any]]) -> None:
    day, told = days["first"], shown()
    assert told["P&L realised"] == f"{float(day['report']['realised_usd']):+.2f} USD"
    names = ("signals", "approved", "orders", "fills")
    assert {name: int(told[name]) for name in names} == {name: day["funnel"][name] for name in names}


def test_another_seed_gives_another_day(days: dict[str, dict[str, Any]]) -> None:
    assert days["first"]["digest"] != days["other"]["digest"]


def test_no_function_failed_and_nothing_was_quarantined(days: dict[str, dict[str, Any]]) -> None:
    for day in days.values():
        assert (day["errors"], day["incidents"]) == ([], [])
        assert day["report"]["quarantined"] == 0
        assert day["report"]["incidents"] == day["funnel"]["incidents"] == 0


def test_the_report_adds_up(days: dict[str, dict[str, Any]]) -> None:
    report = days["first"]["report"]
    assert sum(report["orders"].values()) == report["decisions"]["approved"] == days["first"]["funnel"]["orders"]
    by_session = sum(float(value) for value in report["realised_by_session"].values())
    assert by_session == pytest.approx(float(report["realised_usd"]), abs=0.05)
    assert report["wins"] + report["losses"] <= report["orders"].get("CLOSED", 0)
    assert report["open_orders"] == report["open_positions"] == 0
