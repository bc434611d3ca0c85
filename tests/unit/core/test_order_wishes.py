"""What people and supervision ask of an order: wait for approval, stop entering; and shares that someone else sold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.approvals import Answer
from shared.core.order_states import CONFIRM_MISSING, ExitReason, OrderState, Phase
from shared.core.order_steps import STOP_ENTERING, Command, Step, begin, next_step, report, restarted
from shared.core.orders import OrderStatus
from shared.core.values import Side
from shared.stages.base.requests import CONFLICT
from tests.support.orders import AAA, NOW, ON, PLAN, Life, answered, entry_id, new_life, protect_id, waiting_life

DEADLINE = NOW + timedelta(minutes=2)


def waiting() -> Life:
    """An order so large that a person must approve it."""
    return waiting_life(DEADLINE)


def told(life: Life, event: str) -> OrderState:
    life.state = report(life.state, event)
    return life.state


def test_an_order_that_needs_a_person_sends_nothing_and_sleeps_until_its_deadline() -> None:
    life = waiting()
    assert life.state.phase is Phase.APPROVAL_PENDING
    assert next_step(life.state, NOW).not_before == DEADLINE
    assert begin(OrderState(plan=PLAN, on=ON)).phase is Phase.PLANNED


def test_without_an_answer_it_is_denied_at_its_deadline() -> None:
    life = waiting()
    assert life.to_end().phase is Phase.DENIED
    assert life.submitted == []


def test_an_approved_order_is_sent() -> None:
    life = waiting()
    answered(life, Answer.APPROVE)
    life.look()
    assert (life.state.phase, life.state.note) == (Phase.PLANNED, "approved by me")
    life.step()
    assert life.submitted == [entry_id()]


def test_a_refused_order_is_denied_and_a_later_approval_changes_nothing() -> None:
    life = waiting()
    answered(life, Answer.REFUSE)
    life.look()
    assert (life.state.outcome, life.state.note) == (Phase.DENIED, "APPROVAL refused by me")
    assert answered(life, Answer.APPROVE).status == CONFLICT
    assert life.to_end().phase is Phase.DENIED
    assert life.submitted == []


@pytest.mark.parametrize("answer", ["approve", "refuse", '"approve"'])
def test_an_event_is_no_answer(answer: str) -> None:
    """Whoever may raise events has not answered: only the claimed row counts, and nothing is told to two people."""
    life = waiting()
    before = life.state
    assert told(life, answer) == before
    life.look()
    assert (life.state.phase, life.state.answered) == (Phase.APPROVAL_PENDING, None)


def test_an_answer_whose_event_was_lost_is_heard_at_the_deadline() -> None:
    life = waiting()
    answered(life, Answer.APPROVE)
    life.step()
    assert life.ports.clock.now() == DEADLINE
    life.step()
    assert life.submitted == [entry_id()]


def test_a_host_whose_clock_is_behind_looks_again_after_a_pause_when_the_deadline_wakes_it() -> None:
    """Its first look finds the deadline still ahead, though the sleep until then is over."""
    life = waiting()
    life.ports.clock.at = DEADLINE - timedelta(seconds=3)
    life.look()
    assert life.state.outcome is None
    step = next_step(life.state, DEADLINE)
    assert step.not_before == DEADLINE + PLAN.poll


@pytest.mark.parametrize("event", [STOP_ENTERING, "FLATTEN", "KILL"])
def test_an_order_that_waits_ends_when_it_is_no_longer_wanted(event: str) -> None:
    life = waiting()
    told(life, event)
    assert life.to_end().phase is Phase.CANCELED
    assert life.submitted == []


def test_a_report_nobody_knows_changes_nothing() -> None:
    life = new_life()
    before = life.state
    assert told(life, "NONSENSE") == before


def test_stopping_entries_cancels_the_one_that_works_and_sends_no_other() -> None:
    life = new_life()
    life.step()
    stopped = told(life, STOP_ENTERING)
    assert told(life, STOP_ENTERING) == stopped, "told every minute"
    assert life.to_end().phase is Phase.CANCELED
    assert life.submitted == [entry_id()]


def test_stopping_entries_between_two_prices_sends_no_other() -> None:
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    told(life, STOP_ENTERING)
    assert life.to_end().phase is Phase.CANCELED
    assert life.submitted == [entry_id()]


def test_stopping_entries_keeps_what_filled_and_guards_it() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    told(life, STOP_ENTERING)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    assert (life.state.held, life.submitted[-1]) == (Decimal(40), protect_id())


def test_stopping_entries_leaves_a_protected_position_alone() -> None:
    life = new_life().protected()
    told(life, STOP_ENTERING)
    assert next_step(life.state, NOW).not_before == PLAN.exit_by


def test_stopping_while_the_entrys_answer_is_lost_finds_and_cancels_it() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    told(life, STOP_ENTERING)
    assert life.to_end().phase is Phase.CANCELED
    assert life.ports.broker.find(entry_id()).status is OrderStatus.CANCELED


def test_stopping_after_a_submit_that_never_arrived_sends_nothing() -> None:
    life = new_life()
    life.ports.broker.down.append("submit")
    life.step()
    told(life, STOP_ENTERING)
    assert life.to_end().phase.is_over
    assert life.submitted == []


def test_shares_that_someone_else_sold_are_written_off_after_a_second_look() -> None:
    life = new_life().protected()
    life.ports.broker.cancel("o1-target")
    life.ports.broker.sold_elsewhere[AAA] = 100
    first = life.ports.clock.now()
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.held) == (Phase.CLOSED, ExitReason.OUTSIDE, Decimal(0))
    assert life.ports.clock.now() - first >= CONFIRM_MISSING
    assert [r for r in life.ports.broker.requests if r.side is Side.SELL] == []


def test_shares_that_show_late_are_not_written_off() -> None:
    life = new_life().protected()
    life.ports.broker.cancel("o1-target")
    life.ports.broker.sold_elsewhere[AAA] = 100
    life.until(lambda state: state.missing_at is not None)
    life.ports.broker.sold_elsewhere.clear()
    life.until(lambda state: state.exit_attempt > 0 and bool(state.live_sells))
    life.ports.broker.fill(life.submitted[-1])
    state = life.to_end()
    assert (state.exit_reason, state.sold, state.written_off) == (ExitReason.UNPROTECTED, Decimal(100), Decimal(0))


def test_an_expired_order_that_would_have_needed_a_person_does_not_wait() -> None:
    plan = replace(PLAN, approve_by=DEADLINE)
    assert begin(OrderState(plan=plan, on=ON, outcome=Phase.EXPIRED)).phase is Phase.PLANNED


@pytest.mark.parametrize("event", ["changed", STOP_ENTERING])
def test_a_guarded_order_whose_lifecycle_was_gone_looks_before_it_sleeps(event: str) -> None:
    """Supervise starts it again because something has changed: asleep until the time limit it would not see what."""
    life = new_life().protected()
    life.ports.broker.cancel("o1-target")
    life.ports.broker.cancel("o1-stop")
    life.state = restarted(life.state, event)
    now = life.ports.clock.now()
    assert next_step(life.state, now) == Step(command=Command.LOOK, not_before=now + PLAN.poll)
    life.step()
    assert life.step().command is Command.PROTECT


def test_a_guarded_order_that_is_started_again_and_has_its_guards_sleeps_on() -> None:
    life = new_life().protected()
    life.state = restarted(life.state, "changed")
    life.step()
    assert life.state.phase is Phase.PROTECTED
    assert next_step(life.state, life.ports.clock.now()).not_before == PLAN.exit_by


def test_an_order_that_is_started_again_does_not_wait_out_the_pauses_of_the_lifecycle_that_is_gone() -> None:
    """Its last calls had no answer, each after a longer pause: what it asks first is asked now, as one of no answer."""
    life = new_life().protected()
    life.state = restarted(replace(life.state, failures=5), "changed")
    now = life.ports.clock.now()
    assert next_step(life.state, now) == Step(command=Command.LOOK, not_before=now + PLAN.poll)
    assert life.state.failures == 1


@pytest.mark.parametrize("event", [STOP_ENTERING, ExitReason.KILL])
def test_who_is_told_something_new_does_not_wait_out_the_pauses_of_calls_without_an_answer(event: str) -> None:
    """A kill comes while the last calls failed, and the broker is back: the exit is tried now, not in 80 seconds."""
    life = new_life()
    life.step()
    life.state = replace(life.state, failures=5)
    told = report(life.state, event)
    now = life.ports.clock.now()
    assert next_step(told, now) == Step(command=Command.CANCEL_ENTRY, not_before=now + PLAN.poll)
    assert told.failures == 1


def test_who_is_told_nothing_new_keeps_its_pauses() -> None:
    life = new_life().protected()
    tired = replace(life.state, failures=5, exit_reason=ExitReason.FLATTEN)
    assert report(tired, "changed") == report(tired, ExitReason.KILL) == tired


def test_an_order_that_is_started_again_takes_in_what_it_was_told() -> None:
    life = new_life().protected()
    leaving = restarted(life.state, ExitReason.KILL)
    assert (leaving.phase, leaving.exit_reason) == (Phase.EXITING, ExitReason.KILL)
    assert restarted(new_life().state, "changed") == new_life().state
