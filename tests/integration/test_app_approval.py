"""A large order waits for a person: approved it is sent, refused or unanswered it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts.records import ACCOUNT, Queue, Table
from tests.support.app import QUIET, Sandbox

type MakeSandbox = Callable[..., Sandbox]

ASKS = QUIET | {"GATEHOUSE_APPROVAL_FRACTION": "0.01"}


async def waiting(box: Sandbox) -> str:
    """Have an order that waits; return its intent's id."""
    box.send(Queue.SIGNALS, box.signal("SPY"))
    await box.until("10:01:30")
    (order,) = box.rows(Table.ORDERS).values()
    assert order["phase"] == "APPROVAL_PENDING"
    assert box.venue_log() == []
    return str(order["intent_id"])


async def answer(box: Sandbox, intent_id: str, *, approve: bool) -> Any:
    body = {"by": "test", "reason": "drill", "intent_id": intent_id, "approve": approve}
    return await box.http("POST", "/api/approve", body)


def order_of(box: Sandbox) -> dict[str, Any]:
    (order,) = box.rows(Table.ORDERS).values()
    return order


def acts(box: Sandbox) -> list[tuple[str, str]]:
    return [(row["act"], row["by"]) for row in box.rows(Table.CONTROLS).values()]


# The SDK warns of a second event before the first was looked at, and keeps it: no reason to fail the orchestration.
@pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")
def test_an_approved_order_is_sent_once_and_the_answer_is_kept(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        intent_id = await waiting(box)
        assert await answer(box, intent_id, approve=True) == (200, {"intent_id": intent_id, "approve": True})
        await answer(box, intent_id, approve=True)
        await box.for_s(60)
        assert order_of(box)["phase"] == "PROTECTED"
        assert box.bought() == {"SPY": 1}
        assert set(acts(box)) == {("approve", "test")}
        assert box.trace.errors == []

    sandbox(settings=ASKS).run(scenario)


def test_a_refused_order_is_never_sent_and_gives_its_room_back(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        intent_id = await waiting(box)
        assert (await answer(box, intent_id, approve=False))[0] == 200
        await box.for_s(60)
        assert order_of(box)["phase"] == "DENIED"
        assert (await answer(box, intent_id, approve=True))[0] == 404
        await box.for_s(60)
        assert box.venue_log() == []
        assert box.rows(Table.LEDGER, ACCOUNT)["current"]["reservations"] == 0

    sandbox(settings=ASKS).run(scenario)


def test_an_order_that_nobody_answers_for_is_refused_at_its_deadline(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        await waiting(box)
        await box.until("10:05")
        assert order_of(box)["phase"] == "APPROVAL_PENDING"
        await box.until("10:07")
        assert order_of(box)["phase"] in {"DENIED", "EXPIRED"}
        assert box.venue_log() == []
        assert box.rows(Table.LEDGER, ACCOUNT)["current"]["reservations"] == 0

    sandbox(settings=ASKS).run(scenario)
