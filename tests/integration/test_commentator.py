"""The commentator over HTTP, beside the venue: no keys, faults of its own, nothing that the venue's journal keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.__main__ import main
from sandbox.clock import ClockFile
from sandbox.venue_journal import JournalledVenue
from sandbox.venue_process import commentator_of, venue
from shared.core.errors import SettingsError
from shared.core.text.judging import judged
from shared.core.text.narratives import NarrativeStatus
from simulation.language.commentator import MODEL
from simulation.language.config import NEWCOMERS_FAULTS
from simulation.market.scenario import Scenario
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.app import new_york
from tests.support.commentator import question_of, reply_of, request_body, story
from tests.support.tape import market, ny

ON = date(2025, 10, 15)
WAIT_S = 60
QUESTION = question_of(story("{name} raises full-year outlook after record quarter"))


class Served:
    """A venue with its journal, and plain HTTP on its commentator."""

    def __init__(self, url: str, journal: Path) -> None:
        self.url = url
        self.journal = journal

    def ask(self, body: Any = None) -> requests.Response:
        sent = request_body(QUESTION.request) if body is None else body
        return requests.post(f"{self.url}/v1/chat/completions", json=sent, timeout=WAIT_S)

    def change(self, **members: Any) -> requests.Response:
        return requests.post(f"{self.url}/sandbox/commentator", json=members, timeout=WAIT_S)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    journal = tmp_path_factory.mktemp("venue") / "venue.jsonl"
    exchange = Exchange(market(ON, ["AAA"], days=2))
    app = JournalledVenue(
        lambda now: create_app(exchange, now, keys=("key", "secret")), lambda: ny(ON, "10:00:10"), journal
    )
    with ServerThread(app) as server:
        yield Served(server.url, journal)


@pytest.fixture(autouse=True)
def sound(served: Served) -> Iterator[None]:
    yield
    assert served.change(faults={}, delay_s=30).status_code == 200


def test_it_answers_without_the_accounts_keys(served: Served) -> None:
    answer = served.ask()
    assert answer.status_code == 200
    assert judged(QUESTION, reply_of(answer.json()), sentiment=None).status is NarrativeStatus.TOLD
    models = requests.get(f"{served.url}/v1/models", timeout=WAIT_S).json()
    assert [each["id"] for each in models["data"]] == [MODEL]


def test_it_is_turned_down_and_up_again(served: Served) -> None:
    before = served.ask().content
    for fault, status in (("429", 429), ("500", 500)):
        assert served.change(faults={fault: 1}).json()["faults"] == {fault: 1}
        assert served.ask().status_code == status
    served.change(faults={"429": 1})
    assert served.ask().headers["Retry-After"] == "1"
    served.change(faults={})
    assert served.ask().content == before


def test_a_late_answer_keeps_nobody_else_waiting(served: Served) -> None:
    served.change(faults={"late": 1}, delay_s=20)
    with pytest.raises(requests.Timeout):
        requests.post(f"{served.url}/v1/chat/completions", json=request_body(QUESTION.request), timeout=0.3)
    began = time.monotonic()
    assert requests.get(f"{served.url}/sandbox/health", timeout=WAIT_S).status_code == 200
    assert time.monotonic() - began < 20  # before the late one was answered


def test_faults_of_the_venue_are_not_its_own(served: Served) -> None:
    rules = {"rules": [{"kind": "500", "path": "/", "probability": 1}]}
    assert requests.post(f"{served.url}/sandbox/faults", json=rules, timeout=WAIT_S).status_code == 200
    try:
        assert served.ask().status_code == 200
    finally:
        requests.post(f"{served.url}/sandbox/faults", json={"rules": []}, timeout=WAIT_S)


def test_the_venues_journal_keeps_nothing_of_it(served: Served) -> None:
    served.change(faults={"lying": 1})
    served.ask()
    assert not served.journal.exists()


@pytest.mark.parametrize("body", [[], {}, {"model": "gpt-5", "messages": []}])
def test_what_is_no_question_is_refused_in_the_apis_words(served: Served, body: Any) -> None:
    answer = served.ask(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request_error"


@pytest.mark.parametrize("members", [{"faults": {"mute": 1}}, {"faults": {"late": 2}}, {"volume": 1}, {"faults": [1]}])
def test_a_change_that_it_does_not_know_is_refused(served: Served, members: dict[str, Any]) -> None:
    assert served.change(**members).status_code == 422


def test_a_sandbox_answers_mostly_well_unless_told_otherwise() -> None:
    world = Scenario(seed=5)
    assert (commentator_of(world).seed, commentator_of(world).faults) == (5, NEWCOMERS_FAULTS)
    assert commentator_of(world, "lying=1").faults == {"lying": 1}
    with pytest.raises(SettingsError, match="mute"):
        commentator_of(world, "mute=1")


def test_a_sandboxs_venue_is_started_with_the_commentator_that_is_asked_for(world: Scenario, tmp_path: Path) -> None:
    with venue(world, ClockFile(tmp_path / "clock", new_york("10:00")), tmp_path, comments="late=1") as url:
        found = requests.get(f"{url}/sandbox/commentator", timeout=WAIT_S).json()
    assert (found["seed"], found["faults"]) == (world.seed, {"late": 1})


@pytest.mark.parametrize("command", ["day", "serve", "venue"])
def test_a_commentator_that_none_can_be_is_refused_before_anything_starts(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = ["--folder", str(tmp_path / "state")] if command != "venue" else []
    assert main([command, *folder, "--commentator", "mute=1"]) == 2
    assert "mute" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
