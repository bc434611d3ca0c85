"""A committee of a served commentator on plans of a seeded day: `python -m sandbox narrate --committee`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from rich.console import Console
from starlette.applications import Starlette

from sandbox.deliberate import counted_roles, deliberate, plans
from shared.contracts.settings import LanguageSettings
from shared.core.committee.values import ABSTAIN, concluded
from simulation.language.commentator import MODEL
from simulation.language.config import CommentatorConfig, CommentatorFault
from simulation.language.face import ROUTES
from simulation.market.scenario import Scenario
from simulation.venue.face.server import ServerThread
from tests.support.commentator import always
from tests.support.committee import outcomes_of

COUNT = 6


@contextmanager
def served(config: CommentatorConfig) -> Iterator[LanguageSettings]:
    app = Starlette(routes=ROUTES)
    app.state.commentator = config
    with ServerThread(app) as server:
        yield replace(LanguageSettings(), url=f"{server.url}/v1", model=MODEL)


def told(world: Scenario, config: CommentatorConfig) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    with served(config) as settings:
        code = deliberate(world, console, count=COUNT, timeout_s=600, settings=settings)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_plans_are_of_their_time_and_the_same_each_time(world: Scenario) -> None:
    found = [*islice(plans(world), 40)]
    assert found == [*islice(plans(world), 40)]
    assert len({(each.symbol, each.at) for each in found}) == 40
    assert all(each.stop_usd < each.limit_usd < each.target_usd for each in found)


def test_every_role_is_counted(world: Scenario) -> None:
    code, text = told(world, CommentatorConfig())
    assert code == 0
    for role in ("analyst", "bull", "bear", "risk", "chair"):
        assert f"{role:<8} {COUNT} valid" in text
    assert f"{COUNT} deliberations: p50" in text


def test_a_service_that_answers_nothing_is_told(world: Scenario) -> None:
    code, text = told(world, always(CommentatorFault.ERROR_500))
    assert code == 1
    assert f"risk     {COUNT} UNAVAILABLE" in text
    assert f"factors  {COUNT} x 1" in text


def test_counts_are_by_role_and_times_by_deliberation() -> None:
    done = [
        (concluded(outcomes_of("1", None, "0.5", "1", "1"), default=ABSTAIN, weights={}), 100),
        (concluded(outcomes_of("1", "1", "1", "0", "1"), default=ABSTAIN, weights={}), 4000),
    ]
    assert counted_roles(done).splitlines() == [
        "analyst  2 valid",
        "bull     1 LATE, 1 valid",
        "bear     2 valid",
        "risk     2 valid",
        "chair    2 valid",
        "factors  1 x 0, 1 x 1",
        "2 deliberations: p50 0.10 s, p99 4.00 s, at most 4.00 s",
    ]
