"""A clock that shows what it is set to."""

from __future__ import annotations

from datetime import datetime


class SimClock:
    """Shows what the simulation sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the simulated instant."""
        return self.at
