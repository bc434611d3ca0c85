"""Two processes answer for the same order, or one answers while its deadline passes, on real Azurite: one counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.contracts.records import ANSWERS, Table, symbol_key
from shared.core.approvals import Answer
from shared.core.order_states import OrderState, Phase
from shared.core.order_steps import begin
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.approvals import answer, heard, waiting
from shared.stages.order.records import order_row
from tests.support.orders import AAA, NOW, ON, PLAN
from tests.support.ports import FakePorts
from tests.support.processes import rivals, shared_ports

ROUNDS = 25
DEADLINE = NOW + timedelta(minutes=5)


def asking(ports: FakePorts, number: int) -> OrderState:
    """An order that waits, as execute records it."""
    plan = replace(PLAN, intent_id=f"asking{number:04}", approve_by=DEADLINE)
    state = begin(OrderState(plan=plan, on=ON))
    key = symbol_key(AAA, plan.intent_id)
    ports.tables.put(Table.ORDERS, str(ON), key, order_row(state, ports.codec, NOW))
    return state


def settle(ports: FakePorts, job: tuple[OrderState, Answer]) -> tuple[int, str]:
    """Answer as a person does, or pass the deadline as the lifecycle does; return status and words."""
    state, chosen = job
    if chosen is Answer.NOBODY:
        found = heard(ports, state, DEADLINE)
        assert found is not None
        return (200 if found.answer is Answer.NOBODY else 409), found.answer.value
    order = waiting(ports, state.plan.intent_id)
    call = Call(route="approve", by=f"who says {chosen}", reason="odd", caller="")
    reply = order if isinstance(order, Reply) else answer(ports, call, order, chosen)
    return reply.status, str(reply.body.get("error", ""))


def test_of_two_answers_at_once_one_counts_and_the_other_is_told_which(storage: str) -> None:
    ports = shared_ports(storage)
    with rivals(settle, storage=storage) as pair:
        for number in range(ROUNDS):
            state = asking(ports, number)
            pairs = [Answer.APPROVE, Answer.REFUSE]
            came = dict(zip(pairs, pair.race(*((state, each) for each in pairs)), strict=True))
            assert sorted(status for status, _ in came.values()) == [200, 409], came
            (winner,) = (each for each in pairs if came[each][0] == 200)
            (loser,) = (each for each in pairs if each is not winner)
            assert f"by who says {winner}" in came[loser][1]
            row = ports.rows(Table.CONTROLS, ANSWERS)[state.plan.intent_id]
            assert row["answer"] == winner


def test_an_answer_in_the_moment_of_the_deadline_counts_or_is_refused_and_both_sides_agree(storage: str) -> None:
    ports = shared_ports(storage)
    with rivals(settle, storage=storage) as pair:
        for number in range(ROUNDS):
            state = asking(ports, number)
            person, order = pair.race((state, Answer.APPROVE), (state, Answer.NOBODY))
            assert sorted((person[0], order[0])) == [200, 409], (person, order)
            row = ports.rows(Table.CONTROLS, ANSWERS)[state.plan.intent_id]
            assert row["answer"] == (Answer.APPROVE if person[0] == 200 else Answer.NOBODY)
            assert person[0] == 200 or "closed by the app" in person[1]
            assert state.phase is Phase.APPROVAL_PENDING
