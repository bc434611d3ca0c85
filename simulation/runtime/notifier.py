"""A phone that nobody looks at."""

from __future__ import annotations

from shared.contracts.messages import Notice, NoticeText, Severity
from shared.contracts.settings import NoticeChannel


class SimNotifier:
    """A phone that nobody looks at."""

    def log(self, notice: Notice) -> None:
        """Take it."""

    def deliver(self, channel: NoticeChannel, text: NoticeText, severity: Severity) -> None:
        """Take it."""
