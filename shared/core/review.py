"""The weekly review: a week's figures, and what they say against the settings in force. Pure.

A proposal is made only where enough orders speak for it, and it only ever asks for less: fewer sessions, a higher
threshold. Whether it is right is for a backtest and a person to say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from statistics import fmean, stdev

from shared.core.refusals import RefusalValue, Shadow, value_of_refusals
from shared.core.sessions import Session
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import ZERO

MIN_TRIPS = 20
"""Closed orders below which a group says nothing."""
SURE = 1.64
"""Standard errors below zero at which a mean counts as a loss: one-sided 95 %."""
OVERCONFIDENCE = 0.05
EDGE_STEP = 0.05
EDGE_CEILING = 0.5
SLIPPAGE_EXPECTED_BP = 2.0
"""Half of what the policy reckons for slippage and fees beyond the spread: an entry's part."""
SLIPPAGE_MARGIN_BP = 2.0
BINS = ((0.0, 0.45), (0.45, 0.5), (0.5, 0.55), (0.55, 0.6), (0.6, 0.7), (0.7, 1.01))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One closed order: bought and sold.

    `p_win` is the probability of the target that the models gave, None of a strategy that gives none.
    """

    on: date
    symbol: str
    session: str
    strategy: str = FIRST_STRATEGY
    realised: Decimal
    cost: Decimal
    p_win: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures of some trips. Money in USD; `profit_factor` is None without a loss."""

    trips: int
    realised_usd: str
    expectancy_usd: float
    hit_rate: float
    profit_factor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityBin:
    """Trips whose predicted probability of winning lay in a range, and how many won."""

    low: float
    high: float
    trips: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterProposal:
    """A change of one setting, and why."""

    setting: str
    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What a week's tables hold, as the review needs it. `slippages` in basis points by role."""

    days: Sequence[date]
    trips: Sequence[Trip]
    slippages: Mapping[str, Sequence[float]]
    decisions: Mapping[str, int]
    refused_by: Mapping[str, int]
    incidents: Mapping[str, int]
    missed_jobs: int
    equities: Sequence[Decimal]
    shadows: Sequence[Shadow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """`weekly-review.v1`: figures of a week and the proposals that follow.

    `by_strategy` is empty where no more than one has closed an order; `refusals` is what refusers saved or cost.
    """

    schema_id: str = "weekly-review.v1"
    first: date
    last: date
    sessions: int
    total: Group | None
    by_session: Mapping[str, Group]
    slippage_bp: Mapping[str, float]
    decisions: Mapping[str, int]
    refused_by: Mapping[str, int]
    incidents: Mapping[str, int]
    missed_jobs: int
    equity_first_usd: str | None
    equity_last_usd: str | None
    drawdown_fraction: float
    calibration: Sequence[ProbabilityBin]
    brier: float | None
    proposals: Sequence[ParameterProposal]
    by_strategy: Mapping[str, Group] = field(default_factory=dict)
    refusals: Sequence[RefusalValue] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The settings that a review may speak against."""

    edge_min: float
    net_move_min_bp: float
    entry_sessions: tuple[Session, ...]


def review(week: Week, tuned: Tuned) -> Review:
    """Judge a week.

    Raises
    ------
    ValueError
        If the week has no trading day.
    """
    if not week.days:
        raise ValueError("a week must have a trading day")
    by_session = {
        name.value: found
        for name in Session
        if (found := group(t for t in week.trips if t.session == name)) is not None
    }
    predicted = predictions(week.trips)
    return Review(
        first=min(week.days),
        last=max(week.days),
        sessions=len(week.days),
        total=group(week.trips),
        by_session=by_session,
        slippage_bp={role: round(fmean(found), 3) for role, found in sorted(week.slippages.items()) if found},
        decisions=week.decisions,
        refused_by=week.refused_by,
        incidents=week.incidents,
        missed_jobs=week.missed_jobs,
        equity_first_usd=str(week.equities[0]) if week.equities else None,
        equity_last_usd=str(week.equities[-1]) if week.equities else None,
        drawdown_fraction=drawdown(week.equities),
        calibration=tuple(calibration(week.trips)),
        brier=round(fmean((p - is_won) ** 2 for p, is_won in predicted), 4) if predicted else None,
        proposals=tuple(propose(week, tuned)),
        by_strategy=by_strategy(week.trips),
        refusals=value_of_refusals(week.shadows),
    )


def by_strategy(trips: Sequence[Trip]) -> dict[str, Group]:
    """Figures of each strategy, by name; none where there is one alone."""
    names = sorted({t.strategy for t in trips})
    found = {name: group(t for t in trips if t.strategy == name) for name in names}
    return {name: figures for name, figures in found.items() if figures is not None and len(names) > 1}


def predictions(trips: Iterable[Trip]) -> list[tuple[float, bool]]:
    """What was predicted of each trip of which something was, and whether it won."""
    return [(t.p_win, t.realised > 0) for t in trips if t.p_win is not None]


def group(trips: Iterable[Trip]) -> Group | None:
    """Figures of some trips, None without any."""
    found = list(trips)
    if not found:
        return None
    gains = sum((t.realised for t in found if t.realised > 0), ZERO)
    losses = -sum((t.realised for t in found if t.realised < 0), ZERO)
    total = gains - losses
    return Group(
        trips=len(found),
        realised_usd=str(round(total, 2)),
        expectancy_usd=round(float(total) / len(found), 2),
        hit_rate=round(sum(t.realised > 0 for t in found) / len(found), 4),
        profit_factor=round(float(gains / losses), 3) if losses else None,
    )


def drawdown(equities: Sequence[Decimal]) -> float:
    """Deepest fall from a peak so far, as a fraction of the peak."""
    peak, worst = ZERO, 0.0
    for equity in equities:
        peak = max(peak, equity)
        worst = max(worst, float((peak - equity) / peak) if peak > ZERO else 0.0)
    return round(worst, 6)


def calibration(trips: Sequence[Trip]) -> Iterable[ProbabilityBin]:
    """Predicted against observed, bin by bin; empty bins are left out, and trips of which nothing was predicted."""
    for low, high in BINS:
        found = [(p, is_won) for p, is_won in predictions(trips) if low <= p < high]
        if found:
            yield ProbabilityBin(
                low=low,
                high=min(high, 1.0),
                trips=len(found),
                predicted=round(fmean(p for p, _ in found), 4),
                observed=round(sum(is_won for _, is_won in found) / len(found), 4),
            )


def propose(week: Week, tuned: Tuned) -> Iterable[ParameterProposal]:
    """What the week speaks against; nothing where too few orders were closed."""
    rules: tuple[Callable[[Week, Tuned], ParameterProposal | None], ...] = (
        _losing_sessions,
        _overconfidence,
        _slippage,
    )
    return (found for rule in rules if (found := rule(week, tuned)) is not None)


def _losing_sessions(week: Week, tuned: Tuned) -> ParameterProposal | None:
    """Leave out sessions that surely lost, but never all of them."""
    losing: dict[Session, str] = {}
    for session in tuned.entry_sessions:
        returns = [float(t.realised / t.cost) for t in week.trips if t.session == session and t.cost > ZERO]
        if len(returns) >= MIN_TRIPS and _is_surely_negative(returns):
            losing[session] = f"{session}: {fmean(returns):+.2%} an order over {len(returns)}"
    kept = [session for session in tuned.entry_sessions if session not in losing]
    if not losing or not kept:
        return None
    why = f"Surely lost before fees. {'; '.join(losing.values())}"
    return ParameterProposal(setting="GATEHOUSE_ENTRY_SESSIONS", value=" ".join(kept), why=why)


def _is_surely_negative(returns: Sequence[float]) -> bool:
    error = stdev(returns) / math.sqrt(len(returns))
    return fmean(returns) + SURE * error < 0


def _overconfidence(week: Week, tuned: Tuned) -> ParameterProposal | None:
    """Ask for a larger edge where orders won less often than the models had said."""
    told = predictions(week.trips)
    if len(told) < 2 * MIN_TRIPS or tuned.edge_min >= EDGE_CEILING:
        return None
    predicted, observed = fmean(p for p, _ in told), sum(is_won for _, is_won in told) / len(told)
    error = math.sqrt(predicted * (1 - predicted) / len(told))
    if predicted - observed < max(OVERCONFIDENCE, SURE * error):
        return None
    value = min(tuned.edge_min + EDGE_STEP, EDGE_CEILING)
    why = f"{len(told)} orders won {observed:.0%} where {predicted:.0%} was predicted"
    return ParameterProposal(setting="GATEHOUSE_EDGE_MIN", value=f"{value:.4g}", why=why)


def _slippage(week: Week, tuned: Tuned) -> ParameterProposal | None:
    """Ask for a larger expected move where entries cost more than the policy reckons."""
    paid = week.slippages.get("entry", ())
    if len(paid) < MIN_TRIPS or fmean(paid) < SLIPPAGE_EXPECTED_BP + SLIPPAGE_MARGIN_BP:
        return None
    value = tuned.net_move_min_bp + math.ceil(fmean(paid) - SLIPPAGE_EXPECTED_BP)
    why = f"{len(paid)} entries paid {fmean(paid):.1f} bp beyond the mid; {SLIPPAGE_EXPECTED_BP:g} bp are reckoned"
    return ParameterProposal(setting="GATEHOUSE_NET_MOVE_MIN_BP", value=f"{value:.4g}", why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Closed orders of a strategy in a session: how many, their mean return, and whether it is surely below zero."""

    strategy: str
    session: Session
    trips: int
    mean_return: float
    is_decayed: bool

    def __str__(self) -> str:
        judged = "surely lost before fees" if self.is_decayed else "no sure loss"
        return f"{self.strategy} in {self.session}: {self.mean_return:+.2%} an order over {self.trips}, {judged}"


def cohorts(trips: Iterable[Trip]) -> list[Cohort]:
    """Return every cohort with an order, by strategy and session. Those of few orders have not decayed."""
    returns: dict[tuple[str, Session], list[float]] = {}
    for trip in trips:
        if trip.cost > ZERO:
            returns.setdefault((trip.strategy, Session(trip.session)), []).append(float(trip.realised / trip.cost))
    return [
        Cohort(
            strategy=strategy,
            session=session,
            trips=len(found),
            mean_return=fmean(found),
            is_decayed=len(found) >= MIN_TRIPS and _is_surely_negative(found),
        )
        for (strategy, session), found in sorted(returns.items())
    ]


def tally(values: Iterable[object]) -> dict[str, int]:
    """Count values by their text, in the order of the text."""
    return dict(sorted(Counter(str(value) for value in values).items()))
