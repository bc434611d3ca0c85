"""Day trades: a symbol bought and sold on one session date."""

from __future__ import annotations

from datetime import timedelta

from shared.core.day_trades import DatedFill, count_day_trades
from shared.core.values import Side, Symbol
from tests.support.orders import ON


def fill(symbol: str, side: Side, days_ago: int = 0) -> DatedFill:
    return DatedFill(on=ON - timedelta(days=days_ago), symbol=Symbol(symbol), side=side)


def test_a_round_trip_on_one_day_is_one_day_trade_however_many_fills_it_took() -> None:
    fills = [fill("AAA", Side.BUY), fill("AAA", Side.BUY), fill("AAA", Side.SELL), fill("AAA", Side.SELL)]
    assert count_day_trades(fills) == 1


def test_each_symbol_and_each_day_counts_for_itself() -> None:
    fills = [fill(s, side, ago) for s in ("AAA", "BBB") for side in Side for ago in (0, 1)]
    assert count_day_trades(fills) == 4


def test_what_was_held_overnight_is_none() -> None:
    assert count_day_trades([fill("AAA", Side.BUY, 1), fill("AAA", Side.SELL)]) == 0
    assert count_day_trades([fill("AAA", Side.BUY), fill("BBB", Side.SELL)]) == 0
    assert count_day_trades([]) == 0
