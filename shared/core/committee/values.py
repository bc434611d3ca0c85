"""What a committee's roles may say, and what it comes to: a factor of five values that no answer can enlarge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from shared.core.values import ONE, ZERO, floor_to_step, require

FACTORS = (Decimal("0"), Decimal("0.25"), Decimal("0.5"), Decimal("0.75"), Decimal("1"))
"""All that a size can be multiplied by."""

ABSTAIN, REFUSE = "abstain", "refuse"
DEFAULTS = (ABSTAIN, REFUSE)
"""What a role counts as that has given no valid answer: as if it had said 1, or as the end of the entry."""

MAX_REASON = 80
"""Characters of a reason, as it is written; a little more once names stand in it again."""
MAX_REASON_KEPT = 160


class CommitteeRole(StrEnum):
    """Who is asked: the first four side by side, then the chair."""

    ANALYST = "analyst"
    BULL = "bull"
    BEAR = "bear"
    RISK = "risk"
    CHAIR = "chair"


ROLES = (CommitteeRole.ANALYST, CommitteeRole.BULL, CommitteeRole.BEAR, CommitteeRole.RISK)
"""The four that are asked before the chair."""


class Stance(StrEnum):
    """What a role says of an entry. There is no word for more than what was planned."""

    APPROVE = "approve"
    SHRINK = "shrink"
    VETO = "veto"


class RoleFault(StrEnum):
    """Why a role has no answer that counts."""

    LATE = "LATE"
    INVALID = "INVALID"
    """Not the object that was asked for, or one that contradicts itself."""
    UNGROUNDED = "UNGROUNDED"
    """Its reason says what the evidence does not."""
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAnswer:
    """What a role says: approve is factor 1, veto is 0, shrink lies between; a reason and sources always."""

    role: CommitteeRole
    stance: Stance
    factor: Decimal
    reason: str
    source_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        require(self.factor in FACTORS, "factor", self.factor, f"one of {', '.join(map(str, FACTORS))}")
        require(
            self.stance is stance_of(self.factor), "stance", self.stance, f"{stance_of(self.factor)} at this factor"
        )
        require(0 < len(self.reason) <= MAX_REASON_KEPT, "reason", self.reason, f"of 1 to {MAX_REASON_KEPT} characters")
        require(
            bool(self.source_ids) and all(self.source_ids), "source_ids", self.source_ids, "one at least, none empty"
        )


def stance_of(factor: Decimal) -> Stance:
    """Return the one stance that goes with a factor."""
    return Stance.VETO if factor == ZERO else Stance.APPROVE if factor == ONE else Stance.SHRINK


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOutcome:
    """What came of asking a role.

    Attributes
    ----------
    fault, why : str
        A `RoleFault` and what it was in words, both empty where there is an answer.
    record : str
        Name of the call's record, whose row in table calls says how long it took; empty where none was made.
    """

    role: CommitteeRole
    answer: RoleAnswer | None = None
    fault: str = ""
    why: str = ""
    record: str = ""

    def __post_init__(self) -> None:
        if self.answer is None:
            require(self.fault in set(RoleFault), "fault", self.fault, f"one of {', '.join(RoleFault)}")
        else:
            require(not self.fault, "fault", self.fault, "empty beside an answer")
            require(self.answer.role is self.role, "answer", self.answer.role, f"of {self.role}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberation:
    """What a committee comes to.

    Attributes
    ----------
    factor : Decimal
        One of `FACTORS`: what the planned size is multiplied by.
    why : str
        What decided it.
    default : str
        Of `DEFAULTS`: what a role without a valid answer was counted as.
    outcomes : tuple of RoleOutcome
        One of each role, in their order.
    weights : mapping of CommitteeRole to Decimal
        What each of the four weighed, 1 where it is not named.
    """

    factor: Decimal
    why: str
    default: str
    outcomes: tuple[RoleOutcome, ...]
    weights: Mapping[CommitteeRole, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.factor in FACTORS, "factor", self.factor, f"one of {', '.join(map(str, FACTORS))}")
        require(self.default in DEFAULTS, "default", self.default, f"one of {', '.join(DEFAULTS)}")
        found = tuple(each.role for each in self.outcomes)
        require(found == tuple(CommitteeRole), "outcomes", found, "one of each role, in their order")


_EQUAL: Mapping[CommitteeRole, Decimal] = MappingProxyType({})


def concluded(
    outcomes: Sequence[RoleOutcome], *, default: str, weights: Mapping[CommitteeRole, Decimal] = _EQUAL
) -> Deliberation:
    """Come to a factor.

    It is the chair's, never above the mean of the four roles' by weight, rounded up to one of `FACTORS`. A veto of the
    role RISK stands whatever the chair says. No answer that is replaced by a stricter one makes it larger.

    Parameters
    ----------
    outcomes : sequence of RoleOutcome
        One of each role, in any order.
    default : str
        `ABSTAIN`: a role without a valid answer counts as if it had said 1. `REFUSE`: one such role, and it is 0.
    weights : mapping of CommitteeRole to Decimal
        What each of the four weighs, not negative; 1 where it is not named.
    """
    by_role = {each.role: each for each in outcomes}
    found = tuple(by_role[role] for role in CommitteeRole if role in by_role)
    require(len(found) == len(outcomes) == len(CommitteeRole), "outcomes", [*outcomes], "one of each role")
    factor, why = _found(by_role, default, weights)
    return Deliberation(factor=factor, why=why, default=default, outcomes=found, weights=weights)


def _found(
    by_role: Mapping[CommitteeRole, RoleOutcome], default: str, weights: Mapping[CommitteeRole, Decimal]
) -> tuple[Decimal, str]:
    risk, chair = by_role[CommitteeRole.RISK].answer, by_role[CommitteeRole.CHAIR].answer
    if risk is not None and risk.stance is Stance.VETO:
        return ZERO, f"{risk.role} {risk.stance}: {risk.reason}"
    absent = ", ".join(f"{role} {each.fault}" for role, each in by_role.items() if each.answer is None)
    if absent and default != ABSTAIN:
        return ZERO, f"{default}: {absent}"
    most = _mean_at_most({role: _counted(by_role[role]) for role in ROLES}, weights)
    said = _counted(by_role[CommitteeRole.CHAIR])
    if said > most:
        why = f"the roles' mean: {most}"
    elif chair is not None:
        why = f"{chair.role} {chair.stance}: {chair.reason}"
    else:
        why = "nobody objects"
    return min(said, most), f"{why} ({default}: {absent})" if absent else why


def _counted(outcome: RoleOutcome) -> Decimal:
    return ONE if outcome.answer is None else outcome.answer.factor


def _mean_at_most(said: Mapping[CommitteeRole, Decimal], weights: Mapping[CommitteeRole, Decimal]) -> Decimal:
    """The least of `FACTORS` that is no smaller than the mean, exactly."""
    weighed = {role: Fraction(weights.get(role, ONE)) for role in said}
    total = sum(weighed.values())
    require(min(weighed.values()) >= 0 and total > 0, "weights", dict(weights), "not negative, and one above zero")
    wanted = sum(weighed[role] * Fraction(factor) for role, factor in said.items())
    return next(factor for factor in FACTORS if wanted <= Fraction(factor) * total)


def shrunk(qty: Decimal, factor: Decimal, step: Decimal) -> Decimal:
    """Return a planned quantity times a factor in whole steps: never more than planned, whatever the factor is.

    Parameters
    ----------
    qty, step : Decimal
        In units; the step is above zero.
    factor : Decimal
        A finite one; below zero counts as zero.
    """
    return min(qty, floor_to_step(qty * factor, step))
