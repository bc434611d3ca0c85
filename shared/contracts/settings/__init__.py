"""Every setting, parsed once into frozen values.

`parse_settings` reads environment-like text and reports all problems at once, each with name, value and what was
expected. docs/CONFIG.md is generated from the declarations.
"""

from shared.contracts.settings.broker import BrokerSettings
from shared.contracts.settings.committee import CommitteeSettings, RoleWeight
from shared.contracts.settings.groups import GROUPS, Settings
from shared.contracts.settings.language import LanguageSettings
from shared.contracts.settings.news import NewsFeed, NewsSettings, SourceWeight
from shared.contracts.settings.notices import NoticeChannel, NoticeSettings
from shared.contracts.settings.operator import OperatorSettings
from shared.contracts.settings.parse import parse_settings, with_values
from shared.contracts.settings.secrets import secrets_of
from shared.contracts.settings.storage import StorageSettings
from shared.contracts.settings.telemetry import TelemetrySettings
from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.settings.declare import REQUIRED, Environment, Feed, SymbolGroup, setting
from shared.core.settings.policy import PolicySettings
from shared.core.settings.risk import RiskSettings

__all__ = [
    "GROUPS",
    "REQUIRED",
    "BrokerSettings",
    "CommitteeSettings",
    "Environment",
    "Feed",
    "LanguageSettings",
    "NewsFeed",
    "NewsSettings",
    "NoticeChannel",
    "NoticeSettings",
    "OperatorSettings",
    "PolicySettings",
    "RiskSettings",
    "RoleWeight",
    "Settings",
    "SourceWeight",
    "StorageSettings",
    "SymbolGroup",
    "TelemetrySettings",
    "WatchlistSettings",
    "parse_settings",
    "secrets_of",
    "setting",
    "with_values",
]
