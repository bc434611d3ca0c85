"""The decisions' edges, each on a state made by hand: exact times, exact counts, exact words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.approvals import Answer, Answered
from shared.core.order_states import ExitReason, OrderState, OrderView, Phase, Role
from shared.core.order_steps import (
    ARM_PATIENCE,
    CANCEL_PATIENCE,
    CANCELS_TOLD,
    CONFIRM_UNSENT,
    MAX_BACKOFF_DOUBLINGS,
    STOP_ENTERING,
    Command,
    Observation,
    Step,
    ask_exit,
    is_of_another_session,
    must_leave,
    next_step,
    next_watch,
    observe,
    report,
    stop_entering,
    wants_guard,
)
from shared.core.orders import OrderStatus
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.sessions import hours_of
from shared.core.values import Side, to_price
from tests.support.bars import trading_day
from tests.support.orders import AAA, NOW, ON, PLAN, entry_id, exit_id, protect_id
from tests.unit.core.test_orders import ORDER

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(minutes=5)
HOURS = hours_of(trading_day(ON))
OPEN = HOURS.opens_at


def view(role: Role, shares: int = 100, filled: int = 0, status: OrderStatus = OrderStatus.NEW) -> OrderView:
    return OrderView(
        order_id=f"{role}-{shares}-{status}",
        client_order_id=f"{PLAN.intent_id}-{role}",
        role=role,
        status=status,
        qty=Decimal(shares),
        filled_qty=Decimal(filled),
        average_price=Decimal(10) if filled else None,
        updated_at=NOW,
    )


def exit_limit(number: int, *, at: timedelta = timedelta(0), filled: int = 0, live: bool = False) -> OrderView:
    """An exit limit; ended ones were cancelled."""
    made = view(Role.EXIT, filled=filled, status=OrderStatus.NEW if live else OrderStatus.CANCELED)
    return replace(made, order_id=f"x{number:02}", updated_at=NOW + at, limit_price=to_price(9.8))


def state(*orders: OrderView, **changes: object) -> OrderState:
    made = OrderState(plan=PLAN, on=ON, orders={order.order_id: order for order in orders})
    return replace(made, **changes)  # type: ignore[arg-type]


def bought(shares: int = 100) -> OrderView:
    return view(Role.ENTRY, shares, shares, OrderStatus.FILLED)


def seen(of: OrderState, command: Command, at: timedelta = timedelta(0), **changes: object) -> OrderState:
    observation = replace(Observation(at=NOW + at), **changes)  # type: ignore[arg-type]
    return observe(of, Step(command=command), observation)


def looked(of: OrderState, at: timedelta = timedelta(0), **changes: object) -> OrderState:
    """A look that brings back every order as it is known; `changes` are the observation's."""
    return seen(of, Command.LOOK, at, orders=shown(of), **changes)


def shown(of: OrderState) -> tuple[object, ...]:
    """The broker's view of a state's orders."""
    return tuple(
        replace(
            ORDER,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=AAA,
            status=order.status,
            qty=order.qty,
            filled_qty=order.filled_qty,
            filled_average_price=order.average_price,
            limit_price=order.limit_price,
        )
        for order in of.orders.values()
    )


# -- what is next ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Phase.DENIED, Phase.REJECTED])
def test_a_refused_order_asks_once_more_whether_it_was_sent_before_it_closes(outcome: Phase) -> None:
    refused = state(outcome=outcome, seq=1)
    assert next_step(refused, NOW) == Step(command=Command.CLOSE, not_before=NOW + CONFIRM_UNSENT)
    at_once = Step(command=Command.CLOSE)
    assert next_step(replace(refused, seq=0), NOW) == at_once, "nothing was ever tried"
    assert next_step(replace(refused, orders=state(bought()).orders), NOW) == at_once, "it is known what was sent"


@pytest.mark.parametrize("outcome", [Phase.CANCELED, Phase.EXPIRED, Phase.CLOSED])
def test_any_other_end_closes_at_once(outcome: Phase) -> None:
    assert next_step(state(outcome=outcome, seq=1), NOW) == Step(command=Command.CLOSE)


def test_a_protected_order_past_its_time_limit_looks_after_a_poll() -> None:
    late = PLAN.exit_by + timedelta(hours=1)
    guarded = state(bought(), view(Role.STOP), phase=Phase.PROTECTED)
    assert next_step(guarded, late) == Step(command=Command.LOOK, not_before=late + PLAN.poll)


def test_a_protected_order_that_the_broker_has_forgotten_looks_after_a_poll() -> None:
    guarded = state(bought(), view(Role.STOP), phase=Phase.PROTECTED, absences=1)
    assert next_step(guarded, NOW) == Step(command=Command.LOOK, not_before=NOW + PLAN.poll)


def test_an_entry_is_tired_when_its_patience_is_over_and_not_before() -> None:
    working = state(view(Role.ENTRY), phase=Phase.WORKING, attempt_at=NOW)
    patience = timedelta(seconds=PLAN.patience_s)
    assert next_step(working, NOW + patience - SECOND).command is Command.LOOK
    assert next_step(working, NOW + patience).command is Command.CANCEL_ENTRY
    assert next_step(replace(working, attempt_at=None), LATER).command is Command.LOOK


def test_a_cancel_is_asked_again_exactly_when_its_patience_is_over() -> None:
    asked = state(view(Role.ENTRY), phase=Phase.WORKING, is_stopped=True, cancel_at=NOW)
    assert next_step(asked, NOW + CANCEL_PATIENCE - SECOND).command is Command.LOOK
    assert next_step(asked, NOW + CANCEL_PATIENCE).command is Command.CANCEL_ENTRY


@pytest.mark.parametrize(("attempts", "factor"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (9, 16)])
def test_an_exit_limits_patience_doubles_up_to_a_bound(attempts: int, factor: int) -> None:
    limit = replace(view(Role.EXIT), limit_price=Decimal("9.97"))
    leaving = state(bought(), limit, phase=Phase.EXITING, attempt_at=NOW, exit_attempt=attempts)
    patience = timedelta(seconds=PLAN.patience_s) * factor
    assert next_step(leaving, NOW + patience - SECOND).command is Command.LOOK
    assert next_step(leaving, NOW + patience).command is Command.CANCEL_EXITS
    assert factor <= 2**MAX_BACKOFF_DOUBLINGS


def test_an_exit_limit_of_unknown_age_is_left_to_stand() -> None:
    limit = replace(view(Role.EXIT), limit_price=Decimal("9.97"))
    assert next_step(state(bought(), limit, phase=Phase.EXITING), LATER).command is Command.LOOK


def stuck(*, cancels: int = CANCELS_TOLD, sibling: OrderStatus = OrderStatus.CANCELED) -> OrderState:
    legs = (view(Role.TARGET, status=sibling), view(Role.STOP, status=OrderStatus.HELD))
    return state(bought(), *legs, phase=Phase.EXITING, cancels=cancels, cancel_at=NOW)


def test_an_exit_passes_a_sleeping_leg_after_three_cancels_if_its_sibling_is_cancelled() -> None:
    assert next_step(stuck(), NOW).command is Command.SUBMIT_EXIT
    assert next_step(stuck(cancels=CANCELS_TOLD - 1), NOW).command is Command.LOOK
    assert next_step(stuck(sibling=OrderStatus.EXPIRED), NOW).command is Command.LOOK


def test_an_exit_never_passes_a_leg_that_works_or_an_exit_of_its_own() -> None:
    for order in (view(Role.STOP, status=OrderStatus.NEW), view(Role.EXIT, status=OrderStatus.UNKNOWN)):
        waiting = stuck()
        waiting = replace(waiting, orders={**waiting.orders, order.order_id: order})
        assert next_step(waiting, NOW).command is Command.LOOK


# -- the quote is looked at --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before_open_s", "in_s"), [(11, 10), (10, 10), (9, 9), (0, 10), (-1, 10)])
def test_the_next_look_comes_after_the_pause_or_at_the_open(before_open_s: int, in_s: int) -> None:
    now = OPEN - before_open_s * SECOND
    assert next_watch(state(bought(), hours=HOURS), now) == now + in_s * SECOND


def test_an_order_that_knows_no_hours_is_looked_at_after_the_pause_and_never_told_to_leave() -> None:
    assert next_watch(state(bought()), NOW) == NOW + PLAN.guard_poll_s * SECOND
    assert not must_leave(state(bought()), HOURS.ends_at)


def test_a_guarded_position_is_left_from_the_instant_on_that_leaves_the_time_for_it() -> None:
    edge = HOURS.ends_at - LEAVE_BEFORE_CLOSE
    assert must_leave(state(bought(), hours=HOURS), edge)
    assert not must_leave(state(bought(), hours=HOURS), edge - SECOND)


def test_a_look_that_asks_for_nothing_is_quiet_whatever_was_noted_before() -> None:
    held = state(bought(), phase=Phase.GUARDED, hours=HOURS, filled_at=NOW, note="busy", seq=7)
    early = OPEN - timedelta(hours=1) - NOW
    assert seen(held, Command.WATCH, early, hours=HOURS) is held


# -- an exit that stands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent_s", "is_older"), [(-1, True), (0, False), (1, False)])
def test_an_exit_limit_from_before_the_open_is_of_another_session(sent_s: int, is_older: bool) -> None:
    sent = state(bought(), hours=HOURS, attempt_at=OPEN + sent_s * SECOND)
    assert is_of_another_session(sent, OPEN + timedelta(minutes=1)) is is_older
    assert not is_of_another_session(sent, OPEN - SECOND)


@pytest.mark.parametrize(("stands_s", "in_s"), [(0, 5), (20, 5), (40, 10), (200, 50), (240, 60), (1000, 60)])
def test_a_market_exit_is_looked_at_again_after_a_quarter_of_its_age(stands_s: int, in_s: int) -> None:
    market = replace(exit_limit(1, live=True), limit_price=None)
    leaving = state(bought(), market, phase=Phase.EXITING, exit_reason=ExitReason.KILL, attempt_at=NOW)
    now = NOW + stands_s * SECOND
    assert next_step(leaving, now) == Step(command=Command.LOOK, not_before=now + in_s * SECOND)


def test_an_exit_whose_sending_is_not_known_is_looked_at_after_a_poll() -> None:
    market = replace(exit_limit(1, live=True), limit_price=None)
    leaving = state(bought(), market, phase=Phase.EXITING, exit_reason=ExitReason.KILL)
    assert next_step(leaving, NOW).not_before == NOW + PLAN.poll


@pytest.mark.parametrize(("stands_s", "in_s"), [(23, 5.75), (24, 6), (25, 5), (28, 5)])
def test_an_exit_limit_is_looked_at_again_before_its_patience_ends(stands_s: int, in_s: float) -> None:
    leaving = state(
        bought(), exit_limit(1, live=True), phase=Phase.EXITING, exit_reason=ExitReason.KILL, attempt_at=NOW
    )
    now = NOW + stands_s * SECOND
    assert next_step(replace(leaving, exit_attempt=1), now).not_before == now + in_s * SECOND


@pytest.mark.parametrize("sent_before", [23 * SECOND, timedelta(hours=1)])
def test_guards_whose_cancel_is_under_way_are_looked_at_after_every_poll(sent_before: timedelta) -> None:
    """Whenever the entry was sent: what is waited for is the cancel."""
    leaving = state(
        bought(),
        view(Role.STOP),
        phase=Phase.EXITING,
        exit_reason=ExitReason.KILL,
        attempt_at=NOW - sent_before,
        cancel_at=NOW,
        cancels=1,
    )
    assert next_step(leaving, NOW + SECOND) == Step(command=Command.LOOK, not_before=NOW + SECOND + PLAN.poll)


def test_over_night_the_next_look_is_at_the_premarket_or_a_poll_later() -> None:
    leaving = state(bought(), phase=Phase.EXITING, exit_reason=ExitReason.KILL, hours=HOURS)
    night = HOURS.starts_at - timedelta(hours=3)
    assert next_step(leaving, night).not_before == HOURS.starts_at
    assert next_step(leaving, HOURS.starts_at - SECOND).not_before == HOURS.starts_at - SECOND + PLAN.poll


# -- what is asked from outside ----------------------------------------------------------------------------------------


def test_asking_to_leave_lets_the_next_cancel_go_at_once() -> None:
    asked = ask_exit(state(bought(), view(Role.STOP), cancel_at=NOW, cancels=2), ExitReason.KILL)
    assert (asked.phase, asked.cancel_at, asked.cancels) == (Phase.EXITING, None, 0)


@pytest.mark.parametrize(("phase", "orders"), [(Phase.SUBMITTING, ()), (Phase.FILLED, (bought(),))])
def test_asking_to_leave_while_an_answer_is_owed_waits_for_it(phase: Phase, orders: tuple[OrderView, ...]) -> None:
    owed = state(*orders, phase=phase, failures=1)
    asked = ask_exit(owed, ExitReason.KILL)
    assert (asked.phase, asked.outcome, asked.exit_reason) == (phase, None, ExitReason.KILL)


def test_asking_to_leave_when_no_answer_is_owed_acts_at_once() -> None:
    assert ask_exit(state(bought(), phase=Phase.FILLED), ExitReason.KILL).phase is Phase.EXITING
    assert ask_exit(state(phase=Phase.SUBMITTING), ExitReason.KILL).outcome is Phase.CANCELED
    guarded = state(bought(), view(Role.STOP), phase=Phase.PROTECTED, failures=1)
    assert ask_exit(guarded, ExitReason.KILL).phase is Phase.EXITING


def test_stopping_what_is_decided_or_stopped_changes_nothing() -> None:
    for settled in (state(outcome=Phase.EXPIRED), state(bought(), phase=Phase.FILLED, is_stopped=True)):
        assert report(settled, STOP_ENTERING) == settled


@pytest.mark.parametrize("outcome", [Phase.DENIED, Phase.REJECTED])
def test_an_order_that_was_refused_and_is_about_to_end_keeps_in_mind_that_nothing_is_to_be_entered(
    outcome: Phase,
) -> None:
    """Another host may have sent its entry: found at the last look, that is cancelled at once."""
    told = report(state(outcome=outcome), STOP_ENTERING)
    assert (told.outcome, told.is_stopped) == (outcome, True)
    seen = replace(told, outcome=None, phase=Phase.WORKING, orders={"o1": view(Role.ENTRY)})
    assert next_step(seen, NOW).command is Command.CANCEL_ENTRY


# -- what a command brought back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "phase", "outcome", "note"),
    [
        (Answer.APPROVE, Phase.PLANNED, None, "approved by me"),
        (Answer.REFUSE, Phase.APPROVAL_PENDING, Phase.DENIED, "APPROVAL refused by me"),
        (Answer.NOBODY, Phase.APPROVAL_PENDING, Phase.DENIED, "APPROVAL deadline passed"),
    ],
)
def test_an_answer_is_noted_in_words_and_kept_and_the_first_counts(
    answer: Answer, phase: Phase, outcome: Phase | None, note: str
) -> None:
    waiting = OrderState(plan=replace(PLAN, approve_by=NOW), on=ON, phase=Phase.APPROVAL_PENDING)
    given = Answered(answer=answer, by="me", reason="as planned", at=NOW)
    after = seen(waiting, Command.LOOK, answered=given)
    assert (after.phase, after.outcome, after.note, after.answered) == (phase, outcome, note, given)
    assert after.why == ("" if outcome is None else note)
    other = replace(given, answer=Answer.REFUSE, by="you")
    assert seen(after, Command.LOOK, answered=other).answered == given


def test_a_look_that_finds_no_answer_leaves_the_order_waiting() -> None:
    waiting = OrderState(plan=replace(PLAN, approve_by=NOW), on=ON, phase=Phase.APPROVAL_PENDING)
    assert (looked(waiting).outcome, looked(waiting).phase) == (None, Phase.APPROVAL_PENDING)


def test_why_an_order_came_to_nothing_outlives_the_steps_that_close_it() -> None:
    denied = seen(state(), Command.SUBMIT_ENTRY, denied="SLIPPAGE ask 11")
    failed = seen(denied, Command.CLOSE, failed="TransientError: down")
    closed = seen(failed, Command.CLOSE)
    assert (failed.note, closed.note, closed.phase) == ("TransientError: down", "", Phase.DENIED)
    assert denied.why == failed.why == closed.why == "SLIPPAGE ask 11"


def test_a_deadline_means_nothing_to_an_order_that_was_approved() -> None:
    working = replace(state(view(Role.ENTRY), phase=Phase.WORKING), plan=replace(PLAN, approve_by=NOW - SECOND))
    assert looked(working).outcome is None


def test_an_entry_that_was_sent_starts_its_patience_and_forgets_old_cancels() -> None:
    sent = seen(state(cancel_at=NOW, cancels=2), Command.SUBMIT_ENTRY, SECOND)
    assert (sent.phase, sent.attempt_at, sent.cancel_at, sent.cancels) == (Phase.SUBMITTING, NOW + SECOND, None, 0)


def test_a_size_that_shrank_after_approval_stays_when_a_later_price_says_nothing_of_it() -> None:
    sent = state(phase=Phase.SUBMITTING, sized=64, entry_attempt=1)
    assert seen(sent, Command.SUBMIT_ENTRY).sized == 64
    assert seen(sent, Command.SUBMIT_ENTRY, sized=10).sized == 10


def test_a_failure_makes_a_planned_order_a_submitting_one_and_no_other() -> None:
    assert seen(state(), Command.SUBMIT_ENTRY, failed="x").phase is Phase.SUBMITTING
    assert seen(state(bought(), phase=Phase.FILLED), Command.LOOK, failed="x").phase is Phase.FILLED


def test_an_entry_found_at_the_close_is_carried_on_with_as_if_sent_now() -> None:
    ended = state(outcome=Phase.DENIED, why="SPREAD", cancel_at=NOW, cancels=2)
    found = replace(ORDER, client_order_id=entry_id())
    on = seen(ended, Command.CLOSE, SECOND, orders=(found,))
    assert (on.outcome, on.phase, on.attempt_at) == (None, Phase.WORKING, NOW + SECOND)
    assert (on.cancel_at, on.cancels, on.why) == (None, 0, "")
    assert seen(ended, Command.CLOSE).phase is Phase.DENIED


@pytest.mark.parametrize(
    ("command", "name"), [(Command.PROTECT, "protect_attempt"), (Command.SUBMIT_EXIT, "exit_attempt")]
)
def test_an_id_is_used_up_when_the_broker_has_answered_for_it(command: Command, name: str) -> None:
    holding = replace(state(bought(), phase=Phase.FILLED), **{name: 4})  # type: ignore[arg-type]
    answered = replace(ORDER, order_id="new", client_order_id=protect_id(4))
    assert getattr(seen(holding, command), name) == 4
    assert getattr(seen(holding, command, orders=(answered,)), name) == 5
    assert getattr(seen(holding, command, rejected="no"), name) == 5


def test_a_pair_that_any_step_brings_back_has_used_up_its_id() -> None:
    leaving = state(bought(), phase=Phase.EXITING, exit_reason=ExitReason.KILL, protect_attempt=4)
    found = replace(ORDER, order_id="new", client_order_id=protect_id(4), side=Side.SELL, order_class="oco")
    assert seen(leaving, Command.SUBMIT_EXIT, orders=(found,), rejected="no").protect_attempt == 5
    assert seen(leaving, Command.LOOK, orders=(replace(found, client_order_id=protect_id(3)),)).protect_attempt == 4


def test_a_refused_exit_is_counted_and_ends_the_failures_before_it() -> None:
    leaving = state(bought(), phase=Phase.EXITING, exit_reason=ExitReason.KILL, failures=2, refusals=1)
    refused = seen(leaving, Command.SUBMIT_EXIT, rejected="no")
    assert (refused.refusals, refused.failures) == (2, 0)
    assert seen(leaving, Command.SUBMIT_EXIT).refusals == 1
    assert seen(leaving, Command.CANCEL_EXITS, rejected="no").refusals == 1
    assert seen(leaving, Command.PROTECT, rejected="no").refusals == 1


def test_a_refusal_behind_which_an_order_of_ours_stands_is_no_rule_and_its_cancel_is_asked_for_at_once() -> None:
    leaving = state(bought(), phase=Phase.EXITING, exit_reason=ExitReason.KILL, cancel_at=NOW)
    found = replace(ORDER, order_id="new", client_order_id=protect_id(), side=Side.SELL, order_class="oco")
    refused = seen(leaving, Command.SUBMIT_EXIT, orders=(found,), rejected="no")
    assert (refused.refusals, refused.cancel_at) == (0, None)
    assert next_step(refused, NOW).command is Command.CANCEL_EXITS
    assert seen(leaving, Command.SUBMIT_EXIT, rejected="no").cancel_at == NOW
    assert seen(leaving, Command.SUBMIT_EXIT, orders=(found,)).cancel_at == NOW


SALE = replace(
    ORDER, order_id=view(Role.EXIT).order_id, client_order_id=exit_id(), side=Side.SELL, order_class="simple"
)


def test_an_exit_that_is_rejected_after_it_was_taken_counts_once() -> None:
    leaving = state(bought(), view(Role.EXIT), phase=Phase.EXITING, exit_reason=ExitReason.KILL, attempt_at=NOW)
    rejected = seen(leaving, Command.LOOK, orders=(replace(SALE, status=OrderStatus.REJECTED),))
    assert rejected.refusals == 1
    assert seen(rejected, Command.LOOK, orders=(replace(SALE, status=OrderStatus.REJECTED),)).refusals == 1
    assert seen(leaving, Command.LOOK, orders=(replace(SALE, status=OrderStatus.CANCELED),)).refusals == 0
    assert next_step(rejected, NOW).not_before == NOW + PLAN.poll
    again = seen(leaving, Command.LOOK, orders=(replace(SALE, order_id="x", status=OrderStatus.REJECTED),))
    assert again.refusals == 1, "also one that was never seen alive"
    entry = replace(SALE, order_id="e", side=Side.BUY, status=OrderStatus.REJECTED)
    assert seen(leaving, Command.LOOK, orders=(entry,)).refusals == 0


def test_shares_sold_end_the_count_of_refusals() -> None:
    leaving = state(bought(), view(Role.EXIT), phase=Phase.EXITING, exit_reason=ExitReason.KILL, refusals=4)
    part = replace(SALE, filled_qty=Decimal(1), filled_average_price=Decimal(10), status=OrderStatus.PARTIALLY_FILLED)
    assert seen(leaving, Command.LOOK, orders=(part,)).refusals == 0
    assert seen(leaving, Command.LOOK, orders=(replace(part, filled_qty=Decimal(0)),)).refusals == 4


def refused(refusals: int, **changes: object) -> OrderState:
    """Wants out, and was refused so often, the last time now."""
    leaving = state(bought(), phase=Phase.EXITING, exit_reason=ExitReason.KILL, attempt_at=NOW, exit_attempt=refusals)
    return replace(leaving, refusals=refusals, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("refusals", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 80), (60, 80)])
def test_a_refused_exit_waits_ever_longer_from_the_last_try(refusals: int, seconds: int) -> None:
    bare = refused(refusals, protect_at=NOW)
    tried = Step(
        command=Command.SUBMIT_EXIT,
        client_order_id=exit_id(refusals),
        qty=Decimal(100),
        not_before=NOW + seconds * SECOND,
    )
    assert next_step(bare, NOW) == tried
    assert next_step(bare, NOW + SECOND) == tried, "a look between does not put it off"
    assert next_step(replace(bare, refusals=0), NOW).not_before is None


def test_what_was_refused_three_times_is_guarded_once_for_each_try() -> None:
    pair = Step(command=Command.PROTECT, client_order_id=protect_id(), qty=Decimal(100))
    assert next_step(refused(2), NOW).command is Command.SUBMIT_EXIT
    assert next_step(refused(3), NOW) == pair
    assert next_step(refused(3, protect_at=NOW - SECOND), NOW) == pair
    assert next_step(refused(3, protect_at=NOW), NOW).command is Command.SUBMIT_EXIT
    assert next_step(refused(3, attempt_at=None), NOW).command is Command.SUBMIT_EXIT
    asked = seen(refused(3), Command.PROTECT, rejected="no")
    assert (asked.exit_reason, asked.protect_at) == (ExitReason.KILL, NOW)
    assert next_step(asked, NOW).command is Command.SUBMIT_EXIT


def test_no_pair_is_asked_for_where_none_exists_or_a_sale_still_stands() -> None:
    assert not wants_guard(refused(3, hours=HOURS), HOURS.closes_at)
    assert wants_guard(refused(3, hours=HOURS), NOW)
    assert not wants_guard(replace(refused(3), orders=state(bought(), view(Role.STOP)).orders), NOW)


def test_under_its_guard_a_refused_exit_is_tried_again_after_a_longer_pause_and_looked_at_between() -> None:
    guarded = replace(refused(3), orders=state(bought(), view(Role.STOP), view(Role.TARGET, 99)).orders)
    again = 4 * timedelta(seconds=PLAN.patience_s)
    assert next_step(guarded, NOW) == Step(command=Command.LOOK, not_before=NOW + PLAN.poll)
    half = NOW + again / 2
    assert next_step(guarded, half) == Step(command=Command.LOOK, not_before=half + again / 8)
    assert next_step(guarded, NOW + again - SECOND).command is Command.LOOK
    assert next_step(guarded, NOW + again).command is Command.CANCEL_EXITS
    target = replace(refused(3), orders=state(bought(), view(Role.TARGET)).orders)
    assert next_step(target, NOW).command is Command.CANCEL_EXITS, "a target alone guards against nothing"
    assert next_step(replace(guarded, refusals=2), NOW).command is Command.CANCEL_EXITS
    assert next_step(replace(guarded, attempt_at=None), NOW).command is Command.CANCEL_EXITS
    often = replace(guarded, refusals=60, exit_attempt=60)
    assert next_step(often, NOW + timedelta(minutes=8)).command is Command.CANCEL_EXITS, "eight minutes at most"


def test_one_who_wants_out_while_a_pairs_answer_is_lost_waits_for_what_a_look_says() -> None:
    for phase in (Phase.SUBMITTING, Phase.FILLED, Phase.GUARDED):
        unsure = state(bought(), phase=phase, failures=1)
        assert ask_exit(unsure, ExitReason.KILL).phase is phase
        assert ask_exit(replace(unsure, failures=0), ExitReason.KILL).phase is Phase.EXITING
    assert ask_exit(state(bought(), phase=Phase.PROTECTED, failures=1), ExitReason.KILL).phase is Phase.EXITING


def test_cancels_are_counted_on_over_an_exit_only_while_a_guard_stands() -> None:
    assert seen(stuck(), Command.SUBMIT_EXIT).cancels == CANCELS_TOLD
    exiting = state(bought(), view(Role.EXIT), phase=Phase.EXITING, cancels=2)
    assert seen(exiting, Command.SUBMIT_EXIT).cancels == 0


def test_a_cancel_is_counted_and_timed() -> None:
    asked = state(view(Role.ENTRY), phase=Phase.WORKING, cancels=1)
    after = seen(asked, Command.CANCEL_ENTRY, SECOND, orders=shown(asked))
    assert (after.cancels, after.cancel_at) == (2, NOW + SECOND)


def test_a_new_price_starts_with_no_cancels() -> None:
    over = state(view(Role.ENTRY, status=OrderStatus.CANCELED), phase=Phase.WORKING, cancel_at=NOW, cancels=1)
    after = looked(over)
    assert (after.phase, after.entry_attempt, after.cancel_at, after.cancels) == (Phase.SUBMITTING, 1, None, 0)


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_bare_position_is_left_exactly_when_its_patience_is_over() -> None:
    bare = state(bought(), view(Role.TARGET), phase=Phase.FILLED, filled_at=NOW, cancel_at=NOW, cancels=2)
    assert looked(bare, ARM_PATIENCE - SECOND).exit_reason is None
    left = looked(bare, ARM_PATIENCE)
    assert (left.exit_reason, left.cancel_at, left.cancels) == (ExitReason.UNPROTECTED, None, 0)


def test_one_share_is_a_position() -> None:
    assert looked(state(bought(1), phase=Phase.FILLED)).outcome is None


@pytest.mark.parametrize(("target", "stop", "reason"), [(60, 40, "TARGET"), (50, 50, "TARGET"), (40, 60, "STOP")])
def test_the_leg_that_sold_more_says_why_it_closed(target: int, stop: int, reason: str) -> None:
    legs = (view(Role.TARGET, target, target, OrderStatus.FILLED), view(Role.STOP, stop, stop, OrderStatus.FILLED))
    assert looked(state(bought(), *legs)).exit_reason == reason


def test_an_order_that_is_over_takes_no_stop_in() -> None:
    over = state(outcome=Phase.DENIED, phase=Phase.DENIED)
    assert stop_entering(over) is over
