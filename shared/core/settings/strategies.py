"""Which strategies trade, with which share of the risk budget and which parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from shared.core.settings.declare import Tuning, setting

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """Which strategies trade, and how much of the risk budget is theirs."""

    traded: tuple[StrategyShare, ...] = setting(
        "GATEHOUSE_STRATEGIES",
        (StrategyShare(name=FIRST_STRATEGY, share=Decimal(1)),),
        "strategies that trade, as NAME=SHARE; the first has priority, the number is its share of the risk budget",
        unit="strategies",
        why="The models alone. Shares are of positions, gross exposure and the day's loss, 1 together at most",
    )
    parameters: tuple[StrategyParameter, ...] = setting(
        "GATEHOUSE_STRATEGY_PARAMETERS",
        (),
        "parameters of strategies, as NAME.PARAMETER=VALUE",
        unit="parameters",
        why="Each strategy's own defaults; `cooldown_min` is every strategy's, GATEHOUSE_COOLDOWN_MIN unless given",
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

    def parameters_of(self, name: str) -> dict[str, str]:
        """The parameters given for a strategy."""
        return {each.name: each.value for each in self.parameters if each.strategy == name}
