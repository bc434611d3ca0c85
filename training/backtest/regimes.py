"""The state of the market on a day, from what was known before it: a coarse label to split results by."""

from __future__ import annotations

import math

from shared.core.features import Past

VOLATILE_FROM = 0.012
"""Daily standard deviation of the market's log returns over 20 days, about 19 % a year."""

UNKNOWN = "unknown"


def regime_of(market: Past | None) -> str:
    """Return rising or falling (return of 20 days), calm or volatile (their standard deviation)."""
    if market is None:
        return UNKNOWN
    change, deviation = market.fact("return_20d"), market.fact("volatility_20d")
    if math.isnan(change) or math.isnan(deviation):
        return UNKNOWN
    direction = "rising" if change >= 0 else "falling"
    return f"{direction}, {'volatile' if deviation >= VOLATILE_FROM else 'calm'}"
