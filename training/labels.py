"""What a model is asked to foresee: the triple barrier, and the return at the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.core.features.past import BAR_S
from shared.core.market import Bars, FloatArray, IntArray
from shared.core.values import require_at_least, require_positive

DOWN, NONE, UP = 0, 1, 2
"""Classes, in the order of `SIGNAL_CLASSES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierRule:
    """Barriers in ATR(14) of 5-minute bars at the decision, horizon in minutes from it.

    `cost_bp` is the assumed cost of a round trip (half spreads, slippage and fees, both ways) that evaluation takes
    off every return. `move_clip` bounds the regression's target on both sides, as a fraction of price.
    """

    up_atr: float = 2.0
    down_atr: float = 2.0
    horizon_min: int = 60
    cost_bp: float = 10.0
    move_clip: float = 0.1

    def __post_init__(self) -> None:
        for name in ("up_atr", "down_atr", "move_clip"):
            require_positive(name, getattr(self, name))
        require_at_least("horizon_min", self.horizon_min, BAR_S // 60)
        require_at_least("cost_bp", self.cost_bp, 0)

    def __str__(self) -> str:
        return (
            f"triple barrier: +{self.up_atr:g} ATR before -{self.down_atr:g} ATR within {self.horizon_min} min of the "
            "next bar's open, closed at the session's end"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Outcomes of m decisions; every array has shape (m,).

    `outcome` is DOWN, NONE or UP. `exit_return` is what a long position that obeys the barriers returns, `move` the
    return at the horizon's end, both from the next bar's open, simple, before costs. Where `known` is False the others
    mean nothing: no ATR, no next bar, or a halt right after the decision.
    """

    outcome: NDArray[np.int8]
    exit_return: FloatArray
    move: FloatArray
    known: NDArray[np.bool_]

    def only_known(self) -> Labels:
        """Return those whose outcome is known."""
        return Labels(
            outcome=self.outcome[self.known],
            exit_return=self.exit_return[self.known],
            move=self.move[self.known],
            known=self.known[self.known],
        )


def triple_barrier(today: Bars, atr: FloatArray, rows: IntArray, *, close_s: int, rule: BarrierRule) -> Labels:
    """Label decisions taken at the end of chosen bars.

    The order goes in at the next bar's open, so the decision's own bar can neither fill nor stop it. A bar that touches
    both barriers counts as a loss, since its path is unknown. A bar that opens beyond a barrier is left at its open.

    Parameters
    ----------
    today : Bars
        5-minute bars of one day, shape (n,).
    atr : float64 of shape (n,)
        ATR in USD at each bar.
    rows : int of shape (m,)
        Bars at whose end a decision is taken.
    close_s : int
        The regular close, UTC epoch seconds: whatever is open then is closed.
    rule : BarrierRule

    Returns
    -------
    Labels
    """
    n, width = len(today), rule.horizon_min * 60 // BAR_S
    decided_s = today.start_s[rows] + BAR_S
    window = rows[:, None] + 1 + np.arange(width)
    inside = window < n
    window = np.minimum(window, max(n - 1, 0))
    start_s = today.start_s[window]
    inside &= (start_s < (decided_s + rule.horizon_min * 60)[:, None]) & (start_s < close_s)
    entry = today.open[window[:, 0]]
    width_usd = atr[rows]
    known = inside[:, 0] & (start_s[:, 0] - decided_s <= BAR_S) & np.isfinite(width_usd) & (width_usd > 0) & (entry > 0)

    upper = entry + rule.up_atr * width_usd
    lower = entry - rule.down_atr * width_usd
    up_at = _first(inside & (today.high[window] >= upper[:, None]))
    down_at = _first(inside & (today.low[window] <= lower[:, None]))
    went_down = (down_at < width) & (down_at <= up_at)
    went_up = (up_at < width) & ~went_down
    last = np.maximum(inside.sum(axis=1) - 1, 0)
    at = np.where(went_down, down_at, np.where(went_up, up_at, last))
    line = np.arange(rows.size)
    opened, horizon_close = today.open[window[line, at]], today.close[window[line, last]]
    leave = np.where(went_down, np.minimum(lower, opened), np.where(went_up, np.maximum(upper, opened), horizon_close))
    with np.errstate(all="ignore"):
        exit_return = leave / entry - 1
        move = np.clip(horizon_close / entry - 1, -rule.move_clip, rule.move_clip)
    outcome = np.where(went_down, DOWN, np.where(went_up, UP, NONE)).astype(np.int8)
    return Labels(outcome=outcome, exit_return=exit_return, move=move, known=known)


def _first(hits: NDArray[np.bool_]) -> IntArray:
    """Column of the first hit of each row, the number of columns where there is none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1), hits.shape[1])
