"""A position is left when its symbol's newest score has turned against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.ledger import Ledger, reserve
from shared.core.order_states import OrderState
from shared.core.values import iso
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import update_ledger
from shared.stages.order.records import order_row
from tests.support.orders import NOW, ON, PLAN, reservation
from tests.support.ports import FakePorts, fake_ports, settings_with

LATER = NOW + timedelta(minutes=10)


def held(*symbols: str, **settings: str) -> FakePorts:
    """Rooms reserved at 10:00, seen ten minutes later; the threshold of an entry is an edge of 0.10."""
    ports = fake_ports(NOW)
    ports.settings = settings_with(**settings)

    def change(ledger: Ledger) -> Ledger:
        for symbol in symbols:
            ledger = reserve(ledger, replace(reservation(f"intent-{symbol}", symbol, Decimal(1000)), reserved_at=NOW))
        return ledger

    update_ledger(ports, ON, ports.broker.account(), change)
    ports.clock.at = LATER - timedelta(minutes=7)  # nobody is overdue yet
    return ports


def score(ports: FakePorts, key: str, edge: float | None, *, after_s: float = 60, faults: str = "") -> None:
    row: dict[str, str | float | None] = {"scored_at": iso(NOW + timedelta(seconds=after_s)), "faults": faults}
    ports.tables.put("signals", str(ON), key, row | ({} if edge is None else {"edge": edge}))


def told(ports: FakePorts) -> dict[str, str]:
    return {wake.intent_id: wake.event for wake in supervise(ports).wakes}


@pytest.mark.parametrize(
    ("edge", "leaves"), [(-0.10, True), (-0.5, True), (-0.0999, False), (0.0, False), (0.3, False)]
)
def test_a_score_that_points_down_as_far_as_an_entrys_points_up_is_a_reason_to_leave(edge: float, leaves: bool) -> None:
    ports = held("AAA", GATEHOUSE_EDGE_MIN="0.10")
    score(ports, "AAA|1001", edge)
    assert told(ports) == ({"intent-AAA": "REVERSAL"} if leaves else {})


def test_only_the_newest_score_counts() -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", -0.5)
    score(ports, "AAA|1002", 0.1, after_s=120)
    assert told(ports) == {}


@pytest.mark.parametrize("after_s", [-60, 0])
def test_a_score_from_before_the_order_says_nothing_of_it(after_s: float) -> None:
    ports = held("AAA")
    score(ports, "AAA|0959", -0.5, after_s=after_s)
    assert told(ports) == {}


@pytest.mark.parametrize(("edge", "faults"), [(-0.5, "stale bar"), (None, "")])
def test_a_score_on_faulty_data_or_without_an_edge_moves_nobody(edge: float | None, faults: str) -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", edge, faults=faults)
    assert told(ports) == {}


def test_only_the_order_whose_symbol_has_turned_is_told() -> None:
    ports = held("AAA", "AAAB")
    score(ports, "AAA|1001", 0.4)
    score(ports, "AAAB|1001", -0.4)
    assert told(ports) == {"intent-AAAB": "REVERSAL"}


def test_an_order_that_sleeps_too_long_and_has_turned_is_told_to_leave() -> None:
    ports = held("AAA")
    ports.clock.at = LATER
    score(ports, "AAA|1001", -0.4)
    state = OrderState(plan=replace(PLAN, intent_id="intent-AAA"), on=ON)
    ports.tables.put("orders", str(ON), "AAA|intent-AAA", order_row(state, ports.codec, NOW))
    assert told(ports) == {"intent-AAA": "REVERSAL"}


def test_a_kill_that_flattens_comes_before_a_reversal() -> None:
    ports = held("AAA")
    score(ports, "AAA|1001", -0.5)
    ports.tables.put("controls", "controls", "kill", {"is_on": True, "is_flattening": True, "reason": "x"})
    assert told(ports) == {"intent-AAA": "KILL"}
