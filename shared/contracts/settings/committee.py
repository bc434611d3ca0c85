"""Whether a committee of language models sits between a signal and the gates, and how it is heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from shared.core.committee.values import ABSTAIN, ROLES, CommitteeRole
from shared.core.settings.declare import Tuning, setting
from shared.core.values import ONE, require

WEIGHT_MIN, WEIGHT_MAX = Decimal("0.5"), Decimal("1.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWeight:
    """What a role's word weighs in the mean that the factor cannot exceed."""

    role: CommitteeRole
    weight: Decimal

    def __post_init__(self) -> None:
        require(self.role in ROLES, "role", self.role, f"one of {', '.join(ROLES)}")
        require(WEIGHT_MIN <= self.weight <= WEIGHT_MAX, "weight", self.weight, f"{WEIGHT_MIN} to {WEIGHT_MAX}")

    def __str__(self) -> str:
        return f"{self.role}={self.weight}"


def parse_role_weights(text: str) -> tuple[RoleWeight, ...]:
    """Read ROLE=WEIGHT, each role once at most. Raises ValueError."""
    found: list[RoleWeight] = []
    for part in text.replace(",", " ").split():
        name, _, number = part.partition("=")
        try:
            found.append(RoleWeight(role=CommitteeRole(name), weight=Decimal(number)))
        except InvalidOperation as error:
            raise ValueError(f"{part!r} is not ROLE=WEIGHT") from error
    require(len({each.role for each in found}) == len(found), "roles", text, "each once at most")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitteeSettings:
    """Whether a committee of language models sits between a signal and the gates, and how it is heard."""

    strategies: tuple[str, ...] = setting(
        "GATEHOUSE_COMMITTEE",
        (),
        "strategies whose entries a committee deliberates on; empty: none",
        unit="strategies",
        why="Five calls of the language model for each entry that the gates let pass; it can only make it smaller",
    )
    default: str = setting(
        "GATEHOUSE_COMMITTEE_DEFAULT",
        ABSTAIN,
        "what a role counts as that gives no valid answer in time: abstain, as if it agreed, or refuse",
        why="A service that is down stops no trading; whoever trusts the committee more than the models refuses",
    )
    timeout_s: float = setting(
        "GATEHOUSE_COMMITTEE_TIMEOUT_S",
        5.0,
        "time for a whole deliberation, the chair included",
        low=0.2,
        high=60,
        unit="s",
        why="Prices age; what comes later counts as not given",
    )
    max_tokens: int = setting(
        "GATEHOUSE_COMMITTEE_MAX_TOKENS",
        96,
        "tokens of one role's answer",
        low=30,
        high=1000,
        unit="tokens",
        why="The answer asked for has forty; one that is cut is invalid",
    )
    weights: tuple[RoleWeight, ...] = setting(
        "GATEHOUSE_COMMITTEE_WEIGHTS",
        (),
        "what roles weigh in the mean that the factor cannot exceed, as ROLE=WEIGHT of analyst, bull, bear and risk",
        unit="weights",
        why="All alike until their record says otherwise; from 0.5 to 1.5. They move a ceiling of the factor alone",
        tuning=Tuning.FREE,
    )
    flood_share: float = setting(
        "GATEHOUSE_COMMITTEE_FLOOD_SHARE",
        0.8,
        "share of vetoes within an hour above which it is an incident",
        low=0.1,
        high=1,
        unit="fraction",
        why="A committee that refuses everything is as broken as one that says nothing",
    )

    @property
    def weight_of(self) -> Mapping[CommitteeRole, Decimal]:
        """The weight of each of the four roles."""
        return dict.fromkeys(ROLES, ONE) | {each.role: each.weight for each in self.weights}
