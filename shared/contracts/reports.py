"""What the day report holds: `reports/YYYY-MM-DD/day.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyDay:
    """What one strategy made of a session date: its decisions by verdict, its fills, its result before fees in USD."""

    decisions: Mapping[str, int]
    fills: int
    realised_usd: str
    wins: int
    losses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """Figures of one session date. Money in USD as decimal text; `realised_usd` before the venue's fees.

    `scored` counts each symbol and slot once, `policy` every strategy's opinion of it. `by_strategy` is empty where no
    more than one has decided. `journal_rows` and `journal_hash` seal the day's journal: the count, and a hash over
    every order's last chain hash.
    """

    schema_id: str = "day-report.v1"
    on: date
    made_at: str
    watchlist: int
    scored: int
    policy: Mapping[str, int]
    decisions: Mapping[str, int]
    refused_by: Mapping[str, int]
    orders: Mapping[str, int]
    exits: Mapping[str, int]
    fills: int
    realised_usd: str
    realised_by_session: Mapping[str, str]
    wins: int
    losses: int
    mean_entry_slippage_bp: float | None
    open_orders: int | None
    open_positions: int | None
    equity_usd: str | None
    day_change_usd: str | None
    quarantined: int
    incidents: int
    journal_rows: int
    journal_hash: str
    symbols_traded: tuple[str, ...] = field(default=())
    by_strategy: Mapping[str, StrategyDay] = field(default_factory=dict)
