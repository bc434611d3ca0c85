"""Short words for the engine's tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from shared.core.values import plain
from simulation.market.tape import BasePrices, Halt
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.journal import VenueEvent
from simulation.venue.orders import Order
from simulation.venue.requests import parse_order
from tests.support.tape import HandTape, ny

ON = date(2025, 10, 15)

FREE = VenueConfig(
    slippage_spread_share=Decimal(0),
    slippage_impact_bp=Decimal(0),
    sec_fee_per_million=Decimal(0),
    taf_fee_per_share=Decimal(0),
)
"""No slippage and no fees, so that a test's sums are round."""


def exchange(
    base: BasePrices | dict[date, BasePrices],
    *,
    config: VenueConfig = FREE,
    symbol: str = "AAA",
    halts: Sequence[Halt] = (),
    at: str | datetime = "09:30",
) -> Exchange:
    """Exchange on one symbol, advanced to a wall time of the first date."""
    days = base if isinstance(base, dict) else {ON: base}
    tape = HandTape(max(days), {(symbol, on): prices for on, prices in days.items()}, halts=halts)
    first = min(days)
    made = Exchange(tape, config, start=ny(first, "00:00"))
    made.advance(ny(first, at) if isinstance(at, str) else at)
    return made


def send(venue: Exchange, side: str, qty: float | str, kind: str = "market", **members: Any) -> Order:
    """Submit an order by its JSON members; day unless told otherwise."""
    body = {"symbol": "AAA", "side": side, "qty": qty, "type": kind, "time_in_force": "day", **members}
    return venue.submit(parse_order(body))


def bracket(venue: Exchange, qty: int, *, profit: float, loss: float, **members: Any) -> Order:
    """Submit a bracket buy, at the market unless a limit price is given."""
    return send(
        venue,
        "buy",
        qty,
        "limit" if "limit_price" in members else "market",
        order_class="bracket",
        take_profit={"limit_price": profit},
        stop_loss={"stop_price": loss},
        **members,
    )


def story(venue: Exchange, order: Order) -> list[str]:
    """Events of one order, in order."""
    return [entry.event.value for entry in venue.log if entry.order_id == order.id]


def fills(venue: Exchange, order: Order) -> list[tuple[str, str, str]]:
    """Wall time in UTC, quantity and price of each fill of an order."""
    kinds = {VenueEvent.FILL, VenueEvent.PARTIAL_FILL}
    return [
        (f"{entry.at:%H:%M:%S}", str(entry.fill_qty), plain(entry.fill_price))
        for entry in venue.log
        if entry.order_id == order.id and entry.event in kinds
    ]
