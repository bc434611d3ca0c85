"""An intent becomes the state of the one lifecycle that carries it out."""

from __future__ import annotations

from datetime import timedelta

from shared.contracts.messages import Notice, OrderIntent
from shared.contracts.records import notice_key, symbol_key
from shared.core.approvals import Answer
from shared.core.links import read_token
from shared.core.order_states import OrderState, Phase
from shared.core.sessions import hours_of
from shared.stages.entry.execute import execute
from shared.stages.entry.gate import gate
from tests.support.bars import trading_day
from tests.support.orders import NOW, ON, Life, answered
from tests.support.ports import FakePorts, fake_ports
from tests.unit.stages.entry.test_gate import signal


def test_an_intent_becomes_a_planned_order_with_the_policys_patience() -> None:
    ports = fake_ports(NOW, GATEHOUSE_ENTRY_PATIENCE_S="45", GATEHOUSE_MAX_REPRICES="2", GATEHOUSE_ENTRY_POLL_S="7")
    (intent,) = gate(signal(), ports)
    state, _ = execute(intent, ports)
    plan = state.plan
    assert (state.phase, state.outcome, state.on) == (Phase.PLANNED, None, ON)
    assert (plan.patience_s, plan.max_reprices, plan.poll_s) == (45, 2, 7)
    prices = ("arrival_price", "limit_price", "worst_price", "stop_price", "target_price")
    for name in ("intent_id", "decision_id", "symbol", "qty", *prices, "expires_at", "exit_by"):
        assert getattr(plan, name) == getattr(intent, name)
    (row,) = ports.rows("orders", ON).values()
    assert ports.codec.decode(OrderState, str(row["state"])) == state


def test_a_repeated_intent_gives_what_is_recorded_and_leaves_the_row_as_it_is() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    first, _ = execute(intent, ports)
    life = Life(ports, first)
    life.step()
    before = ports.rows("orders", ON)
    assert execute(intent, ports) == (life.state, [])
    assert ports.rows("orders", ON) == before


def test_a_repeated_intent_whose_row_cannot_be_read_goes_on_from_its_journal_and_writes_it_anew() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    first, _ = execute(intent, ports)
    life = Life(ports, first)
    life.step()
    key = symbol_key(intent.symbol, intent.intent_id)
    row = ports.rows("orders", ON)[key] | {"state": "{broken"}
    ports.tables.put("orders", str(ON), key, row)  # type: ignore[arg-type]
    state, told = execute(intent, ports)
    assert (state, told) == (first, [])
    again = Life(ports, state)
    again.step()
    assert again.state == life.state
    assert len(ports.broker.requests) == 1
    again.step()
    (row,) = ports.rows("orders", ON).values()
    assert ports.codec.decode(OrderState, str(row["state"])) == again.state


def test_an_intent_that_expired_in_the_queue_only_gives_its_room_back() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    ports.clock.at = intent.expires_at
    state, _ = execute(intent, ports)
    assert state.outcome is Phase.EXPIRED
    assert state.note == "expired at 2025-10-15T14:04:00Z, seen at 2025-10-15T14:04:00Z"
    life = Life(ports, state)
    assert life.to_end().phase is Phase.EXPIRED
    assert ports.broker.requests == []
    stored = ports.tables.get("ledger", "account", "current")
    assert stored is not None
    assert stored.value["reservations"] == 0


def test_an_order_knows_the_edges_of_its_day_and_how_often_to_watch() -> None:
    ports = fake_ports(NOW, GATEHOUSE_GUARD_POLL_S="17")
    (intent,) = gate(signal(), ports)
    state, _ = execute(intent, ports)
    assert state.hours == hours_of(trading_day(ON))
    assert state.plan.guard_poll_s == 17


def test_an_intent_a_moment_before_its_end_is_still_good() -> None:
    ports = fake_ports(NOW)
    (intent,) = gate(signal(), ports)
    ports.clock.at = intent.expires_at - timedelta(microseconds=1)
    assert execute(intent, ports)[0].outcome is None


def test_an_order_for_half_the_account_asks_its_owner_once_and_waits() -> None:
    ports = fake_ports(NOW, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate(signal(), ports)
    assert intent.approve_by is not None
    state, asked = execute(intent, ports)
    assert state.phase is Phase.APPROVAL_PENDING
    (question,) = asked
    assert isinstance(question, Notice)
    assert question.title == f"Approve? Buy {intent.qty} AAA, up to {intent.notional:,.2f} USD"
    assert question.body.splitlines() == [
        "Quote: bid 9.99, ask 10.01, 0 s old at 10:00:00 New York (UTC-4).",
        f"Cost: up to {intent.notional:,.2f} USD, 10.00% of the account; the first limit is 10.01.",
        f"Risk: {intent.risk:,.2f} USD at the stop, 0.12% of the account.",
        f"Stop {intent.stop_price}, target {intent.target_price}, leaves by 11:05.",
        "Idea of momentum.v1.",
        "Refused without an answer by 10:05:00 New York (UTC-4).",
        f"POST /api/approve with intent_id {intent.intent_id}.",
    ]
    assert state.plan.expires_at - intent.approve_by == intent.expires_at - intent.decided_at


def asking() -> tuple[FakePorts, OrderIntent]:
    ports = fake_ports(NOW, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate(signal(), ports)
    return ports, intent


def test_a_repeat_of_an_intent_that_waits_asks_again_in_the_same_words_until_it_waits_no_more() -> None:
    """The run before may have died after it had written the row: then nobody has been asked."""
    ports, intent = asking()
    state, (first,) = execute(intent, ports)
    ports.market.prices["AAA"] = ("10.05", "10.07")
    ports.clock.pass_by(timedelta(seconds=10))
    again, (second,) = execute(intent, ports)
    assert (again, second.message_id) == (state, first.message_id)
    assert isinstance(first, Notice)
    assert isinstance(second, Notice)
    assert notice_key(second.decided_at, second.kind, second.message_id) == notice_key(
        first.decided_at, first.kind, first.message_id
    ), "whoever has the question knows it"
    life = Life(ports, state)
    answered(life, Answer.REFUSE)
    life.look()
    assert execute(intent, ports) == (life.state, [])
    life.to_end()
    assert execute(intent, ports) == (life.state, [])


def test_a_repeat_over_a_row_that_cannot_be_read_starts_from_the_intent_and_asks() -> None:
    ports, intent = asking()
    state, told = execute(intent, ports)
    key = symbol_key(intent.symbol, intent.intent_id)
    ports.tables.put("orders", str(ON), key, {"phase": state.phase.value, "state": "{spoilt"})
    assert execute(intent, ports) == (state, told)


def test_a_repeat_after_the_deadline_asks_what_can_no_longer_be_answered_no_more() -> None:
    ports, intent = asking()
    state, _ = execute(intent, ports)
    assert intent.approve_by is not None
    ports.clock.at = intent.approve_by
    assert execute(intent, ports) == (state, [])


def test_an_intent_that_comes_after_its_deadline_asks_nobody_and_tells_no_answer() -> None:
    """The wait may be shorter than the intent's own time in the queue."""
    ports = fake_ports(NOW, GATEHOUSE_APPROVAL_FRACTION="0.01", GATEHOUSE_APPROVAL_WAIT_MIN="1")
    (intent,) = gate(signal(), ports)
    assert intent.approve_by is not None
    assert intent.approve_by < intent.expires_at
    ports.clock.at = intent.approve_by
    state, told = execute(intent, ports)
    assert (state.outcome, told) == (Phase.EXPIRED, [])
    life = Life(ports, state)
    assert life.to_end().phase is Phase.EXPIRED
    assert life.state.answered is None


def test_a_question_whose_decision_cannot_be_read_is_asked_with_what_the_intent_knows() -> None:
    ports, intent = asking()
    key = symbol_key(intent.symbol, signal().slot, intent.decision_id)
    ports.tables.put("decisions", str(ON), key, {"decision_id": intent.decision_id})
    (question,) = execute(intent, ports)[1]
    assert isinstance(question, Notice)
    assert "Quote" not in question.body
    assert f"Risk: {intent.risk:,.2f} USD at the stop.\n" in question.body


def test_the_question_carries_signed_links_where_a_key_and_an_address_are_set() -> None:
    key = "k3y-of-the-test-that-is-long-enough-0123456789"
    ports = fake_ports(
        NOW,
        GATEHOUSE_APPROVAL_FRACTION="0.01",
        GATEHOUSE_LINK_KEY=key,
        GATEHOUSE_PUBLIC_URL="https://gatehouse.example",
    )
    (intent,) = gate(signal(), ports)
    (question,) = execute(intent, ports)[1]
    assert isinstance(question, Notice)
    assert [link.label for link in question.links] == ["Approve", "Refuse"]
    for link, answer in zip(question.links, ("approve", "refuse"), strict=True):
        head, token = link.url.split("?token=")
        assert head == "https://gatehouse.example/api/answer"
        claims = read_token(token, key)
        assert claims is not None
        assert (claims.answer, claims.intent_id, claims.expires_at) == (answer, intent.intent_id, intent.approve_by)
        assert token not in question.body


def test_without_a_key_or_an_address_the_question_has_no_links() -> None:
    ports = fake_ports(NOW, GATEHOUSE_APPROVAL_FRACTION="0.01")
    (intent,) = gate(signal(), ports)
    (question,) = execute(intent, ports)[1]
    assert isinstance(question, Notice)
    assert question.links == ()
