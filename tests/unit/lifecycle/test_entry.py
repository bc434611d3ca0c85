"""Group 2: what can happen to an entry that works."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.order_states import ExitReason, Phase
from shared.core.orders import OrderStatus
from shared.core.values import Side
from shared.ports import Broker
from tests.support.orders import AAA, NOW, PLAN, Life, entry_id, exit_id, new_life, protect_id


def guarded(life: Life, shares: Decimal | int) -> None:
    """What is held is what was bought, and a pair of our own or the bracket covers it."""
    assert (life.state.phase, life.state.held) == (Phase.PROTECTED, Decimal(shares))
    assert life.ports.broker.held(AAA) == shares
    assert life.ports.broker.live(Side.BUY) == []


def test_a_partial_fill_that_stalls_is_cancelled_and_what_is_held_protected() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    guarded(life, 40)
    assert life.submitted == [entry_id(), protect_id()]
    assert life.ports.clock.now() - NOW <= timedelta(seconds=PLAN.patience_s + 3 * PLAN.poll_s)


def test_a_partial_fill_before_a_flatten_is_sold() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    assert life.ports.broker.requests[-1].qty == 40
    life.ports.broker.fill(exit_id())
    assert life.to_end().phase is Phase.CLOSED


def test_a_fill_while_the_cancel_is_under_way_is_kept_and_protected() -> None:
    life = new_life()
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancels == 1)
    life.ports.broker.fill(entry_id())
    life.step()
    guarded(life, 100)


def test_a_part_filled_while_the_cancel_is_under_way_is_kept_and_protected() -> None:
    life = new_life()
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancels == 1)
    life.ports.broker.fill(entry_id(), 70)
    life.ports.broker.end("o1", OrderStatus.CANCELED)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    guarded(life, 70)


def test_a_fill_between_the_last_look_and_the_new_price_is_never_doubled() -> None:
    """The old entry is final before a new one is sent: a fill that races the repricing finds nothing to race with."""
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    first = life.ports.broker.find(entry_id())
    assert first.status is OrderStatus.CANCELED
    life.step()
    life.ports.broker.fill(entry_id(1))
    life.step()
    guarded(life, PLAN.qty)


def test_a_replace_that_reuses_the_original_quantity_is_impossible() -> None:
    """The broker port knows no replace, and a new price is only sent where nothing was bought."""
    assert not hasattr(Broker, "replace")
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 60)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    assert [r.qty for r in life.ports.broker.requests if r.side is Side.BUY] == [100]
    guarded(life, 60)


def test_a_cancel_stuck_in_pending_cancel_keeps_the_order_in_sight_until_it_is_done() -> None:
    life = new_life(max_reprices=0)
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancels == 2)
    assert life.state.phase is Phase.WORKING
    life.ports.broker.settle_cancels()
    assert life.to_end().phase is Phase.CANCELED


@pytest.mark.parametrize("status", [OrderStatus.DONE_FOR_DAY, OrderStatus.EXPIRED])
def test_an_entry_done_for_the_day_or_expired_is_priced_anew_or_ends(status: OrderStatus) -> None:
    life = new_life(max_reprices=1)
    life.step()
    life.ports.broker.end("o1", status)
    life.until(lambda state: state.entry_attempt == 1)
    life.until(lambda state: state.phase is Phase.WORKING)
    life.ports.broker.end(life.ports.broker.find(entry_id(1)).order_id, status)
    assert life.to_end().phase is Phase.CANCELED
    assert life.submitted == [entry_id(), entry_id(1)]


@pytest.mark.parametrize("status", [OrderStatus.DONE_FOR_DAY, OrderStatus.EXPIRED])
def test_what_an_entry_bought_before_it_expired_is_protected(status: OrderStatus) -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 30)
    life.ports.broker.end("o1", status)
    life.until(lambda state: state.phase is Phase.PROTECTED)
    guarded(life, 30)


ODD = (OrderStatus.SUSPENDED, OrderStatus.UNKNOWN, OrderStatus.CALCULATED, OrderStatus.STOPPED, OrderStatus.HELD)


@pytest.mark.parametrize("status", ODD)
def test_a_suspended_or_unknown_status_is_live_and_cancelled_after_the_patience(status: OrderStatus) -> None:
    life = new_life(max_reprices=0)
    life.step()
    life.ports.broker.say(entry_id(), status)
    assert life.to_end().phase is Phase.CANCELED
    assert life.ports.broker.cancels == ["o1"]


@pytest.mark.parametrize("status", ODD)
def test_a_suspended_or_unknown_entry_that_fills_after_all_is_protected(status: OrderStatus) -> None:
    life = new_life()
    life.step()
    life.ports.broker.say(entry_id(), status)
    life.step()
    assert life.state.phase is Phase.WORKING
    life.ports.broker.fill(entry_id())
    life.step()
    guarded(life, 100)


@pytest.mark.parametrize("reason", [ExitReason.FLATTEN, ExitReason.KILL])
def test_an_entry_whose_status_is_unknown_is_cancelled_when_someone_wants_out(reason: ExitReason) -> None:
    life = new_life()
    life.step()
    life.ports.broker.say(entry_id(), OrderStatus.UNKNOWN)
    life.step()
    life.ask(reason)
    state = life.to_end()
    assert (state.phase, state.exit_reason) == (Phase.CANCELED, reason)
