"""What a model is asked to foresee: the triple barrier, and the return at the horizon."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shared.core.barriers import first_touch
from shared.core.features.history import BAR_S
from shared.core.market import Bars, FloatArray, IntArray
from shared.core.policy import assumed_cost_bp
from shared.core.sessions import Session
from shared.core.settings import PolicySettings
from shared.core.values import require, require_at_least, require_positive

DOWN, NONE, UP = 0, 1, 2
"""Classes, in the order of `SIGNAL_CLASSES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierRule:
    """The bracket that the app sends, as a question: which of its two exits is reached first, after costs.

    Attributes
    ----------
    up_atr, down_atr : float
        Distance of target and stop from the entry, in ATR(14) of 5-minute bars at the decision.
    width_min_bp : float
        Least distance of the stop, in basis points of price; the target keeps its proportion to it.
    horizon_min : int
        Minutes from the decision after which the position is left.
    session_horizons : tuple of (Session, int)
        Other horizons of decisions taken in some sessions.
    flatten_min : int
        Minutes before the regular close at which everything is left.
    cost_bp : float
        Assumed cost of a round trip (half spreads, slippage and fees, both ways). It is inside: an entry pays half of
        it, an exit the other half, so both barriers lie that much higher than in a market without costs.
    move_clip : float
        Bound of the regression's target on both sides, as a fraction of price.
    """

    up_atr: float = 2.0
    down_atr: float = 2.0
    width_min_bp: float = 30.0
    horizon_min: int = 60
    session_horizons: tuple[tuple[Session, int], ...] = ()
    flatten_min: int = 10
    cost_bp: float = assumed_cost_bp(PolicySettings())
    move_clip: float = 0.1

    def __post_init__(self) -> None:
        for name in ("up_atr", "down_atr", "move_clip"):
            require_positive(name, getattr(self, name))
        for minutes in (self.horizon_min, *(horizon for _, horizon in self.session_horizons)):
            require(minutes >= BAR_S // 60, "horizon_min", minutes, f"at least {BAR_S // 60}")
        for name in ("cost_bp", "width_min_bp", "flatten_min"):
            require_at_least(name, getattr(self, name), 0)

    def horizon_of(self, session: Session) -> int:
        """Minutes that a decision taken in a session has."""
        return dict(self.session_horizons).get(session, self.horizon_min)

    def __str__(self) -> str:
        others = "".join(f", {minutes} min in {session.value}" for session, minutes in self.session_horizons)
        return (
            f"triple barrier: +{self.up_atr:g} ATR before -{self.down_atr:g} ATR (at least {self.width_min_bp:g} bp) "
            f"after {self.cost_bp:g} bp of costs, within {self.horizon_min} min{others} of the next bar's open, left "
            f"{self.flatten_min} min before the close"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Outcomes of m decisions; every array has shape (m,).

    `outcome` is DOWN, NONE or UP. `exit_return` is what a long position that obeys the barriers returns, `move` the
    return at the horizon's end, both from the next bar's open, simple, before costs. `end_s` is the end of the last bar
    that either looked at, UTC epoch seconds: until then the label was not known. Where `known` is False the others mean
    nothing: no ATR, no next bar, or a halt right after the decision.
    """

    outcome: NDArray[np.int8]
    exit_return: FloatArray
    move: FloatArray
    end_s: IntArray
    known: NDArray[np.bool_]

    def only(self, keep: NDArray[np.bool_]) -> Labels:
        """Return those of a mask of shape (m,)."""
        return Labels(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def triple_barrier(
    today: Bars, atr: FloatArray, rows: IntArray, *, close_s: int, rule: BarrierRule, horizon_s: IntArray | None = None
) -> Labels:
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
        When everything is left, UTC epoch seconds: whatever is open then is closed.
    rule : BarrierRule
    horizon_s : int of shape (m,), optional
        Seconds that each decision has (default: the rule's `horizon_min`).

    Returns
    -------
    Labels
    """
    n = len(today)
    if horizon_s is None:
        horizon_s = np.full(rows.size, rule.horizon_min * 60)
    width = int(horizon_s.max(initial=BAR_S)) // BAR_S
    decided_s = today.start_s[rows] + BAR_S
    window = rows[:, None] + 1 + np.arange(width)
    inside = window < n
    window = np.minimum(window, max(n - 1, 0))
    start_s = today.start_s[window]
    inside &= (start_s < (decided_s + horizon_s)[:, None]) & (start_s < close_s)
    entry = today.open[window[:, 0]]
    known = inside[:, 0] & (start_s[:, 0] - decided_s <= BAR_S) & np.isfinite(atr[rows]) & (atr[rows] > 0) & (entry > 0)

    stop_usd = np.maximum(rule.down_atr * atr[rows], entry * rule.width_min_bp / 1e4)
    cost_usd = entry * rule.cost_bp / 1e4
    upper = entry + cost_usd + stop_usd * rule.up_atr / rule.down_atr
    lower = entry + cost_usd - stop_usd
    touched = first_touch(today.low[window], today.high[window], inside, lower=lower, upper=upper)
    last = np.maximum(inside.sum(axis=1) - 1, 0)
    at = np.where(touched.down | touched.up, touched.at, last)
    line = np.arange(rows.size)
    opened, horizon_close = today.open[window[line, at]], today.close[window[line, last]]
    upwards = np.where(touched.up, np.maximum(upper, opened), horizon_close)
    leave = np.where(touched.down, np.minimum(lower, opened), upwards)
    with np.errstate(all="ignore"):
        exit_return = leave / entry - 1
        move = np.clip(horizon_close / entry - 1, -rule.move_clip, rule.move_clip)
    outcome = np.where(touched.down, DOWN, np.where(touched.up, UP, NONE)).astype(np.int8)
    end_s = today.start_s[window[line, last]] + BAR_S
    return Labels(outcome=outcome, exit_return=exit_return, move=move, end_s=end_s, known=known)


def average_uniqueness(start_s: IntArray, end_s: IntArray) -> FloatArray:
    """How much of each label is its own: the mean over its bars of one over the labels that share the bar.

    Source: M. Lopez de Prado, Advances in Financial Machine Learning, 4.4.

    Parameters
    ----------
    start_s, end_s : int of shape (m,)
        Of one symbol's labels: the label looks at the 5-minute bars in [start_s, end_s), at least one.

    Returns
    -------
    float64 of shape (m,), in (0, 1]
    """
    if not start_s.size:
        return np.empty(0)
    first = start_s // BAR_S
    base = first.min()
    begin, end = first - base, np.maximum(-(-end_s // BAR_S) - base, first - base + 1)
    steps = np.zeros(int(end.max()) + 1)
    np.add.at(steps, begin, 1.0)
    np.add.at(steps, end, -1.0)
    sharing = np.cumsum(steps)[:-1]
    shares = np.divide(1.0, sharing, out=np.zeros_like(sharing), where=sharing > 0)
    total = np.concatenate([[0.0], np.cumsum(shares)])
    return np.asarray((total[end] - total[begin]) / (end - begin), np.float64)
