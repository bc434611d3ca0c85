"""`make narrate` over a served commentator: stories of a day or of the market, asked as the app asks, and counted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.books import opened
from sandbox.narrate import narrate
from shared.contracts.records import Table
from shared.contracts.settings import LanguageSettings
from shared.core.values import iso
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.market.scenario import Scenario
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.tape import market as small_market
from tests.support.tape import ny
from tests.support.told_stories import STORY_AT

ON = date(2025, 10, 15)


@pytest.fixture(scope="module")
def service() -> Iterator[LanguageSettings]:
    exchange = Exchange(small_market(ON, ["AAA"], days=2))
    comments = CommentatorConfig(
        seed=7, faults={CommentatorFault.MALFORMED_ONCE: 0.2, CommentatorFault.WRONG_TYPES: 0.2}
    )
    app = create_app(exchange, lambda: ny(ON, "10:00"), keys=("key", "secret"), comments=comments)
    with ServerThread(app) as server:
        yield replace(LanguageSettings(), url=f"{server.url}/v1", model=MODEL)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("has_day", [False, True])
def test_without_a_days_stories_the_markets_headlines_are_asked_about(
    world: Scenario, service: LanguageSettings, console: Console, *, storage: str, tmp_path: Path, has_day: bool
) -> None:
    place = {"folder": tmp_path / "none", "storage": storage if has_day else ""}
    assert narrate(world, console, **place, count=30, settings=service) == 0  # type: ignore[arg-type]
    text = shown(console)
    assert f"headlines of {world.on}, since no day has left any stories" in text
    assert "30 stories: " in text
    counts = text.split("30 stories: ")[1]
    assert all(outcome in counts for outcome in (" told", " repaired", " rejected: INVALID_PARSE", "p95", "tokens"))


def test_a_days_stories_are_asked_about_without_their_echoes(
    world: Scenario, service: LanguageSettings, console: Console, storage: str, tmp_path: Path
) -> None:
    row = {
        "symbols": "ELAA",
        "published_at": iso(STORY_AT),
        "received_at": iso(STORY_AT),
        "source": "Northwire",
        "headline": "Elandra beats estimates, announces buyback",
        "summary": "",
    }
    with opened(storage) as app:
        for key, echo_of in (("a", ""), ("b", "a")):
            app.tables.put(Table.STORIES, world.on.isoformat(), key, {**row, "story_id": key, "echo_of": echo_of})
    assert narrate(world, console, folder=tmp_path, storage=storage, count=30, settings=service) == 0
    assert f"stories of {world.on} as the app read them" in shown(console)
    assert "1 stories: " in shown(console)


def test_a_service_that_never_answers_ends_with_an_error(
    world: Scenario, service: LanguageSettings, console: Console, tmp_path: Path
) -> None:
    gone = replace(service, url="http://127.0.0.1:1/v1")
    assert narrate(world, console, folder=tmp_path / "none", count=2, settings=gone) == 1
    assert "2 rejected: NARRATIVE_UNAVAILABLE" in shown(console)
