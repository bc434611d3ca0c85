"""The whole Alpaca adapter through the real alpaca-py, on the venue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from shared.adapters.alpaca import AlpacaBroker, AlpacaMarketData
from shared.core.errors import BrokerError, ContractError, TransientError
from shared.core.market import Headline, Timeframe
from shared.core.orders import OrderClass, OrderRequest, OrderStatus, OrderType
from shared.core.values import Side, Symbol
from simulation.venue.beside import OPTION, hand_traded
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.faults import Fault, FaultRule
from simulation.venue.face.server import ServerThread
from tests.support.alpaca import FixedClock, settings_for
from tests.support.tape import HandTape, market, ny

AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")
ON = date(2025, 10, 15)


class Venue:
    """A venue on a hand-made market, its clock in our hands."""

    def __init__(self, tape: HandTape, clock: FixedClock) -> None:
        self.tape = tape
        self.clock = clock
        self.exchange = Exchange(tape, VenueConfig(requests_per_minute=10_000))
        self.app = create_app(self.exchange, clock.now, keys=("the-key", "the-secret"))
        self.thread = ServerThread(self.app)


@pytest.fixture
def venue() -> Iterator[Venue]:
    story = Headline(
        news_id="77",
        published_at=ny(ON, "08:00"),
        source="wire",
        headline="Something happened",
        summary="It did.",
        symbols=(AAPL,),
    )
    walked = market(ON, ["AAPL", "MSFT"], days=3)
    days = {(symbol, on): walked.base(symbol, on) for symbol in walked.assets for on in walked.session_dates}
    made = Venue(HandTape(ON, days, news=[story]), FixedClock(ny(ON, "10:00:30")))
    with made.thread:
        yield made


@pytest.fixture
def venue_broker(venue: Venue) -> AlpacaBroker:
    return AlpacaBroker(settings_for(venue.thread.url))


@pytest.fixture
def venue_data(venue: Venue) -> AlpacaMarketData:
    return AlpacaMarketData(settings_for(venue.thread.url), venue.clock)


def bracket(venue_data: AlpacaMarketData, **changes: Any) -> OrderRequest:
    ask = venue_data.quotes([AAPL])[AAPL].ask
    fields: dict[str, Any] = {
        "client_order_id": "i-entry-1",
        "symbol": AAPL,
        "side": Side.BUY,
        "qty": 10,
        "order_type": OrderType.LIMIT,
        "order_class": OrderClass.BRACKET,
        "limit_price": ask + Decimal("0.10"),
        "stop_price": ask - 5,
        "target_price": ask + 5,
    }
    return OrderRequest(**{**fields, **changes})


def test_a_bracket_lives_and_is_seen_with_its_legs(
    venue: Venue, venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    opened = venue.clock.at
    sent = venue_broker.submit(bracket(venue_data))
    assert sent.client_order_id == "i-entry-1"
    venue.clock.at += timedelta(minutes=2)
    filled = venue_broker.order("i-entry-1")
    assert filled is not None
    assert (filled.status, filled.filled_qty) == (OrderStatus.FILLED, Decimal(10))
    assert len(filled.legs) == 2
    listed = venue_broker.orders(since=opened - timedelta(minutes=1))
    assert {order.order_id for order in listed} == {filled.order_id, *(leg.order_id for leg in filled.legs)}
    assert {order.parent_order_id for order in listed} == {None, filled.order_id}
    (position,) = venue_broker.positions()
    assert (position.symbol, position.qty, position.average_price) == ("AAPL", Decimal(10), filled.filled_average_price)
    account = venue_broker.account()
    assert not account.is_blocked
    assert account.cash < Decimal(100_000)
    venue_broker.cancel(filled.order_id)


def test_a_used_client_order_id_is_refused_by_the_broker_s_own_code(
    venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    order = bracket(venue_data)
    venue_broker.submit(order)
    with pytest.raises(BrokerError) as caught:
        venue_broker.submit(order)
    assert (caught.value.status, caught.value.code) == (422, 40010001)
    with pytest.raises(BrokerError) as refused:
        venue_broker.submit(bracket(venue_data, client_order_id="i-entry-2", qty=1_000_000))
    assert refused.value.status == 403


def test_a_working_order_is_cancelled_and_a_second_cancel_is_no_error(
    venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    simple = {"order_class": OrderClass.SIMPLE, "stop_price": None, "target_price": None}
    sent = venue_broker.submit(bracket(venue_data, **simple, limit_price=Decimal("1.00")))
    venue_broker.cancel(sent.order_id)
    venue_broker.cancel(sent.order_id)
    cancelled = venue_broker.order("i-entry-1")
    assert cancelled is not None
    assert cancelled.status is OrderStatus.CANCELED


def test_a_submit_whose_answer_was_lost_left_exactly_one_order(
    venue: Venue, venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    order = bracket(venue_data)
    venue.app.state.faults.append(FaultRule(kind=Fault.LOST_ANSWER, path="/v2/orders", method="POST", remaining=1))
    with pytest.raises(TransientError):
        venue_broker.submit(order)
    found = venue_broker.order(order.client_order_id)
    assert found is not None
    assert found.qty == 10
    assert len([entry for entry in venue.exchange.book.orders.values() if entry.client_order_id == "i-entry-1"]) == 1


def test_a_sale_beside_a_resting_buy_of_the_account_is_a_wash_trade_and_a_pair_is_not(
    venue: Venue, venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    bid = venue_data.quotes([AAPL])[AAPL].bid
    simple = {"order_class": OrderClass.SIMPLE, "stop_price": None, "target_price": None}
    venue_broker.submit(bracket(venue_data, **simple))
    venue.clock.at += timedelta(minutes=2)
    theirs = venue_broker.submit(bracket(venue_data, **simple, client_order_id="by-hand", limit_price=bid - 3))
    sale = bracket(
        venue_data, **simple, client_order_id="x-0", side=Side.SELL, order_type=OrderType.MARKET, limit_price=None
    )
    with pytest.raises(BrokerError) as caught:
        venue_broker.submit(sale)
    assert (caught.value.status, caught.value.code) == (403, 40310000)
    assert "potential wash trade detected. use complex orders" in str(caught.value)
    (named,) = venue_broker.open_orders(AAPL)
    assert (named.order_id, named.side, named.limit_price) == (theirs.order_id, Side.BUY, bid - 3)
    pair = replace(
        sale, order_type=OrderType.LIMIT, order_class=OrderClass.OCO, stop_price=bid - 2, target_price=bid - 1
    )
    sold = venue_broker.submit(pair)
    venue.clock.at += timedelta(minutes=1)
    found = venue_broker.order("x-0")
    assert found is not None
    assert (found.order_id, found.status) == (sold.order_id, OrderStatus.FILLED)
    assert venue_broker.position(AAPL) is None
    assert [order.order_id for order in venue_broker.open_orders(AAPL)] == [theirs.order_id]


def test_one_position_is_asked_for_by_its_symbol_and_may_be_none(
    venue: Venue, venue_broker: AlpacaBroker, venue_data: AlpacaMarketData
) -> None:
    assert venue_broker.position(AAPL) is None
    venue_broker.submit(bracket(venue_data))
    venue.clock.at += timedelta(minutes=2)
    found = venue_broker.position(AAPL)
    assert found is not None
    assert (found.symbol, found.qty) == (AAPL, Decimal(10))
    assert venue_broker.position(MSFT) is None
    standing = venue_broker.open_orders(AAPL)
    assert {order.side for order in standing if not order.status.is_final} == {Side.SELL}
    assert list(venue_broker.open_orders(MSFT)) == []


def test_the_market_is_read_as_the_tape_has_it(venue: Venue, venue_data: AlpacaMarketData) -> None:
    start, end = ny(ON, "09:30"), ny(ON, "11:00")
    assert [asset.symbol for asset in venue_data.assets()] == ["AAPL", "MSFT"]
    for timeframe in (Timeframe.MIN_1, Timeframe.MIN_5, Timeframe.MIN_15):
        found = venue_data.bars([AAPL, MSFT], timeframe, start, end)
        closed = venue.clock.at - timedelta(seconds=timeframe.seconds)
        for symbol, bars in found.items():
            whole = venue.tape.bars(symbol, timeframe, start, closed + timedelta(microseconds=1))
            assert len(bars) == len(whole) > 0
            assert np.array_equal(bars.start_s, whole.start_s)
            assert np.allclose(bars.close, whole.close)
            assert np.allclose(bars.volume, whole.volume)
    daily = venue_data.bars([AAPL], Timeframe.DAY_1, start - timedelta(days=10), end)[AAPL]
    assert len(daily) == 2
    snapshot = venue_data.snapshots([AAPL, MSFT])[AAPL]
    quote = venue_data.quotes([AAPL, MSFT])[AAPL]
    assert snapshot.previous_close == pytest.approx(float(daily.close[-1]))
    assert snapshot.day_low <= snapshot.last_price <= snapshot.day_high
    assert quote.is_two_sided
    assert timedelta(0) <= venue.clock.at - quote.at <= timedelta(seconds=5)
    (told,) = venue_data.news(ny(ON, "04:00"), end)
    assert told.headline == "Something happened"
    assert told.url.startswith("https://")
    assert list(venue_data.news(ny(ON, "09:00"), end)) == []


def test_what_a_person_trades_by_hand_is_read_row_by_row_and_hides_nothing_of_ours(
    venue: Venue, venue_broker: AlpacaBroker
) -> None:
    venue.exchange.beside = hand_traded(["AAPL"], ny(ON, "09:00"))
    venue_broker.submit(
        OrderRequest(
            client_order_id="ours-entry-0", symbol=AAPL, side=Side.BUY, qty=Decimal(3), order_type=OrderType.MARKET
        )
    )
    venue.clock.at = ny(ON, "10:01:30")
    held, sent = venue_broker.positions(), venue_broker.orders(since=ny(ON, "08:00"))
    assert [(p.symbol, str(p.qty)) for p in held] == [("AAPL", "3"), ("BTCUSD", "0.0123"), ("MSFT", "0.5")]
    assert {row.name: row.market_value for row in held.unread} == {OPTION: 2240, "BC_PRA": None, "DWACW": None}
    quantities = {order.client_order_id: str(order.qty) for order in sent}
    assert quantities == {"ours-entry-0": "3", "hand-rest-AAPL": "5", "hand-fraction": "0.25"}
    assert sorted(row.name for row in sent.unread) == ["", "MSFT", OPTION]
    ours, nothing = venue_broker.position(AAPL), venue_broker.position(Symbol("SPY"))
    assert ours is not None
    assert (ours.qty, nothing) == (Decimal(3), None)
    with pytest.raises(ContractError, match="avg_entry_price is null"):
        venue_broker.position(Symbol("DWACW"))
    account = venue_broker.account()
    assert account.equity - account.cash > venue.exchange.beside.value
    assert venue.exchange.beside.touched == []
