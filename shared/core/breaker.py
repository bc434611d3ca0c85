"""A circuit breaker as a value: closed, open for a while after repeated failures, then half open.

Instances share no memory, so the breaker lives in the ledger's row. It stops entries, never exits: leaving a position
is tried however often the broker fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.values import require_at_least

FAILURES_TO_OPEN = 3
OPEN_FOR = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Failures in a row, and until when it is open."""

    failures: int = 0
    open_until: datetime | None = None

    def __post_init__(self) -> None:
        require_at_least("failures", self.failures, 0)

    def is_open(self, now: datetime) -> bool:
        """Whether calls that can wait should not be made."""
        return self.open_until is not None and now < self.open_until


CLOSED = Breaker()


def failed(breaker: Breaker, now: datetime) -> Breaker:
    """One more failure. Half open, the first one opens it again."""
    failures = breaker.failures + 1
    opens = failures >= FAILURES_TO_OPEN
    return Breaker(failures=failures, open_until=now + OPEN_FOR if opens else None)


def succeeded(_: Breaker) -> Breaker:
    """A call that was answered closes it."""
    return CLOSED
