"""Groups, expiry, replacement, cancellation and refusals."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from simulation.market.tape import BasePrices
from simulation.venue.config import VenueConfig
from simulation.venue.orders import Order, ReplaceRequest
from simulation.venue.refusals import Refusal
from simulation.venue.requests import parse_order
from tests.support.tape import flat, joined, ny, prices
from tests.unit.simulation.venue.desk import FREE, ON, bracket, exchange, fills, send, story

CALM = prices(ON, "09:30", flat(10.0, 390))
GOOD = {"symbol": "AAA", "side": "buy", "qty": 100, "type": "market", "time_in_force": "day"}
RISE = prices(ON, "09:30", [*flat(10.0, 5), *flat(11.0, 5)])
FALL = prices(ON, "09:30", [*flat(10.0, 5), *flat(9.0, 5)])


def statuses(order: Order) -> list[str]:
    return [leg.status.value for leg in order.legs]


def code(caught: pytest.ExceptionInfo[Refusal]) -> tuple[int, int]:
    return caught.value.status, caught.value.code


def test_legs_are_held_until_the_entry_is_wholly_filled() -> None:
    venue = exchange(CALM, at="09:40")
    entry = bracket(venue, 1500, profit=11, loss=9)
    assert (entry.status, statuses(entry)) == ("partially_filled", ["held", "held"])
    assert not any(leg.is_armed for leg in entry.legs)
    venue.advance(ny(ON, "09:41"))
    assert (entry.status, statuses(entry)) == ("filled", ["new", "held"])
    assert all(leg.is_armed for leg in entry.legs)


def test_armed_stop_reports_new_where_configured() -> None:
    venue = exchange(CALM, at="09:40", config=VenueConfig(armed_stop_status="new"))
    assert statuses(bracket(venue, 100, profit=11, loss=9)) == ["new", "new"]


@pytest.mark.parametrize(("base", "ends"), [(RISE, ["filled", "canceled"]), (FALL, ["canceled", "filled"])])
def test_one_exit_filling_cancels_the_other(base: BasePrices, ends: list[str]) -> None:
    venue = exchange(base, at="09:31")
    entry = bracket(venue, 100, profit=10.5, loss=9.5)
    venue.advance(ny(ON, "09:40"))
    assert statuses(entry) == ends
    assert venue.account.held("AAA") == 0


def test_partly_filled_take_profit_shrinks_the_stop() -> None:
    base = prices(ON, "09:30", [*flat(10.0, 5), [10.0, 10.6, 10.0, 10.0], *flat(10.0, 3), *flat(9.0, 3)])
    venue = exchange(base, at="09:31")
    entry = bracket(venue, 1500, profit=10.5, loss=9.5)
    profit, loss = entry.legs
    venue.advance(ny(ON, "09:37"))
    assert (profit.filled_qty, loss.qty) == (Decimal(1000), Decimal(500))
    venue.advance(ny(ON, "09:45"))
    assert fills(venue, loss) == [("13:39:00", "500", "8.99")]
    assert statuses(entry) == ["canceled", "filled"]


def test_canceling_a_partly_filled_entry_takes_its_legs_along_and_keeps_the_shares() -> None:
    venue = exchange(CALM, at="09:40")
    entry = bracket(venue, 1500, profit=11, loss=9)
    venue.cancel(entry.id)
    assert (entry.status.value, statuses(entry)) == ("canceled", ["canceled", "canceled"])
    assert venue.account.held("AAA") == 1000
    assert story(venue, entry)[-2:] == ["pending_cancel", "canceled"]


def test_canceling_one_leg_cancels_the_group() -> None:
    venue = exchange(CALM, at="09:40")
    entry = bracket(venue, 100, profit=11, loss=9)
    venue.cancel(entry.legs[1].id)
    assert (entry.status, statuses(entry)) == ("filled", ["canceled", "canceled"])


def test_unfilled_day_bracket_expires_with_its_legs() -> None:
    venue = exchange(CALM, at="09:40")
    entry = bracket(venue, 100, profit=11, loss=8, limit_price=9)
    venue.advance(ny(ON, "16:00"))
    assert (entry.status, statuses(entry)) == ("expired", ["canceled", "canceled"])


def test_one_triggers_other_arms_its_only_leg_as_new() -> None:
    venue = exchange(FALL, at="09:31")
    entry = send(venue, "buy", 100, order_class="oto", stop_loss={"stop_price": 9.5})
    assert statuses(entry) == ["new"]
    venue.advance(ny(ON, "09:40"))
    assert statuses(entry) == ["filled"]


def test_oco_exits_reserve_the_shares_once() -> None:
    venue = exchange(CALM, at="09:40")
    send(venue, "buy", 100)
    exits = {"take_profit": {"limit_price": 11}, "stop_loss": {"stop_price": 9}}
    oco = send(venue, "sell", 100, "limit", order_class="oco", **exits)
    assert venue.book.reserved_to_sell("AAA") == (Decimal(100), [oco.id])
    assert (oco.limit_price, oco.status.value, statuses(oco)) == (Decimal(11), "new", ["held"])
    with pytest.raises(Refusal) as caught:
        send(venue, "sell", 1)
    assert code(caught) == (403, 40310000)
    assert caught.value.detail["related_orders"] == [oco.id]


@pytest.mark.parametrize(
    ("on", "extended", "ends"),
    [
        (date(2025, 10, 15), False, "16:00"),
        (date(2025, 10, 15), True, "20:00"),
        (date(2025, 11, 28), False, "13:00"),
        (date(2025, 11, 28), True, "17:00"),
    ],
)
def test_day_orders_expire_at_the_close_that_day_has(on: date, extended: bool, ends: str) -> None:
    venue = exchange({on: prices(on, "09:30", flat(10.0, 200))}, at="10:00")
    order = send(venue, "buy", 100, "limit", limit_price=9, extended_hours=extended)
    venue.advance(ny(on, "23:00"))
    assert (order.status, order.expired_at) == ("expired", ny(on, ends))


def test_good_till_canceled_lives_on_the_next_day() -> None:
    days = {on: prices(on, "09:30", flat(price, 390)) for on, price in ((date(2025, 10, 14), 10.0), (ON, 9.0))}
    venue = exchange(days, at="10:00")
    order = send(venue, "buy", 100, "limit", limit_price=9.5, time_in_force="gtc")
    venue.advance(ny(ON, "10:00"))
    assert fills(venue, order) == [("13:30:00", "100", "9.01")]


def test_replacement_is_a_new_order_that_points_back() -> None:
    venue = exchange(CALM, at="09:40")
    old = send(venue, "buy", 100, "limit", limit_price=9)
    new = venue.replace(old.id, ReplaceRequest(limit_price=Decimal("10.02"), client_order_id="second"))
    assert (old.status, old.replaced_by, new.replaces, new.client_order_id) == ("replaced", new.id, old.id, "second")
    assert fills(venue, new) == [("13:40:00", "100", "10.01")]
    with pytest.raises(Refusal, match='already in "replaced" state'):
        venue.replace(old.id, ReplaceRequest(limit_price=Decimal(11)))


@pytest.mark.parametrize(("keeps", "qty"), [(True, 1500), (False, 500)])
def test_replacing_a_partly_filled_order_asks_for_the_original_quantity_as_alpaca_does(keeps: bool, qty: int) -> None:
    venue = exchange(CALM, at="09:40", config=VenueConfig(replace_keeps_qty=keeps))
    old = send(venue, "buy", 1500, "limit", limit_price=10.05)
    assert old.filled_qty == 1000
    assert venue.replace(old.id, ReplaceRequest(limit_price=Decimal(9))).qty == qty


def test_replacing_a_partly_filled_sale_with_its_original_quantity_is_refused() -> None:
    venue = exchange(CALM, at="09:40")
    send(venue, "buy", 1000)
    venue.advance(ny(ON, "09:41"))
    send(venue, "buy", 500)
    venue.advance(ny(ON, "09:42"))
    sale = send(venue, "sell", 1500, "limit", limit_price=9.9)
    with pytest.raises(Refusal) as caught:
        venue.replace(sale.id, ReplaceRequest(limit_price=Decimal(11)))
    assert code(caught) == (403, 40310000)
    assert sale.status == "partially_filled"


def test_replaced_stop_leg_stays_in_its_group() -> None:
    venue = exchange(FALL, at="09:31")
    entry = bracket(venue, 100, profit=11, loss=8)
    tighter = venue.replace(entry.legs[1].id, ReplaceRequest(stop_price=Decimal("9.5")))
    assert entry.legs[1] is tighter
    assert tighter.status == "held"
    venue.advance(ny(ON, "09:40"))
    assert statuses(entry) == ["canceled", "filled"]


def test_order_waiting_for_its_session_cannot_be_replaced() -> None:
    venue = exchange(CALM, at="09:00")
    order = send(venue, "buy", 100, "limit", limit_price=9)
    with pytest.raises(Refusal, match="isn't sent to exchange yet"):
        venue.replace(order.id, ReplaceRequest(limit_price=Decimal(8)))


def test_used_client_order_id_is_refused_for_ever() -> None:
    venue = exchange(CALM, at="09:40")
    order = send(venue, "buy", 100, "limit", limit_price=9, client_order_id="mine")
    venue.cancel(order.id)
    with pytest.raises(Refusal) as caught:
        send(venue, "buy", 100, client_order_id="mine")
    assert code(caught) == (422, 40010001)
    assert venue.order_by_client_id("mine") is order


def test_buying_power_counts_open_buys_and_frees_them_on_cancel() -> None:
    venue = exchange(CALM, at="09:40")
    assert venue.buying_power() == 200_000
    order = send(venue, "buy", 15_000, "limit", limit_price=9)
    assert venue.buying_power() == 200_000 - 135_000
    with pytest.raises(Refusal, match="insufficient buying power"):
        send(venue, "buy", 8_000, "limit", limit_price=9)
    venue.cancel(order.id)
    assert venue.buying_power() == 200_000


def test_market_buy_is_valued_above_the_ask() -> None:
    venue = exchange(CALM, at="09:40", config=VenueConfig(cash=Decimal(1000), margin_multiplier=1))
    with pytest.raises(Refusal) as caught:
        send(venue, "buy", 97)
    assert caught.value.detail["cost_basis"] == str(97 * Decimal("10.01") * Decimal("1.04")).rstrip("0")
    assert send(venue, "buy", 96).status == "filled"


def test_selling_more_than_held_is_refused_unless_shorting_is_allowed() -> None:
    venue = exchange(CALM, at="09:40")
    with pytest.raises(Refusal) as caught:
        send(venue, "sell", 10)
    assert code(caught) == (403, 40310000)
    short = exchange(CALM, at="09:40", config=VenueConfig(allow_shorting=True))
    send(short, "sell", 10)
    assert short.account.held("AAA") == -10
    assert short.close_position("AAA").side == "buy"
    assert short.account.held("AAA") == 0


def test_order_that_could_meet_our_own_is_a_wash_trade() -> None:
    venue = exchange(CALM, at="09:40")
    send(venue, "buy", 100)
    resting = send(venue, "buy", 100, "limit", limit_price=9)
    with pytest.raises(Refusal, match="potential wash trade") as caught:
        send(venue, "sell", 100)
    assert caught.value.detail["existing_order_id"] == resting.id
    with pytest.raises(Refusal, match="potential wash trade"):
        send(venue, "sell", 100, "limit", limit_price=9)
    assert send(venue, "sell", 60, "limit", limit_price=11).status == "new"
    stop = {"stop_price": 8}
    assert send(venue, "sell", 40, "limit", order_class="oco", limit_price=8.5, stop_loss=stop).status == "filled"


def test_a_group_is_exempt_from_the_wash_check_whichever_side_it_stands_on() -> None:
    venue = exchange(CALM, at="09:40")
    send(venue, "buy", 100)
    resting = send(venue, "sell", 100, "limit", limit_price=11)
    with pytest.raises(Refusal, match="potential wash trade") as caught:
        send(venue, "buy", 10)
    assert caught.value.detail["existing_order_id"] == resting.id
    profit, loss = {"limit_price": 12}, {"stop_price": 9}
    group = send(venue, "buy", 10, order_class="bracket", take_profit=profit, stop_loss=loss)
    assert group.status == "filled"


def test_corporate_action_is_refused_where_it_would_touch_us() -> None:
    venue = exchange(CALM, at="09:40")
    venue.apply_corporate_action("AAA", "split")
    send(venue, "buy", 100)
    with pytest.raises(Refusal, match="corporate action split of AAA is not supported"):
        venue.apply_corporate_action("AAA", "split")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"qty": "1.5"}, "fractional"),
        ({"qty": "nan"}, "finite"),
        ({"qty": "ten"}, "number"),
        ({"qty": 0}, "qty must be > 0"),
        ({"qty": None, "notional": 100}, "notional orders are not supported"),
        ({"symbol": "NOPE"}, "not found"),
        ({"side": "hold"}, "invalid side"),
        ({"type": "limit"}, "require limit_price"),
        ({"limit_price": 10}, "must not have limit_price"),
        ({"type": "limit", "limit_price": 10.001}, "sub-penny"),
        ({"type": "limit", "limit_price": 0.50001}, "sub-penny"),
        ({"type": "limit", "limit_price": -1}, "> 0"),
        ({"type": "trailing_stop"}, "exactly one of"),
        ({"type": "stop", "stop_price": 9, "time_in_force": "ioc"}, "cannot be ioc"),
        ({"order_class": "bracket", "stop_loss": {"stop_price": 9}}, "take_profit.limit_price"),
        (
            {"order_class": "bracket", "take_profit": {"limit_price": 9}, "stop_loss": {"stop_price": 9.5}},
            "take_profit.limit_price must be > stop_loss.stop_price",
        ),
        (
            {"order_class": "bracket", "take_profit": {"limit_price": 12}, "stop_loss": {"stop_price": 10.5}},
            "stop_loss.stop_price must be <= base_price - 0.01",
        ),
        (
            {
                "side": "sell",
                "type": "limit",
                "order_class": "oco",
                "limit_price": 0.5,
                "stop_loss": {"stop_price": 0.495},
            },
            "stop_loss.stop_price must be <= base_price - 0.01",
        ),
        ({"order_class": "oto"}, "either take_profit or stop_loss"),
        ({"take_profit": {"limit_price": 12}}, "simple orders"),
        ({"client_order_id": "x" * 129}, "128 characters"),
        ({"extended_hours": "yes"}, "true or false"),
    ],
)
def test_malformed_orders_are_refused_with_422_and_change_nothing(members: dict[str, object], message: str) -> None:
    venue = exchange(CALM, at="09:40")
    with pytest.raises(Refusal, match=message) as caught:
        venue.submit(parse_order(GOOD | members))
    assert caught.value.status == 422
    assert venue.log == []


def test_fees_on_sales_are_rounded_up_once_per_order() -> None:
    config = VenueConfig(
        slippage_spread_share=Decimal(0), slippage_impact_bp=Decimal(0), sec_fee_per_million=Decimal("27.80")
    )
    venue = exchange(CALM, at="09:40:05", config=config)
    send(venue, "buy", 1000)
    venue.advance(ny(ON, "09:41:05"))
    send(venue, "buy", 1000)
    venue.advance(ny(ON, "09:42:05"))
    sale = send(venue, "sell", 2000)
    venue.advance(ny(ON, "09:43"))
    # SEC: 2000 x 9.99 x 27.80 / 1e6 = 0.5555 -> 0.56; TAF: 2000 x 0.000195 = 0.39
    assert sale.fees == Decimal("0.95")
    assert len(fills(venue, sale)) == 2


def test_last_equity_is_that_of_the_previous_close() -> None:
    days = {on: prices(on, "09:30", flat(price, 390)) for on, price in ((date(2025, 10, 14), 10.0), (ON, 12.0))}
    venue = exchange(days, at="10:00")
    send(venue, "buy", 100)
    assert venue.last_equity() == FREE.cash
    venue.advance(ny(ON, "10:00"))
    assert venue.last_equity() == FREE.cash - 100 * Decimal("0.01")
    assert venue.equity() == venue.last_equity() + 100 * 2


def test_ids_depend_on_the_tape_and_the_order_of_submission_only() -> None:
    def run() -> list[str]:
        venue = exchange(CALM, at="09:40")
        return [send(venue, "buy", 1).id, bracket(venue, 1, profit=11, loss=9).id]

    assert run() == run()
    assert len(set(run())) == 2


def test_exits_never_sell_more_than_is_left_of_the_position() -> None:
    base = prices(ON, "09:30", [*flat(10.0, 15), *flat(9.0, 15)])
    venue = exchange(base, at="09:40", config=VenueConfig(wash_trade_check=False))
    entry = bracket(venue, 1500, profit=11, loss=9.5)
    venue.advance(ny(ON, "09:40:10"))
    send(venue, "sell", 600, "limit", limit_price=9.9)
    venue.advance(ny(ON, "10:00"))
    assert [leg.filled_qty for leg in entry.legs] == [0, 900]
    assert entry.legs[1].status == "canceled"
    assert venue.account.held("AAA") == 0


def test_equity_at_the_close_knows_nothing_of_after_hours() -> None:
    before = date(2025, 10, 14)
    days = {
        before: joined(prices(before, "09:30", flat(10.0, 390)), prices(before, "16:00", flat(20.0, 5))),
        ON: prices(ON, "09:30", flat(10.0, 5)),
    }
    venue = exchange(days, at="10:00")
    send(venue, "buy", 100)
    venue.advance(ny(ON, "10:00"))
    assert venue.last_equity() == FREE.cash - 100 * Decimal("0.01")
