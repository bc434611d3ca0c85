"""The settings that decisions depend on, declared as gates and policy use them: name, default, bounds and reason."""

from dataclasses import dataclass, field

from shared.core.settings.declare import REQUIRED, Environment, Feed, SymbolGroup, Tuning, setting
from shared.core.settings.policy import PolicySettings
from shared.core.settings.risk import RiskSettings
from shared.core.settings.strategies import (
    FIRST_STRATEGY,
    Automation,
    StrategyAutomation,
    StrategyParameter,
    StrategySettings,
    StrategyShare,
)

__all__ = [
    "FIRST_STRATEGY",
    "REQUIRED",
    "Automation",
    "DecisionSettings",
    "Environment",
    "Feed",
    "PolicySettings",
    "RiskSettings",
    "StrategyAutomation",
    "StrategyParameter",
    "StrategySettings",
    "StrategyShare",
    "SymbolGroup",
    "Tuning",
    "setting",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSettings:
    """The settings that a decision depends on; no secret is among them."""

    policy: PolicySettings
    risk: RiskSettings
    strategies: StrategySettings = field(default_factory=StrategySettings)
