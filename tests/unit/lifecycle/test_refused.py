"""Group 6: exits that the broker refuses, and pairs of ours that stand there without our knowing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from shared.core.errors import BrokerError, TransientError
from shared.core.order_states import ABSENCES_BELIEVED, ExitReason, OrderState, Phase
from shared.core.order_steps import REFUSALS_TOLD, next_step
from shared.core.orders import OrderClass, OrderRequest, OrderStatus, OrderType
from shared.core.values import Side
from tests.support.orders import AAA, ON, PLAN, Life, entry_id, exit_id, extended_life, new_life, protect_id
from tests.support.tape import ny
from tests.support.venue_life import day_of, venue_life
from tests.unit.simulation.venue.desk import send

WASH = "potential wash trade detected. use complex orders"
RULE = "this account may not sell"


def plain(request: OrderRequest) -> str:
    """A rule that refuses every sale that is no pair."""
    is_plain = request.side is Side.SELL and request.order_class is OrderClass.SIMPLE
    return WASH if is_plain else ""


def at_once(request: OrderRequest) -> str:
    """A rule that refuses every sale that would sell at once; a pair round the market is taken."""
    is_at_once = request.order_class is OrderClass.SIMPLE or (request.target_price or 0) < Decimal(10)
    return RULE if request.side is Side.SELL and is_at_once else ""


def any_sale(request: OrderRequest) -> str:
    return RULE if request.side is Side.SELL else ""


def refused_so_often(times: int) -> Callable[[OrderState], bool]:
    return lambda state: state.refusals == times


def incidents(life: Life) -> dict[str, str]:
    """Text of each incident by its kind."""
    return {str(row["kind"]): f"{row['title']}\n{row['body']}" for row in life.ports.rows("incidents", ON).values()}


def sold(life: Life, shares: Decimal | int = 100, *, refused_sales: int = 0) -> None:
    """Step to the end in a market that takes whatever would sell at once."""
    for _ in range(80):
        if life.state.phase.is_over:
            break
        fill_marketable(life)
        life.step()
    assert (life.state.phase, life.state.sold, life.state.held) == (Phase.CLOSED, Decimal(shares), Decimal(0))
    assert life.ports.broker.oversells == refused_sales
    assert [o for o in life.ports.broker.live(Side.SELL) if o.client_order_id != "by-hand"] == []
    assert life.ports.broker.held(AAA) == 0


def has_refusals(refusals: int, state: OrderState) -> bool:
    return state.refusals == refusals


def fill_marketable(life: Life) -> None:
    for order in life.ports.broker.live(Side.SELL):
        is_market = order.stop_price is None and (order.limit_price or 0) < Decimal("9.99")
        if is_market and order.client_order_id != "by-hand":
            life.ports.broker.fill(order.client_order_id)


def partly(life: Life, shares: int = 40) -> Life:
    """Buy a part and see the rest cancelled: a pair is next."""
    life.step()
    life.ports.broker.fill(entry_id(), shares)
    return until_pair(life)


def until_pair(life: Life) -> Life:
    life.until(lambda state: next_step(state, life.ports.clock.now()).command == "protect")
    return life


def over_the_open() -> Life:
    """Bought before the open, and nobody could look over it: phase GUARDED, and the pair is next."""
    life = extended_life("09:25")
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    assert life.state.phase is Phase.GUARDED
    life.ports.clock.at = ny(ON, "09:30:05")
    return life


# -- a pair of ours that nobody knows of -------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [ExitReason.KILL, ExitReason.FLATTEN])
@pytest.mark.parametrize("bought", [over_the_open, lambda: partly(new_life())])
@pytest.mark.parametrize("unseen", [0, 1, 2, 3])
def test_a_pair_whose_answer_is_lost_before_someone_wants_out_is_found_and_cancelled(
    bought: Callable[[], Life], reason: ExitReason, unseen: int
) -> None:
    life = bought()
    life.ports.broker.lost.append("submit")
    life.look()
    assert life.ports.broker.find(protect_id()).status is OrderStatus.NEW
    assert life.state.failures == 1
    life.ask(reason)
    life.ports.broker.unseen = unseen
    began_at = life.ports.clock.now()
    sold(life, life.state.bought, refused_sales=unseen > 0)
    assert life.state.exit_reason is reason
    assert life.ports.clock.now() - began_at < timedelta(minutes=2)
    assert incidents(life) == {}


def test_one_who_wants_out_in_the_evening_of_a_pair_never_answered_does_not_wait_for_a_quote_to_watch() -> None:
    """After the close no pair lives any more: the exit goes at once, as it would from a watch that failed."""
    life = partly(new_life())
    life.state = replace(life.state, hours=extended_life().state.hours)
    life.ports.broker.down.append("submit")
    life.look()
    life.ports.clock.at = ny(ON, "16:10")
    life.ask(ExitReason.KILL)
    life.look()
    assert life.commands[-1] == "submit_exit"
    sold(life, 40)


def test_shares_that_a_pair_of_ours_has_sold_unseen_are_sales_and_not_written_off() -> None:
    life = partly(new_life())
    life.ports.broker.lost.append("submit")
    life.look()
    life.ports.broker.unseen = 1
    life.ask()
    life.look()
    assert life.state.phase is Phase.EXITING
    life.ports.broker.fill(protect_id(), leg="stop", price="9.80")
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.FLATTEN, Decimal(40))
    assert state.written_off == 0


def test_a_guard_given_up_for_lost_that_stands_after_all_is_cancelled_when_it_blocks_the_exit() -> None:
    life = partly(new_life())
    life.step()
    life.ports.broker.forgotten.add(protect_id())
    life.ports.broker.unlisted |= {protect_id(), f"{protect_id()}.stop"}
    life.until(lambda state: state.absences == ABSENCES_BELIEVED)
    life.ports.broker.unlisted.clear()
    life.ports.broker.forgotten.clear()
    life.ask()
    sold(life, 40)
    assert "o5" not in life.ports.broker.cancels
    assert life.ports.broker.find(protect_id()).status is OrderStatus.CANCELED


# -- a broker that keeps refusing --------------------------------------------------------------------------------------


def test_a_broker_that_takes_no_plain_sale_beside_a_persons_order_is_sold_to_through_a_pair() -> None:
    life = new_life().protected()
    theirs = life.ports.broker.rest(Side.BUY, 30, "9.50")
    life.ports.broker.refuses = plain
    life.ask(ExitReason.KILL)
    began_at = life.ports.clock.now()
    sold(life)
    assert life.ports.clock.now() - began_at < timedelta(minutes=1)
    kinds = [(r.order_type, r.order_class) for r in life.ports.broker.refused]
    simple = OrderClass.SIMPLE
    assert kinds == [(OrderType.MARKET, simple), (OrderType.LIMIT, simple), (OrderType.MARKET, simple)]
    pair = life.ports.broker.requests[-1]
    assert (pair.order_class, pair.target_price, pair.stop_price) == (OrderClass.OCO, Decimal("9.97"), Decimal("9.80"))
    text = incidents(life)["exit-refused"]
    assert WASH in text
    assert f"buy 30 AAA limit 9.50 (order {theirs})" in text
    assert "not ours" in text
    assert theirs not in life.ports.broker.cancels
    (row,) = [r for r in life.ports.rows("fills", ON).values() if r["side"] == "sell"]
    assert "slippage_bp" not in row, "its target was no price to aim for"


def test_three_refusals_are_told_once_and_what_is_held_is_guarded_between_ever_rarer_tries() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = at_once
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    assert [r.order_type for r in life.ports.broker.refused] == ["market", "limit", "market"]
    life.step()
    assert life.state.phase is Phase.EXITING
    assert life.state.is_guarded
    assert life.ports.broker.requests[-1].target_price == PLAN.target_price
    tries = []
    for refusals in range(4, 9):
        life.until(refused_so_often(refusals))
        tries.append(life.ports.clock.now())
        life.step()
        assert life.state.is_guarded, "again at once"
    pauses = [(b - a).total_seconds() for a, b in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert 4 * PLAN.patience_s <= pauses[0] < pauses[-1] <= 16 * PLAN.patience_s + 10
    assert list(incidents(life)) == ["exit-refused"]
    life.ports.broker.refuses = lambda _: ""
    began_at = life.ports.clock.now()
    sold(life)
    assert life.ports.clock.now() - began_at < timedelta(minutes=10)
    assert life.state.exit_reason is ExitReason.KILL


def test_a_wake_every_minute_does_not_take_the_guard_off_before_its_time() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = at_once
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    life.step()
    cancels = len(life.ports.broker.cancels)
    life.ports.clock.pass_by(timedelta(minutes=1))
    life.look()
    assert life.commands[-1] == "look"
    assert len(life.ports.broker.cancels) == cancels


def test_the_stop_of_a_refused_exit_sells_it() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = at_once
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    life.step()
    life.ports.broker.fill(protect_id(), leg="stop", price="9.80")
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.KILL, Decimal(100))


def test_a_pair_put_back_that_loses_its_stop_is_no_guard_and_the_exit_is_tried_at_once() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = at_once
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    life.step()
    life.ports.broker.end(f"{life.ports.broker.find(protect_id()).order_id}-stop", OrderStatus.CANCELED)
    if (target := life.ports.broker.find(protect_id())).status.is_final:
        life.ports.broker.say(target.client_order_id, OrderStatus.NEW)
    began_at = life.ports.clock.now()
    life.until(lambda state: state.refusals == REFUSALS_TOLD + 1)
    life.step()
    assert life.state.is_guarded
    assert life.ports.clock.now() - began_at < timedelta(seconds=40)


def test_a_broker_that_takes_neither_sale_nor_guard_is_asked_on_without_end() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = any_sale
    life.ask()
    life.until(lambda state: state.refusals == 12)
    refused = life.ports.broker.refused
    assert len([r for r in refused if r.order_class is OrderClass.OCO]) == 2 * (12 - REFUSALS_TOLD)
    assert list(incidents(life)) == ["exit-refused"]
    assert "no order" not in incidents(life)["exit-refused"]
    pause = next_step(life.state, life.ports.clock.now())
    life.step()
    assert life.ports.clock.now() - life.state.attempt_at <= timedelta(seconds=80), pause  # type: ignore[operator]
    life.ports.broker.refuses = lambda _: ""
    sold(life)


def test_an_exit_rejected_after_it_was_taken_counts_as_refused() -> None:
    life = new_life().protected()
    life.ask()
    for _ in range(20):
        if life.state.refusals == REFUSALS_TOLD:
            break
        life.step()
        for order in life.ports.broker.live(Side.SELL):
            if "-exit-" in order.client_order_id:
                life.ports.broker.say(order.client_order_id, OrderStatus.REJECTED)
    assert life.state.exit_attempt == 3, "each after a pause of its own"
    assert "no words" in incidents(life)["exit-refused"]
    life.step()
    assert life.ports.broker.requests[-1].order_class is OrderClass.OCO
    sold(life)


def test_a_broker_that_takes_limits_alone_gets_one_at_the_second_try() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = lambda r: RULE if r.order_type is OrderType.MARKET else ""
    life.ask()
    sold(life)
    assert life.ports.broker.requests[-1].limit_price == Decimal("9.97")
    assert incidents(life) == {}


def test_without_a_quote_the_second_try_goes_at_the_market_again() -> None:
    life = new_life().protected()
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, RULE)
    life.ports.market.error = TransientError("no quotes")
    life.ask()
    life.until(lambda state: state.exit_attempt == 2)
    assert life.ports.broker.requests[-1].order_type is OrderType.MARKET
    sold(life)


def test_without_a_quote_a_refused_exit_is_guarded_by_the_plans_own_pair() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = plain
    life.ports.market.error = TransientError("no quotes")
    life.ask()
    life.until(lambda state: state.is_guarded and state.refusals == REFUSALS_TOLD)
    assert life.ports.broker.requests[-1].target_price == PLAN.target_price
    life.ports.market.error = None
    sold(life)


def test_what_a_persons_sale_leaves_free_is_sold_and_the_rest_told() -> None:
    life = new_life().protected()
    life.ask()
    life.step()
    theirs = life.ports.broker.rest(Side.SELL, 40, "12.00")
    while life.state.sold < 60:
        fill_marketable(life)
        life.step()
    assert life.ports.broker.held(AAA) == 40
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    assert f"sell 40 AAA limit 12.00 (order {theirs})" in incidents(life)["exit-refused"]
    assert theirs not in life.ports.broker.cancels
    life.ports.broker.end(theirs, OrderStatus.CANCELED)
    life.ports.broker.oversells = 0  # refused, as a broker does
    sold(life)


def test_of_shares_beside_a_persons_fraction_whole_ones_are_sold() -> None:
    life = new_life().protected()
    life.ports.broker.sold_elsewhere[AAA] = Decimal("-0.5")
    life.ask()
    life.step()
    life.ports.broker.rest(Side.SELL, 40, "12.00")
    while life.state.sold < 60:
        fill_marketable(life)
        life.step()
    assert {request.qty % 1 for request in life.ports.broker.requests} == {0}
    assert life.ports.broker.held(AAA) == Decimal("40.5")


def test_a_persons_own_shares_may_be_sold_by_that_person_beside_ours() -> None:
    life = new_life().protected()
    life.ports.broker.sold_elsewhere[AAA] = -50
    life.ports.broker.refusals["submit"] = BrokerError(403, 40310000, RULE)
    life.ask()
    life.step()
    life.ports.broker.rest(Side.SELL, 50, "12.00")
    life.until(lambda state: state.exit_attempt == 2)
    assert life.ports.broker.requests[-1].qty == 100


def test_an_order_that_an_ended_intent_of_ours_has_left_is_cancelled_when_it_blocks_an_exit() -> None:
    life = new_life().protected()
    left = life.ports.broker.rest(Side.BUY, 10, "9.40", client_order_id="0123456789abcdef0123-entry-0")
    alike = life.ports.broker.rest(Side.BUY, 10, "9.41", client_order_id="0123456789abcdef0123-entry-zero")
    life.ports.broker.refuses = lambda r: "" if life.ports.broker.book[left].status.is_final else plain(r)
    life.ask()
    life.until(lambda state: state.refusals == 1)
    assert left in life.ports.broker.cancels
    assert alike not in life.ports.broker.cancels
    assert "left over of ours" in life.state.note
    sold(life)


def test_orders_that_cannot_be_listed_do_not_keep_an_exit_from_being_tried() -> None:
    life = new_life().protected()
    life.ports.broker.refuses = plain
    life.ask()
    for _ in range(30):
        if life.state.refusals == REFUSALS_TOLD:
            break
        life.ports.broker.down += ["orders", "orders"]
        life.step()
    assert "cannot be listed" in incidents(life)["exit-refused"]
    life.ports.broker.down.clear()
    sold(life)


def test_before_the_open_a_refused_limit_is_set_above_a_persons_bid_where_that_still_sells() -> None:
    life = extended_life("08:00")
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    life.ports.broker.rest(Side.BUY, 10, "9.98")
    life.ports.broker.refuses = lambda r: WASH if r.side is Side.SELL and (r.limit_price or 0) <= 9.98 else ""
    life.ask()
    life.until(lambda state: state.exit_attempt == 2)
    assert life.ports.broker.requests[-1].limit_price == Decimal("9.99")
    assert life.ports.broker.requests[-1].extended_hours
    life.ports.broker.fill(exit_id(1))
    sold(life)


def test_before_the_open_a_refused_exit_is_told_and_tried_on_and_guarded_from_the_open() -> None:
    life = extended_life("09:27")
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    life.ports.broker.refuses = at_once
    life.ask()
    life.until(lambda state: state.refusals == REFUSALS_TOLD)
    assert "exit-refused" in incidents(life)
    assert all(r.order_class is OrderClass.SIMPLE for r in life.ports.broker.refused)
    life.until(lambda state: state.is_guarded)
    assert ny(ON, "09:30") <= life.ports.clock.now() < ny(ON, "09:32")


def test_a_persons_resting_order_on_the_venue_delays_an_exit_by_less_than_a_minute() -> None:
    life = venue_life(day_of({"09:30": 10.00}))
    life.until(lambda state: state.phase is Phase.PROTECTED)
    theirs = send(life.exchange, "buy", 5, "limit", limit_price="9.50")
    life.ask(ExitReason.KILL)
    began_at = life.ports.clock.now()
    state = life.to_end()
    assert (state.phase, state.sold) == (Phase.CLOSED, Decimal(100))
    assert not life.exchange.account.held("AAA")
    assert life.ports.clock.now() - began_at < timedelta(minutes=1)
    assert theirs.is_open
    assert theirs.id in incidents(life).get("exit-refused", "") or state.refusals == 0
