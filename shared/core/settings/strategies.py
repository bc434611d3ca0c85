"""Which strategies trade, with which share of the risk budget and which parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.core.sessions import Session
from shared.core.settings.declare import Tuning, setting
from shared.core.values import ONE

_NAME = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*\.v[1-9][0-9]*")

FIRST_STRATEGY = "momentum.v1"
"""The one that trades unless others are named; what older code has left is all of it."""


def is_strategy_name(text: str) -> bool:
    """Whether a text names a strategy with its version, as `dip-buyer.v1`, in 40 characters at most."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyShare:
    """A strategy and its share of the risk budget: of positions, gross exposure and the day's loss."""

    name: str
    share: Decimal

    def __str__(self) -> str:
        return f"{self.name}={self.share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyParameter:
    """A value, as text, of one parameter of a strategy."""

    strategy: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.strategy}.{self.name}={self.value}"


class Automation(StrEnum):
    """How far a strategy, or its entries of one session, may go by itself."""

    AUTOMATIC = "automatic"
    REDUCED = "reduced"
    """In half the size."""
    ALERT_ONLY = "alert-only"
    """A person is told, and without that person's approval nothing is bought."""


REDUCED_FACTOR = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyAutomation:
    """How far a strategy goes by itself; `session` is None where it holds for all of them."""

    strategy: str
    session: Session | None
    automation: Automation

    def __str__(self) -> str:
        return f"{self.strategy}{f'/{self.session}' if self.session else ''}={self.automation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """Which strategies trade, and how much of the risk budget is theirs."""

    traded: tuple[StrategyShare, ...] = setting(
        "GATEHOUSE_STRATEGIES",
        (StrategyShare(name=FIRST_STRATEGY, share=Decimal(1)),),
        "strategies that trade, as NAME=SHARE; the first has priority, the number is its share of the risk budget",
        unit="strategies",
        why="The models alone. Shares are of positions, gross exposure and the day's loss, 1 together at most",
        tuning=Tuning.FREE,
    )
    parameters: tuple[StrategyParameter, ...] = setting(
        "GATEHOUSE_STRATEGY_PARAMETERS",
        (),
        "parameters of strategies, as NAME.PARAMETER=VALUE",
        unit="parameters",
        why="Each strategy's own defaults; `cooldown_min` is every strategy's, GATEHOUSE_COOLDOWN_MIN unless given",
        tuning=Tuning.FREE,
    )
    automations: tuple[StrategyAutomation, ...] = setting(
        "GATEHOUSE_AUTOMATION",
        (),
        "how far strategies go by themselves, as NAME=HOW or NAME/SESSION=HOW; HOW is automatic, reduced or alert-only",
        unit="strategies",
        why="All are automatic. A session's own word stands before its strategy's; reduced halves the size, alert-only "
        "asks a person about every entry",
        tuning=Tuning.FREE,
    )
    strategy_timeout_s: float = setting(
        "GATEHOUSE_STRATEGY_TIMEOUT_S",
        5.0,
        "time that a strategy may take over one slice",
        low=0.01,
        high=120,
        unit="s",
        why="A slow one gives no opinion on that slice, so that the others' are in time",
    )

    def share_of(self, name: str) -> Decimal | None:
        """A strategy's share; None of one that does not trade."""
        return next((each.share for each in self.traded if each.name == name), None)

    def automation_of(self, name: str, session: Session) -> Automation:
        """How far a strategy goes by itself in a session."""
        found = {each.session: each.automation for each in self.automations if each.strategy == name}
        return found.get(session) or found.get(None) or Automation.AUTOMATIC

    def factor_of(self, name: str, session: Session) -> Decimal:
        """What is left of a planned size by that."""
        return REDUCED_FACTOR if self.automation_of(name, session) is Automation.REDUCED else ONE

    def parameters_of(self, name: str) -> dict[str, str]:
        """The parameters given for a strategy."""
        return {each.name: each.value for each in self.parameters if each.strategy == name}
