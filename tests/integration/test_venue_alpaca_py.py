"""alpaca-py itself, unmodified and with its models on, drives every endpoint of the venue over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import requests
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed, MarketType, MostActivesBy
from alpaca.data.historical import (
    CryptoHistoricalDataClient,
    NewsClient,
    ScreenerClient,
    StockHistoricalDataClient,
)
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestBarRequest,
    CryptoLatestOrderbookRequest,
    CryptoLatestQuoteRequest,
    CryptoLatestTradeRequest,
    CryptoQuoteRequest,
    CryptoSnapshotRequest,
    CryptoTradesRequest,
    MarketMoversRequest,
    MostActivesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    ActivityType,
    AssetClass,
    OrderClass,
    OrderSide,
    OrderStatus,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import NonTradeActivity, TradeActivity
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from shared.core.market import Headline
from shared.core.values import Symbol
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.tape import HandTape, flat, joined, ny, prices, trading_days, walk

ON = date(2025, 10, 15)
KEYS = ("key", "secret")


class HandClock:
    """A clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass
class Venue:
    """A served exchange and the SDK's clients on it."""

    exchange: Exchange
    clock: HandClock
    url: str

    def __post_init__(self) -> None:
        # The SDK types each answer as "model or raw dict"; Any spares a cast at every line.
        self.trading: Any
        self.stocks: Any
        self.crypto: Any
        self.news: Any
        self.screener: Any
        self.trading = TradingClient(*KEYS, url_override=self.url)
        self.stocks = StockHistoricalDataClient(*KEYS, url_override=self.url)
        self.crypto = CryptoHistoricalDataClient(*KEYS, url_override=self.url)
        self.news = NewsClient(*KEYS, url_override=self.url)
        self.screener = ScreenerClient(*KEYS, url_override=self.url)

    def at(self, wall: str, on: date = ON) -> None:
        self.clock.at = ny(on, wall)


def tape() -> HandTape:
    made = {}
    for number, on in enumerate(trading_days(ON, 4)):
        made["BTC/USD", on] = prices(on, "00:00", walk(number, 1440, price=60_000.0, step=5.0), volume=40.0, spread=4.0)
        made["WALK", on] = prices(on, "04:00", walk(10 + number, 960, price=50.0), volume=40_000)
    made["CALM", ON] = joined(
        prices(ON, "09:30", flat(10.0, 30)),
        prices(ON, "10:00", [[10.0, 10.1, 10.2, 10.3]]),
        prices(ON, "10:01", flat(10.3, 359)),
    )
    stories = [
        Headline(
            news_id=f"story-{number}",
            published_at=ny(ON, "08:00") + timedelta(minutes=number),
            source="wire",
            headline=f"Calm number {number}",
            summary="Nothing happened.",
            symbols=(Symbol("CALM"),),
        )
        for number in range(60)
    ]
    return HandTape(ON, made, news=stories)


@pytest.fixture
def venue() -> Iterator[Venue]:
    clock = HandClock(ny(ON, "09:45"))
    exchange = Exchange(tape(), VenueConfig(requests_per_minute=1000))
    with ServerThread(create_app(exchange, clock.now, keys=KEYS)) as server:
        yield Venue(exchange, clock, server.url)


def bracket(qty: int = 100, **members: Any) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="CALM",
        qty=qty,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        limit_price=10.05,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=10.25),
        stop_loss=StopLossRequest(stop_price=9.5),
        **members,
    )


def refusal(error: pytest.ExceptionInfo[APIError]) -> tuple[int | None, int, str]:
    return error.value.status_code, error.value.code, error.value.message


def test_bracket_goes_from_receipt_to_take_profit(venue: Venue) -> None:
    receipt = venue.trading.submit_order(bracket(client_order_id="entry-1"))
    assert receipt.status is OrderStatus.PENDING_NEW
    assert [leg.status for leg in receipt.legs] == [OrderStatus.HELD, OrderStatus.HELD]

    entry = venue.trading.get_order_by_client_id("entry-1")
    assert entry.status is OrderStatus.FILLED
    assert entry.filled_avg_price == "10.01"
    nested = venue.trading.get_order_by_id(entry.id, GetOrderByIdRequest(nested=True))
    assert {leg.type.value: leg.status.value for leg in nested.legs} == {"limit": "new", "stop": "held"}

    venue.at("10:05")
    legs = venue.trading.get_order_by_id(entry.id, GetOrderByIdRequest(nested=True)).legs
    assert {leg.type.value: leg.status.value for leg in legs} == {"limit": "filled", "stop": "canceled"}
    assert venue.trading.get_all_positions() == []
    account = venue.trading.get_account()
    fees = sum(fill.fee for fill in venue.exchange.account.fills)
    assert fees > 0
    assert Decimal(account.equity) == Decimal(100_000) + 100 * (Decimal("10.25") - Decimal("10.01")) - fees


def test_account_positions_and_fills_add_up(venue: Venue) -> None:
    venue.trading.submit_order(
        MarketOrderRequest(symbol="CALM", qty=300, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    venue.at("11:00")
    account, position = venue.trading.get_account(), venue.trading.get_open_position("CALM")
    assert (position.qty, position.qty_available, position.current_price) == ("300", "300", "10.3")
    assert Decimal(account.cash) + Decimal(position.market_value) == Decimal(account.equity)
    assert Decimal(account.buying_power) == 2 * Decimal(account.equity) - Decimal(position.market_value)
    assert Decimal(position.unrealized_pl) == Decimal(position.market_value) - Decimal(position.cost_basis)
    assert account.last_equity == "100000"
    assert venue.trading.get_open_position(position.asset_id).symbol == "CALM"

    half = venue.trading.close_position("CALM", ClosePositionRequest(percentage="50"))
    assert half.qty == "150"
    closed = venue.trading.close_all_positions(cancel_orders=True)
    assert [(each.symbol, each.status) for each in closed] == [("CALM", 200)]
    assert venue.trading.get_all_positions() == []

    rows = venue.trading.get("/account/activities", {"direction": "asc"})
    fills = [TradeActivity(**row) for row in rows if row["activity_type"] == "FILL"]
    fees = [NonTradeActivity(**row) for row in rows if row["activity_type"] == "FEE"]
    flow = sum((1 if fill.side is OrderSide.SELL else -1) * fill.qty * fill.price for fill in fills)
    total = 100_000 + flow + sum(fee.net_amount for fee in fees)
    assert float(venue.trading.get_account().cash) == pytest.approx(total, abs=1e-6)
    assert {fill.activity_type for fill in fills} == {ActivityType.FILL}
    page = venue.trading.get("/account/activities/FILL", {"page_size": 1, "direction": "asc"})
    after = venue.trading.get("/account/activities/FILL", {"page_token": page[0]["id"], "direction": "asc"})
    assert [row["id"] for row in page + after] == [fill.id for fill in fills]


def test_every_order_type_is_taken_listed_replaced_and_canceled(venue: Venue) -> None:
    venue.trading.submit_order(
        MarketOrderRequest(symbol="CALM", qty=600, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    common = {"symbol": "CALM", "qty": 100, "side": OrderSide.SELL, "time_in_force": TimeInForce.GTC}
    limit = venue.trading.submit_order(LimitOrderRequest(limit_price=12.0, **common))
    stop = venue.trading.submit_order(StopOrderRequest(stop_price=9.0, **common))
    stop_limit = venue.trading.submit_order(StopLimitOrderRequest(stop_price=9.0, limit_price=8.9, **common))
    trailing = venue.trading.submit_order(TrailingStopOrderRequest(trail_percent=5.0, **common))
    oco = venue.trading.submit_order(
        LimitOrderRequest(
            limit_price=13.0,
            order_class=OrderClass.OCO,
            take_profit=TakeProfitRequest(limit_price=13.0),
            stop_loss=StopLossRequest(stop_price=8.0, limit_price=7.9),
            **common,
        )
    )
    assert venue.trading.get_order_by_id(trailing.id).stop_price == "9.5"
    assert venue.trading.get_order_by_id(trailing.id).hwm == "10"

    listed = venue.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True, direction=Sort.ASC))
    assert [order.id for order in listed] == [order.id for order in (limit, stop, stop_limit, trailing, oco)]
    assert [len(order.legs or ()) for order in listed] == [0, 0, 0, 0, 1]
    everything = venue.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["CALM"], limit=500))
    assert len(everything) == 7
    sells = venue.trading.get_orders(
        GetOrdersRequest(side=OrderSide.SELL, after=ny(ON, "09:00"), until=ny(ON, "10:00"), limit=2)
    )
    assert len(sells) == 2
    assert venue.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED))[0].side is OrderSide.BUY

    successor = venue.trading.replace_order_by_id(limit.id, ReplaceOrderRequest(limit_price=12.5, qty=90))
    assert (successor.replaces, successor.qty, successor.limit_price) == (limit.id, "90", "12.5")
    old = venue.trading.get_order_by_id(limit.id)
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, successor.id)

    venue.trading.cancel_order_by_id(stop.id)
    assert venue.trading.get_order_by_id(stop.id).status is OrderStatus.CANCELED
    canceled = venue.trading.cancel_orders()
    assert {each.status for each in canceled} == {200}
    assert {successor.id, stop_limit.id, trailing.id, oco.id} <= {each.id for each in canceled}
    assert venue.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN)) == []


def test_refusals_carry_alpacas_codes(venue: Venue) -> None:
    venue.trading.submit_order(bracket(client_order_id="twice"))
    with pytest.raises(APIError) as duplicate:
        venue.trading.submit_order(bracket(client_order_id="twice"))
    assert refusal(duplicate) == (422, 40010001, "client_order_id must be unique")
    with pytest.raises(APIError) as poor:
        venue.trading.submit_order(bracket(qty=1_000_000))
    assert refusal(poor) == (403, 40310000, "insufficient buying power")
    with pytest.raises(APIError) as short:
        venue.trading.close_position("CALM")
    assert refusal(short)[:2] == (403, 40310000)
    assert refusal(short)[2] == "insufficient qty available for order (requested: 100, available: 0)"
    with pytest.raises(APIError) as no_order:
        venue.trading.get_order_by_id(UUID(int=1))
    assert refusal(no_order)[:2] == (404, 40410000)
    with pytest.raises(APIError) as no_position:
        venue.trading.get_open_position("WALK")
    assert refusal(no_position) == (404, 40410000, "position does not exist")
    with pytest.raises(APIError) as no_asset:
        venue.trading.get_asset("NOPE")
    assert refusal(no_asset)[:2] == (404, 40410000)
    with pytest.raises(APIError) as penny:
        venue.trading.submit_order(
            LimitOrderRequest(
                symbol="CALM", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=10.005
            )
        )
    assert refusal(penny)[:2] == (422, 42210000)
    with pytest.raises(APIError) as strange:
        TradingClient("key", "wrong", url_override=venue.url).get_account()
    assert refusal(strange)[:2] == (401, 40110000)


def test_clock_calendar_and_assets_parse(venue: Venue) -> None:
    clock = venue.trading.get_clock()
    assert clock.is_open
    assert clock.timestamp == ny(ON, "09:45")
    assert clock.next_close == ny(ON, "16:00")
    assert clock.next_open == ny(date(2025, 10, 16), "09:30")
    days = venue.trading.get_calendar(GetCalendarRequest(start=date(2025, 11, 27), end=date(2025, 11, 28)))
    assert [(day.date, day.open.hour, day.close.hour) for day in days] == [(date(2025, 11, 28), 9, 13)]
    assets = venue.trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    assert [asset.symbol for asset in assets] == ["CALM", "WALK"]
    assert venue.trading.get_asset("BTC/USD").asset_class is AssetClass.CRYPTO
    assert venue.trading.get_asset(assets[0].id).symbol == "CALM"


def test_account_configuration_can_suspend_trading(venue: Venue) -> None:
    configuration = venue.trading.get_account_configurations()
    configuration.suspend_trade = True
    assert venue.trading.set_account_configurations(configuration).suspend_trade
    with pytest.raises(APIError) as suspended:
        venue.trading.submit_order(bracket())
    assert refusal(suspended)[0] == 403


def test_portfolio_history_ends_at_the_present_equity(venue: Venue) -> None:
    venue.trading.submit_order(
        MarketOrderRequest(symbol="CALM", qty=300, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    venue.at("10:30")
    history = venue.trading.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="5Min"))
    assert history.timestamp[0] == int(ny(ON, "09:30").timestamp())
    assert history.timestamp[-1] == int(ny(ON, "10:30").timestamp())
    assert history.equity[0] == 100_000
    assert history.equity[-1] == pytest.approx(float(venue.trading.get_account().equity))
    assert history.profit_loss[-1] == pytest.approx(history.equity[-1] - history.base_value)


def test_bars_come_in_pages_and_never_before_their_close(venue: Venue) -> None:
    start = datetime.combine(trading_days(ON, 4)[0], datetime.min.time(), UTC)
    five = TimeFrame(5, TimeFrameUnit.Minute)
    asked = StockBarsRequest(symbol_or_symbols=["CALM", "WALK"], timeframe=five, start=start, feed=DataFeed.IEX)
    bars = venue.stocks.get_stock_bars(asked)
    assert [bar.timestamp for bar in bars["CALM"]] == [ny(ON, f"09:{minute}") for minute in (30, 35, 40)]
    assert len(bars["WALK"]) == 3 * 192 + 69
    venue.at("09:49:59")
    assert len(venue.stocks.get_stock_bars(asked)["CALM"]) == 3

    pages, token = [], None
    while True:
        page = venue.stocks.get(
            "/stocks/bars",
            {
                "symbols": "WALK,CALM",
                "timeframe": "5Min",
                "start": start.isoformat(),
                "limit": 100,
                "page_token": token,
            },
        )
        pages.append(page["bars"])
        token = page["next_page_token"]
        if token is None:
            break
    rows = [row["t"] for page in pages for row in page.get("WALK", ())]
    assert rows == [f"{bar.timestamp:%Y-%m-%dT%H:%M:%SZ}" for bar in venue.stocks.get_stock_bars(asked)["WALK"]]
    assert all(sum(map(len, page.values())) <= 100 for page in pages)

    newest = venue.stocks.get_stock_bars(
        StockBarsRequest(symbol_or_symbols="WALK", timeframe=TimeFrame.Minute, start=start, limit=3, sort=Sort.DESC)
    )
    assert [bar.timestamp for bar in newest["WALK"]] == [ny(ON, f"09:{minute}") for minute in (48, 47, 46)]
    daily = venue.stocks.get_stock_bars(
        StockBarsRequest(symbol_or_symbols="WALK", timeframe=TimeFrame.Day, start=start)
    )
    assert [bar.timestamp.date() for bar in daily["WALK"]] == trading_days(ON, 4)[:-1]
    single = venue.stocks.get("/stocks/WALK/bars", {"timeframe": "1Hour", "limit": 2})
    assert single["symbol"] == "WALK"
    assert len(single["bars"]) == 2


def test_quotes_and_trades_are_those_of_now(venue: Venue) -> None:
    venue.at("10:00:20")
    quote = venue.stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["CALM"]))["CALM"]
    assert (quote.bid_price, quote.ask_price) == (10.09, 10.11)
    assert quote.timestamp == ny(ON, "10:00:20")
    trade = venue.stocks.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="CALM"))["CALM"]
    assert (trade.price, trade.size, trade.timestamp) == (10.1, 10_000, ny(ON, "10:00:15"))
    bar = venue.stocks.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="CALM"))["CALM"]
    assert bar.timestamp == ny(ON, "09:59")
    since = ny(ON, "10:00")
    quotes = venue.stocks.get_stock_quotes(StockQuotesRequest(symbol_or_symbols="CALM", start=since))["CALM"]
    trades = venue.stocks.get_stock_trades(StockTradesRequest(symbol_or_symbols="CALM", start=since))["CALM"]
    assert (
        [row.timestamp for row in quotes] == [row.timestamp for row in trades] == [since, since + timedelta(seconds=15)]
    )


def test_snapshot_shows_the_day_so_far(venue: Venue) -> None:
    venue.at("10:00:20")
    shots = venue.stocks.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=["CALM", "WALK"]))
    calm, walker = shots["CALM"], shots["WALK"]
    assert (calm.daily_bar.open, calm.daily_bar.high, calm.daily_bar.volume) == (10.0, 10.1, 30 * 40_000 + 20_000)
    assert calm.previous_daily_bar is None
    assert walker.previous_daily_bar.timestamp.date() == trading_days(ON, 4)[-2]
    assert walker.daily_bar.volume == (6 * 60) * 40_000 + 20_000
    single = venue.stocks.get("/stocks/WALK/snapshot")
    assert single["symbol"] == "WALK"
    assert single["latestTrade"]["p"] == walker.latest_trade.price


def test_screeners_and_news_parse(venue: Venue) -> None:
    venue.at("10:30")
    actives = venue.screener.get_most_actives(MostActivesRequest(top=5, by=MostActivesBy.VOLUME))
    assert [row.symbol for row in actives.most_actives] == ["WALK", "CALM"]
    movers = venue.screener.get_market_movers(MarketMoversRequest(top=5, market_type=MarketType.STOCKS))
    assert {row.symbol for row in movers.gainers + movers.losers} <= {"WALK"}
    assert venue.screener.get_market_movers(MarketMoversRequest(top=5, market_type=MarketType.CRYPTO)).last_updated

    stories = venue.news.get_news(NewsRequest(symbols="CALM", start=ny(ON, "07:00"), limit=60)).data["news"]
    assert len(stories) == 60
    assert stories[0].headline == "Calm number 59"
    early = venue.news.get_news(NewsRequest(symbols="CALM", end=ny(ON, "08:05"), sort="asc")).data["news"]
    assert [story.created_at for story in early] == [ny(ON, f"08:0{minute}") for minute in range(6)]
    assert venue.news.get_news(NewsRequest(symbols="WALK")).data["news"] == []


def test_crypto_trades_around_the_clock(venue: Venue) -> None:
    venue.at("19:30")
    venue.trading.submit_order(
        MarketOrderRequest(symbol="BTC/USD", qty=0.25, side=OrderSide.BUY, time_in_force=TimeInForce.GTC)
    )
    position = venue.trading.get_open_position("BTCUSD")
    assert (position.qty, position.asset_class) == ("0.25", AssetClass.CRYPTO)
    name = "BTC/USD"
    since = ny(ON, "19:00")
    bars = venue.crypto.get_crypto_bars(
        CryptoBarsRequest(symbol_or_symbols=name, timeframe=TimeFrame.Minute, start=since)
    )
    assert len(bars[name]) == 30
    assert venue.crypto.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols=name))[name].ask_price > 0
    assert venue.crypto.get_crypto_latest_trade(CryptoLatestTradeRequest(symbol_or_symbols=name))[name].price > 0
    assert venue.crypto.get_crypto_latest_bar(CryptoLatestBarRequest(symbol_or_symbols=name))[name].close > 0
    book = venue.crypto.get_crypto_latest_orderbook(CryptoLatestOrderbookRequest(symbol_or_symbols=name))[name]
    assert book.asks[0].price > book.bids[0].price
    assert venue.crypto.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols=name))[name].daily_bar.volume > 0
    quotes = venue.crypto.get_crypto_quotes(CryptoQuoteRequest(symbol_or_symbols=name, start=since, limit=7))
    trades = venue.crypto.get_crypto_trades(CryptoTradesRequest(symbol_or_symbols=name, start=since, limit=7))
    assert len(quotes[name]) == len(trades[name]) == 7


def test_log_tells_the_whole_story(venue: Venue) -> None:
    venue.trading.submit_order(bracket())
    lines = requests.get(f"{venue.url}/sandbox/log", timeout=60).text.splitlines()
    assert len(lines) == len(venue.exchange.log)
    rest = requests.get(f"{venue.url}/sandbox/log", params={"after": 4}, timeout=60).text.splitlines()
    assert rest == lines[4:]
