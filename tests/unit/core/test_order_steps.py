"""The lifecycle's decisions, driven through the real order stage at a broker that does as the test says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from shared.core.errors import BrokerError, TransientError
from shared.core.order_states import ExitReason, OrderState, Phase
from shared.core.order_steps import CANCEL_PATIENCE, Command, Observation, Step, ask_exit, next_step, observe
from shared.core.orders import OrderStatus
from shared.core.values import Side
from shared.stages.base.ledger import load_ledger
from tests.support.orders import NOW, PLAN, Life, entry_id, exit_id, new_life, protect_id
from tests.support.ports import lose_ledger


def phase(life: Life) -> Phase:
    return life.state.phase


def over(life: Life) -> tuple[Phase, ExitReason | None, Decimal, Decimal]:
    state = life.to_end()
    assert state.held == 0
    assert life.ports.broker.live(Side.BUY) == life.ports.broker.live(Side.SELL) == []
    return state.phase, state.exit_reason, state.bought, state.sold


def test_a_good_order_is_bought_protected_and_sold_at_its_target() -> None:
    life = new_life()
    life.step()
    assert phase(life) is Phase.WORKING
    life.ports.broker.fill(entry_id(), price="10.01")
    life.step()
    assert phase(life) is Phase.PROTECTED
    life.ports.broker.fill(entry_id(), price="10.40", leg="target")
    life.look()
    assert over(life) == (Phase.CLOSED, ExitReason.TARGET, Decimal(100), Decimal(100))
    assert life.state.realised == Decimal("39.00")
    assert life.commands == ["submit_entry", "look", "look", "close"]


def test_a_stopped_order_says_so() -> None:
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), price="9.79", leg="stop")
    life.look()
    assert over(life) == (Phase.CLOSED, ExitReason.STOP, Decimal(100), Decimal(100))
    assert life.state.realised == Decimal("-22.00")


def test_a_fill_on_arrival_needs_no_look_to_be_protected() -> None:
    life = new_life()
    seen = Observation(at=NOW)
    life.step()
    life.ports.broker.fill(entry_id())
    order = life.ports.broker.order(entry_id())
    assert order is not None
    seen = replace(seen, orders=(order, *order.legs))
    step = Step(command=Command.SUBMIT_ENTRY, client_order_id=entry_id(), qty=Decimal(100))
    assert observe(OrderState(plan=PLAN, on=life.state.on), step, seen).phase is Phase.PROTECTED


def test_a_protected_order_sleeps_until_its_time_limit() -> None:
    life = new_life().protected()
    assert next_step(life.state, NOW) == Step(command=Command.LOOK, not_before=PLAN.exit_by)


def test_the_time_limit_cancels_the_guards_and_sells() -> None:
    life = new_life().protected()
    life.step()
    assert (life.state.phase, life.state.exit_reason) == (Phase.EXITING, ExitReason.TIME_LIMIT)
    life.step()
    life.step()
    life.ports.broker.fill(exit_id(), price="10.10")
    assert over(life) == (Phase.CLOSED, ExitReason.TIME_LIMIT, Decimal(100), Decimal(100))
    assert life.commands[-5:] == ["look", "cancel_exits", "submit_exit", "look", "close"]


def test_an_entry_that_nobody_takes_is_repriced_three_times_and_then_cancelled() -> None:
    life = new_life()
    assert over(life) == (Phase.CANCELED, None, Decimal(0), Decimal(0))
    assert life.submitted == [entry_id(n) for n in range(4)]
    sent = [life.ports.broker.find(entry_id(n)).submitted_at for n in range(4)]
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert all(timedelta(seconds=30) <= gap <= timedelta(seconds=40) for gap in gaps)


def test_what_filled_before_the_cancel_is_kept_and_protected_by_a_pair() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.step()
    assert phase(life) is Phase.PARTIALLY_FILLED
    life.until(lambda state: state.phase is Phase.PROTECTED)
    pair = life.ports.broker.requests[-1]
    assert (pair.client_order_id, pair.qty) == (protect_id(), Decimal(40))
    life.ports.broker.fill(protect_id(), leg="stop", price="9.80")
    life.look()
    assert over(life) == (Phase.CLOSED, ExitReason.STOP, Decimal(40), Decimal(40))
    assert life.submitted == [entry_id(), protect_id()], "a part that filled is not repriced"


def test_a_fill_between_cancel_and_look_is_kept() -> None:
    life = new_life()
    life.ports.broker.hangs = True
    life.until(lambda state: state.cancel_at is not None)
    life.ports.broker.fill(entry_id())
    life.step()
    assert phase(life) is Phase.PROTECTED


@pytest.mark.parametrize("reason", [ExitReason.FLATTEN, ExitReason.KILL])
def test_leaving_before_anything_was_sent_ends_it(reason: ExitReason) -> None:
    life = new_life()
    life.ask(reason)
    assert over(life) == (Phase.CANCELED, reason, Decimal(0), Decimal(0))
    assert life.submitted == []


def test_flatten_while_working_cancels_the_entry() -> None:
    life = new_life()
    life.step()
    life.ask()
    assert over(life) == (Phase.CANCELED, ExitReason.FLATTEN, Decimal(0), Decimal(0))
    assert life.commands == ["submit_entry", "cancel_entry", "close"]


def test_flatten_while_partly_filled_cancels_the_rest_and_sells_what_is_held() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 30)
    life.step()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(30), Decimal(30))


def test_flatten_while_protected_sells_after_the_guards_are_gone() -> None:
    life = new_life().protected()
    life.ports.broker.hangs = True
    life.ask()
    life.step()
    life.step()
    assert life.submitted == [entry_id()], "the guards still hold the shares"
    life.ports.broker.settle_cancels()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))


def test_a_target_that_fills_while_its_cancel_hangs_closes_the_order_unsold_twice() -> None:
    life = new_life().protected()
    life.ports.broker.hangs = True
    life.ask()
    life.step()
    life.ports.broker.fill(entry_id(), leg="target", price="10.40")
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))
    assert life.submitted == [entry_id()]


def test_flatten_while_already_leaving_changes_nothing() -> None:
    life = new_life().protected()
    life.ask(ExitReason.KILL)
    before = life.state
    life.ask(ExitReason.FLATTEN)
    assert life.state == before


def test_an_exit_that_fills_in_part_and_dies_is_followed_by_one_for_the_rest() -> None:
    life = new_life().protected()
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id(), 60)
    life.ports.broker.end(life.ports.broker.find(exit_id()).order_id, OrderStatus.EXPIRED)
    life.until(lambda state: state.exit_attempt == 2)
    assert life.ports.broker.requests[-1].qty == 40
    life.ports.broker.fill(exit_id(1))
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))


def test_a_refused_exit_is_sent_again_under_a_new_id_after_a_pause() -> None:
    life = new_life().protected()
    life.ask()
    life.step()
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, "insufficient qty")
    life.step()
    retry = next_step(life.state, life.ports.clock.now())
    assert (retry.command, retry.client_order_id) == (Command.SUBMIT_EXIT, exit_id(1))
    assert retry.not_before == life.ports.clock.now() + PLAN.poll
    life.step()
    life.ports.broker.fill(exit_id(1))
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))


def test_an_entry_that_the_broker_refuses_is_rejected() -> None:
    life = new_life()
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, "insufficient buying power")
    life.step()
    assert "insufficient buying power" in life.state.note
    assert over(life) == (Phase.REJECTED, None, Decimal(0), Decimal(0))
    assert life.commands == ["submit_entry", "close"]


def test_an_entry_rejected_after_it_was_taken_in_is_rejected() -> None:
    life = new_life()
    life.step()
    life.ports.broker.end("o1", OrderStatus.REJECTED)
    assert over(life) == (Phase.REJECTED, None, Decimal(0), Decimal(0))
    assert life.submitted == [entry_id()], "a rejected order is not repriced"


def test_an_entry_that_a_gate_refuses_at_submission_is_denied() -> None:
    life = new_life()
    life.ports.broker.is_blocked = True
    life.step()
    assert life.state.note == "BROKER_HEALTH"
    assert over(life) == (Phase.DENIED, None, Decimal(0), Decimal(0))
    assert life.submitted == []


def test_a_repricing_that_a_gate_refuses_counts_as_cancelled() -> None:
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    life.ports.market.prices["AAA"] = ("10.03", "10.05")
    life.step()
    assert life.state.note == "SLIPPAGE ask 10.05 beyond 10.03"
    assert over(life) == (Phase.CANCELED, None, Decimal(0), Decimal(0))


def test_an_order_too_old_to_be_sent_is_denied() -> None:
    life = new_life()
    life.ports.clock.at = PLAN.expires_at
    life.step()
    assert life.state.note == "EXPIRED"
    assert over(life) == (Phase.DENIED, None, Decimal(0), Decimal(0))


def test_an_order_marked_expired_before_it_began_only_gives_its_room_back() -> None:
    life = new_life()
    life.state = replace(life.state, outcome=Phase.EXPIRED)
    assert over(life) == (Phase.EXPIRED, None, Decimal(0), Decimal(0))
    assert life.commands == ["close"]


def test_a_submit_without_an_answer_is_looked_up_and_not_sent_again() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    assert (life.state.phase, life.state.failures) == (Phase.SUBMITTING, 1)
    life.step()
    assert (life.state.phase, life.state.failures) == (Phase.WORKING, 0)
    assert life.submitted == [entry_id()]


def test_a_call_without_an_answer_is_repeated_under_the_same_id_after_ever_longer_pauses() -> None:
    life = new_life()
    life.ports.broker.down += ["order"] * 8
    pauses, ids = [], []
    for _ in range(8):
        step = next_step(life.state, life.ports.clock.now())
        ids.append(step.client_order_id)
        pauses.append((step.not_before or life.ports.clock.now()) - life.ports.clock.now())
        life.step()
    assert [pause.total_seconds() for pause in pauses] == [0, 5, 10, 20, 40, 80, 80, 80]
    assert set(ids) == {entry_id()}
    assert over(life) == (Phase.DENIED, None, Decimal(0), Decimal(0)), "too old by now"


def test_leaving_while_the_entrys_answer_is_lost_finds_and_cancels_it() -> None:
    """The order stands at the broker although nobody has told us: giving up here would leave it to fill alone."""
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    life.ask()
    assert over(life) == (Phase.CANCELED, ExitReason.FLATTEN, Decimal(0), Decimal(0))
    assert life.ports.broker.find(entry_id()).status is OrderStatus.CANCELED


def test_leaving_while_a_lost_entry_has_filled_sells_it() -> None:
    life = new_life()
    life.ports.broker.lost.append("submit")
    life.step()
    life.ports.broker.fill(entry_id())
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))


def test_leaving_while_a_repricings_answer_is_lost_finds_and_cancels_it() -> None:
    life = new_life()
    life.until(lambda state: state.entry_attempt == 1)
    life.ports.broker.lost.append("submit")
    life.step()
    life.ask()
    assert over(life) == (Phase.CANCELED, ExitReason.FLATTEN, Decimal(0), Decimal(0))


def test_leaving_after_a_call_that_never_reached_the_broker_sends_nothing() -> None:
    life = new_life()
    life.ports.broker.down.append("submit")
    life.step()
    life.ask(ExitReason.KILL)
    assert over(life) == (Phase.CANCELED, ExitReason.KILL, Decimal(0), Decimal(0))
    assert life.submitted == []


def test_a_pair_without_an_answer_is_looked_up_and_not_sent_again() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.FILLED)
    life.ports.broker.lost.append("submit")
    life.until(lambda state: state.phase is Phase.PROTECTED)
    assert life.submitted == [entry_id(), protect_id()]


def test_a_pair_that_the_broker_refuses_closes_the_position() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.FILLED)
    life.ports.broker.refusals["submit"] = BrokerError(422, 42210000, "stop price must be below the market")
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.UNPROTECTED, Decimal(40), Decimal(40))


def test_legs_that_never_arm_close_the_position() -> None:
    life = new_life()
    life.step()
    life.ports.broker.fill(entry_id())
    life.ports.broker.say(entry_id(), OrderStatus.HELD, leg="target")
    life.until(lambda state: state.exit_attempt == 1)
    assert life.ports.clock.now() - NOW >= timedelta(seconds=30)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.UNPROTECTED, Decimal(100), Decimal(100))


def test_a_position_that_loses_its_guards_is_closed() -> None:
    life = new_life().protected()
    life.ports.clock.pass_by(timedelta(minutes=10))
    life.ports.broker.cancel("o1-target")
    life.look()
    assert (life.state.phase, life.state.exit_reason) == (Phase.EXITING, ExitReason.UNPROTECTED)
    life.step()
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.UNPROTECTED, Decimal(100), Decimal(100))


def test_a_cancel_that_hangs_is_asked_for_again() -> None:
    life = new_life()
    life.ports.broker.hangs = True
    life.until(lambda state: len(life.ports.broker.cancels) == 2)
    assert life.ports.clock.now() - NOW >= timedelta(seconds=30) + CANCEL_PATIENCE
    life.ports.broker.hangs = False
    assert over(life)[0] is Phase.CANCELED


def test_a_refused_cancel_of_the_guards_is_asked_for_again() -> None:
    life = new_life().protected()
    life.ports.broker.refusals["cancel"] = BrokerError(403, 40310000, "forbidden")
    life.ask()
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id())
    assert over(life) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(100), Decimal(100))


def test_room_is_given_back_also_while_the_broker_does_not_tell_the_equity() -> None:
    life = new_life()
    life.ask()
    life.ports.broker.broken["account"] = BrokerError(401, 0, "unauthorized")
    assert over(life)[0] is Phase.CANCELED
    stored = load_ledger(life.ports)
    assert stored is not None
    assert stored.value.reservations == ()


def test_an_order_waits_with_its_end_where_there_is_neither_a_ledger_nor_an_equity_to_open_one_with() -> None:
    life = new_life()
    life.ask()
    life.ports.broker.broken["account"] = TransientError("down")
    lose_ledger(life.ports)
    life.step()
    assert not life.state.phase.is_over
    life.ports.broker.broken.clear()
    assert over(life)[0] is Phase.CANCELED


@pytest.mark.parametrize("status", [OrderStatus.UNKNOWN, OrderStatus.SUSPENDED, OrderStatus.CALCULATED])
def test_an_odd_status_is_neither_working_nor_the_end(status: OrderStatus) -> None:
    life = new_life()
    life.step()
    life.ports.broker.say(entry_id(), status)
    life.step()
    assert phase(life) is Phase.WORKING
    life.ports.broker.fill(entry_id())
    life.step()
    assert phase(life) is Phase.PROTECTED


def test_an_outcome_is_not_changed_by_who_wants_out() -> None:
    done = OrderState(plan=PLAN, on=NOW.date(), outcome=Phase.EXPIRED)
    assert ask_exit(done, ExitReason.KILL) == done


def test_shares_that_both_legs_sold_end_the_order_all_the_same() -> None:
    life = new_life().protected()
    life.ports.broker.fill(entry_id(), 70, "10.40", leg="target", rival_sleeps=True)
    life.ports.broker.fill(entry_id(), 60, "9.80", leg="stop")
    life.look()
    state = life.to_end()
    assert (state.phase, state.bought, state.sold) == (Phase.CLOSED, Decimal(100), Decimal(130))


def test_an_observation_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="at must be an aware UTC"):
        Observation(at=NOW.replace(tzinfo=None))
