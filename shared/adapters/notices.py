"""Where notices go."""

from __future__ import annotations

import logging

from shared.contracts.messages import Notice, Severity

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.CRITICAL}


class LogNotifier:
    """`Notifier` that writes one structured line to the log, which Application Insights keeps."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("gatehouse.notices")

    def send(self, notice: Notice) -> None:
        """Log one notice; its fields travel in `extra` for those who query."""
        self._logger.log(
            _LEVELS[notice.severity],
            "%s: %s | %s",
            notice.kind,
            notice.title,
            " / ".join(notice.body.splitlines()),
            extra={
                "notice_kind": notice.kind,
                "notice_severity": notice.severity.value,
                "notice_message_id": notice.message_id,
                "notice_correlation_id": notice.correlation_id,
            },
        )
