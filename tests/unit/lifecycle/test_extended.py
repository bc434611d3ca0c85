"""Before the open and after the close: plain limits in, the quote watched, limits out, and the way over both edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.core.errors import BrokerError, TransientError
from shared.core.order_states import ExitReason, Phase, Role
from shared.core.order_steps import STOP_ENTERING, WIDE_BP, next_step, report
from shared.core.orders import OrderClass, OrderRequest, OrderStatus, OrderType
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.sessions import aft_close_at, hours_of
from shared.core.values import Side
from shared.stages.account.supervise import supervise
from simulation.market.tape import Halt
from tests.support.orders import AAA, INTENT, ON, Life, entry_id, exit_id, extended_life, protect_id
from tests.support.tape import ny
from tests.support.venue_life import VenueLife, day_of, on_venue

NEXT_DAY = ON + timedelta(days=1)


def guarded(at: str = "08:00", **plan: object) -> Life:
    """Bought where no native stop exists."""
    life = extended_life(at, **plan)
    life.step()
    life.ports.broker.fill(entry_id())
    life.step()
    assert life.state.phase is Phase.GUARDED
    return life


def quote(life: Life, bid: str, ask: str) -> None:
    life.ports.market.prices["AAA"] = (bid, ask)


def sells(life: Life) -> list[OrderRequest]:
    return [request for request in life.ports.broker.requests if request.side is Side.SELL]


def sold(life: Life, reason: ExitReason, *, shares: int = 100) -> None:
    """Step to the end in a market that takes every exit of ours."""
    for _ in range(60):
        if life.state.phase.is_over:
            break
        for order in life.ports.broker.live(Side.SELL):
            if "-exit-" in order.client_order_id:
                life.ports.broker.fill(order.client_order_id)
        life.step()
    assert (life.state.phase, life.state.exit_reason, life.state.sold) == (Phase.CLOSED, reason, Decimal(shares))
    assert life.ports.broker.oversells == 0
    assert life.ports.broker.live(Side.SELL) == []


# -- entry --------------------------------------------------------


@pytest.mark.parametrize("at", ["08:00", "16:30"])
def test_an_entry_outside_the_regular_session_is_a_plain_limit_for_the_day(at: str) -> None:
    life = extended_life(at)
    life.step()
    (request,) = life.ports.broker.requests
    assert (request.order_type, request.order_class) == (OrderType.LIMIT, OrderClass.SIMPLE)
    assert (request.time_in_force, request.extended_hours) == ("day", True)
    assert (request.limit_price, request.stop_price, request.target_price) == (Decimal("10.01"), None, None)


def test_an_entry_that_is_not_taken_before_the_open_is_repriced_as_any_other() -> None:
    life = extended_life()
    life.until(lambda state: state.entry_attempt == 1 and state.phase is Phase.WORKING)
    assert life.submitted == [entry_id(), entry_id(1)]
    assert all(request.extended_hours for request in life.ports.broker.requests)


def test_a_new_price_after_the_open_is_a_bracket() -> None:
    life = extended_life("09:29:40")
    life.until(lambda state: state.entry_attempt == 1 and state.phase is Phase.WORKING)
    assert [request.order_class for request in life.ports.broker.requests] == [OrderClass.SIMPLE, OrderClass.BRACKET]


def test_a_plain_entry_that_fills_after_the_open_gets_a_pair_at_once() -> None:
    life = extended_life("09:29:50")
    life.step()
    life.ports.clock.at = ny(ON, "09:30:05")
    life.ports.broker.fill(entry_id())
    life.look()
    assert life.state.phase is Phase.FILLED
    life.step()
    assert life.ports.broker.requests[-1].order_class is OrderClass.OCO


def test_a_part_bought_before_the_open_is_watched_once_the_rest_is_cancelled() -> None:
    life = extended_life()
    life.step()
    life.ports.broker.fill(entry_id(), 40)
    life.until(lambda state: state.phase is Phase.GUARDED)
    assert (life.state.held, life.submitted) == (Decimal(40), [entry_id()])
    quote(life, "9.79", "9.81")
    sold(life, ExitReason.STOP, shares=40)


# -- guarding --------------------------------------------------------


@pytest.mark.parametrize("at", ["08:00", "16:30"])
@pytest.mark.parametrize(
    ("bid", "ask", "reason"), [("9.80", "9.82", ExitReason.STOP), ("10.40", "10.42", ExitReason.TARGET)]
)
def test_a_guarded_position_is_left_by_a_limit_when_its_bid_reaches_stop_or_target(
    at: str, bid: str, ask: str, reason: ExitReason
) -> None:
    life = guarded(at)
    quote(life, bid, ask)
    before = life.ports.clock.now()
    life.until(lambda state: state.exit_attempt == 1)
    assert life.ports.clock.now() - before <= timedelta(seconds=life.state.plan.guard_poll_s)
    (exit_order,) = sells(life)
    assert (exit_order.order_type, exit_order.extended_hours) == (OrderType.LIMIT, True)
    assert exit_order.limit_price == (Decimal(bid) * Decimal("0.998")).quantize(Decimal("0.01"), "ROUND_FLOOR")
    sold(life, reason)


def test_a_bid_a_tick_inside_both_prices_changes_nothing_and_leaves_no_row() -> None:
    life = guarded()
    rows = len(life.ports.rows("journal", ON))
    for bid, ask in (("9.81", "9.83"), ("10.39", "10.41")):
        quote(life, bid, ask)
        before = life.state
        life.step()
        assert life.commands[-1] == "watch"
        assert life.state == before
    assert len(life.ports.rows("journal", ON)) == rows


def test_the_quote_is_looked_at_in_its_own_pause() -> None:
    life = guarded(guard_poll_s=17)
    now = life.ports.clock.now()
    assert next_step(life.state, now).not_before == now + timedelta(seconds=17)


@pytest.mark.parametrize(("bid", "ask"), [("0", "9.50"), ("9.00", "0"), ("9.00", "9.50")])
def test_a_bid_without_a_market_is_no_reason_to_leave(bid: str, ask: str) -> None:
    """One side is gone, or the two are further apart than `WIDE_BP`: nobody trades there."""
    life = guarded()
    quote(life, bid, ask)
    life.step()
    assert life.state.phase is Phase.GUARDED
    assert WIDE_BP == 500


def test_a_market_as_wide_as_it_may_be_is_believed() -> None:
    life = guarded()
    quote(life, "9.75", "10.25")  # 500 bp of their mid
    life.step()
    assert life.state.exit_reason is ExitReason.STOP


def test_a_symbol_without_a_quote_is_watched_on() -> None:
    life = guarded()
    del life.ports.market.prices["AAA"]
    before = life.state
    life.step()
    assert life.state == before


def test_a_market_that_does_not_answer_is_asked_again_after_growing_pauses() -> None:
    life = guarded()
    life.ports.market.error = TransientError("no quotes")
    pauses = []
    for _ in range(3):
        before = life.ports.clock.now()
        life.step()
        pauses.append((life.ports.clock.now() - before).total_seconds())
    assert pauses == [10, 5, 10]
    life.ports.market.error = None
    quote(life, "9.70", "9.72")
    sold(life, ExitReason.STOP)


def test_a_guarded_position_closed_by_hand_is_written_off_after_a_second_look() -> None:
    life = guarded()
    life.ports.broker.sold_elsewhere[AAA] = 100
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.written_off) == (Phase.CLOSED, ExitReason.OUTSIDE, Decimal(100))
    assert sells(life) == []


def test_a_stop_that_is_passed_over_by_the_market_is_priced_anew() -> None:
    life = guarded()
    quote(life, "9.70", "9.72")
    life.until(lambda state: state.exit_attempt == 1)
    quote(life, "9.50", "9.52")
    life.until(lambda state: state.exit_attempt == 2)
    assert [request.limit_price for request in sells(life)] == [Decimal("9.68"), Decimal("9.48")]
    sold(life, ExitReason.STOP)


@pytest.mark.parametrize("reason", [ExitReason.KILL, ExitReason.FLATTEN, ExitReason.REVERSAL])
def test_a_guarded_position_that_is_told_to_leave_goes_by_a_limit(reason: ExitReason) -> None:
    life = guarded()
    life.ask(reason)
    life.step()
    assert [request.extended_hours for request in sells(life)] == [True]
    sold(life, reason)


def test_a_halt_of_entries_leaves_a_guarded_position_alone() -> None:
    life = guarded()
    life.state = report(life.state, STOP_ENTERING)
    life.step()
    assert life.state.phase is Phase.GUARDED


def test_a_guarded_position_is_left_at_its_time_limit() -> None:
    life = guarded(exit_by=ny(ON, "08:10"))
    life.until(lambda state: state.exit_attempt == 1)
    assert ny(ON, "08:10") <= life.ports.clock.now() <= ny(ON, "08:10:10")
    sold(life, ExitReason.TIME_LIMIT)


def test_an_exit_of_the_lifecycles_own_shows_its_slippage_beside_the_price_it_was_for() -> None:
    life = guarded()
    quote(life, "9.79", "9.81")
    life.until(lambda state: state.exit_attempt == 1)
    life.ports.broker.fill(exit_id(), price="9.702")
    life.to_end()
    (row,) = [row for row in life.ports.rows("fills", ON).values() if row["role"] == Role.EXIT]
    assert row["slippage_bp"] == 100.0


def test_supervise_looks_at_a_guarded_position_and_starts_its_lifecycle_again_where_it_is_gone() -> None:
    life = guarded()
    life.ports.clock.pass_by(timedelta(minutes=1))
    assert [(wake.intent_id, wake.event) for wake in supervise(life.ports).wakes] == [(INTENT, "changed")]


# -- over the open --------------------------------------------------------


def test_at_the_open_a_guarded_position_gets_a_native_pair() -> None:
    life = guarded("09:20")
    life.until(lambda state: state.protect_attempt == 1)
    assert life.ports.clock.now() == ny(ON, "09:30"), "the last look before the open is at the open"
    (pair,) = sells(life)
    assert (pair.client_order_id, pair.order_class, pair.extended_hours) == (protect_id(), OrderClass.OCO, False)
    assert (pair.stop_price, pair.target_price, pair.qty) == (Decimal("9.80"), Decimal("10.40"), Decimal(100))
    assert life.state.phase is Phase.PROTECTED
    life.ports.broker.fill(protect_id(), price="10.40")
    life.look()
    assert life.to_end().exit_reason is ExitReason.TARGET


def test_a_pair_that_does_not_come_within_half_a_minute_of_the_open_closes_the_position() -> None:
    life = guarded("09:20")
    life.ports.broker.legs_made = ("target",)
    life.until(lambda state: state.phase is Phase.EXITING)
    assert ny(ON, "09:30:30") <= life.ports.clock.now() <= ny(ON, "09:30:40")
    sold(life, ExitReason.UNPROTECTED)
    assert not sells(life)[-1].extended_hours


def test_a_pair_that_the_broker_refuses_at_the_open_closes_the_position_at_the_market() -> None:
    life = guarded("09:29")
    life.until(lambda state: life.ports.clock.now() >= ny(ON, "09:30"))
    life.ports.broker.refusals["submit"] = BrokerError(422, 42210000, "stop price must be below the market")
    sold(life, ExitReason.UNPROTECTED)
    assert sells(life)[-1].order_type is OrderType.MARKET


def test_an_exit_limit_that_stands_at_the_open_becomes_a_market_order() -> None:
    life = guarded("09:28")
    life.ask(ExitReason.KILL)
    for _ in range(40):
        if life.state.exit_attempt and sells(life)[-1].order_type is OrderType.MARKET:
            break
        life.step()
    assert ny(ON, "09:30") <= life.ports.clock.now() <= ny(ON, "09:30:15")
    sold(life, ExitReason.KILL)


def test_a_stop_that_the_open_gaps_through_is_sold_at_the_market() -> None:
    life = on_venue(extended_life("09:20"), day_of({"04:00": 10.00, "09:30": 9.20}))
    life.until(lambda state: state.phase is Phase.GUARDED)
    state = life.to_end()
    assert (state.exit_reason, state.sold) == (ExitReason.STOP, Decimal(100))
    assert life.ports.clock.now() <= ny(ON, "09:31")
    assert life.exchange.account.held("AAA") == 0


def test_a_halt_over_the_open_is_sat_out_under_the_pair() -> None:
    halt = Halt(symbol="AAA", start_at=ny(ON, "09:25"), end_at=ny(ON, "09:40"), reason="news")
    life = on_venue(extended_life("09:20"), day_of({"04:00": 10.00, "09:40": 9.50}), halts=[halt])
    life.until(lambda state: state.phase is Phase.PROTECTED)
    life.sleep_until(ny(ON, "09:39"))
    assert life.state.held == 100
    life.sleep_until(ny(ON, "09:45"))
    assert life.to_end().exit_reason is ExitReason.STOP
    assert life.exchange.account.held("AAA") == 0


def test_a_stop_reached_in_a_halt_before_the_open_is_sold_when_trading_goes_on() -> None:
    halt = Halt(symbol="AAA", start_at=ny(ON, "08:10"), end_at=ny(ON, "08:30"), reason="news")
    life = on_venue(
        extended_life("08:00", exit_by=ny(ON, "09:20")), day_of({"04:00": 10.00, "08:30": 9.50}), halts=[halt]
    )
    life.until(lambda state: state.phase is Phase.GUARDED)
    state = life.to_end()
    assert (state.exit_reason, state.sold) == (ExitReason.STOP, Decimal(100))
    assert ny(ON, "08:30") <= life.ports.clock.now() <= ny(ON, "08:32")


# -- over the close and the night --------------------------------------------------------


def protected_before_the_close() -> Life:
    life = extended_life("15:45", exit_by=ny(ON, "16:45")).protected()
    assert life.state.phase is Phase.PROTECTED
    return life


def test_a_position_that_no_flatten_reached_is_watched_after_the_close() -> None:
    life = protected_before_the_close()
    life.step()
    assert life.ports.clock.now() == ny(ON, "16:00"), "its guards end with the session, and it looks then"
    for leg in ("target", "stop"):
        life.ports.broker.end(life.ports.broker.find(entry_id(), leg).order_id, OrderStatus.EXPIRED)
    life.step()
    assert life.state.phase is Phase.GUARDED
    quote(life, "9.70", "9.72")
    sold(life, ExitReason.STOP)
    assert sells(life)[-1].extended_hours


def test_a_position_guarded_in_the_evening_is_left_before_trading_ends() -> None:
    life = guarded("19:30", exit_by=ny(ON, "20:30"))
    life.until(lambda state: state.exit_attempt == 1)
    assert ny(ON, "19:50") <= life.ports.clock.now() <= ny(ON, "19:50:10")
    assert timedelta(minutes=10) == LEAVE_BEFORE_CLOSE
    sold(life, ExitReason.FLATTEN)


def test_the_afternoon_flatten_leaves_an_evening_position_alone_and_the_evenings_own_does_not() -> None:
    life = guarded("16:30", exit_by=ny(ON, "23:00"))
    for at, event in (("16:31", "changed"), ("19:49", "changed"), ("19:50", "FLATTEN"), ("19:59", "FLATTEN")):
        life.ports.clock.at = ny(ON, at)
        assert [wake.event for wake in supervise(life.ports).wakes] == [event], at
    assert {"flatten|1550", "flatten|1950"} >= {key for key in life.ports.rows("runs", ON) if "flatten" in key}


def test_the_afternoon_flatten_tells_a_morning_position_to_leave() -> None:
    life = guarded("08:00")
    life.ports.clock.at = ny(ON, "15:50")
    assert [wake.event for wake in supervise(life.ports).wakes] == ["FLATTEN"]


def nobody_buys() -> Life:
    """An evening in which no exit finds a buyer."""
    life = guarded("19:45")
    life.ask(ExitReason.KILL)
    life.until(lambda state: life.ports.clock.now() >= ny(ON, "20:00"), 200)
    for order in life.ports.broker.live(Side.SELL):
        life.ports.broker.end(order.order_id, OrderStatus.EXPIRED)
    return life


def test_an_exit_that_finds_no_buyer_before_trading_ends_goes_on_at_the_next_premarket() -> None:
    life = nobody_buys()
    sent = len(sells(life))
    life.until(lambda state: life.ports.clock.now() >= ny(NEXT_DAY, "04:00"), 10)
    assert len(sells(life)) == sent, "nothing is sent over night"
    (row,) = life.ports.rows("incidents", ON).values()
    assert (row["kind"], row["title"]) == ("held-overnight", "AAA: 100 shares are held over night")
    life.step()
    assert len(sells(life)) == sent + 1
    sold(life, ExitReason.KILL)
    assert life.ports.clock.now() <= ny(NEXT_DAY, "04:01")


def test_a_weekend_is_slept_through_in_one_sleep() -> None:
    life = nobody_buys()
    friday = ON + timedelta(days=2)
    day = life.ports.calendar.day(friday)
    assert day is not None
    life.state = replace(life.state, hours=hours_of(day))
    life.ports.clock.at = ny(friday, "20:00:05")
    life.step()
    assert next_step(life.state, life.ports.clock.now()).not_before == ny(friday + timedelta(days=3), "04:00")


def test_over_night_its_room_stays_taken_and_supervise_knows_the_order_by_its_own_date() -> None:
    life = nobody_buys()
    life.until(lambda state: life.ports.clock.now() >= ny(NEXT_DAY, "04:00"), 10)
    life.ports.clock.at = ny(NEXT_DAY, "04:05")
    (wake,) = supervise(life.ports).wakes
    assert (wake.on, wake.intent_id) == (ON, INTENT)
    stored = life.ports.tables.get("ledger", "account", "current")
    assert stored is not None
    assert stored.value["reservations"] == 1
    assert life.ports.rows("incidents", NEXT_DAY) == {}, "nothing is strange about it"


@pytest.mark.parametrize(("elsewhere", "sold_qty", "written_off"), [(90, 10, 90), (-100, 100, 0)])
def test_a_split_over_night_sells_no_more_than_is_there_and_no_more_than_was_bought(
    elsewhere: int, sold_qty: int, written_off: int
) -> None:
    """A reverse split leaves a tenth of the shares; what a split has added is a stranger's, and halts entries."""
    life = nobody_buys()
    life.ports.broker.sold_elsewhere[AAA] = elsewhere
    sold(life, ExitReason.OUTSIDE if written_off else ExitReason.KILL, shares=sold_qty)
    assert life.state.written_off == written_off
    left = life.ports.broker.held(AAA)
    assert left == (100 if elsewhere < 0 else 0)
    supervise(life.ports)
    supervise(life.ports)
    stored = life.ports.tables.get("ledger", "account", "current")
    assert stored is not None
    assert stored.value.get("unexplained") == ("position in AAA" if left else None)


def test_a_day_of_repricing_does_not_outgrow_the_states_cell() -> None:
    life = guarded("08:00", patience_s=5)
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.exit_attempt == 30, 2000)
    assert len(life.state.of(Role.EXIT)) <= 10
    assert len(life.ports.codec.encode(life.state)) < 8000
    sold(life, ExitReason.KILL)


def test_an_exit_that_stands_for_long_is_looked_at_ever_more_seldom() -> None:
    life = extended_life("10:00").protected()
    life.ask(ExitReason.KILL)
    life.until(lambda state: state.exit_attempt == 1)
    sent_at, pauses = life.ports.clock.now(), []
    while life.ports.clock.now() - sent_at < timedelta(minutes=10):
        before = life.ports.clock.now()
        life.step()
        pauses.append((life.ports.clock.now() - before).total_seconds())
    assert pauses[:4] == [5, 5, 5, 5]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60


def test_a_whole_evening_on_the_venue_ends_flat() -> None:
    life: VenueLife = on_venue(extended_life("16:30"), day_of({"04:00": 10.00, "16:40": 9.90, "16:50": 9.70}))
    state = life.to_end()
    assert (state.phase, state.exit_reason, state.sold) == (Phase.CLOSED, ExitReason.STOP, Decimal(100))
    assert all(not order.legs for order in life.exchange.book.orders.values())
    day = life.ports.calendar.day(ON)
    assert day is not None
    assert life.ports.clock.now() < aft_close_at(day)


@pytest.mark.parametrize("bid", ["0.0001", "0.0002", "0.0499", "0.9999"])
def test_a_position_whose_bid_is_next_to_nothing_is_left_by_a_limit_all_the_same(bid: str) -> None:
    life = guarded()
    quote(life, bid, str(Decimal(bid) + Decimal("0.0001")))
    life.ask()
    life.step()
    limit = sells(life)[-1].limit_price
    assert limit is not None
    assert 0 < limit <= Decimal(bid)
    sold(life, ExitReason.FLATTEN)
