"""A venue that is down, slow, lost for words or talking nonsense: no entries, exits still tried, nothing doubled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.venue_process import venue
from shared.contracts.records import ACCOUNT, Queue, Table
from simulation.day_checks import Day, fills_agree, guarded, journal_whole, never_short, nothing_open, one_order_per_id
from simulation.market.scenario import Scenario
from tests.support.app import QUIET, Sandbox, thin_symbols
from tests.support.day import free_port

type MakeSandbox = Callable[..., Sandbox]

SHORT_HOLD = QUIET | {"GATEHOUSE_HOLD_MAX_MIN": "6", "ALPACA_MAX_TRIES": "1"}
IMPATIENT = {"ALPACA_TIMEOUT_S": "1"}
"""For two answers that do not come. All others have as long as a busy machine may take."""
EVERYTHING = {"path": "/", "next": 1_000_000}


def day_of(box: Sandbox) -> Day:
    rows: dict[str, Any] = {table.value: box.rows(table) for table in Table}
    rows["ledger-now"] = box.rows(Table.LEDGER, ACCOUNT)
    return Day(
        rows=rows,
        log=box.venue_log(),
        report={},
        open_orders=box.venue("GET", "/v2/orders?status=open"),
        open_positions=box.venue("GET", "/v2/positions"),
    )


def problems(box: Sandbox) -> list[str]:
    day = day_of(box)
    checks = (nothing_open, one_order_per_id, never_short, guarded, fills_agree, journal_whole)
    return [f"{check.__name__}: {text}" for check in checks for text in check(day)]


async def hold(box: Sandbox, symbol: str = "SPY") -> None:
    """Have a position."""
    box.send(Queue.SIGNALS, box.signal(symbol))
    await box.until("10:01:30")
    assert [row["phase"] for row in box.rows(Table.ORDERS).values()] == ["PROTECTED"]


@pytest.mark.parametrize("kind", ["500", "429", "nonsense", "lost_answer"])
def test_while_the_venue_fails_nothing_enters_and_what_is_held_leaves_afterwards(
    sandbox: MakeSandbox, kind: str
) -> None:
    async def scenario(box: Sandbox) -> None:
        await hold(box)
        late = box.signal("QQQ", slot="1005")
        box.break_venue({"kind": kind, **EVERYTHING})
        box.send(Queue.SIGNALS, replace(late, decided_at=box.clock.now()))
        await box.until("10:09:30")  # the position was to leave at 10:06

        assert box.bought() == {"SPY": 1}
        assert len(box.incidents("broker-down")) == 1
        assert len(box.incidents("poison")) == 1
        assert box.rows(Table.DECISIONS).keys() == {key for key in box.rows(Table.DECISIONS) if key.startswith("SPY|")}

        box.break_venue()
        await box.until("10:14")
        (order,) = box.rows(Table.ORDERS).values()
        assert (order["phase"], order["exit_reason"]) == ("CLOSED", "TIME_LIMIT")
        assert problems(box) == []
        assert box.rows(Table.LEDGER, ACCOUNT)["current"]["reservations"] == 0

    sandbox(settings=SHORT_HOLD).run(scenario)


@pytest.mark.parametrize("kind", ["500", "nonsense", "lost_answer", "timeout"])
def test_an_order_whose_answer_is_lost_is_looked_up_and_not_sent_again(sandbox: MakeSandbox, kind: str) -> None:
    async def scenario(box: Sandbox) -> None:
        lost = {"kind": kind, "delay_s": 1.5, "path": "/v2/orders", "method": "POST", "next": 1}
        box.break_venue(lost)
        await hold(box)
        box.break_venue(lost)
        await box.until("10:10")
        (order,) = box.rows(Table.ORDERS).values()
        assert order["phase"] == "CLOSED"
        assert box.bought() == {"SPY": 1}
        assert problems(box) == []

    sandbox(settings=SHORT_HOLD | (IMPATIENT if kind == "timeout" else {})).run(scenario)


@pytest.mark.parametrize("kind", ["500", "nonsense", "lost_answer"])
def test_a_cancel_without_an_answer_loses_no_share(sandbox: MakeSandbox, kind: str) -> None:
    async def scenario(box: Sandbox) -> None:
        for symbol in thin_symbols(box.tape)[:3]:
            box.send(Queue.SIGNALS, box.signal(symbol))
        box.break_venue(*({"kind": kind, "path": "/v2/orders/", "method": "DELETE", "next": n} for n in (2, 3)))
        await box.until("10:30")
        orders = list(box.rows(Table.ORDERS).values())
        assert any(row["bought_qty"] != "0" for row in orders)
        assert all(row["bought_qty"] == row["sold_qty"] for row in orders)
        assert [text for text in problems(box) if not text.startswith("guarded: ")] == []

    sandbox(settings=SHORT_HOLD).run(scenario)


def test_market_data_that_fails_makes_no_orders_and_the_day_goes_on(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.break_venue({"kind": "nonsense", "path": "/v2/stocks", "next": 1_000_000})
        await box.until("09:40:30")
        assert box.venue_log() == []
        assert box.rows(Table.SIGNALS) == {}
        box.break_venue()
        await box.until("09:50:30")
        assert box.rows(Table.RUNS)["premarket-final|0915"]["status"] == "done"
        assert {row["slot"] for row in box.rows(Table.SIGNALS).values()} >= {"0950"}

    sandbox(at="09:34:30").run(scenario)


def test_a_venue_that_is_gone_for_minutes_comes_back_with_its_journal_and_the_position_is_left(
    sandbox: MakeSandbox, world: Scenario, tmp_path: Path
) -> None:
    port = free_port()
    box = sandbox(settings=SHORT_HOLD, venue_url=f"http://127.0.0.1:{port}")

    async def scenario(box: Sandbox) -> None:
        with venue(world, box.clock, tmp_path, port=port):
            await hold(box)
        await box.until("10:07:30")
        assert len(box.incidents("broker-down")) == 1
        with venue(world, box.clock, tmp_path, port=port):
            await box.until("10:12")
            (order,) = box.rows(Table.ORDERS).values()
            assert (order["phase"], order["exit_reason"]) == ("CLOSED", "TIME_LIMIT")
            assert problems(box) == []

    box.run(scenario)
