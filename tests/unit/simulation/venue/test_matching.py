"""Which orders fill when, and at what price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from simulation.market.tape import Halt
from simulation.venue.config import VenueConfig
from simulation.venue.refusals import Refusal
from tests.support.tape import flat, joined, ny, prices
from tests.unit.simulation.venue.desk import FREE, ON, exchange, fills, send, story

CALM = prices(ON, "09:30", flat(10.0, 390))


def test_market_buy_pays_the_ask_and_sell_gets_the_bid() -> None:
    venue = exchange(CALM, at="09:40")
    assert fills(venue, send(venue, "buy", 100)) == [("13:40:00", "100", "10.01")]
    assert fills(venue, send(venue, "sell", 100)) == [("13:40:00", "100", "9.99")]


def test_market_order_slips_by_spread_share_and_square_root_of_size() -> None:
    config = VenueConfig(slippage_spread_share=Decimal("0.5"), slippage_impact_bp=Decimal(100))
    venue = exchange(CALM, at="09:40", config=config)
    # quote 10.01, half of the two-cent spread, and 1 % x sqrt(400 / 10,000) = 0.2 % of 10.01 = 0.02002, rounded up
    assert fills(venue, send(venue, "buy", 400)) == [("13:40:00", "400", "10.05")]


def test_large_order_fills_at_a_share_of_each_points_volume() -> None:
    venue = exchange(CALM, at="09:40:05")
    order = send(venue, "buy", 2500)
    venue.advance(ny(ON, "09:41"))
    assert fills(venue, order) == [
        ("13:40:05", "1000", "10.01"),
        ("13:40:15", "1000", "10.01"),
        ("13:40:30", "500", "10.01"),
    ]
    assert story(venue, order) == ["pending_new", "new", "partial_fill", "partial_fill", "fill"]


def test_orders_of_one_symbol_share_a_points_volume_first_come_first_served() -> None:
    venue = exchange(CALM, at="09:40:05")
    first, second = send(venue, "buy", 700), send(venue, "buy", 700)
    venue.advance(ny(ON, "09:41"))
    assert fills(venue, first) == [("13:40:05", "700", "10.01")]
    assert fills(venue, second) == [("13:40:05", "300", "10.01"), ("13:40:15", "400", "10.01")]


def test_marketable_limit_takes_the_quote_and_resting_limit_gets_its_own_price() -> None:
    path = [*flat(10.0, 5), [10.0, 9.9, 9.8, 9.9], *flat(10.0, 5)]
    venue = exchange(prices(ON, "09:30", path), at="09:31")
    taking = send(venue, "buy", 100, "limit", limit_price=10.5)
    resting = send(venue, "buy", 100, "limit", limit_price=9.85)
    never = send(venue, "buy", 100, "limit", limit_price=9.7)
    venue.advance(ny(ON, "09:45"))
    assert fills(venue, taking) == [("13:31:00", "100", "10.01")]
    assert fills(venue, resting) == [("13:35:30", "100", "9.85")]
    assert fills(venue, never) == []


def test_limit_that_waited_for_the_open_takes_the_opening_quote() -> None:
    base = joined(prices(ON, "09:00", flat(10.0, 30)), prices(ON, "09:30", flat(9.5, 5)))
    venue = exchange(base, at="09:10")
    order = send(venue, "buy", 100, "limit", limit_price=9.8)
    assert venue.order(order.id).status == "accepted"
    venue.advance(ny(ON, "09:31"))
    assert fills(venue, order) == [("13:30:00", "100", "9.51")]
    assert story(venue, order) == ["pending_new", "accepted", "new", "fill"]


def test_stop_gapped_through_fills_at_the_market() -> None:
    base = prices(ON, "09:30", [*flat(10.0, 5), *flat(9.0, 5)])
    venue = exchange(base, at="09:31")
    send(venue, "buy", 100)
    stop = send(venue, "sell", 100, "stop", stop_price=9.8)
    venue.advance(ny(ON, "09:40"))
    assert fills(venue, stop) == [("13:35:00", "100", "8.99")]
    assert story(venue, stop)[-2:] == ["triggered", "fill"]


def test_stop_limit_gapped_through_rests_at_its_limit() -> None:
    base = prices(ON, "09:30", [*flat(10.0, 5), *flat(9.0, 5), [9.0, 9.3, 9.6, 9.6], *flat(9.6, 3)])
    venue = exchange(base, at="09:31")
    send(venue, "buy", 100)
    order = send(venue, "sell", 100, "stop_limit", stop_price=9.8, limit_price=9.5)
    venue.advance(ny(ON, "09:39"))
    assert story(venue, order)[-1] == "triggered"
    venue.advance(ny(ON, "09:45"))
    assert fills(venue, order) == [("13:40:30", "100", "9.5")]


def test_trailing_stop_follows_the_best_price_and_never_loosens() -> None:
    base = prices(ON, "09:30", [*flat(10.0, 3), [10.0, 10.5, 11.0, 10.9], *flat(10.6, 3), [10.6, 10.5, 10.4, 10.4]])
    venue = exchange(base, at="09:31")
    send(venue, "buy", 100)
    trail = send(venue, "sell", 100, "trailing_stop", trail_price=0.5)
    venue.advance(ny(ON, "09:33:20"))
    assert venue.high_water_mark(trail) == Decimal("10.5")
    venue.advance(ny(ON, "09:36:50"))
    assert venue.high_water_mark(trail) == Decimal("11.0")
    assert trail.is_open
    venue.advance(ny(ON, "09:38"))
    assert trail.stop_price == Decimal("10.5")
    assert fills(venue, trail) == [("13:37:15", "100", "10.49")]


def test_trailing_stop_keeps_its_mark_overnight() -> None:
    before = ny(ON, "00:00").date().replace(day=14)
    base = {before: prices(before, "09:30", [[10.0, 11.0, 10.9, 10.9]]), ON: prices(ON, "09:30", flat(10.4, 3))}
    venue = exchange(base, at="09:30:05")
    send(venue, "buy", 100)
    trail = send(venue, "sell", 100, "trailing_stop", trail_percent=5, time_in_force="gtc")
    venue.advance(ny(ON, "09:31"))
    assert trail.stop_price == Decimal("10.45")
    assert fills(venue, trail) == [("13:30:00", "100", "10.39")]


def test_immediate_or_cancel_keeps_what_it_gets_and_fill_or_kill_wants_all() -> None:
    venue = exchange(CALM, at="09:40:05")
    partly = send(venue, "buy", 1500, time_in_force="ioc")
    assert (partly.status.value, partly.filled_qty) == ("canceled", Decimal(1000))
    venue.advance(ny(ON, "09:41:05"))
    killed = send(venue, "buy", 1500, time_in_force="fok")
    assert (killed.status.value, killed.filled_qty) == ("canceled", Decimal(0))
    whole = send(venue, "buy", 900, time_in_force="fok")
    assert whole.status == "filled"


def test_auction_orders_fill_at_the_first_and_last_point_of_the_session_only() -> None:
    base = joined(
        prices(ON, "09:00", flat(9.0, 30)),
        prices(ON, "09:30", [[10.0, 10.1, 10.1, 10.1], *flat(10.1, 388), [10.1, 10.1, 10.1, 10.4]]),
        prices(ON, "16:00", flat(12.0, 10)),
    )
    venue = exchange(base, at="09:10")
    at_open, at_close = send(venue, "buy", 100, time_in_force="opg"), send(venue, "buy", 1200, time_in_force="cls")
    venue.advance(ny(ON, "17:00"))
    assert fills(venue, at_open) == [("13:30:00", "100", "10.01")]
    assert fills(venue, at_close) == [("19:59:45", "1000", "10.41")]
    assert story(venue, at_close)[-1] == "expired"
    with pytest.raises(Refusal, match="opg orders are not accepted"):
        send(venue, "buy", 100, time_in_force="opg")


def test_nothing_fills_while_halted_and_the_order_goes_on_afterwards() -> None:
    halt = Halt(symbol="AAA", start_at=ny(ON, "09:45"), end_at=ny(ON, "09:50"), reason="LULD")
    venue = exchange(CALM, at="09:46", halts=[halt])
    order, hasty = send(venue, "buy", 100), send(venue, "buy", 100, time_in_force="ioc")
    assert (order.status, hasty.status) == ("new", "canceled")
    venue.advance(ny(ON, "09:55"))
    assert fills(venue, order) == [("13:50:00", "100", "10.01")]


def test_only_extended_hours_limits_trade_before_the_open_and_after_the_close() -> None:
    base = joined(prices(ON, "08:00", flat(10.0, 480)), prices(ON, "16:00", flat(10.0, 240)))
    venue = exchange(base, at="08:05")
    early = send(venue, "buy", 100, "limit", limit_price=10.1, extended_hours=True)
    waiting = send(venue, "buy", 100, "limit", limit_price=10.1)
    assert fills(venue, early) == [("12:05:00", "100", "10.01")]
    assert fills(venue, waiting) == []
    venue.advance(ny(ON, "16:30"))
    assert fills(venue, waiting) == [("13:30:00", "100", "10.01")]
    late = send(venue, "sell", 100, "limit", limit_price=9.9, extended_hours=True)
    tomorrow = send(venue, "sell", 100, "limit", limit_price=9.9)
    venue.advance(ny(ON, "19:00"))
    assert fills(venue, late) == [("20:30:00", "100", "9.99")]
    assert tomorrow.status == "accepted"
    for kind in ("market", "stop"):
        with pytest.raises(Refusal, match="extended hours order must be DAY or GTC limit orders"):
            send(venue, "buy", 1, kind, extended_hours=True, **({"stop_price": 11} if kind == "stop" else {}))


def test_volume_share_too_small_for_a_share_fills_nothing() -> None:
    venue = exchange(prices(ON, "09:30", flat(10.0, 10), volume=36), at="09:31", config=FREE)
    order = send(venue, "buy", 1)
    venue.advance(ny(ON, "09:45"))
    assert fills(venue, order) == []


def test_limit_that_waited_for_the_open_rests_once_a_point_has_passed_it_by() -> None:
    venue = exchange(prices(ON, "09:30", [*flat(10.0, 2), *flat(9.5, 2)]), at="09:00")
    order = send(venue, "buy", 100, "limit", limit_price=9.8)
    venue.advance(ny(ON, "09:35"))
    assert fills(venue, order) == [("13:32:00", "100", "9.8")]


def test_limit_touched_by_a_trade_at_the_open_gets_its_price_though_the_quote_is_worse() -> None:
    venue = exchange(CALM, at="09:00")
    order = send(venue, "buy", 100, "limit", limit_price=10.0)
    venue.advance(ny(ON, "09:35"))
    assert fills(venue, order) == [("13:30:00", "100", "10")]
