"""Group 3: what can happen to a position's guards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.errors import BrokerError
from shared.core.ledger import Ledger, Unexplained, names
from shared.core.order_states import ExitReason, Phase
from shared.core.order_steps import ARM_PATIENCE, CANCELS_TOLD, REFUSALS_TOLD
from shared.core.orders import OrderClass, OrderStatus
from shared.core.values import Side
from shared.stages.base.ledger import load_ledger, update_ledger
from simulation.market.tape import Halt
from tests.support.orders import AAA, NOW, ON, PLAN, Life, entry_id, exit_id, new_life, protect_id
from tests.support.tape import ny
from tests.support.venue_life import day_of, venue_life


def ledger(life: Life) -> Ledger:
    stored = load_ledger(life.ports)
    assert stored is not None
    return stored.value


def left(life: Life, reason: ExitReason) -> None:
    """The position was sold by an exit of our own, nothing is left behind."""
    life.until(lambda state: state.exit_attempt >= 1)
    life.ports.broker.fill(life.submitted[-1])
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.held) == (Phase.CLOSED, reason, Decimal(0))
    assert life.ports.broker.held(AAA) == 0
    assert life.ports.broker.live(Side.SELL) == []


def test_a_fill_seen_late_is_protected_from_the_fill_and_not_from_the_look() -> None:
    """The bracket's legs arm at the broker at once; the lifecycle only learns of it."""
    life = new_life(patience_s=3600)
    life.step()
    life.ports.broker.fill(entry_id())
    life.ports.broker.outage = None
    life.ports.clock.pass_by(timedelta(minutes=10))
    life.look()
    assert (life.state.phase, life.state.filled_at) == (Phase.PROTECTED, NOW + timedelta(minutes=10))


def test_a_partial_entry_arms_no_legs_and_gets_a_pair_of_its_own() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.step()
    legs = [o.status for o in life.state.orders.values() if o.role.value in {"stop", "target"}]
    assert legs == [OrderStatus.HELD, OrderStatus.HELD], "unarmed"
    life.until(lambda state: state.phase is Phase.PROTECTED)
    pair = life.ports.broker.requests[-1]
    assert (pair.client_order_id, pair.qty, pair.stop_price) == (protect_id(), Decimal(40), PLAN.stop_price)


def test_a_stop_leg_that_was_silently_never_created_closes_the_position() -> None:
    """alpaca-py issue 289."""
    life = new_life()
    life.ports.broker.legs_made = ("target",)
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    assert life.state.phase is Phase.FILLED, "the target works, which guards nothing"
    filled_at = life.ports.clock.now()
    life.until(lambda state: state.phase is Phase.EXITING)
    assert life.ports.clock.now() - filled_at <= ARM_PATIENCE + timedelta(seconds=PLAN.poll_s)
    left(life, ExitReason.UNPROTECTED)
    assert life.ports.broker.find(entry_id(), "target").status is OrderStatus.CANCELED


def test_a_stop_leg_that_was_there_and_is_no_longer_shown_closes_the_position() -> None:
    life = new_life().protected()
    del life.ports.broker.book["o1-stop"]
    seen_at = life.ports.clock.now()
    life.look()
    life.until(lambda state: state.phase is Phase.EXITING)
    assert life.ports.clock.now() - seen_at <= timedelta(seconds=60)
    assert [row["kind"] for row in life.ports.rows("incidents", ON).values()] == ["order-lost"]
    left(life, ExitReason.UNPROTECTED)


def test_a_siblings_cancel_that_is_never_reported_does_not_keep_a_sold_position_open() -> None:
    """alpaca-py issue 198: the target has filled, the stop still shows held."""
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), leg="target", price="10.40", rival_sleeps=True)
    life.look()
    state = life.to_end()
    assert (state.phase, state.exit_reason) == (Phase.CLOSED, ExitReason.TARGET)
    assert "o1-stop" in life.ports.broker.cancels, "asked for once more, should it stand"


def test_a_legs_cancel_that_is_never_reported_does_not_keep_an_exit_waiting() -> None:
    life = new_life().protected()
    life.ports.broker.silent_cancels.add("o1-stop")
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    assert life.state.cancels == CANCELS_TOLD
    assert life.ports.broker.find(entry_id(), "stop").status is OrderStatus.HELD
    assert [row["kind"] for row in life.ports.rows("incidents", ON).values()] == ["cancel-hangs"]
    life.ports.broker.silent_cancels.clear()
    left(life, ExitReason.FLATTEN)


def test_an_exit_that_a_leg_still_blocks_is_refused_by_the_broker_and_tried_again() -> None:
    life = new_life().protected()
    life.ports.broker.silent_cancels.add("o1-stop")
    life.ask()
    life.until(lambda state: state.cancels == CANCELS_TOLD)
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, "insufficient qty available")
    life.until(lambda state: state.exit_attempt == 1)
    assert life.state.live_sells[0].order_id == "o1-stop"
    life.ports.broker.silent_cancels.clear()
    life.until(lambda state: state.exit_attempt == 2)
    left(life, ExitReason.FLATTEN)


def test_two_hanging_cancels_are_waited_for() -> None:
    """Neither leg is known to be cancelled: an exit now could sell twice."""
    life = new_life().protected()
    life.ports.broker.hangs = True
    life.ask()
    life.until(lambda state: state.cancels == CANCELS_TOLD + 1)
    assert life.submitted == [entry_id()]
    life.ports.broker.settle_cancels()
    left(life, ExitReason.FLATTEN)


def test_two_hanging_cancels_of_a_pair_put_back_are_waited_for_though_an_earlier_pair_is_cancelled() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = lambda request: "rule" if request.order_class is OrderClass.SIMPLE else ""
    life.ask()
    life.until(lambda state: state.refusals == REFUSALS_TOLD and state.is_guarded)
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancels == CANCELS_TOLD)
    tries = life.state.exit_attempt
    life.until(lambda state: state.cancels == CANCELS_TOLD + 1)
    assert (life.state.exit_attempt, life.ports.broker.oversells) == (tries, 0)
    life.ports.broker.refuses = lambda _: ""
    life.ports.broker.settle_cancels()
    life.until(lambda state: state.exit_attempt > tries)
    life.ports.broker.fill(life.submitted[-1])
    assert life.to_end().sold == 100


def test_a_rejected_stop_leg_closes_the_position() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id())
    life.ports.broker.say(entry_id(), OrderStatus.REJECTED, leg="stop")
    life.until(lambda state: state.phase is Phase.EXITING)
    left(life, ExitReason.UNPROTECTED)


def test_a_rejected_target_leaves_the_stop_to_guard_until_the_time_limit() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id())
    life.ports.broker.say(entry_id(), OrderStatus.NEW, leg="stop")
    life.ports.broker.say(entry_id(), OrderStatus.REJECTED, leg="target")
    life.step()
    assert life.state.phase is Phase.PROTECTED
    life.step()
    assert life.ports.clock.now() == PLAN.exit_by
    left(life, ExitReason.TIME_LIMIT)


def test_a_refused_pair_closes_the_position() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.FILLED)
    life.ports.broker.refusals["submit"] = BrokerError(422, 42210000, "stop price must be below the market")
    left(life, ExitReason.UNPROTECTED)


def test_both_legs_filling_is_a_short_that_halts_entries_until_a_person_resumes() -> None:
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), 70, "10.40", leg="target", rival_sleeps=True)
    life.ports.broker.fill(entry_id(), 60, "9.80", leg="stop")
    life.look()
    state = life.to_end()
    assert (state.phase, state.bought, state.sold) == (Phase.CLOSED, Decimal(100), Decimal(130))
    assert names(ledger(life).unexplained) == "30 AAA sold beyond what was held"
    (row,) = life.ports.rows("incidents", ON).values()
    assert (row["kind"], row["title"]) == ("oversold", "AAA: 30 AAA sold beyond what was held")
    assert "Buy the short back" in str(row["body"])


def test_a_short_does_not_hide_an_earlier_difference() -> None:
    life = new_life().protected()
    account = life.ports.broker.account()
    update_ledger(
        life.ports, ON, account, lambda found: replace(found, unexplained=(Unexplained.parse("position in MSFT"),))
    )
    life.ports.broker.fill(entry_id(), 100, "10.40", leg="target", rival_sleeps=True)
    life.ports.broker.fill(entry_id(), 1, "9.80", leg="stop")
    life.look()
    assert life.to_end().phase is Phase.CLOSED
    assert names(ledger(life).unexplained) == "position in MSFT; 1 AAA sold beyond what was held"
    assert ledger(life).reservations == ()


def test_a_sound_end_leaves_no_incident_and_no_halt() -> None:
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    life.look()
    life.to_end()
    assert ledger(life).unexplained == ()
    assert life.ports.rows("incidents", ON) == {}


def test_a_stop_that_gaps_through_its_price_sells_at_the_market_and_says_so() -> None:
    life = venue_life(day_of({"09:30": 10.00, "10:20": 9.20}))
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.sleep_until(ny(ON, "10:30"))
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.STOP, Decimal(100))
    assert state.realised < Decimal(-70), "the stop stood at 9.80"
    slips = [row["slippage_bp"] for row in life.ports.rows("fills", ON).values() if row["role"] == "stop"]
    assert min(float(str(slip)) for slip in slips) > 600


def test_a_stop_through_a_halt_sells_at_the_reopening() -> None:
    halt = Halt(symbol="AAA", start_at=ny(ON, "10:10"), end_at=ny(ON, "10:25"), reason="volatility")
    life = venue_life(day_of({"09:30": 10.00, "10:10": 9.00}), halts=[halt])
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.sleep_until(ny(ON, "10:24"))
    assert life.state.phase is Phase.PROTECTED, "nothing can be sold in a halt"
    life.sleep_until(ny(ON, "10:40"))
    state = life.to_end()
    assert (state.exit_reason, state.held) == (ExitReason.STOP, Decimal(0))


def test_more_than_is_held_is_never_sent_for_sale() -> None:
    life = new_life().protected()
    life.ports.broker.sold_elsewhere[AAA] = 60
    life.ask()
    life.until(lambda state: state.exit_attempt == 1 or state.phase.is_over)
    assert [r.qty for r in life.ports.broker.requests if r.side is Side.SELL] == [40]
    assert life.ports.broker.oversells == 0
    life.ports.broker.fill(exit_id())
    assert life.to_end().written_off == 60


@pytest.mark.parametrize("session_end", ["16:00", "20:00"])
def test_nothing_guards_itself_overnight_because_every_position_is_left_before_the_close(session_end: str) -> None:
    """No order carries over a close: brackets and pairs are day orders, and supervise flattens ten minutes before."""
    life = new_life().protected()
    assert {request.time_in_force.value for request in life.ports.broker.requests} == {"day"}
    assert PLAN.exit_by < ny(ON, session_end)
