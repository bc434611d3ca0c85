"""Figures of performance, as pure functions of what came of positions and of the account's equity."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

SESSIONS_A_YEAR = 252
FEW_SESSIONS = 20
"""Under so many, a Sharpe ratio says next to nothing, and the page says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of closed positions.

    Money in USD before fees. None where there is nothing to reckon from: no loss for a profit factor, no risk for R.

    Attributes
    ----------
    expectancy_usd, expectancy_r, expectancy_bp : float or None
        Mean result of a position: in USD, in units of the risk it was planned with, in basis points of what was paid.
    profit_factor : float or None
        What winners won over what losers lost.
    payoff : float or None
        Mean win over mean loss.
    """

    positions: int
    wins: int
    losses: int
    realised_usd: float
    expectancy_usd: float | None
    expectancy_r: float | None
    expectancy_bp: float | None
    win_rate: float | None
    profit_factor: float | None
    payoff: float | None
    slippage_bp: float | None


def results_of(positions: pd.DataFrame) -> Results:
    """Reckon closed positions: columns realised_usd, r, bp, slippage_bp."""
    realised = positions["realised_usd"].to_numpy(float)
    won, lost = realised[realised > 0], realised[realised < 0]
    count = len(realised)
    return Results(
        positions=count,
        wins=len(won),
        losses=len(lost),
        realised_usd=float(realised.sum()),
        expectancy_usd=float(realised.mean()) if count else None,
        expectancy_r=_mean(positions["r"]),
        expectancy_bp=_mean(positions["bp"]),
        win_rate=len(won) / count if count else None,
        profit_factor=float(won.sum() / -lost.sum()) if len(lost) else None,
        payoff=float(won.mean() / -lost.mean()) if len(won) and len(lost) else None,
        slippage_bp=_mean(positions["slippage_bp"]),
    )


def results_by(positions: pd.DataFrame, column: str) -> pd.DataFrame:
    """Reckon closed positions group by group; index: the groups in order, columns: those of `Results`."""
    made = {name: results_of(part) for name, part in positions.groupby(column, sort=True)}
    columns = list(Results.__dataclass_fields__)
    return pd.DataFrame([asdict(result) for result in made.values()], index=list(made), columns=columns)


def grown_by(positions: pd.DataFrame, column: str) -> dict[str, tuple[list[object], list[float]]]:
    """What each group has realised so far, day by day: (session dates, USD) under its name."""
    by_day = positions.pivot_table(index="on", columns=column, values="realised_usd", aggfunc="sum").fillna(0.0)
    return {str(name): (list(by_day.index), list(by_day[name].cumsum())) for name in by_day.columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Figures of an equity curve; fractions unless the name says otherwise.

    Attributes
    ----------
    sharpe, sortino : float or None
        Of the sessions' returns over zero, times the root of 252. None with fewer than two sessions, or no spread.
    drawdown, drawdown_usd : float
        Deepest fall under the highest equity before it, within the curve.
    exposure : float or None
        Mean of exposure over equity while the market was open in regular hours.
    """

    sessions: int
    start_usd: float
    end_usd: float
    change: float
    sharpe: float | None
    sortino: float | None
    volatility: float | None
    drawdown: float
    drawdown_usd: float
    exposure: float | None


def curve_of(equity: pd.DataFrame) -> Curve | None:
    """Reckon an account's points: columns on, equity_usd, exposure_usd, session, in order of time; None without one."""
    if equity.empty:
        return None
    values = equity["equity_usd"].to_numpy(float)
    returns = session_returns(equity)
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0) ** 2))) if len(returns) > 1 else 0.0
    fallen = drawdowns(equity)
    regular = equity[equity["session"].str.startswith("REG")]
    return Curve(
        sessions=len(returns),
        start_usd=float(values[0]),
        end_usd=float(values[-1]),
        change=float(values[-1] / values[0] - 1),
        sharpe=_annual(returns, deviation),
        sortino=_annual(returns, downside) if _annual(returns, deviation) is not None else None,
        volatility=deviation * math.sqrt(SESSIONS_A_YEAR) if len(returns) > 1 else None,
        drawdown=float(fallen.max()),
        drawdown_usd=float((np.maximum.accumulate(values) - values).max()),
        exposure=_mean(regular["exposure_usd"] / regular["equity_usd"]),
    )


def session_returns(equity: pd.DataFrame) -> pd.Series:
    """Return each session date's change of equity from the close before (the first: from its own first point)."""
    ends = equity.groupby("on", sort=True)["equity_usd"].agg(["first", "last"])
    before = ends["last"].shift(1).fillna(ends["first"])
    return ends["last"] / before - 1


def drawdowns(equity: pd.DataFrame) -> pd.Series:
    """Return at each point the fraction that equity stands under its highest before it."""
    values = equity["equity_usd"]
    return 1 - values / values.cummax()


def _annual(returns: pd.Series, spread: float) -> float | None:
    """A year's ratio; None where the spread is what rounding has left of none, as equal returns have it."""
    least = 1e-9 * float(returns.abs().max()) + 1e-14 if len(returns) else 0.0
    return float(returns.mean() / spread * math.sqrt(SESSIONS_A_YEAR)) if spread > least else None


def _mean(values: pd.Series) -> float | None:
    found = values.dropna()
    return float(found.mean()) if len(found) else None
