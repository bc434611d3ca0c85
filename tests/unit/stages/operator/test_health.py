"""Health and metrics: each part by itself, and no fault hides another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.contracts.model_card import SIGNAL_MODEL
from shared.core.errors import TransientError
from shared.core.ledger import StrategyBook
from shared.core.schedule import slot_of
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import iso
from shared.ports import QueueState
from shared.stages.base.ledger import update_ledger
from shared.stages.operator.controls import halt_strategy, kill
from shared.stages.operator.health import JOB_GRACE, SKEW_MAX, ready
from shared.stages.operator.metrics import samples
from tests.support.broker import account_at
from tests.support.orders import NOW, ON, new_life
from tests.support.people import call, kill_call
from tests.support.ports import FakePorts, fake_ports

BOOKS = {"dip-buyer.v1": StrategyBook(realised=Decimal("-20"), open_result=Decimal("7.50"), is_day_halted=True)}
BEFORE_ALL = NOW.replace(hour=8, minute=5)
"""04:05 New York: nothing can be late yet."""


def faults(ports: FakePorts, parameter_fault: str = "") -> dict[str, str]:
    is_ready, found = ready(ports, parameter_fault)
    checks: Any = found["checks"]
    told = {name: check["fault"] for name, check in checks.items() if not check["ok"]}
    assert is_ready == (not told)
    return told


def test_where_everything_is_well_the_app_is_ready() -> None:
    assert faults(fake_ports(BEFORE_ALL)) == {}


def test_each_part_tells_its_own_fault_and_hides_no_other() -> None:
    ports = fake_ports(BEFORE_ALL)
    ports.broker.outage = TransientError("broker is away")
    ports.models.break_down(SIGNAL_MODEL, "sha256 differs")
    told = faults(ports, "set x is broken")
    assert told.keys() == {"broker", "clock", "models", "parameters"}
    assert told["models"] == "signal: sha256 differs"
    assert "broker is away" in told["broker"]


def test_a_blocked_account_is_not_ready() -> None:
    ports = fake_ports(BEFORE_ALL)
    ports.broker.is_blocked = True
    assert faults(ports) == {"broker": "the account is blocked"}


def test_clocks_that_differ_are_told_with_how_far() -> None:
    ports = fake_ports(BEFORE_ALL)
    theirs = type(ports.clock)(BEFORE_ALL + SKEW_MAX)
    ports.broker.clock = theirs
    assert faults(ports) == {}
    theirs.pass_by(timedelta(seconds=1))
    assert faults(ports)["clock"].startswith("the broker's clock is +6.0 s from ours")


def test_a_job_that_nobody_began_is_late_and_one_that_failed_is_told() -> None:
    ports = fake_ports(NOW.replace(hour=11, minute=0) + JOB_GRACE)
    assert "premarket-rough|0700 is late" in faults(ports)["jobs"]
    row = {"job": "premarket-rough", "slot": "0700", "status": "failed"}
    ports.tables.put("runs", str(ON), "premarket-rough|0700", row)
    assert "premarket-rough|0700 failed" in faults(ports)["jobs"]
    ports.tables.put("runs", str(ON), "premarket-rough|0700", row | {"status": "done"})
    assert "premarket-rough" not in faults(ports).get("jobs", "")


def test_supervise_that_leaves_no_row_of_equity_is_told_until_it_is_back() -> None:
    ports = fake_ports(NOW)
    assert faults(ports)["supervise"].startswith("no row of equity since ")
    at = NOW - timedelta(minutes=10)
    ports.tables.put("ledger", str(ON), slot_of(at), {"at": iso(at)})
    assert "supervise" not in faults(ports)


def test_on_a_holiday_no_job_is_late() -> None:
    assert faults(fake_ports(NOW + timedelta(days=3))) == {}


class HandGauge:
    """One queue with a message of a minute before the day of the test, all others empty."""

    def state(self, queue: str) -> QueueState:
        return QueueState(count=3, oldest_at=NOW - timedelta(minutes=1)) if queue == "signals" else QueueState(count=0)


def figures(ports: FakePorts) -> dict[tuple[str, ...], float]:
    return {(s.name, *s.labels.values()): s.value for s in samples(ports, HandGauge())}


def test_metrics_of_an_open_position_under_a_kill_switch() -> None:
    life = new_life().protected()
    kill(life.ports, kill_call())
    life.ports.tables.put("decisions", str(ON), "AAA|1000|x", {"verdict": "refused", "refused_by": "SPREAD COOLDOWN"})
    found = figures(life.ports)
    assert found["orders", "PROTECTED"] == 1
    assert found["decisions", "refused", FIRST_STRATEGY] == 1
    assert (found["gate_refusals", "SPREAD"], found["gate_refusals", "COOLDOWN"]) == (1, 1)
    assert found["fills", "entry", FIRST_STRATEGY] == 1
    assert ("slippage_bp", "entry") in found
    assert found["kill_switch",] == 1
    assert (found["queue_messages", "signals"], found["queue_age_s", "signals"]) == (3, 65)
    assert found["queue_age_s", "candidates"] == 0
    assert found["model_age_s", "signal"] > 0


def test_metrics_tell_strategies_apart() -> None:
    ports = fake_ports(NOW, GATEHOUSE_STRATEGIES="momentum.v1=0.5 dip-buyer.v1=0.5")
    update_ledger(ports, ON, account_at(), lambda ledger: replace(ledger, books=BOOKS))
    assert halt_strategy(ports, call("halt-strategy", name="momentum.v1")).is_done
    for number, strategy in enumerate(("dip-buyer.v1", "dip-buyer.v1", "momentum.v1")):
        ports.tables.put("decisions", str(ON), f"AAA|{number}", {"verdict": "approved", "strategy": strategy})
    found = figures(ports)
    assert found["decisions", "approved", "dip-buyer.v1"] == 2
    assert found["decisions", "approved", "momentum.v1"] == 1
    assert found["strategy_result_usd", "dip-buyer.v1"] == -12.5
    assert found["strategy_result_usd", "momentum.v1"] == 0
    halted = {key[1:]: value for key, value in found.items() if key[0] == "strategy_halted"}
    assert halted == {
        ("momentum.v1", "day-loss"): 0,
        ("momentum.v1", "person"): 1,
        ("dip-buyer.v1", "day-loss"): 1,
        ("dip-buyer.v1", "person"): 0,
    }


def test_metrics_of_an_account_that_has_never_traded() -> None:
    found = figures(fake_ports(NOW))
    assert found["kill_switch",] == 0
    assert ("equity_usd",) not in found
    assert not [key for key in found if key[0] == "orders"]


def test_a_model_that_is_not_trusted_shows() -> None:
    ports = fake_ports(NOW)
    ports.models.break_down(SIGNAL_MODEL, "sha256 differs")
    found = figures(ports)
    assert found["model_fault", "signal"] == 1
    assert ("model_age_s", "signal") not in found
