"""The Alpaca adapter's settings and clock for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.contracts.settings import BrokerSettings, Environment

NOW = datetime(2025, 10, 15, 14, 0, 30, tzinfo=UTC)


class FixedClock:
    """A clock that stands where it is put."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def settings_for(url: str, **changes: Any) -> BrokerSettings:
    """Settings of a sandbox account whose APIs are at `url`. An answer has as long as a busy machine may take."""
    settings = BrokerSettings(
        environment=Environment.SANDBOX,
        key_id="the-key",
        secret_key="the-secret",
        trading_url=url,
        data_url=url,
        timeout_s=60.0,
        max_tries=3,
    )
    return replace(settings, **changes)
