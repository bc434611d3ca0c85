"""The keys open another account over the same storage: nothing is done in it, and all goes on when they are back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice
from shared.core.ledger import Ledger
from shared.core.order_states import ExitReason, Phase
from shared.core.portfolio import OTHER_ACCOUNT
from shared.stages.account.missed_runs import watch_supervise
from shared.stages.account.supervise import Supervision, supervise
from shared.stages.base.ledger import load_ledger
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from shared.stages.evidence.report import day_report
from shared.stages.operator.controls import kill, resume
from shared.stages.operator.health import ready
from tests.support.orders import AAA, INTENT, NOW, ON, PLAN, Life, entry_id, planned_life
from tests.support.people import call, kill_call
from tests.support.ports import MINUTE, FakePorts, fake_ports
from tests.unit.stages.entry.test_gate import decision, refused_by, signal


def life_of(account_id: str = "hand") -> Life:
    return planned_life(replace(PLAN, account_id=account_id))


def ledger(ports: FakePorts) -> Ledger:
    stored = load_ledger(ports)
    assert stored is not None
    return stored.value


def titles(seen: Supervision) -> list[str]:
    return [message.title for message in seen.messages if isinstance(message, Notice)]


def used() -> FakePorts:
    """A storage that knows account `hand`, under the keys of another one."""
    ports = fake_ports(NOW)
    supervise(ports)
    ports.clock.pass_by(MINUTE)
    ports.broker.account_of = "other"
    return ports


def test_an_intent_and_its_order_carry_the_account_they_were_decided_for() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    state, _ = execute(intent, ports)
    assert (intent.account_id, state.plan.account_id, ledger(ports).account_id) == ("hand", "hand", "hand")


def test_the_gate_refuses_on_the_record_and_leaves_the_ledger_alone() -> None:
    ports = used()
    ports.broker.equity = Decimal(40_000)
    before = ledger(ports)
    assert gate(signal(at=ports.clock.now()), ports) == []
    assert refused_by(ports) == ["BROKER_HEALTH"]
    assert f"{OTHER_ACCOUNT}: other, not hand" in str(decision(ports)["gates"])
    assert ledger(ports) == before


def test_supervise_tells_of_it_once_an_hour_and_compares_nothing() -> None:
    ports = used()
    before = ledger(ports)
    ports.broker.equity = Decimal(1)
    seen = [supervise(ports), supervise(ports)]
    assert [titles(each) for each in seen] == [["The keys open another account than the ledger's"], []]
    assert [each.wakes for each in seen] == [(), ()]
    assert ledger(ports) == before
    assert list(ports.rows("incidents", ON)) == ["other-account|10"]
    ports.broker.account_of, ports.broker.equity = "hand", Decimal(100_000)
    assert supervise(ports) == Supervision()


def test_supervise_that_waits_for_the_right_keys_is_not_taken_for_silent() -> None:
    ports = used()
    for minute in range(40):
        if minute % 15 == 0:
            ports.tables.insert("runs", str(ON), f"news-scan|10{minute:02}", {"job": "news-scan"})
        supervise(ports)
        ports.clock.pass_by(MINUTE)
    assert watch_supervise(ports) == []


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.WORKING, Phase.PROTECTED, Phase.EXITING])
def test_an_order_of_one_account_does_nothing_in_another_and_goes_on_when_its_keys_are_back(phase: Phase) -> None:
    life = life_of()
    if phase is not Phase.PLANNED:
        life.step()
    if phase in {Phase.PROTECTED, Phase.EXITING}:
        life.ports.broker.fill(entry_id())
        life.step()
    if phase is Phase.EXITING:
        life.ask(ExitReason.KILL)
    assert life.state.phase is phase
    requests, cancels = list(life.ports.broker.requests), list(life.ports.broker.cancels)
    looked = list(life.ports.broker.looked)
    life.ports.broker.account_of = "other"
    for _ in range(4):
        life.step()
    assert (life.ports.broker.requests, life.ports.broker.cancels) == (requests, cancels)
    assert life.ports.broker.looked == looked, "not even looked for"
    assert life.state.note == f"{OTHER_ACCOUNT}: other, not hand"
    (incident,) = life.ports.rows("incidents", ON).values()
    assert (incident["kind"], incident["status"]) == ("other-account", "open")
    life.ports.broker.account_of = "hand"
    life.ask(ExitReason.FLATTEN)
    life.step()
    assert not life.state.note.startswith(OTHER_ACCOUNT)
    if phase in {Phase.PROTECTED, Phase.EXITING}:
        life.until(lambda state: life.ports.broker.held(AAA) == 0 or bool(life.submitted[1:]))
        life.ports.broker.fill(life.submitted[-1])
    life.to_end()
    assert life.ports.broker.held(AAA) == 0


def test_a_hundred_shares_of_the_new_account_are_not_sold_by_the_old_accounts_order() -> None:
    life = life_of().protected()
    life.ports.broker.account_of = "other"
    life.ask(ExitReason.TIME_LIMIT)
    for _ in range(20):
        life.step()
    assert [request.client_order_id for request in life.ports.broker.requests] == [entry_id()]
    assert ledger(life.ports).equity == Decimal(100_000)


def test_an_order_that_ends_gives_its_room_back_in_its_own_account_alone() -> None:
    life = life_of()
    life.ask(ExitReason.KILL)
    life.ports.broker.account_of, life.ports.broker.equity = "other", Decimal(3)
    for _ in range(3):
        life.step()
    assert not life.state.phase.is_over
    assert [reservation.intent_id for reservation in ledger(life.ports).reservations] == [INTENT]
    life.ports.broker.account_of = "hand"
    life.to_end()
    assert ledger(life.ports).reservations == ()


def test_an_order_of_older_code_belongs_to_the_account_that_its_first_step_finds() -> None:
    life = life_of("")
    life.step()
    assert life.state.plan.account_id == "hand"
    sent = len(life.ports.broker.requests)
    life.ports.broker.account_of = "other"
    life.ask()
    for _ in range(3):
        life.step()
    assert len(life.ports.broker.requests) == sent
    assert life.ports.broker.cancels == []


def test_an_order_of_older_code_that_cannot_see_its_account_is_bound_to_none() -> None:
    life = life_of("")
    life.ports.broker.down.append("order")
    life.step()
    assert (life.state.plan.account_id, life.state.failures) == ("", 1)


def test_readiness_says_in_words_which_account_the_keys_open_and_which_they_should() -> None:
    is_ready, found = ready(used(), "")
    assert not is_ready
    checks = found["checks"]
    assert isinstance(checks, dict)
    assert checks["broker"]["fault"] == f"{OTHER_ACCOUNT}: other, not hand"


def test_nothing_is_resumed_in_another_account() -> None:
    ports = used()
    ports.broker.equity = Decimal(5)
    kill(ports, kill_call(reason="enough"))
    reply = resume(ports, call("resume", reason="go on"))
    assert reply.status == 409
    assert OTHER_ACCOUNT in str(reply.body)
    assert ledger(ports).equity == Decimal(100_000)
    assert refused_to_enter(ports) == ["KILL_SWITCH", "SIZE", "BROKER_HEALTH"]


def refused_to_enter(ports: FakePorts) -> list[str]:
    gate(signal(at=ports.clock.now()), ports)
    return refused_by(ports)


def test_a_kill_that_cancels_all_cancels_nothing_of_another_account_and_is_on() -> None:
    life = life_of()
    life.step()
    life.ports.broker.account_of = "other"
    reply = kill(life.ports, kill_call(reason="enough", cancel_all=True))
    assert reply.status == 503
    assert OTHER_ACCOUNT in str(reply.body)
    assert life.ports.broker.cancels == []
    assert refused_to_enter(life.ports)[0] == "KILL_SWITCH"


def test_a_days_report_knows_nothing_of_another_accounts_equity() -> None:
    ports = used()
    assert day_report(ports, ON).equity_usd is None


def test_a_lost_ledger_is_still_the_old_accounts() -> None:
    """Its row lost and the keys exchanged at once: the backup says whose storage it is."""
    ports = used()
    ports.tables.remove("ledger", "account", "current")  # type: ignore[attr-defined]
    assert titles(supervise(ports)) == ["The keys open another account than the ledger's"]
    assert gate(signal(at=ports.clock.now()), ports) == []
    assert "BROKER_HEALTH" in refused_by(ports)
    ports.clock.pass_by(timedelta(minutes=1))
    ports.broker.account_of = "hand"
    supervise(ports)
    assert ledger(ports).account_id == "hand"
