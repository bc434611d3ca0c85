"""When to enter: a model's opinion against thresholds, and the prices that an entry would carry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.core.market import BASIS_POINTS, Quote
from shared.core.regime import Regime
from shared.core.sessions import Session
from shared.core.settings import PolicySettings
from shared.core.values import (
    BASE_GAP,
    SUBPENNY,
    Rounding,
    require_fraction,
    require_positive,
    round_to_tick,
    stop_under,
    target_over,
    tick_size,
)


class PolicyCode(StrEnum):
    """What policy made of a score."""

    ENTER = "ENTER"
    NO_WISH = "NO_WISH"
    EDGE_TOO_SMALL = "EDGE_TOO_SMALL"
    MOVE_TOO_SMALL = "MOVE_TOO_SMALL"
    SESSION_NOT_ENABLED = "SESSION_NOT_ENABLED"
    TOO_LATE = "TOO_LATE"
    DATA_QUALITY = "DATA_QUALITY"
    MODEL_HEALTH = "MODEL_HEALTH"
    STRATEGY_HEALTH = "STRATEGY_HEALTH"
    DUPLICATE = "DUPLICATE"
    NO_STORY = "NO_STORY"
    ECHO = "ECHO"
    NARRATIVE_UNAVAILABLE = "NARRATIVE_UNAVAILABLE"
    INVALID_PARSE = "INVALID_PARSE"
    UNGROUNDED = "UNGROUNDED"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    WEAK_VOLUME = "WEAK_VOLUME"
    COOLDOWN_ACTIVE = "COOLDOWN_ACTIVE"
    NO_DIVERGENCE = "NO_DIVERGENCE"
    PRICE_CONDITION = "PRICE_CONDITION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the models say of a symbol. `expected_move` is a fraction of price before costs."""

    p_up: float
    p_none: float
    p_down: float
    expected_move: float

    def __post_init__(self) -> None:
        for name in ("p_up", "p_none", "p_down"):
            require_fraction(name, getattr(self, name))

    @property
    def edge(self) -> float:
        """p_up - p_down."""
        return self.p_up - self.p_down

    @property
    def p_win(self) -> float:
        """Probability of up given that a barrier is touched."""
        touched = self.p_up + self.p_down
        return self.p_up / touched if touched > 0 else 0.0


def judge(
    score: Score,
    *,
    cost_bp: float,
    session: Session,
    policy: PolicySettings,
    regime: Regime | None = None,
) -> PolicyCode:
    """Decide whether a score is worth a signal; the first reason against it is the answer.

    Parameters
    ----------
    cost_bp : float
        Expected cost of a round trip, in basis points of price; NaN, where it is not known, refuses.
    regime : Regime, optional
        The market's, where it is known.
    """
    if score.edge < policy.edge_least(session, regime):
        return PolicyCode.EDGE_TOO_SMALL
    if not score.expected_move * float(BASIS_POINTS) - cost_bp >= policy.net_move_min_bp:
        return PolicyCode.MOVE_TOO_SMALL
    return PolicyCode.ENTER


def round_trip_cost_bp(quote: Quote | None, policy: PolicySettings) -> float:
    """Expected cost of a round trip in basis points: the spread that stands, and what is assumed beside it.

    NaN without a two-sided quote.
    """
    if quote is None or not quote.is_two_sided:
        return math.nan
    return float(quote.spread_bp) + policy.cost_beside_spread_bp


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPrices:
    """Prices of a bracketed long entry, in USD on the tick: stop < limit <= worst < target."""

    arrival: Decimal
    limit: Decimal
    worst: Decimal
    stop: Decimal
    target: Decimal


def is_priceable(quote: Quote, stop: Decimal | None = None, target: Decimal | None = None) -> bool:
    """Whether an entry has prices here: both sides, a legal bid, and room for a stop where Alpaca takes one.

    A stop or target that a strategy has named must lie beyond the quote: the market has passed it otherwise.
    """
    has_room = quote.is_two_sided and quote.bid >= SUBPENNY and quote.ask > BASE_GAP
    return has_room and (stop is None or stop < quote.bid) and (target is None or target > quote.ask)


FAR_TARGET = Decimal("0.5")
"""Where the target of a strategy's own stop lies above the limit when it names none: a bracket wants one."""


def entry_prices(
    quote: Quote,
    atr: Decimal,
    *,
    stop_atr: Decimal,
    target_atr: Decimal,
    stop_min_bp: Decimal,
    slippage_max_bp: Decimal,
    is_extended: bool = False,
    stop: Decimal | None = None,
    target: Decimal | None = None,
    has_own_exits: bool = False,
) -> EntryPrices:
    """Marketable limit at the ask; worst price within the slippage cap of the arrival mid; exits in ATR from the ask.

    A strategy with exits of its own may name stop and target exactly. Without its stop the settings' stands, since no
    position is without one; without its target none is near (`FAR_TARGET`).

    Outside the regular session (`is_extended`) the stop is judged by the bid, so it lies two spreads under the ask at
    least: under the bid that stands at the entry by as much as the spread is wide. Stop and target keep the distance
    that Alpaca wants of an entry at any price up to the worst, also where the tick is smaller.

    Raises
    ------
    ValueError
        If the quote is not `is_priceable` or `atr` is not positive.
    """
    require_positive("atr", atr)
    if not is_priceable(quote, stop, target):
        raise ValueError(f"quote must be two-sided with room for a stop, got bid {quote.bid} ask {quote.ask}")
    limit = round_to_tick(quote.ask, Rounding.UP)
    cap = round_to_tick(quote.mid * (1 + slippage_max_bp / BASIS_POINTS), Rounding.DOWN)
    worst = max(limit, cap)
    distance = max(atr * stop_atr, limit * stop_min_bp / BASIS_POINTS, 2 * tick_size(limit), BASE_GAP)
    if is_extended:
        distance = max(distance, 2 * (quote.ask - quote.bid))
    reward = limit * FAR_TARGET if has_own_exits else distance * target_atr / stop_atr
    return EntryPrices(
        arrival=quote.mid,
        limit=limit,
        worst=worst,
        stop=stop_under(limit, max(limit - distance, tick_size(limit)) if stop is None else stop),
        target=target_over(worst, limit + reward if target is None else target),
    )


ASSUMED_SPREAD_BP = 6.0
"""Spread that labels assume: what it was at an entry is not in the bars that models learn from."""


def assumed_cost_bp(policy: PolicySettings) -> float:
    """Cost of a round trip that labels assume, in basis points: as `round_trip_cost_bp` at an assumed spread."""
    return ASSUMED_SPREAD_BP + policy.cost_beside_spread_bp
