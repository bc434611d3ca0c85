"""What a backtest leaves of its days: plain values that metrics, files and the report are made of. Money in USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from shared.core.market import FloatArray
from shared.core.refusals import Shadow
from shared.core.settings import FIRST_STRATEGY


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One order that bought something, from its first fill to its last.

    Attributes
    ----------
    intent_id, decision_id : str
        Ids of lifecycle and decision: the case's name.
    slot : str
        New York time of the decision, HHMM.
    session, event, regime, exit_reason : str
        Session of the decision; why the symbol was watched; state of the market; why the position was left.
    entry_usd, exit_usd : float
        Mean prices per share.
    gross_usd, fees_usd : float
        Profit before fees; SEC and TAF fees.
    slippage_bp : float
        Entry paid beyond the mid at the decision, in basis points; positive is worse.
    spread_bp : float
        Spread of the quote that the gates saw.
    p_up, p_down, expected_move_bp : float or None
        What the models said; None of a strategy without any.
    strategy : str
        Whose idea it was.
    in_sample : bool
        Whether the model had learned from this session.
    """

    on: date
    symbol: str
    intent_id: str
    decision_id: str
    slot: str
    session: str
    event: str
    regime: str
    entered_at: datetime
    left_at: datetime
    qty: Decimal
    entry_usd: float
    exit_usd: float
    gross_usd: float
    fees_usd: float
    exit_reason: str
    slippage_bp: float
    spread_bp: float
    p_up: float | None
    p_down: float | None
    expected_move_bp: float | None
    in_sample: bool = False
    strategy: str = FIRST_STRATEGY

    @property
    def net_usd(self) -> float:
        """Profit after fees."""
        return self.gross_usd - self.fees_usd

    @property
    def notional_usd(self) -> float:
        """What the entry cost."""
        return float(self.qty) * self.entry_usd

    @property
    def net_return(self) -> float:
        """Profit after fees over the entry's cost, as a fraction."""
        return self.net_usd / self.notional_usd

    @property
    def held_min(self) -> float:
        """Minutes from first to last fill."""
        return (self.left_at - self.entered_at).total_seconds() / 60

    @property
    def hour(self) -> str:
        """New York hour of the decision."""
        return f"{self.slot[:2]}:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The account at one heartbeat."""

    at: datetime
    equity_usd: float
    exposure_usd: float
    positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """One traded day.

    Attributes
    ----------
    scored : int
        Candidates that were scored.
    policy, refused_by : mapping of str to int
        Signals by verdict of policy, and refusals by gate; `BELOW_THRESHOLD` are those that the batch has shown to come
        to nothing.
    bought_usd, sold_usd : float
        Value of all fills.
    model : str
        Version of the signal model in use.
    benchmark, spy : float
        Levels at the close, 1 at the close before the first day, of the universe bought in equal parts then and of the
        market's first symbol; NaN where unknown.
    shadows : tuple of Shadow
        Decisions that were not made as planned, followed on paper.
    """

    on: date
    opening_usd: float
    closing_usd: float
    points: tuple[Point, ...]
    trades: tuple[Trade, ...]
    scored: int
    policy: Mapping[str, int]
    decisions: Mapping[str, int]
    refused_by: Mapping[str, int]
    fills: int
    bought_usd: float
    sold_usd: float
    model: str
    regime: str
    in_sample: bool
    benchmark: float
    spy: float
    shadows: tuple[Shadow, ...] = ()

    @property
    def day_return(self) -> float:
        """Change of equity over the day, as a fraction."""
        return self.closing_usd / self.opening_usd - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the models said of sampled rows, and what came: for the calibration of a whole run.

    `probabilities` of shape (n, 3) in the order down, none, up; `outcome` of shape (n,).
    """

    probabilities: FloatArray
    outcome: NDArray[np.int8]

    @classmethod
    def together(cls, parts: list[Judged]) -> Judged:
        """Put days after one another."""
        return cls(
            probabilities=np.concatenate([np.empty((0, 3)), *(part.probabilities for part in parts)]),
            outcome=np.concatenate([np.empty(0, np.int8), *(part.outcome for part in parts)]),
        )
