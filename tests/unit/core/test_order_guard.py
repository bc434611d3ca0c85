"""Edges of extended hours, each on a state made by hand: the open, the end of trading, exits that stand or ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.order_guard import is_of_another_session, must_leave, next_watch
from shared.core.order_states import STALE_KEPT, ExitReason, OrderView, Phase, Role, without_stale
from shared.core.order_steps import Command, Step, next_step
from shared.core.orders import OrderStatus
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.sessions import Hours, hours_of
from shared.core.values import to_price
from tests.support.bars import trading_day
from tests.support.orders import NOW, ON, PLAN
from tests.unit.core.test_order_details import SECOND, bought, seen, state, view

HOURS: Hours = hours_of(trading_day(ON))
OPEN = HOURS.opens_at


def exit_limit(number: int, *, at: timedelta = timedelta(0), filled: int = 0, live: bool = False) -> OrderView:
    """An exit limit; ended ones were cancelled."""
    made = view(Role.EXIT, filled=filled, status=OrderStatus.NEW if live else OrderStatus.CANCELED)
    return replace(made, order_id=f"x{number:02}", updated_at=NOW + at, limit_price=to_price(9.8))


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


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_size_that_shrank_after_approval_stays_when_a_later_price_says_nothing_of_it() -> None:
    sent = state(phase=Phase.SUBMITTING, sized=64, entry_attempt=1)
    assert seen(sent, Command.SUBMIT_ENTRY).sized == 64
    assert seen(sent, Command.SUBMIT_ENTRY, sized=10).sized == 10


def test_the_last_exits_that_ended_unfilled_are_remembered_by_when_they_ended() -> None:
    # Their ids run against their times.
    ended = [exit_limit(99 - n, at=n * SECOND) for n in range(STALE_KEPT + 3)]
    kept = without_stale({order.order_id: order for order in ended})
    assert list(kept) == [order.order_id for order in ended[3:]]


def test_of_exits_that_ended_together_the_ids_decide() -> None:
    ended = [exit_limit(n) for n in reversed(range(STALE_KEPT + 1))]
    assert "x00" not in without_stale({order.order_id: order for order in ended})


def test_exits_that_live_or_sold_and_orders_of_other_kinds_are_never_forgotten() -> None:
    old = -timedelta(hours=1)
    kept = {
        "live": exit_limit(70, at=old, live=True),
        "sold": exit_limit(71, at=old, filled=10),
        "entry": replace(view(Role.ENTRY, status=OrderStatus.CANCELED), updated_at=NOW + old),
        "working": replace(view(Role.ENTRY), updated_at=NOW + old),
        "target": replace(view(Role.TARGET, status=OrderStatus.CANCELED), updated_at=NOW + old),
    }
    ended = {f"x{n:02}": exit_limit(n, at=n * SECOND) for n in range(STALE_KEPT + 5)}
    assert set(without_stale({**kept, **ended})) == {*kept, *list(ended)[5:]}
