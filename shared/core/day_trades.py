"""Day trades by FINRA's former rule: a symbol bought and sold on one New York session date.

The rule (accounts under 25,000 USD, at most three day trades in five sessions) ended on 2026-06-04; brokers may phase
it out until October 2027. Off by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from shared.core.values import Side, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFill:
    """One fill on a New York session date."""

    on: date
    symbol: Symbol
    side: Side


def count_day_trades(fills: Iterable[DatedFill]) -> int:
    """Number of (session date, symbol) pairs with both a buy and a sell."""
    sides: dict[tuple[date, Symbol], set[Side]] = {}
    for fill in fills:
        sides.setdefault((fill.on, fill.symbol), set()).add(fill.side)
    return sum(len(both) == 2 for both in sides.values())
