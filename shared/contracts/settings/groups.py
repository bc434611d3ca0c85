"""All settings, group by group. A number's name carries its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.settings.broker import BrokerSettings
from shared.contracts.settings.case_files import CaseSettings
from shared.contracts.settings.committee import CommitteeSettings
from shared.contracts.settings.language import LanguageSettings
from shared.contracts.settings.news import NewsSettings
from shared.contracts.settings.notices import NoticeSettings
from shared.contracts.settings.operator import OperatorSettings
from shared.contracts.settings.storage import StorageSettings
from shared.contracts.settings.telemetry import TelemetrySettings
from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.settings import DecisionSettings, PolicySettings, RiskSettings, StrategySettings, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them."""

    broker: BrokerSettings
    watchlist: WatchlistSettings
    policy: PolicySettings
    risk: RiskSettings
    strategies: StrategySettings
    news: NewsSettings
    language: LanguageSettings
    committee: CommitteeSettings
    storage: StorageSettings
    cases: CaseSettings
    notices: NoticeSettings
    telemetry: TelemetrySettings
    operator: OperatorSettings
    clock_file: str = setting(
        "GATEHOUSE_CLOCK_FILE",
        "",
        "sandbox only: file that drives the clock; empty: real time",
        unit="path",
        why="Virtual time of the sandbox; refused in any other environment",
    )
    code_revision: str = setting(
        "GATEHOUSE_CODE_REVISION",
        "",
        "revision of the deployed code; empty: unknown",
        why="Written into decisions, orders and journal; the deployment sets it",
    )

    @property
    def decision(self) -> DecisionSettings:
        """Those that a decision depends on."""
        return DecisionSettings(policy=self.policy, risk=self.risk, strategies=self.strategies)


GROUPS: Mapping[str, type] = {
    "broker": BrokerSettings,
    "watchlist": WatchlistSettings,
    "policy": PolicySettings,
    "risk": RiskSettings,
    "strategies": StrategySettings,
    "news": NewsSettings,
    "language": LanguageSettings,
    "committee": CommitteeSettings,
    "storage": StorageSettings,
    "cases": CaseSettings,
    "notices": NoticeSettings,
    "telemetry": TelemetrySettings,
    "operator": OperatorSettings,
}
