"""The market data adapter through the real alpaca-py, against answers written by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from shared.adapters.alpaca import AlpacaMarketData
from shared.contracts.settings import Feed
from shared.core.errors import ContractError
from shared.core.market import Timeframe
from shared.core.unread import Unread
from shared.core.values import Symbol, iso
from tests.support.alpaca import NOW, FixedClock, settings_for
from tests.support.alpaca_answers import ASSET, BAR, HEADLINE, QUOTE, SNAPSHOT
from tests.support.scripted_server import ScriptedServer, scripted_server

AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")
ON = date(2025, 10, 15)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the adapter would have waited."""
    return []


@pytest.fixture
def told() -> list[Unread]:
    """Rows that the adapter told of."""
    return []


@pytest.fixture
def data(server: ScriptedServer, slept: list[float], told: list[Unread]) -> AlpacaMarketData:
    return AlpacaMarketData(settings_for(server.url, feed=Feed.SIP), FixedClock(), sleep=slept.append, tell=told.extend)


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


def test_a_broken_snapshot_is_left_out_and_told_with_its_raw_text(
    server: ScriptedServer, data: AlpacaMarketData, told: list[Unread]
) -> None:
    broken = {**SNAPSHOT, "latestTrade": {"t": BAR["t"], "p": "251"}}
    server.will_answer({"AAPL": broken, "MSFT": SNAPSHOT})
    found = data.snapshots([AAPL, MSFT])
    assert list(found) == ["MSFT"]
    (row,) = found.unread
    assert (row.what, row.name, row.fault) == ("snapshot", "AAPL", "p must be a finite number, got '251'")
    assert '"p": "251"' in row.raw
    assert told == [row]


@pytest.mark.parametrize(
    ("bars", "fault"),
    [
        ({}, "attribute|missing"),
        ("none today", "attribute|indices"),
        ([{"t": BAR["t"]}], "o is missing"),
        ([BAR, BAR], "strictly increasing"),
        ([minute_bar(31), minute_bar(30)], "strictly increasing"),
        ([minute_bar(30), minute_bar(31, c=0), minute_bar(32)], "c must be positive, got"),
        ([minute_bar(30, c="4.5")], "c must be finite numbers, got '4.5'"),
        ([minute_bar(30), None], "o must be finite numbers"),
        ([minute_bar(30, t="noon")], "noon"),
    ],
)
def test_one_bad_bar_leaves_its_symbol_out_and_no_hole_is_stitched_over(
    server: ScriptedServer, data: AlpacaMarketData, told: list[Unread], bars: Any, fault: str
) -> None:
    server.will_answer(
        {"bars": {"AAPL": [minute_bar(20)], "MSFT": [minute_bar(20)]}, "next_page_token": "p2"},
        {"bars": {"AAPL": bars, "MSFT": [minute_bar(30)]}, "next_page_token": None},
    )
    found = data.bars([AAPL, MSFT], Timeframe.MIN_1, NOW - timedelta(hours=1), NOW)
    assert {symbol: len(rows) for symbol, rows in found.items()} == {"MSFT": 2}
    (row,) = found.unread
    assert (row.what, row.name) == ("bars", "AAPL")
    assert re.search(fault, row.fault)
    assert told == [row]


def test_a_bad_bar_is_shown_by_itself(server: ScriptedServer, data: AlpacaMarketData) -> None:
    rows = [minute_bar(minute) for minute in range(20, 50)]
    rows[17] = {**rows[17], "l": -3}
    server.will_answer({"bars": {"AAPL": rows}, "next_page_token": None})
    found = data.bars([AAPL], Timeframe.MIN_1, NOW - timedelta(hours=1), NOW)
    assert json.loads(found.unread[0].raw) == rows[17]


def test_bad_assets_and_headlines_leave_the_others(
    server: ScriptedServer, data: AlpacaMarketData, told: list[Unread]
) -> None:
    server.will_answer([{**ASSET, "symbol": "MSFT"}, {**ASSET, "class": None}, None, {**ASSET, "symbol": "odd?"}])
    assert [asset.symbol for asset in data.assets()] == ["MSFT"]
    assert [(row.what, row.name) for row in told] == [("asset", "AAPL"), ("asset", "")]
    server.will_answer({"news": [HEADLINE, {**HEADLINE, "headline": 7}], "next_page_token": None})
    published = datetime.fromisoformat(HEADLINE["created_at"])
    found = data.news(published, published + timedelta(seconds=1))
    assert len(found) == len(found.unread) == 1


@pytest.mark.parametrize("assets", [{}, 7, None])
def test_a_whole_answer_that_is_no_list_is_an_error(
    server: ScriptedServer, data: AlpacaMarketData, assets: Any
) -> None:
    server.will_answer(assets)
    with pytest.raises(ContractError, match="assets must be a list"):
        data.assets()


ACTIONS = {
    "forward_splits": [
        {"symbol": "AAPL", "new_rate": 4, "old_rate": 1, "ex_date": "2025-10-15"},
        {"symbol": "AAPL", "new_rate": 3, "old_rate": 2, "ex_date": "2025-09-02"},
        {"symbol": "LATE", "new_rate": 2, "old_rate": 1, "ex_date": "2025-10-16"},
        {"symbol": "ODD w/i", "new_rate": 2, "old_rate": 1, "ex_date": "2025-10-15"},
    ],
    "reverse_splits": [
        {"symbol": "MSFT", "new_rate": 1, "old_rate": 7, "ex_date": "2025-10-14"},
        {"symbol": "NOPE", "new_rate": 0, "old_rate": 7, "ex_date": "2025-10-14"},
        {"symbol": "WHEN", "new_rate": 1, "old_rate": 7, "ex_date": "soon"},
        {"symbol": "TWO", "new_rate": 1, "old_rate": 12, "ex_date": "2025-10-14"},
        {"symbol": "TWO", "new_rate": 1, "old_rate": 20, "ex_date": "2025-10-14"},
    ],
    "stock_dividends": [{"symbol": "DIV", "rate": 0.25, "ex_date": "2025-10-01"}],
    "unit_splits": [{"old_symbol": "SPCU", "new_symbol": "SPC", "effective_date": "2025-10-01"}],
}


def test_splits_of_every_symbol_come_in_one_request(server: ScriptedServer, data: AlpacaMarketData) -> None:
    server.will_answer({"corporate_actions": ACTIONS, "next_page_token": None})
    found = data.splits(date(2025, 7, 21), date(2025, 10, 15))
    (asked,) = server.asked
    assert asked.path == "/v1/corporate-actions"
    assert asked.query["types"] == "forward_split,reverse_split,unit_split,stock_dividend"
    assert (asked.query["start"], asked.query["end"]) == ("2025-07-14", "2025-10-22")
    factors: dict[str, list[float]] = {symbol: splits.factor.tolist() for symbol, splits in found.items()}
    assert factors["AAPL"] == [2 / 3, 0.25]
    assert (factors["MSFT"], factors["DIV"]) == ([7.0], [0.8])
    # What was split by nobody knows how much is known to have been split.
    assert {symbol for symbol, factor in factors.items() if np.isnan(factor).any()} == {"NOPE", "WHEN", "TWO", "SPC"}
    assert set(factors) == {"AAPL", "MSFT", "DIV", "NOPE", "WHEN", "TWO", "SPC"}
    assert [row.name for row in found.unread] == ["WHEN"]


def test_an_action_that_two_kinds_tell_of_is_taken_once(server: ScriptedServer, data: AlpacaMarketData) -> None:
    doubled = {
        "forward_splits": [{"symbol": "AAPL", "new_rate": 5, "old_rate": 4, "ex_date": "2025-10-15"}],
        "stock_dividends": [{"symbol": "AAPL", "rate": 0.25, "ex_date": "2025-10-15"}],
    }
    server.will_answer({"corporate_actions": doubled, "next_page_token": None})
    assert data.splits(ON, ON)[AAPL].factor.tolist() == [0.8]


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
