"""What the scanners let through."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import setting
from shared.core.values import Symbol

_CORE = tuple(
    map(Symbol, ("SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "META", "GOOGL", "TSLA", "AMD", "AVGO", "NFLX"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistSettings:
    """What the scanners let through."""

    core_symbols: tuple[Symbol, ...] = setting(
        "GATEHOUSE_CORE_SYMBOLS",
        _CORE,
        "core liquid symbols, always candidates for the watchlist",
        unit="symbols",
        why="They fill the watchlist after the picks, and breadth is counted over them. Split by blanks or commas",
    )
    market_symbols: tuple[Symbol, ...] = setting(
        "GATEHOUSE_MARKET_SYMBOLS",
        (Symbol("SPY"), Symbol("QQQ")),
        "the market's own symbols, context of every feature",
        unit="symbols",
        why="The first is what features call `spy`, the second `qqq`",
    )
    max_watchlist: int = setting(
        "GATEHOUSE_MAX_WATCHLIST",
        50,
        "symbols watched in a day",
        low=1,
        high=500,
        unit="symbols",
        why="Two slices of 25 per slot: what one second of compute and the rate limit carry with room",
    )
    price_min_usd: float = setting(
        "GATEHOUSE_SCAN_PRICE_MIN_USD",
        1.0,
        "premarket scan: lowest price",
        low=0.01,
        high=1e6,
        unit="USD",
        why="Below a dollar ticks are a hundredth of a cent and spreads are wide; holds in the intraday scan too",
    )
    price_max_usd: float = setting(
        "GATEHOUSE_SCAN_PRICE_MAX_USD",
        10.0,
        "premarket scan: highest price",
        low=0.01,
        high=1e6,
        unit="USD",
        why="Premarket gappers of low price are what the scan is for; the intraday scan has no ceiling",
    )
    gap_min_fraction: float = setting(
        "GATEHOUSE_SCAN_GAP_MIN_FRACTION",
        0.04,
        "premarket scan: least |gap|",
        low=0,
        high=10,
        unit="fraction",
        why="0.04 is 4 % from the previous close, up or down; also the least move of the after-hours scan",
    )
    rvol_min: float = setting(
        "GATEHOUSE_SCAN_RVOL_MIN",
        3.0,
        "scans: least relative volume",
        low=0,
        high=1000,
        unit="ratio",
        why="Three times the usual volume at that time of day",
    )
    dollar_volume_min_usd: float = setting(
        "GATEHOUSE_SCAN_DOLLAR_VOLUME_MIN_USD",
        1e6,
        "scans: least dollar volume of a usual day",
        low=0,
        high=1e12,
        unit="USD",
        why="Premarket: median of 20 days. Intraday: the previous day. What trades less cannot be left again",
    )
    spread_max_bp: float = setting(
        "GATEHOUSE_SCAN_SPREAD_MAX_BP",
        100.0,
        "scans: widest spread",
        low=0,
        high=10_000,
        unit="bp",
        why="A wider spread costs more than the models foresee",
    )
    float_proxy_max_shares: float = setting(
        "GATEHOUSE_SCAN_FLOAT_PROXY_MAX_SHARES",
        5e7,
        "premarket scan: highest median 20-day volume",
        low=0,
        high=1e12,
        unit="shares",
        why="Stands in for a small float, which the data does not carry",
    )
    range_min_atr: float = setting(
        "GATEHOUSE_SCAN_RANGE_MIN_ATR",
        2.0,
        "intraday scan: least range in ATR(5m)",
        low=0,
        high=100,
        unit="ATR(5m)",
        why="Range of the last 15 minutes that counts as an expansion",
    )
