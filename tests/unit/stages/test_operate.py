"""What a person asks: kill, resume, status; each act kept with who and why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice, Severity
from shared.contracts.model_card import SIGNAL_MODEL
from shared.stages.facts import kill_reason
from shared.stages.gate import gate
from shared.stages.operate import kill, record_answer, resume, status
from tests.support.orders import NOW, ON, new_life
from tests.support.ports import fake_ports
from tests.unit.stages.test_gate import refused_by, signal


def test_the_kill_switch_stops_entries_until_it_is_turned_off() -> None:
    ports = fake_ports(NOW)
    (told,) = kill(ports, by="me", reason="odd prices", flatten=False)
    assert isinstance(told, Notice)
    assert (told.severity, told.title, told.body) == (Severity.CRITICAL, "Kill switch on", "By me: odd prices")
    assert kill_reason(ports) == "odd prices"
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["KILL_SWITCH"]
    resume(ports, by="me", reason="prices are fine")
    assert kill_reason(ports) == ""
    assert len(gate(signal(slot="1005"), ports)) == 1


def test_a_kill_that_flattens_says_so() -> None:
    (told,) = kill(fake_ports(NOW), by="me", reason="out", flatten=True)
    assert isinstance(told, Notice)
    assert told.title == "Kill switch on, flattening"


def test_every_act_is_kept_with_who_and_why() -> None:
    ports = fake_ports(NOW)
    kill(ports, by="me", reason="odd prices", flatten=True)
    ports.clock.pass_by(timedelta(minutes=1))
    resume(ports, by="you", reason="all fine")
    acts = [(row["act"], row["by"], row["reason"], row["at"]) for row in ports.rows("controls", ON).values()]
    assert acts == [
        ("kill", "me", "odd prices", "2025-10-15T14:00:00Z"),
        ("resume", "you", "all fine", "2025-10-15T14:01:00Z"),
    ]


def test_a_switch_without_a_reason_is_on_all_the_same() -> None:
    ports = fake_ports(NOW)
    ports.tables.put("controls", "controls", "kill", {"is_on": True})
    assert kill_reason(ports) == "on"


def test_status_of_a_fresh_account() -> None:
    found = status(fake_ports(NOW))
    assert found["session"] == "REG-AM"
    assert found["kill_switch"] is None
    assert found["open_intents"] == []
    assert found["environment"] == "sandbox"
    assert found["models"] == {
        "signal": {"version": "v1", "fault": None},
        "move": {"version": "v1", "fault": None},
    }


def test_status_shows_what_is_open_halted_and_broken() -> None:
    life = new_life().protected()
    life.ports.broker.equity = Decimal(90_000)
    gate(signal("AAA"), life.ports)
    life.ports.models.break_down(SIGNAL_MODEL, "sha256 differs")
    kill(life.ports, by="me", reason="enough", flatten=False)
    found = status(life.ports)
    assert found["open_intents"] == [life.state.plan.intent_id]
    assert found["positions"] == {"AAA": 100}
    assert (found["is_day_halted"], found["is_drawdown_halted"]) == (True, True)
    assert found["kill_switch"] == "enough"
    models = found["models"]
    assert isinstance(models, dict)
    assert models["signal"] == {"version": None, "fault": "sha256 differs"}


@pytest.mark.parametrize(("is_approved", "act"), [(True, "approve"), (False, "refuse")])
def test_a_persons_answer_is_kept_with_who_and_why(is_approved: bool, act: str) -> None:
    ports = fake_ports(NOW)
    (told,) = record_answer(ports, "intent-1", by="me", reason="fine by me", is_approved=is_approved)
    (row,) = ports.rows("controls", ON).values()
    assert (row["act"], row["intent_id"], row["by"], row["reason"]) == (act, "intent-1", "me", "fine by me")
    assert isinstance(told, Notice)
    assert told.title == f"Order intent-1: {act}"
    assert kill_reason(ports) == "", "an answer is no kill switch"
