"""The market data adapter through the real alpaca-py, against answers written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.alpaca import AlpacaMarketData
from shared.contracts.settings import Feed
from shared.core.errors import ContractError
from shared.core.market import Timeframe
from shared.core.values import Symbol, iso
from tests.support.alpaca import NOW, FixedClock, settings_for
from tests.support.alpaca_answers import ASSET, BAR, HEADLINE, QUOTE, SNAPSHOT
from tests.support.scripted_server import ScriptedServer, scripted_server

AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the adapter would have waited."""
    return []


@pytest.fixture
def data(server: ScriptedServer, slept: list[float]) -> AlpacaMarketData:
    return AlpacaMarketData(settings_for(server.url, feed=Feed.SIP), FixedClock(), sleep=slept.append)


def minute_bar(minute: int, **changes: Any) -> dict[str, Any]:
    return {**BAR, "t": f"2025-10-15T13:{minute:02}:00Z", **changes}


def test_bars_of_many_pages_are_joined_by_symbol(server: ScriptedServer, data: AlpacaMarketData) -> None:
    server.will_answer(
        {"bars": {"AAPL": [minute_bar(30), minute_bar(31)]}, "next_page_token": "p2"},
        {"bars": {"AAPL": [minute_bar(32)], "MSFT": [minute_bar(30, c=500.0)]}, "next_page_token": None},
    )
    start = NOW.replace(hour=13, minute=30, second=0)
    found = data.bars([AAPL, MSFT, Symbol("NONE")], Timeframe.MIN_1, start, NOW)
    assert {symbol: len(bars) for symbol, bars in found.items()} == {"AAPL": 3, "MSFT": 1, "NONE": 0}
    assert found[AAPL].start_s.tolist() == [1760535000, 1760535060, 1760535120]
    assert server.asked[0].query == {
        "symbols": "AAPL,MSFT,NONE",
        "timeframe": "1Min",
        "start": "2025-10-15T13:30:00Z",
        "end": "2025-10-15T13:59:30Z",
        "limit": "10000",
        "adjustment": "raw",
        "feed": "sip",
        "sort": "asc",
    }
    assert server.asked[1].query["page_token"] == "p2"


def test_a_bar_that_has_not_closed_is_never_shown(server: ScriptedServer, data: AlpacaMarketData) -> None:
    rows = [minute_bar(50), minute_bar(55), {**BAR, "t": "2025-10-15T14:00:00Z"}]
    server.will_answer({"bars": {"AAPL": rows}, "next_page_token": None})
    found = data.bars([AAPL], Timeframe.MIN_5, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert found[AAPL].start_s.tolist() == [1760536200, 1760536500]


def test_a_bar_that_closes_this_very_instant_is_shown(server: ScriptedServer) -> None:
    clock = FixedClock(NOW.replace(second=0))
    server.will_answer({"bars": {"AAPL": [minute_bar(55)]}, "next_page_token": None})
    found = AlpacaMarketData(settings_for(server.url), clock).bars(
        [AAPL], Timeframe.MIN_5, NOW - timedelta(hours=1), NOW
    )
    assert len(found[AAPL]) == 1


def test_bars_of_the_future_need_no_call(server: ScriptedServer, data: AlpacaMarketData) -> None:
    assert len(data.bars([AAPL], Timeframe.DAY_1, NOW - timedelta(hours=5), NOW)[AAPL]) == 0
    assert server.asked == []


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"next_page_token": None}, "bars must be in the answer"),
        ({"bars": [], "next_page_token": "x"}, "pages without end"),
        ({"bars": {"AAPL": {}}, "next_page_token": None}, "AAPL must be a list"),
        ({"bars": {"AAPL": [{"t": BAR["t"]}]}, "next_page_token": None}, "GET /stocks/bars AAPL: o is missing"),
        ({"bars": {"AAPL": [BAR, BAR]}, "next_page_token": None}, "strictly increasing"),
        (["bars"], "answer must be an object"),
    ],
)
def test_nonsense_bars_are_a_contract_error(
    server: ScriptedServer, data: AlpacaMarketData, page: Any, reason: str
) -> None:
    server.will_answer(page, page, page)
    with pytest.raises(ContractError, match=reason):
        data.bars([AAPL], Timeframe.MIN_1, NOW - timedelta(hours=1), NOW)


def test_snapshots_are_asked_a_thousand_at_a_time(server: ScriptedServer, data: AlpacaMarketData) -> None:
    symbols = [Symbol(f"S{number}") for number in range(1500)]
    server.will_answer({"S3": SNAPSHOT, "S4": None, "S5": {**SNAPSHOT, "latestTrade": None}}, {"S1499": SNAPSHOT})
    found = data.snapshots(symbols)
    assert list(found) == ["S3", "S1499"]
    assert found[Symbol("S3")].last_price == 251.3
    assert [len(asked.query["symbols"].split(",")) for asked in server.asked] == [1000, 500]
    assert data.snapshots([]) == {}


def test_a_broken_snapshot_is_named(server: ScriptedServer, data: AlpacaMarketData) -> None:
    server.will_answer({"AAPL": {**SNAPSHOT, "latestTrade": {"t": BAR["t"], "p": "251"}}})
    with pytest.raises(ContractError, match="GET /stocks/snapshots AAPL: p must be a finite number, got '251'"):
        data.snapshots([AAPL])


def test_quotes_come_for_those_that_have_one(server: ScriptedServer, data: AlpacaMarketData) -> None:
    server.will_answer({"quotes": {"AAPL": QUOTE, "MSFT": None}}, {"quotes": None}, {})
    assert list(data.quotes([AAPL, MSFT])) == ["AAPL"]
    assert data.quotes([AAPL]) == {}
    with pytest.raises(ContractError, match="quotes must be in the answer"):
        data.quotes([AAPL])


def test_assets_are_the_tradable_ones_by_symbol(server: ScriptedServer, data: AlpacaMarketData) -> None:
    lendable_unknown = {key: value for key, value in ASSET.items() if key != "easy_to_borrow"}
    server.will_answer([{**ASSET, "symbol": "MSFT"}, lendable_unknown, {**ASSET, "symbol": "OLD", "tradable": False}])
    assert [asset.symbol for asset in data.assets()] == ["AAPL", "MSFT"]
    assert server.asked[0].query == {"status": "active", "asset_class": "us_equity"}


def test_news_is_read_page_by_page_oldest_first(server: ScriptedServer, data: AlpacaMarketData) -> None:
    late, early = ({**HEADLINE, "id": n, "created_at": f"2025-10-15T{12 - n}:30:00Z"} for n in range(2))
    outside = {**HEADLINE, "id": 5, "created_at": iso(NOW)}
    server.will_answer({"news": [late], "next_page_token": "t"}, {"news": [early, outside], "next_page_token": ""})
    found = data.news(NOW - timedelta(hours=4), NOW)
    assert [headline.news_id for headline in found] == ["1", "0"]
    assert [asked.path for asked in server.asked] == ["/v1beta1/news"] * 2
