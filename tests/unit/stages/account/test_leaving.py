"""A position is left when the newest opinion of its own strategy tells to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.ledger import Ledger, reserve
from shared.core.order_states import OrderState
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import iso
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import update_ledger
from shared.stages.order.records import order_row
from tests.support.orders import NOW, ON, PLAN, reservation
from tests.support.ports import FakePorts, fake_ports

OURS = FIRST_STRATEGY
LATER = NOW + timedelta(minutes=10)


def held(*symbols: str) -> FakePorts:
    """Rooms reserved at 10:00, seen ten minutes later."""
    ports = fake_ports(NOW)

    def change(ledger: Ledger) -> Ledger:
        for symbol in symbols:
            ledger = reserve(ledger, replace(reservation(f"intent-{symbol}", symbol, Decimal(1000)), reserved_at=NOW))
        return ledger

    update_ledger(ports, ON, ports.broker.account(), change)
    ports.clock.at = LATER - timedelta(minutes=7)  # nobody is overdue yet
    return ports


def score(ports: FakePorts, key: str, leave: str | None, *, after_s: float = 60, strategy: str = OURS) -> None:
    row = {"scored_at": iso(NOW + timedelta(seconds=after_s)), "strategy": strategy, "leave": leave}
    ports.tables.put("signals", str(ON), f"{key}|{strategy}", row)


def told(ports: FakePorts) -> dict[str, str]:
    return {wake.intent_id: wake.event for wake in supervise(ports).wakes}


@pytest.mark.parametrize("leave", ["REVERSAL", "SIGNAL", None])
def test_what_its_strategy_says_is_the_reason_to_leave(leave: str | None) -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", leave)
    assert told(ports) == ({"intent-AAA": leave} if leave else {})


def test_what_another_strategy_says_moves_nobody() -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", None)
    score(ports, "AAA|1002", "SIGNAL", after_s=120, strategy="dip-buyer.v1")
    assert told(ports) == {}
    score(ports, "AAA|1002", "SIGNAL", after_s=120)
    assert told(ports) == {"intent-AAA": "SIGNAL"}


def test_only_the_newest_score_counts() -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", "REVERSAL")
    score(ports, "AAA|1002", None, after_s=120)
    assert told(ports) == {}


@pytest.mark.parametrize("after_s", [-60, 0])
def test_a_score_from_before_the_order_says_nothing_of_it(after_s: float) -> None:
    ports = held("AAA")
    score(ports, "AAA|0959", "REVERSAL", after_s=after_s)
    assert told(ports) == {}


def test_only_the_order_whose_symbol_has_turned_is_told() -> None:
    ports = held("AAA", "AAAB")
    score(ports, "AAA|1001", None)
    score(ports, "AAAB|1001", "REVERSAL")
    assert told(ports) == {"intent-AAAB": "REVERSAL"}


def test_an_order_that_sleeps_too_long_and_has_turned_is_told_to_leave() -> None:
    ports = held("AAA")
    ports.clock.at = LATER
    score(ports, "AAA|1001", "REVERSAL")
    state = OrderState(plan=replace(PLAN, intent_id="intent-AAA"), on=ON)
    ports.tables.put("orders", str(ON), "AAA|intent-AAA", order_row(state, ports.codec, NOW))
    assert told(ports) == {"intent-AAA": "REVERSAL"}


def test_a_kill_that_flattens_comes_before_a_reversal() -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", "REVERSAL")
    ports.tables.put("controls", "controls", "kill", {"is_on": True, "is_flattening": True, "reason": "x"})
    assert told(ports) == {"intent-AAA": "KILL"}
