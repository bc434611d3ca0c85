"""What a person trades by hand in the same account: rows that the venue serves beside its own and never matches.

They are written as Alpaca shows them, whatever the venue itself could hold: fractions, options, symbols with odd
suffixes, orders by amount or of several legs. Whoever asks to change one leaves a trace in `touched`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.core.values import ZERO, iso
from simulation.venue.book import VENUE_IDS

type Row = dict[str, Any]

OPTION = "MSFT261218C00500000"


@dataclass(slots=True, kw_only=True)
class Beside:
    """Rows of positions and orders, and what others than their owner asked of them."""

    positions: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)

    def position(self, symbol: str) -> Row | None:
        """Row of what is held of a symbol."""
        return next((row for row in self.positions if row["symbol"] == symbol), None)

    def order(self, client_order_id: str) -> Row | None:
        """Row of an order by its client order id."""
        return next((row for row in self.orders if row["client_order_id"] == client_order_id), None)

    def cancel(self, order_id: str) -> bool:
        """Cancel an order of these rows; False where it is none of them."""
        found = next((row for row in self.orders if row["id"] == order_id), None)
        if found is None:
            return False
        self.touched.append(f"cancel {found['client_order_id']}")
        found["status"] = "canceled"
        return True

    @property
    def value(self) -> Decimal:
        """USD that these positions have been bought for and are worth; one without a price is worth nothing."""
        priced = (row for row in self.positions if row["current_price"] is not None)
        return sum((_value(row) for row in priced), ZERO)

    def open_orders(self) -> list[Row]:
        """Rows of orders that still work."""
        return [row for row in self.orders if row["status"] == "new"]


def _value(row: Row) -> Decimal:
    stated = row["market_value"]
    return Decimal(stated) if stated is not None else Decimal(row["qty"]) * Decimal(row["current_price"])


def hand_traded(symbols: Sequence[str], at: datetime) -> Beside:
    """The account of a person who holds a bit of everything, with orders that rest in some of our symbols."""
    positions = [
        position_row("MSFT", "0.5", "420.50"),
        position_row("BTCUSD", "0.0123", "61000.00", asset_class="crypto"),
        position_row(OPTION, "2", "11.20", asset_class="us_option", market_value="2240.00"),
        position_row("BC PRA", "10", "24.10"),
        position_row("DWACW", "3", None),
    ]
    orders = [
        order_row("hand-amount", "MSFT", at, qty=None, notional="50"),
        order_row("hand-fraction", "MSFT", at, qty="0.25"),
        order_row("hand-option", OPTION, at, asset_class="us_option", qty="1"),
        order_row("hand-legs", None, at, side=None, order_class="mleg", qty="1", asset_class="us_option"),
        *(order_row(f"hand-rest-{symbol}", symbol, at, qty="5", limit_price="0.01") for symbol in symbols),
    ]
    return Beside(positions=positions, orders=orders)


def position_row(symbol: str, qty: str, price: str | None, *, asset_class: str = "us_equity", **changes: object) -> Row:
    """One of `GET /positions`; a price of None is that of a symbol nobody has traded for long."""
    return {
        "asset_id": str(uuid.uuid5(VENUE_IDS, f"asset:{symbol}")),
        "symbol": symbol,
        "exchange": "",
        "asset_class": asset_class,
        "avg_entry_price": price,
        "qty": qty,
        "qty_available": qty,
        "side": "long",
        "market_value": None,
        "current_price": price,
        "lastday_price": price,
        **changes,
    }


def order_row(
    client_order_id: str, symbol: str | None, at: datetime, *, asset_class: str = "us_equity", **changes: object
) -> Row:
    """One of `GET /orders` that rests since an instant."""
    return {
        "id": str(uuid.uuid5(VENUE_IDS, f"order:{client_order_id}")),
        "client_order_id": client_order_id,
        "created_at": iso(at),
        "updated_at": iso(at),
        "submitted_at": iso(at),
        "filled_at": None,
        "asset_class": asset_class,
        "symbol": symbol,
        "notional": None,
        "qty": "1",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "gtc",
        "limit_price": "1.00",
        "stop_price": None,
        "status": "new",
        "extended_hours": False,
        "legs": None,
        "replaced_by": None,
        **changes,
    }
