"""What a state keeps of what the broker shows, and what it gives up of what the broker shows no more."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.order_states import (
    CONFIRM_MISSING,
    STALE_KEPT,
    ExitReason,
    OrderView,
    Phase,
    Role,
    merge,
    without_stale,
)
from shared.core.order_steps import Command
from shared.core.orders import OrderStatus
from tests.support.orders import NOW, PLAN, entry_id, new_life
from tests.unit.core.test_order_details import SECOND, bought, exit_limit, looked, seen, state, view
from tests.unit.core.test_orders import ORDER


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qty": Decimal(0)}, "qty must be finite and > 0, got Decimal('0')"),
        ({"expires_at": NOW.replace(tzinfo=None)}, "expires_at must be an aware UTC datetime"),
        ({"exit_by": NOW.replace(tzinfo=None)}, "exit_by must be an aware UTC datetime"),
    ],
)
def test_a_plan_names_what_is_wrong_with_it(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        replace(PLAN, **changes)  # type: ignore[arg-type]
    assert replace(PLAN, qty=Decimal(1)).qty == 1


def test_value_of_nothing_is_money() -> None:
    assert isinstance(state().value(Role.ENTRY), Decimal)


# -- what the broker shows ---------------------------------------------------------------------------------------------


def test_fills_never_shrink_and_a_final_status_stays_final() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 60, "10.00")
    order = life.ports.broker.order(entry_id())
    assert order is not None
    known = merge({}, [replace(order, status=OrderStatus.CANCELED)])
    liar = replace(order, filled_qty=Decimal(10), filled_average_price=Decimal(99), status=OrderStatus.NEW)
    view = merge(known, [liar])[order.order_id]
    assert (view.filled_qty, view.average_price, view.status) == (Decimal(60), Decimal("10.00"), OrderStatus.CANCELED)
    fuller = merge(known, [replace(order, filled_qty=Decimal(70), status=OrderStatus.FILLED)])[order.order_id]
    assert (fuller.filled_qty, fuller.status) == (Decimal(70), OrderStatus.FILLED)


def test_roles_are_told_by_side_class_and_stop() -> None:
    life = new_life().protected()
    assert {v.order_id: v.role for v in life.state.orders.values()} == {
        "o1": Role.ENTRY,
        "o1-target": Role.TARGET,
        "o1-stop": Role.STOP,
    }


def test_a_corrected_average_of_the_same_fill_is_taken_over_and_a_role_stays() -> None:
    known = {"o1": replace(view(Role.TARGET, 10, 5), order_id="o1")}
    told = replace(ORDER, filled_qty=Decimal(5), filled_average_price=Decimal("10.02"))
    after = merge(known, [told])["o1"]
    assert (after.average_price, after.role) == (Decimal("10.02"), Role.TARGET)


# -- exits that ended --------------------------------------------------------------------------------------------------


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


# -- shares that are gone ----------------------------------------------------------------------------------------------


def test_missing_shares_are_believed_exactly_after_the_time_to_confirm() -> None:
    first = seen(state(bought(), phase=Phase.EXITING), Command.SUBMIT_EXIT, held_at_broker=99)
    assert (first.missing_at, first.failures, first.written_off) == (NOW, 1, Decimal(0))
    early = seen(first, Command.SUBMIT_EXIT, CONFIRM_MISSING - SECOND, held_at_broker=99)
    assert (early.missing_at, early.failures, early.written_off) == (NOW, 1, Decimal(0))
    gone = seen(first, Command.SUBMIT_EXIT, CONFIRM_MISSING, held_at_broker=99)
    assert (gone.missing_at, gone.written_off, gone.exit_reason) == (None, Decimal(1), ExitReason.OUTSIDE)


def test_a_short_position_is_not_more_missing_than_all_of_it() -> None:
    first = seen(state(bought(), phase=Phase.EXITING), Command.SUBMIT_EXIT, held_at_broker=-50)
    assert seen(first, Command.SUBMIT_EXIT, CONFIRM_MISSING, held_at_broker=-50).written_off == 100


@pytest.mark.parametrize(
    ("orders", "held"),
    [
        ((bought(),), 100),
        ((bought(), view(Role.EXIT)), 40),
        ((view(Role.ENTRY, 200, 100, OrderStatus.PARTIALLY_FILLED),), 40),
    ],
)
def test_nothing_is_missing_while_it_is_there_or_an_order_works(orders: tuple[OrderView, ...], held: int) -> None:
    suspected = state(*orders, phase=Phase.EXITING, missing_at=NOW)
    after = looked(suspected, CONFIRM_MISSING, held_at_broker=held)
    assert (after.missing_at, after.written_off, after.exit_reason) == (None, Decimal(0), None)
