"""One answer for each order, through the API or a link: it counts, or whoever gave it is told what the order is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import ANSWERS, Table, symbol_key
from shared.core.approvals import Answer, Answered
from shared.core.errors import TransientError
from shared.core.ledger import reserve
from shared.core.links import Claims, signed
from shared.core.order_states import ExitReason, Phase
from shared.core.order_steps import LOOK_AGAIN, STOP_ENTERING, next_step, report
from shared.stages.account.supervise import supervise
from shared.stages.base.ledger import load_ledger, update_ledger
from shared.stages.base.requests import Call, Reply
from shared.stages.operator.approvals import answer, asked, unheard, waiting
from shared.stages.order.step import carry_out
from tests.support.orders import AAA, INTENT, NOW, ON, Life, answered, entry_id, new_life, reservation, waiting_life
from tests.support.ports import FakePorts

DEADLINE = NOW + timedelta(minutes=5)
KEY = "k3y-of-the-test-that-is-long-enough-0123456789"


def words(reply: Reply) -> str:
    return str(reply.body["error"])


def notices(life: Life) -> list[Notice]:
    """Carry out the next step when it is due; return what was told."""
    step = next_step(life.state, life.ports.clock.now())
    life.ports.clock.at = max(life.ports.clock.at, step.not_before or life.ports.clock.at)
    life.state, told = carry_out(life.state, step, life.ports)
    return told


def told_to_the_end(life: Life) -> list[Notice]:
    found: list[Notice] = []
    while not life.state.phase.is_over:
        found += notices(life)
    return found


def by_link(life: Life, chosen: Answer) -> Reply:
    """Press the button of a link."""
    ports = life.ports
    ports.settings = replace(ports.settings, operator=replace(ports.settings.operator, link_key=KEY))
    token = signed(Claims(intent_id=INTENT, on=ON, symbol=AAA, answer=chosen, expires_at=DEADLINE), KEY)
    found = asked(ports, token)
    if isinstance(found, Reply):
        return found
    return answer(ports, Call(route="answer", by="link", reason="by link", caller=""), found.order, chosen)


def by_call(life: Life, chosen: Answer) -> Reply:
    return answered(life, chosen)


@pytest.mark.parametrize("first", [by_call, by_link])
@pytest.mark.parametrize("second", [by_call, by_link])
@pytest.mark.parametrize("chosen", [(Answer.APPROVE, Answer.REFUSE), (Answer.REFUSE, Answer.APPROVE)])
@pytest.mark.parametrize("is_heard", [True, False])
def test_the_first_answer_counts_whichever_way_each_comes(
    first: Callable[[Life, Answer], Reply],
    second: Callable[[Life, Answer], Reply],
    chosen: tuple[Answer, Answer],
    is_heard: bool,
) -> None:
    life = waiting_life(DEADLINE)
    assert first(life, chosen[0]).status == 200
    if is_heard:
        life.look()
    late = second(life, chosen[1])
    assert late.status == (409 if second is by_call else 410)
    who = "me" if first is by_call else "link"
    assert f"{'approved' if chosen[0] is Answer.APPROVE else 'refused'} by {who}" in words(late)
    assert late.messages == ()
    life.until(lambda state: state.phase.is_over or bool(state.orders))
    assert life.submitted == ([entry_id()] if chosen[0] is Answer.APPROVE else [])


def test_an_answer_to_a_position_that_was_bought_says_what_it_is_and_who_approved_it() -> None:
    life = waiting_life(DEADLINE, qty=Decimal(90))
    answered(life, Answer.APPROVE)
    life.look()
    life.protected()
    late = answered(life, Answer.REFUSE)
    assert late.status == 409
    assert words(late) == (
        f"order {INTENT} of 90 AAA is PROTECTED; approved by me at 10:00:00 New York (UTC-4): as planned"
    )


def test_an_answer_to_an_order_that_never_asked_is_refused() -> None:
    life = new_life()
    life.protected()
    late = answered(life, Answer.APPROVE)
    assert (late.status, words(late)) == (
        409,
        f"order {INTENT} of 100 AAA is PROTECTED; nobody was asked about it",
    )
    assert life.ports.rows(Table.CONTROLS, ANSWERS) == {}


def test_an_answer_to_an_order_that_was_called_off_says_so() -> None:
    life = waiting_life(DEADLINE)
    life.state = report(life.state, STOP_ENTERING)
    life.to_end()
    late = answered(life, Answer.APPROVE)
    assert late.status == 409
    assert "is CANCELED; closed by the app at 10:00:00 New York (UTC-4): the order was over" in words(late)


def test_an_answer_at_the_deadline_is_late_though_the_order_has_not_looked_yet() -> None:
    life = waiting_life(DEADLINE)
    life.ports.clock.at = DEADLINE - timedelta(microseconds=1)
    assert not isinstance(waiting(life.ports, INTENT), Reply)
    life.ports.clock.at = DEADLINE
    late = answered(life, Answer.APPROVE)
    assert late.status == 409
    assert "its deadline was 10:05:00 New York (UTC-4)" in words(late)


def test_an_answer_to_an_order_that_nobody_knows_is_not_found() -> None:
    life = new_life()
    assert (answered(life, Answer.APPROVE).status, life.ports.rows(Table.CONTROLS, ANSWERS)) == (404, {})


def test_an_order_of_the_day_before_is_known_still() -> None:
    life = new_life().protected()
    life.ports.clock.at = NOW + timedelta(days=1)
    assert "is PROTECTED" in words(answered(life, Answer.REFUSE))


def test_of_two_who_saw_it_wait_only_one_has_answered() -> None:
    life = waiting_life(DEADLINE)
    call = Call(route="approve", by="you", reason="odd", caller="")
    found = waiting(life.ports, INTENT)
    assert not isinstance(found, Reply)
    assert answered(life, Answer.APPROVE).status == 200
    late = answer(life.ports, call, found, Answer.REFUSE)
    assert (late.status, "approved by me" in words(late)) == (409, True)


def test_a_deadline_that_was_claimed_first_leaves_no_answer_to_give() -> None:
    """The person's host looks before the deadline, its clock being behind; the order's host has ended the wait."""
    life = waiting_life(DEADLINE)
    found = waiting(life.ports, INTENT)
    assert not isinstance(found, Reply)
    life.step()
    assert life.state.outcome is Phase.DENIED
    life.ports.clock.at = DEADLINE - timedelta(seconds=1)
    call = Call(route="approve", by="me", reason="as planned", caller="")
    late = answer(life.ports, call, found, Answer.APPROVE)
    assert (late.status, "closed by the app" in words(late)) == (409, True)
    assert life.to_end().phase is Phase.DENIED


def test_an_answer_that_came_in_time_counts_though_the_order_looks_late() -> None:
    life = waiting_life(DEADLINE)
    life.ports.clock.at = DEADLINE - timedelta(seconds=1)
    assert answered(life, Answer.APPROVE).status == 200
    life.ports.clock.at = DEADLINE + timedelta(seconds=40)
    life.look()
    assert life.state.phase is Phase.PLANNED


def test_an_order_that_is_called_off_takes_no_answer_from_its_end_on_and_keeps_one_that_came_before() -> None:
    for chosen in (Answer.APPROVE, None):
        life = waiting_life(DEADLINE)
        if chosen:
            answered(life, chosen)
        life.state = report(life.state, ExitReason.KILL)
        life.to_end()
        assert life.state.answered is not None
        assert life.state.answered.answer is (chosen or Answer.NOBODY)
        assert life.submitted == []


def test_supervise_tells_an_order_of_its_answer_until_it_has_left_its_wait() -> None:
    life = waiting_life(DEADLINE)
    ports = life.ports
    update_ledger(ports, ON, ports.broker.account(), lambda ledger: reserve(ledger, reservation("other", "BBB", "10")))

    def woken() -> list[tuple[str, str]]:
        return [(wake.intent_id, wake.event) for wake in supervise(ports).wakes]

    assert woken() == []
    answered(life, Answer.APPROVE)
    assert woken() == woken() == [(INTENT, LOOK_AGAIN)]
    life.look()
    assert woken() == []
    life.step()
    stored = load_ledger(ports)
    assert stored is not None
    assert unheard(ports, stored.value, ports.broker.orders(since=NOW)) == []


def dying(ports: FakePorts, life: Life) -> None:
    """The ask runs away while the person thinks."""
    ports.market.prices["AAA"] = ("10.98", "11.00")


def expiring(ports: FakePorts, life: Life) -> None:
    ports.clock.at = life.state.plan.expires_at + timedelta(minutes=10)


def stopping(ports: FakePorts, life: Life) -> None:
    life.state = report(life.state, STOP_ENTERING)


def leaving(ports: FakePorts, life: Life) -> None:
    life.state = report(life.state, ExitReason.FLATTEN)


@pytest.mark.parametrize(
    ("end", "phase", "why"),
    [
        (dying, "DENIED", "SLIPPAGE ask 11.00"),
        (expiring, "DENIED", "EXPIRED"),
        (stopping, "CANCELED", "entries were stopped"),
        (leaving, "CANCELED", "called off, FLATTEN"),
    ],
)
def test_an_approved_order_that_then_dies_tells_whoever_approved_it(
    end: Callable[[FakePorts, Life], None], phase: str, why: str
) -> None:
    life = waiting_life(DEADLINE)
    answered(life, Answer.APPROVE)
    life.look()
    end(life.ports, life)
    (told,) = told_to_the_end(life)
    assert told.title == f"AAA: {phase} after it was approved"
    assert (told.kind, told.severity) == ("order-ended", Severity.CRITICAL)
    assert f"Nothing was bought: {why}" in told.body
    assert "Approved by me at 10:00:00 New York (UTC-4): as planned." in told.body


def test_a_refused_order_and_one_that_nobody_answered_tell_their_end() -> None:
    life = waiting_life(DEADLINE)
    answered(life, Answer.REFUSE)
    (told,) = told_to_the_end(life)
    assert told.title == "AAA: DENIED, as it was refused"
    (told,) = told_to_the_end(waiting_life(DEADLINE))
    assert (told.title, told.severity) == ("AAA: DENIED without an answer", Severity.CRITICAL)
    assert "APPROVAL deadline passed" in told.body


def test_an_end_is_told_again_by_a_run_that_finds_its_step_recorded() -> None:
    """The first run may have died between its journal row and its notices; the same id makes the second one known."""
    life = waiting_life(DEADLINE)
    life.step()
    step = next_step(life.state, life.ports.clock.now())
    before = life.state
    life.state, (told,) = carry_out(before, step, life.ports)
    again, (repeated,) = carry_out(before, step, life.ports)
    assert (again, repeated.message_id) == (life.state, told.message_id)


def test_an_order_of_which_nobody_was_asked_ends_as_quietly_as_ever() -> None:
    life = new_life()
    life.ports.market.prices["AAA"] = ("10.98", "11.00")
    (told,) = told_to_the_end(life)
    assert (told.title, told.severity) == ("AAA: DENIED", Severity.INFO)
    assert told.body.startswith("SLIPPAGE ask 11.00 beyond 10.03")


def test_where_storage_does_not_answer_the_deadline_ends_no_order_unclaimed() -> None:
    life = waiting_life(DEADLINE)
    answered(life, Answer.APPROVE)
    get = life.ports.tables.get

    def down(table: str, partition: str, key: str) -> object:
        if partition == ANSWERS:
            raise TransientError("storage is down")
        return get(table, partition, key)

    life.ports.tables.get = down  # type: ignore[method-assign, assignment]
    life.step()
    assert (life.state.outcome, life.state.failures) == (None, 1)
    life.ports.tables.get = get  # type: ignore[method-assign]
    life.step()
    assert life.state.phase is Phase.PLANNED


def test_what_was_answered_is_one_row_with_who_and_why() -> None:
    life = waiting_life(DEADLINE)
    answered(life, Answer.APPROVE, by="you", reason="looks right")
    (key, row), *_ = life.ports.rows(Table.CONTROLS, ANSWERS).items()
    assert key == INTENT
    assert (row["answer"], row["by"], row["reason"], row["symbol"]) == ("approve", "you", "looks right", AAA)
    life.look()
    assert life.state.answered == Answered(answer=Answer.APPROVE, by="you", reason="looks right", at=NOW)
    stored = life.ports.tables.get(Table.ORDERS, str(ON), symbol_key(AAA, INTENT))
    assert stored is not None
    assert stored.value["note"] == "approved by you"
