"""Time for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class HandClock:
    """A clock that stands until the test moves it."""

    at: datetime = datetime(2025, 10, 15, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_by(self, span: timedelta) -> None:
        self.at += span
