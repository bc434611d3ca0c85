"""Every setting, parsed once into frozen values.

`parse_settings` reads environment-like text and reports all problems at once, each with name, value and what was
expected. docs/CONFIG.md is generated from the declarations.
"""

from shared.contracts.settings.broker import BrokerSettings
from shared.contracts.settings.declare import REQUIRED, Environment, Feed, SymbolGroup, setting
from shared.contracts.settings.groups import GROUPS, Settings
from shared.contracts.settings.parse import parse_settings
from shared.contracts.settings.policy import PolicySettings
from shared.contracts.settings.risk import RiskSettings
from shared.contracts.settings.storage import StorageSettings
from shared.contracts.settings.watchlist import WatchlistSettings

__all__ = [
    "GROUPS",
    "REQUIRED",
    "BrokerSettings",
    "Environment",
    "Feed",
    "PolicySettings",
    "RiskSettings",
    "Settings",
    "StorageSettings",
    "SymbolGroup",
    "WatchlistSettings",
    "parse_settings",
    "setting",
]
