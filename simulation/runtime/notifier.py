"""A phone that nobody looks at."""

from __future__ import annotations

from shared.contracts.messages import Notice, Severity
from shared.contracts.settings import NoticeChannel
from shared.core.wording import Words


class SimNotifier:
    """A phone that nobody looks at."""

    def log(self, notice: Notice) -> None:
        """Take it."""

    def deliver(self, channel: NoticeChannel, words: Words, severity: Severity) -> None:
        """Take it."""
