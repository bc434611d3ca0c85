"""One strategy stops while the others trade on: its loss, a person, a fault of its own; each is told once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice, Signal
from shared.core.ledger import StrategyBook
from shared.core.settings import FIRST_STRATEGY
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import update_ledger
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score_and_tell
from shared.stages.operator.controls import halt_strategy, resume, resume_strategy, status
from tests.support.books import night_ports, slice_of
from tests.support.orders import NOW, ON
from tests.support.people import call
from tests.support.ports import FakePorts, fake_ports
from tests.unit.stages.account.test_supervise import titles
from tests.unit.stages.entry.test_gate import refused_by, signal

DIP = "dip-buyer.v1"


def dip_signal(slot: str) -> Signal:
    return replace(
        signal(slot=slot),
        strategy=DIP,
        decision_id=f"dip{slot}",
        p_up=None,
        p_none=None,
        p_down=None,
        expected_move=None,
    )


def ports_of_two(realised: str = "0") -> FakePorts:
    """The second strategy, whose share of the day's loss is 900 USD, has realised so much."""
    ports = fake_ports(NOW, GATEHOUSE_STRATEGIES=f"{FIRST_STRATEGY}=0.7 {DIP}=0.3")
    books = {DIP: StrategyBook(realised=Decimal(realised))}
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: replace(ledger, books=books))
    return ports


def halted_as(ports: FakePorts) -> object:
    strategies = status(ports)["strategies"]
    assert isinstance(strategies, dict)
    return strategies[DIP]["halted"]


def test_a_strategy_that_has_lost_its_share_is_halted_and_told_once_and_the_other_trades_on() -> None:
    ports = ports_of_two("-900")
    assert titles(supervise(ports)) == [f"{DIP} halted: -900.00 USD today"]
    assert titles(supervise(ports)) == []
    assert halted_as(ports) == "day loss"
    assert gate(dip_signal("1000"), ports) == []
    assert refused_by(ports) == ["STRATEGY_HALTED"]
    assert len(gate(signal(slot="1001"), ports)) == 1


def test_a_loss_below_the_share_halts_nobody() -> None:
    ports = ports_of_two("-899.99")
    assert titles(supervise(ports)) == []
    assert halted_as(ports) is None


@pytest.mark.parametrize("realised", ["0", "-900"])
def test_a_persons_halt_stands_until_that_strategy_is_resumed(realised: str) -> None:
    ports = ports_of_two(realised)
    assert halt_strategy(ports, call("halt-strategy", name=DIP)).is_done
    assert gate(dip_signal("1000"), ports) == []
    resume(ports, call("resume"))
    assert halted_as(ports) == "halted by me: odd prices"
    assert resume_strategy(ports, call("resume-strategy", name=DIP)).is_done
    assert halted_as(ports) is None
    supervise(ports)
    assert halted_as(ports) == ("day loss" if realised == "-900" else None), "a loss that stands halts again"


def test_a_strategy_that_cannot_be_used_is_told_once_a_day_and_the_other_is_asked() -> None:
    ports = night_ports(GATEHOUSE_STRATEGIES=f"gone.v1=0.5 {FIRST_STRATEGY}=0.5")
    first, second = (score_and_tell(slice_of(ports, "AAA", slot=slot), ports) for slot in ("1200", "1205"))
    assert [each.title for each in first if isinstance(each, Notice)] == ["gone.v1 gives no opinion"]
    assert not [each for each in second if isinstance(each, Notice)]
    assert [each.strategy for each in (*first, *second) if isinstance(each, Signal)] == [FIRST_STRATEGY] * 2
