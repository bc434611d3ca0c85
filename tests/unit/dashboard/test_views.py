"""Every page over rows in memory: with nothing to show, with days to show, and with what is hostile."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from dashboard import shell
from dashboard.shell import PAGES
from dashboard.theme import _formats
from dashboard.views.case import _replayed
from shared.contracts.cases import WITHIN_TOLERANCE, Replay, ReplayCheck
from shared.contracts.records import CONTROLS, KILL, Container, Table
from shared.core.errors import TransientError
from shared.ports import Row
from shared.stages.evidence.shadows import row_of
from tests.support.views import ON, MemorySource, current_ledger, many_days, shown, words
from tests.unit.core.test_refusals import FIRST, shadow


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_any_day_says_so(page: str) -> None:
    with shown(page, MemorySource()) as app:
        assert not app.exception
        assert "no day yet" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_whose_data_is_absent_says_so(page: str) -> None:
    source = MemorySource()
    current_ledger(source)
    with shown(page, source) as app:
        assert not app.exception
        assert app.title[0].value == PAGES[page]


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"case"}))
def test_a_page_over_many_days_reads_only_what_it_shows(page: str) -> None:
    source = MemorySource()
    many_days(source, 21)
    with shown(page, source) as app:
        assert not app.exception
        assert not app.error
    assert all(query.columns and "state" not in query.columns for _, _, query in source.reads)
    if page not in {"performance", "sessions"}:
        assert {partition for table, partition, _ in source.reads if table != Table.FEEDS} <= {str(ON)}


def test_performance_reckons_the_range_that_is_chosen() -> None:
    source = MemorySource()
    many_days(source, 30)
    with shown("performance", source) as app:
        text = words(app)
    assert "40 positions" in text  # twenty sessions, two each
    assert "+400.00 USD" in text
    assert "20 won, 20 lost" in text
    assert "3.00" in text  # profit factor 30 to 10
    assert "+10.00 USD" in text  # expectancy


def test_performance_says_what_refusals_of_the_range_were_worth() -> None:
    source = MemorySource()
    days = many_days(source, 6)
    for number, on in enumerate(days):
        for made in (
            shadow("SPREAD", day=(on - FIRST).days, bp=-20.0 - number, usd=-30.0),
            shadow("KILL_SWITCH", symbol="BBB", day=(on - FIRST).days, bp=12.0, usd=10.0),
        ):
            source.tables.put(Table.SHADOWS, str(on), f"{made.symbol}|{number}", row_of(made))
    with shown("performance", source) as app:
        text = words(app)
    assert "Value of refusals" in text
    assert "saved 180 USD, 22.5 bp each; beyond chance" in text
    assert text.index("No judgement of the entry") < text.index("KILL_SWITCH")
    assert "cost 60 USD, 12.0 bp each" in text
    assert 'class="gh-number gh-aside"' in text  # left out on a telephone


def test_without_a_shadow_the_page_says_so() -> None:
    source = MemorySource()
    many_days(source, 2)
    with shown("performance", source) as app:
        assert "no night has followed it yet" in words(app)


def test_a_column_of_quantities_shows_the_digits_that_its_finest_has() -> None:
    made = pd.DataFrame({"Quantity": [100.0, 0.25, None], "Bought": [100.0, 0.0, None], "Sold": [1e-9, 0.0, None]})
    formats = {name: made["type_config"]["format"] for name, made in _formats(made).items()}
    assert formats == {"Quantity": "%.2f", "Bought": "%.0f", "Sold": "%.9f"}


def test_the_journal_asks_for_one_page_of_rows_however_many_there_are() -> None:
    source = MemorySource()
    many_days(source, 1)
    for number in range(1200):
        row: Row = {
            "intent_id": "i",
            "symbol": "AAA",
            "seq": number,
            "command": "look",
            "phase": "WORKING",
            "hash": "h",
        }
        source.tables.put(Table.JOURNAL, str(ON), f"AAA|i|{number:04d}", row)
    with shown("journal", source) as app:
        assert "500 steps" in words(app)
        app.button(key="journal-on").click().run()
        assert "page 2, more follow" in words(app)
        app.button(key="journal-on").click().run()
        assert "200 steps" in words(app)
        app.button(key="journal-back").click().run()
        assert "page 2" in words(app)
    assert {query.limit for table, _, query in source.reads if table == Table.JOURNAL} == {501}


def test_halts_and_the_kill_switch_stand_at_the_top_of_today() -> None:
    source = MemorySource()
    many_days(source, 1)
    current_ledger(source, is_day_halted=True, unexplained="AAA: 100 shares nobody knows of")
    source.tables.put(
        Table.CONTROLS, CONTROLS, KILL, {"is_on": True, "is_flattening": True, "by": "ada", "reason": "storm"}
    )
    with shown("today", source) as app:
        text = words(app)
    for mark in (
        "Kill switch on, flattening: storm (ada)",
        "Halted for the day",
        "100 shares nobody",
        "Market data: 2",
    ):
        assert mark in text


def test_text_of_others_cannot_become_markup() -> None:
    source = MemorySource()
    many_days(source, 1)
    evil = "<img src=x onerror=alert(1)>"
    source.tables.put(Table.CONTROLS, CONTROLS, KILL, {"is_on": True, "by": evil, "reason": evil})
    source.tables.put(
        Table.CONTROLS, str(ON), "1", {"act": "halt", "by": evil, "reason": evil, "at": f"{ON}T15:00:00Z"}
    )
    row: Row = {"symbol": "AAA", "slot": "0915", "rank": 1, "why": "story", "made_at": f"{ON}T13:15:00Z"}
    source.tables.put(Table.WATCHLIST, str(ON), "AAA|0915", row)
    story = {"headline": evil, "symbols": "AAA", "seen_at": f"{ON}T12:00:00Z", "source": evil}
    source.tables.put(Table.STORIES, str(ON), "080000|1", story)
    for page in ("today", "watchlist", "journal"):
        with shown(page, source) as app:
            text = words(app)
        assert "&lt;img" in text
        assert "<img" not in text


def test_storage_that_does_not_answer_is_said_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource()

    def fail(*_: Any) -> None:
        raise TransientError("query of table ledger: no answer")

    monkeypatch.setattr(source, "names", fail)
    with shown("today", source) as app:
        assert not app.exception
        assert "Storage does not answer" in app.error[0].value


def test_nightly_replay_that_found_a_difference_names_it() -> None:
    source = MemorySource()
    many_days(source, 1)
    found = {
        "cases": 20,
        "sampled": 5,
        "equal": 4,
        "revised": 0,
        "made_at": f"{ON}T22:00:00Z",
        "differs": {"d1": ["size"]},
    }
    source.blobs.put(Container.REPORTS, f"{ON}/replay.json", json.dumps(found).encode())
    with shown("backtests", source) as app:
        assert "d1" in words(app)
    found |= {"differs": {}, "equal": 2, "close": 3}
    source.blobs.put(Container.REPORTS, f"{ON}/replay.json", json.dumps(found).encode())
    with shown("backtests", source) as app:
        assert "3 more equal in decisions, scores within 1e-6" in words(app)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (ReplayCheck(name="features", equal=True), ("replayed equal", "good")),
        (ReplayCheck(name="features", equal=False, close=True), (f"replayed {WITHIN_TOLERANCE}", "good")),
        (ReplayCheck(name="features", equal=False), ("replay differs", "bad")),
    ],
)
def test_a_case_says_how_its_replay_came_out(check: ReplayCheck, said: tuple[str, str]) -> None:
    at = datetime(ON.year, ON.month, ON.day, 22, tzinfo=UTC)
    checks = (ReplayCheck(name="inputs", equal=True), check)
    assert _replayed(Replay(at=at, code_revision="abc", checks=checks)) == said


def test_every_page_is_in_the_navigation_once() -> None:
    titles = [title for group in shell._PAGES.values() for title, _, _ in group.values()]
    assert len(titles) == len(set(titles)) == len(PAGES) == 13
