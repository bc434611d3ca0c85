"""Answers in Alpaca's documented form, written by hand: whole objects with more fields than we read."""

from __future__ import annotations

from typing import Any

ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": "i-entry-1",
    "created_at": "2025-10-15T13:29:59Z",
    "updated_at": "2025-10-15T13:30:00.123456789Z",
    "submitted_at": "2025-10-15T13:30:00.123456789Z",
    "filled_at": None,
    "expired_at": None,
    "canceled_at": None,
    "failed_at": None,
    "replaced_at": None,
    "replaced_by": None,
    "replaces": None,
    "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "notional": None,
    "qty": "15",
    "filled_qty": "0",
    "filled_avg_price": None,
    "order_class": "",
    "order_type": "limit",
    "type": "limit",
    "side": "buy",
    "position_intent": "buy_to_open",
    "time_in_force": "day",
    "limit_price": "107.00",
    "stop_price": None,
    "status": "new",
    "extended_hours": False,
    "legs": None,
    "trail_percent": None,
    "trail_price": None,
    "hwm": None,
    "subtag": None,
    "source": "access_key",
}

ACCOUNT: dict[str, Any] = {
    "id": "904837e3-3b76-47ec-b432-046db621571b",
    "account_number": "010203ABCD",
    "status": "ACTIVE",
    "currency": "USD",
    "buying_power": "262113.632",
    "cash": "-23140.2",
    "equity": "103820.56",
    "last_equity": "103529.24",
    "multiplier": "4",
    "trading_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
    "shorting_enabled": True,
}

POSITION: dict[str, Any] = {
    "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
    "symbol": "AAPL",
    "exchange": "NASDAQ",
    "asset_class": "us_equity",
    "avg_entry_price": "100.0",
    "qty": "5",
    "qty_available": "4",
    "side": "long",
    "market_value": "600.0",
    "current_price": "120.0",
    "lastday_price": "119.0",
    "change_today": "0.0084",
}

ASSET: dict[str, Any] = {
    "id": "904837e3-3b76-47ec-b432-046db621571b",
    "class": "us_equity",
    "exchange": "NASDAQ",
    "symbol": "AAPL",
    "name": "Apple Inc. Common Stock",
    "status": "active",
    "tradable": True,
    "marginable": True,
    "shortable": True,
    "easy_to_borrow": True,
    "fractionable": True,
    "attributes": [],
}

BAR: dict[str, Any] = {
    "t": "2025-10-15T13:30:00Z",
    "o": 249.5,
    "h": 250.1,
    "l": 249.4,
    "c": 249.9,
    "v": 120_000,
    "n": 900,
    "vw": 249.8,
}

QUOTE: dict[str, Any] = {
    "t": "2025-10-15T14:00:01.987654321Z",
    "ax": "V",
    "ap": 251.32,
    "as": 1,
    "bx": "V",
    "bp": 251.29,
    "bs": 2,
    "c": ["R"],
    "z": "C",
}

SNAPSHOT: dict[str, Any] = {
    "latestTrade": {
        "t": "2025-10-15T14:00:01.123456789Z",
        "x": "V",
        "p": 251.3,
        "s": 100,
        "c": ["@"],
        "i": 1,
        "z": "C",
    },
    "latestQuote": QUOTE,
    "minuteBar": BAR,
    "dailyBar": {**BAR, "t": "2025-10-15T04:00:00Z", "o": 249.5, "h": 252.0, "l": 248.9, "c": 251.3, "v": 1_000_000},
    "prevDailyBar": {
        **BAR,
        "t": "2025-10-14T04:00:00Z",
        "o": 246.6,
        "h": 248.8,
        "l": 244.7,
        "c": 247.77,
        "v": 35478000,
    },
}

HEADLINE: dict[str, Any] = {
    "id": 24843171,
    "headline": "Apple Leader in Phone Sales in China",
    "author": "Charles Gross",
    "created_at": "2025-10-15T11:00:00Z",
    "updated_at": "2025-10-15T11:00:01Z",
    "summary": "This headline-only article is meant to show you why a stock is moving.",
    "content": "",
    "url": "https://www.benzinga.com/news/1",
    "images": [],
    "symbols": ["AAPL"],
    "source": "benzinga",
}
