"""The app in an account that a person trades in by hand as well: named, accepted over the API, shown, left alone."""

from __future__ import annotations

from collections.abc import Callable

from shared.contracts.records import Queue, Table
from simulation.venue.beside import OPTION, hand_traded
from tests.integration.test_app_operator_day import Steering, pages
from tests.support.app import Sandbox, new_york

type MakeSandbox = Callable[..., Sandbox]

HELD = {"position in MSFT", "position in BTCUSD", f"position in {OPTION}", "position in BC_PRA", "position in DWACW"}


def test_a_person_accepts_what_they_hold_and_the_app_trades_beside_it_and_leaves_it_alone(
    sandbox: MakeSandbox,
) -> None:
    async def scenario(box: Sandbox) -> None:
        owner = Steering(box=box)
        await box.until("10:02:30")
        shown = (await box.http("GET", "/api/positions"))[1]
        assert set(shown["unexplained"]) >= HELD
        assert {row["symbol"] for row in shown["unread"] if row["what"] == "position"} == {OPTION, "BC_PRA", "DWACW"}
        assert '"notional": "50"' in next(row["raw"] for row in shown["unread"] if row["symbol"] == "MSFT")
        box.send(Queue.SIGNALS, box.signal("SPY", slot="1002"))
        await box.for_s(20)
        assert [row["refused_by"] for row in box.rows(Table.DECISIONS).values()] == ["BROKER_HEALTH"]

        await owner.post("resume")
        await box.until("10:06:30")
        shown = (await box.http("GET", "/api/positions"))[1]
        assert set(shown["accepted"]) >= HELD
        assert shown["unexplained"] == []
        box.send(Queue.SIGNALS, box.signal("QQQ", slot="1006"))
        await box.for_s(100)
        assert [row["verdict"] for row in box.rows(Table.DECISIONS).values() if row["symbol"] == "QQQ"] == ["approved"]

        await owner.post("kill", flatten=True)
        await box.for_s(150)
        assert not [p for p in (await box.http("GET", "/api/positions"))[1]["positions"] if p["symbol"] == "QQQ"]
        assert {row["phase"] for row in box.rows(Table.ORDERS).values()} <= {"CLOSED", "CANCELED"}
        assert box.trace.errors == []

    box = sandbox()
    box.beside = hand_traded(["SPY", "QQQ"], new_york("09:59"))
    before = [dict(row) for row in (*box.beside.positions, *box.beside.orders)]
    box.run(scenario)
    assert [*box.beside.positions, *box.beside.orders] == before
    assert box.beside.touched == []
    seen = pages(box.storage)
    assert "accepted by a resume: position in MSFT" in seen["today"] or "position in BC_PRA" in seen["today"]
    assert "Unexplained at the broker" in seen["incidents"]
