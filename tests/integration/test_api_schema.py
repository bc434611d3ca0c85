"""The served description against the served API: schemathesis makes requests up and judges every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from shared.contracts.openapi import ROUTES
from shared.contracts.records import Table
from tests.support.app import QUIET, Sandbox
from tests.support.apps.running import KEYS

type MakeSandbox = Callable[..., Sandbox]

EXAMPLES = 5
LINKS = {"GATEHOUSE_LINK_KEY": "k3y-of-the-test-that-is-long-enough-0123456789"}
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def test_schemathesis_finds_nothing(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        status, told = await box.http("GET", "/api/openapi.json")
        assert status == 200
        names = await asyncio.to_thread(explore, told, box.host.url)
        assert names == set(ROUTES)
        assert box.trace.errors == []
        kept = {row["act"] for row in box.rows(Table.CONTROLS).values()}
        assert {name for name, route in ROUTES.items() if route.fields} <= kept | {"refuse"}

    # So early nothing is late, and the app is ready: any 503 is a find.
    sandbox(settings=QUIET | LINKS, at="04:05:30").run(scenario)


def explore(told: dict[str, Any], url: str) -> set[str]:
    """Ask every operation with good and with bad data; return their ids."""
    schema = schemathesis.openapi.from_dict(told)
    found: set[str] = set()
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        found.add(operation.definition.raw["operationId"])
        for mode in GenerationMode:

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                response = case.call(base_url=url, headers={"x-functions-key": KEYS.function}, timeout=120)
                case.validate_response(response)

            ask()
    return found
