"""Part of a day steered from outside: approvals, a replay, a rollback, a kill, a resume, all over HTTP, all kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dashboard.store import StorageView
from shared.adapters.codec import encode_json
from shared.contracts.records import Queue, Table
from shared.contracts.settings import StorageSettings
from simulation.market.scenario import DEFAULT_ON
from tests.integration.test_app_api import champion, publish_copy
from tests.integration.test_app_links import ASKS, pressed
from tests.support.app import Sandbox, base64_of
from tests.support.views import shown, words

type MakeSandbox = Callable[..., Sandbox]

ACTS = ("approve", "refuse", "poison-redrive", "roll-back", "kill", "resume")
WHO = {"by": "owner", "reason": "as I see fit"}


@dataclass(frozen=True, kw_only=True)
class Steering:
    """An owner at the API."""

    box: Sandbox

    async def post(self, path: str, **body: Any) -> Any:
        status, told = await self.box.http("POST", f"/api/{path}", WHO | body)
        assert status == 200, told
        return told

    async def waiting(self, symbol: str, slot: str) -> str:
        """Have an order of a symbol that waits for a person; return its intent."""
        self.box.send(Queue.SIGNALS, self.box.signal(symbol, slot=slot))
        await self.box.for_s(20)
        (order,) = [row for row in self.box.rows(Table.ORDERS).values() if row["symbol"] == symbol]
        assert order["phase"] == "APPROVAL_PENDING"
        return str(order["intent_id"])


def test_a_day_steered_over_http_is_all_in_the_record_and_on_the_pages(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(box: Sandbox) -> None:
        owner = Steering(box=box)
        first, second = await owner.waiting("SPY", "1000"), await owner.waiting("QQQ", "1001")
        await owner.post("approve", intent_id=first, approve=True)
        await owner.post("approve", intent_id=second, approve=False)
        await box.for_s(60)
        box.put(f"{Queue.SIGNALS}-poison", base64_of(encode_json(box.signal("SELX", slot="1002"))))
        await box.until("10:06:05")
        (key,) = (key for key, row in box.rows(Table.INCIDENTS).items() if row["kind"] == "poison")
        await owner.post("poison/redrive", on=str(DEFAULT_ON), incident=key)
        await box.for_s(20)
        before = champion(box).version
        publish_copy(box, before, "copy")
        await owner.post("models/signal/rollback", version="copy")
        await owner.post("kill", flatten=True, cancel_all=True)
        await box.for_s(150)
        assert (await box.http("GET", "/api/positions"))[1]["positions"] == []
        await owner.post("resume")
        assert (await box.http("GET", "/api/status"))[1]["kill_switch"] is None
        assert (await pressed(box, "made.up")).status_code == 403
        await box.for_s(2)

        phases = {row["symbol"]: row["phase"] for row in box.rows(Table.ORDERS).values()}
        assert (phases["SPY"], phases["QQQ"]) == ("CLOSED", "DENIED")
        assert any(row["symbol"] == "SELX" for row in box.rows(Table.DECISIONS).values())
        assert champion(box).version == before
        kept = [(row["act"], row["by"], row["status"]) for _, row in sorted(box.rows(Table.CONTROLS).items())]
        assert sorted(kept) == sorted((act, "owner", 200) for act in ACTS)
        told = [record for record in caplog.records if getattr(record, "notice_kind", "") == "operate"]
        assert len(told) == len(ACTS)
        assert box.trace.errors == []

    box = sandbox(settings=ASKS)
    box.run(scenario)
    seen = pages(box.storage)
    for act in ACTS:
        assert act in seen["journal"]
    assert "DENIED" in seen["orders"]
    assert "CLOSED" in seen["orders"]
    assert "Poison message of signals" in seen["incidents"]
    assert champion(box).version in seen["models"]
    assert "No halt, kill switch off" in seen["today"]


def pages(connection: str) -> dict[str, str]:
    """What pages of the dashboard say of what is in storage."""
    source = StorageView(StorageSettings(connection=connection))
    said = {}
    for page in ("journal", "orders", "incidents", "models", "today"):
        with shown(page, source) as view:
            assert not view.exception
            said[page] = words(view)
    return said
