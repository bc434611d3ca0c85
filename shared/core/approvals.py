"""A person's answer to an order that waits: one for each order, whichever way it came, and the deadline is one too.

It is claimed in storage, once; what the order does, and what anybody is told of it, follows from that one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.core.values import require_utc


class Answer(StrEnum):
    """What became of a question. `NOBODY`: its deadline passed, or its order ended, before anybody had answered."""

    APPROVE = "approve"
    REFUSE = "refuse"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer that counts: which, who gave it and why as they say, and when."""

    answer: Answer
    by: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        require_utc("at", self.at)

    @property
    def is_approval(self) -> bool:
        """Whether the order may go."""
        return self.answer is Answer.APPROVE
