"""What a person asks: kill, halt, resume, status, live acceptance; each act kept with who and why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from shared.contracts.messages import Notice, Severity
from shared.contracts.model_card import SIGNAL_MODEL
from shared.contracts.records import CONTROLS
from shared.core.order_states import Phase
from shared.core.values import Side
from shared.ports import Ports
from shared.stages.account.supervise import supervise
from shared.stages.base.facts import kill_reason
from shared.stages.base.requests import Call, Reply, record_call, refused
from shared.stages.entry.gate import gate
from shared.stages.operator.controls import accept_live, halt, kill, positions, resume, status, try_notices
from tests.support.orders import NOW, ON, new_life
from tests.support.people import call, kill_call
from tests.support.ports import MINUTE, FakePorts, fake_ports, settings_with
from tests.unit.stages.entry.test_gate import refused_by, signal


def only(reply: Reply) -> Notice:
    """The one notice of a reply."""
    (found,) = reply.messages
    assert isinstance(found, Notice)
    return found


def test_the_kill_switch_stops_entries_until_it_is_turned_off() -> None:
    ports = fake_ports(NOW)
    told = only(kill(ports, kill_call()))
    assert (told.severity, told.title, told.body) == (Severity.CRITICAL, "Kill switch on", "By me: odd prices")
    assert kill_reason(ports) == "odd prices"
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["KILL_SWITCH"]
    resume(ports, call("resume", reason="prices are fine"))
    assert kill_reason(ports) == ""
    assert len(gate(signal(slot="1005"), ports)) == 1


def test_a_kill_that_flattens_says_so() -> None:
    assert only(kill(fake_ports(NOW), kill_call(flatten=True))).title == "Kill switch on, flattening"


def test_a_halt_stops_entries_and_leaves_positions_alone() -> None:
    ports = fake_ports(NOW)
    assert only(halt(ports, call("halt"))).title == "Entries halted"
    row = ports.rows(CONTROLS, CONTROLS)["kill"]
    assert (row["is_on"], row["is_flattening"]) == (True, False)
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["KILL_SWITCH"]


def test_a_halt_does_not_soften_a_kill_that_flattens() -> None:
    ports = fake_ports(NOW)
    kill(ports, kill_call(flatten=True))
    reply = halt(ports, call("halt", reason="also"))
    assert reply.messages == ()
    assert ports.rows(CONTROLS, CONTROLS)["kill"]["is_flattening"] is True


def test_cancel_all_asks_for_the_cancel_of_buys_and_leaves_what_guards_positions() -> None:
    life = new_life().protected()
    ports = life.ports
    exits = [order for order in ports.broker.book.values() if order.side is Side.SELL]
    assert exits
    assert kill(ports, kill_call(cancel_all=True)).body["canceled"] == []
    assert ports.broker.cancels == []
    working = new_life()
    working.until(lambda state: state.phase is Phase.WORKING)
    canceled = kill(working.ports, kill_call(cancel_all=True)).body["canceled"]
    (entry,) = [o for o in working.ports.broker.book.values() if o.side is Side.BUY]
    assert canceled == [entry.client_order_id]
    assert working.ports.broker.cancels == [entry.order_id]


def test_a_kill_holds_although_the_broker_does_not_answer() -> None:
    ports = fake_ports(NOW)
    ports.broker.down = ["orders"]
    reply = kill(ports, kill_call(cancel_all=True))
    assert reply.status == 503
    assert "the kill switch is on" in reply.problem
    assert only(reply).title == "Kill switch on"
    assert reply.record["is_on"] is True
    assert kill_reason(ports) == "odd prices"


def test_every_call_is_kept_with_who_why_and_what_came_of_it() -> None:
    ports = fake_ports(NOW)
    kept(ports, kill_call(flatten=True), kill(ports, kill_call(flatten=True)))
    ports.clock.pass_by(timedelta(minutes=1))
    kept(ports, call("resume", by="you", reason="all fine"), resume(ports, call("resume")))
    kept(ports, call("approve", by="you"), refused(404, "no order x waits", "intent_id", intent_id="x"))
    rows = ports.rows("controls", ON).values()
    assert sorted((r["act"], r["by"], r["reason"], r["at"], r["status"], r.get("problem")) for r in rows) == [
        ("approve", "you", "odd prices", "2025-10-15T14:01:00Z", 404, "intent_id: no order x waits"),
        ("kill", "me", "odd prices", "2025-10-15T14:00:00Z", 200, None),
        ("resume", "you", "all fine", "2025-10-15T14:01:00Z", 200, None),
    ]


def kept(ports: Ports, made: Call, reply: Reply) -> None:
    record_call(ports, made, reply)


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
    assert found["parameter_set"] == "default"
    models = found["models"]
    assert isinstance(models, dict)
    assert models["signal"] == models["move"] == {"version": "v1", "fault": None}


def test_status_shows_what_is_open_halted_and_broken() -> None:
    life = new_life().protected()
    life.ports.broker.equity = Decimal(90_000)
    for _ in range(2):
        supervise(life.ports)
        life.ports.clock.pass_by(MINUTE)
    life.ports.models.break_down(SIGNAL_MODEL, "sha256 differs")
    kill(life.ports, kill_call(reason="enough"))
    found = status(life.ports)
    assert found["open_intents"] == [life.state.plan.intent_id]
    assert found["positions"] == {"AAA": "100"}
    assert (found["is_day_halted"], found["is_drawdown_halted"]) == (True, True)
    assert found["kill_switch"] == "enough"
    models = found["models"]
    assert isinstance(models, dict)
    assert models["signal"] == {"version": None, "fault": "sha256 differs"}


def test_positions_name_the_intent_that_explains_them_and_the_orders_that_guard_them() -> None:
    life = new_life().protected()
    found = positions(life.ports)
    held = found["positions"]
    assert isinstance(held, list)
    assert [(p["symbol"], p["qty"], p["intent_id"]) for p in held] == [("AAA", "100", life.state.plan.intent_id)]
    orders = found["orders"]
    assert isinstance(orders, list)
    assert {order["side"] for order in orders} == {"sell"}


def test_a_test_notice_is_told_and_nothing_else_happens() -> None:
    ports = fake_ports(NOW)
    assert only(try_notices(ports, call("test-notice"))).kind == "test"


def live_ports() -> FakePorts:
    """Ports of a live account whose two settings are right."""
    ports = fake_ports(NOW)
    ports.settings = settings_with(
        ALPACA_ENVIRONMENT="live", ALPACA_TRADING_URL="", ALPACA_DATA_URL="", GATEHOUSE_ALLOW_LIVE="hand"
    )
    return ports


def test_a_live_account_enters_nothing_until_a_person_has_accepted_it() -> None:
    ports = live_ports()
    assert gate(signal(), ports) == []
    assert refused_by(ports) == ["KILL_SWITCH"]
    reply = accept_live(ports, call("accept-live", account_id="hand"))
    assert only(reply).title == "Live trading accepted for account hand"
    assert len(gate(signal(slot="1005"), ports)) == 1


def test_an_acceptance_of_another_account_opens_nothing() -> None:
    ports = live_ports()
    assert accept_live(ports, call("accept-live", account_id="other")).status == 409
    ports.tables.put("controls", "controls", "live", {"account_id": "other"})
    assert "nobody has accepted" in kill_reason(ports)


def test_a_resume_does_not_stand_in_for_the_acceptance() -> None:
    ports = live_ports()
    body = resume(ports, call("resume")).body
    assert "nobody has accepted" in str(body["kill_switch"])
    assert gate(signal(), ports) == []


def test_outside_live_there_is_nothing_to_accept() -> None:
    assert accept_live(fake_ports(NOW), call("accept-live", account_id="hand")).status == 409
