"""What refusals are worth: for each gate, the committee, its roles and each strategy, what it saved or cost. Pure.

What a refused entry would have made, with its sign turned, is what its refusal has saved. Each refuser is judged as if
it alone were taken away and money were free: of several refusals of one symbol and strategy, only those count that
come after the paper position of the one before was left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np

from shared.core.market import FloatArray
from shared.core.order_states import ExitReason
from shared.core.risk import Gate
from shared.core.shadow import ShadowTrip
from shared.core.values import ONE, require, require_fraction, require_utc

COMMITTEE, AUTOMATION = "COMMITTEE", "AUTOMATION"
"""Who can shrink an entry, as codes."""

NO_JUDGEMENT = frozenset(
    {
        *(Gate.KILL_SWITCH, Gate.HALTED_DAY_LOSS, Gate.HALTED_DRAWDOWN, Gate.STRATEGY_HALTED),
        *(Gate.BROKER_HEALTH, Gate.MODEL_HEALTH, Gate.DAY_TRADES),
        *(AUTOMATION, "EXPIRED", "STOPPED", "UNRESERVED", ExitReason.KILL, ExitReason.FLATTEN),
    }
)
"""Refusers that say nothing of the entry itself, those of an approved order too; they are shown apart."""

LEAST_SESSIONS = 5
"""Sessions below which there is no interval: so few days drawn anew show nothing."""
DRAWS, SEED = 2000, 15
COVERED = (2.5, 97.5)
"""Percentiles that bound an interval of 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """An entry that was not made, or not wholly, or against a role's advice; and what it came to on paper.

    Attributes
    ----------
    refused_by : tuple of str
        Codes of those that refused or shrank it; none where only a role of the committee spoke against it.
    factor : Decimal
        Part of the plan that was let through, in [0, 1].
    roles : mapping of str to Decimal
        Factor that each role of the committee asked for, where it was asked and has answered.
    plan_usd : float or None
        What the whole plan would have made after costs; None where there was no size, or no result.
    """

    on: date
    decision_id: str
    decided_at: datetime
    strategy: str
    symbol: str
    session: str
    refused_by: tuple[str, ...]
    factor: Decimal
    roles: Mapping[str, Decimal] = field(default_factory=dict)
    trip: ShadowTrip
    plan_usd: float | None = None

    def __post_init__(self) -> None:
        require_utc("decided_at", self.decided_at)
        require_fraction("factor", float(self.factor))

    @property
    def unmade_usd(self) -> float | None:
        """What the part that was not bought would have made."""
        return None if self.plan_usd is None else self.plan_usd * float(1 - self.factor)


class Refuser(StrEnum):
    """In what part a refuser is judged."""

    ALL = "all"
    ALONE = "alone"
    AMONG_OTHERS = "among others"
    ROLE = "role"
    STRATEGY = "strategy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its interval of 95 %; without bounds where too few sessions speak."""

    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        require((self.low is None) == (self.high is None), "low, high", (self.low, self.high), "both or neither")

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalValue:
    """What one refuser was worth over some sessions.

    `ALONE` is the causal figure: without the refuser these entries would have been made. `AMONG_OTHERS` are entries
    that somebody else refused as well. A `ROLE` is judged as if its advice alone had been followed.

    Attributes
    ----------
    count, filled : int
        Entries refused or shrunk; those that count and were filled on paper.
    sessions : int
        Session dates of those that were filled.
    net_bp : Estimate or None
        Mean result of an entry not made, after costs, in basis points.
    saved_usd : Estimate or None
        Over all of them, in USD, positive where it saved; None where none of them had a size.
    """

    part: Refuser
    name: str
    count: int
    filled: int
    sessions: int
    net_bp: Estimate | None
    saved_usd: Estimate | None

    @property
    def is_judgement(self) -> bool:
        """Whether the refuser judges the entry itself."""
        return self.name not in NO_JUDGEMENT


type Weighted = tuple[Shadow, float]
"""An entry, and the part of it that a refuser kept from being bought."""


def value_of_refusals(shadows: Iterable[Shadow]) -> tuple[RefusalValue, ...]:
    """Value every refuser of some sessions: all, then each alone, among others, by role, by strategy."""
    parts: defaultdict[tuple[Refuser, str], list[Weighted]] = defaultdict(list)
    for shadow in shadows:
        kept = float(1 - shadow.factor)
        by = shadow.refused_by if kept > 0 else ()
        part = Refuser.ALONE if len(by) == 1 else Refuser.AMONG_OTHERS
        for code in by:
            parts[part, code].append((shadow, kept))
        if by:
            parts[Refuser.ALL, ""].append((shadow, kept))
            parts[Refuser.STRATEGY, shadow.strategy].append((shadow, kept))
        for role, factor in shadow.roles.items():
            if factor < ONE:
                parts[Refuser.ROLE, role].append((shadow, float(1 - factor)))
    order = list(Refuser)
    places = sorted(parts, key=lambda place: (order.index(place[0]), -len(parts[place]), place[1]))
    return tuple(_valued(*place, parts[place]) for place in places)


def _valued(part: Refuser, name: str, found: Sequence[Weighted]) -> RefusalValue:
    counted = [(shadow, weight) for shadow, weight in _apart(found) if shadow.trip.net_bp is not None]
    sized = [(shadow, weight) for shadow, weight in counted if shadow.plan_usd is not None]
    return RefusalValue(
        part=part,
        name=name,
        count=len(found),
        filled=len(counted),
        sessions=len({shadow.on for shadow, _ in counted}),
        net_bp=_mean(counted, lambda shadow: shadow.trip.net_bp or 0.0) if counted else None,
        saved_usd=_total(sized, lambda shadow: -(shadow.plan_usd or 0.0)) if sized else None,
    )


def _apart(found: Sequence[Weighted]) -> list[Weighted]:
    """Leave out an entry of a symbol that its strategy would hold already, had the one before been made."""
    held_until: dict[tuple[str, str], datetime] = {}
    kept: list[Weighted] = []
    for shadow, weight in sorted(found, key=lambda each: (each[0].decided_at, each[0].decision_id)):
        place = (shadow.strategy, shadow.symbol)
        if place in held_until and shadow.decided_at < held_until[place]:
            continue
        kept.append((shadow, weight))
        if shadow.trip.left_at is not None:
            held_until[place] = shadow.trip.left_at
    return kept


def _mean(found: Sequence[Weighted], of: Callable[[Shadow], float]) -> Estimate:
    """Mean by weight; the interval is that of a ratio of sums over sessions drawn anew."""
    sums = _by_session(found, of)
    draws = _draws(sums)
    low, high = (None, None) if draws is None else _bounds(draws[:, 0] / draws[:, 1])
    return Estimate(value=round(float(sums[:, 0].sum() / sums[:, 1].sum()), 3), low=low, high=high)


def _total(found: Sequence[Weighted], of: Callable[[Shadow], float]) -> Estimate:
    sums = _by_session(found, of)
    draws = _draws(sums)
    low, high = (None, None) if draws is None else _bounds(draws[:, 0])
    return Estimate(value=round(float(sums[:, 0].sum()), 2), low=low, high=high)


def _by_session(found: Sequence[Weighted], of: Callable[[Shadow], float]) -> FloatArray:
    """Sums of weighted figures and of weights, shape (sessions, 2), by date."""
    sums: dict[date, list[float]] = {}
    for shadow, weight in found:
        each = sums.setdefault(shadow.on, [0.0, 0.0])
        each[0] += weight * of(shadow)
        each[1] += weight
    return np.array([sums[on] for on in sorted(sums)])


def _draws(sums: FloatArray) -> FloatArray | None:
    """Sums over as many sessions drawn anew, shape (DRAWS, 2); entries of one day share its market, so days are drawn.

    The same sessions for every refuser that has as many. None below `LEAST_SESSIONS`.
    """
    sessions = len(sums)
    if sessions < LEAST_SESSIONS:
        return None
    rng = np.random.default_rng(SEED)
    return np.asarray(sums[rng.integers(sessions, size=(DRAWS, sessions))].sum(axis=1))


def _bounds(values: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(values, COVERED)
    return round(float(low), 3), round(float(high), 3)


def worth(value: RefusalValue) -> str:
    """Say what a refuser saved or cost, and how sure that is: of the money where there is any, else of the mean."""
    if value.net_bp is None:
        return "nothing was filled on paper"
    usd, bp = value.saved_usd, value.net_bp
    each = f"{abs(bp.value):,.1f} bp each"
    if usd is None:
        text = f"{_verb(-bp.value)} {each}"
    else:
        turned = _verb(-bp.value) != _verb(usd.value)
        text = f"{_verb(usd.value)} {abs(usd.value):,.0f} USD, {f'{_verb(-bp.value)} ' if turned else ''}{each}"
    judged = usd or bp
    if judged.low is None:
        return f"{text}; under {LEAST_SESSIONS} sessions, no interval"
    return f"{text}; {'beyond chance' if judged.is_sure else 'may be chance'}"


def _verb(saved: float) -> str:
    return "saved" if saved >= 0 else "cost"


HEAD = ("Refuser", "Refused", "Filled", "Would have made, bp", "Saved, USD", "In words")


def spelled(value: RefusalValue) -> tuple[str, ...]:
    """One line under `HEAD`: figures with their intervals of 95 %, and what they say."""
    bp = "" if value.net_bp is None else _interval(value.net_bp, 1)
    usd = "" if value.saved_usd is None else _interval(value.saved_usd, 0)
    return value.name or "all", f"{value.count:,}", f"{value.filled:,}", bp, usd, worth(value)


def _interval(of: Estimate, digits: int) -> str:
    text = f"{of.value:+,.{digits}f}"
    return text if of.low is None else f"{text} ({of.low:+,.{digits}f} to {of.high:+,.{digits}f})"


def sections(values: Sequence[RefusalValue]) -> dict[str, list[RefusalValue]]:
    """Lines by the heading that they stand under, as they are read: whose own worth it is comes first.

    Headings without a line are left out, and a strategy where there is one alone.
    """
    of: dict[Refuser, list[RefusalValue]] = {part: [each for each in values if each.part is part] for part in Refuser}
    alone, strategies = of[Refuser.ALONE], of[Refuser.STRATEGY]
    found = {
        "Refused by one alone": [each for each in alone if each.is_judgement],
        "No judgement of the entry": [each for each in alone if not each.is_judgement],
        "Roles, each followed alone": of[Refuser.ROLE],
        "Refused by others as well": of[Refuser.AMONG_OTHERS],
        "All of them": [*of[Refuser.ALL], *(strategies if len(strategies) > 1 else [])],
    }
    return {heading: lines for heading, lines in found.items() if lines}
