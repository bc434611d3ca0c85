"""Orders before the open and after the close, through the real app: limits in, the quote watched, flat in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.contracts.records import ACCOUNT, Queue, Table
from shared.core.sessions import Session
from tests.support.app import QUIET, Sandbox

type MakeSandbox = Callable[..., Sandbox]

ALWAYS = QUIET | {"GATEHOUSE_ENTRY_SESSIONS": "PRE REG-AM REG-MID REG-PM AFT"}


def order_of(box: Sandbox) -> dict[str, Any]:
    (order,) = box.rows(Table.ORDERS).values()
    return order


def orders_sent(box: Sandbox) -> list[dict[str, Any]]:
    return [entry for entry in box.venue_log() if entry["event"] == "pending_new"]


def test_an_order_from_before_the_open_is_watched_then_guarded_by_a_native_pair(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(Queue.SIGNALS, box.signal("SPY", "0925", session=Session.PRE))
        await box.until("09:28")
        assert order_of(box)["phase"] == "GUARDED"
        (entry,) = orders_sent(box)
        assert (entry["order_class"], entry["type"]) == ("simple", "limit")
        await box.until("09:31")
        assert order_of(box)["phase"] in {"PROTECTED", "CLOSED"}
        assert "oco" in {sent["order_class"] for sent in orders_sent(box)}
        assert box.trace.errors == []

    sandbox(settings=ALWAYS, at="09:25:30").run(scenario)


def test_an_order_of_the_evening_is_flat_before_trading_ends(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(Queue.SIGNALS, box.signal("SPY", "1945", session=Session.AFT))
        await box.until("19:48")
        assert order_of(box)["phase"] in {"GUARDED", "CLOSED"}
        await box.until("20:00")
        order = order_of(box)
        assert order["phase"] == "CLOSED"
        assert order["bought_qty"] == order["sold_qty"] != "0"
        assert {(sent["order_class"], sent["type"]) for sent in orders_sent(box)} == {("simple", "limit")}
        assert box.venue("GET", "/v2/positions") == []
        assert box.rows(Table.LEDGER, ACCOUNT)["current"]["reservations"] == 0
        assert box.trace.errors == []

    sandbox(settings=ALWAYS, at="19:45:30").run(scenario)
