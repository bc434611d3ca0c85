"""Where notices go: the log always, and the person's channels through apprise.

A channel's address holds its password or token, so it appears in no error and no log line: a failure says the
channel's name and the service's, and nothing of what the library said.
"""

from __future__ import annotations

import logging
from typing import Any

from shared.contracts.messages import Notice, NoticeText, Severity
from shared.contracts.settings import NoticeChannel, NoticeSettings
from shared.core.errors import TransientError

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.CRITICAL}
_APPRISE_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class LogNotifier:
    """Writes one line to the log for each notice, which Application Insights keeps. It has no channels."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("gatehouse.notices")

    def log(self, notice: Notice) -> None:
        """Log one notice; its fields travel in `extra` for those who query. Its links do not: they may be signed."""
        self._logger.log(
            _LEVELS[notice.severity],
            "%s: %s | %s",
            notice.kind,
            *(" / ".join(text.splitlines()) for text in (notice.title, notice.body)),
            extra={
                "notice_kind": notice.kind,
                "notice_severity": notice.severity.value,
                "notice_message_id": notice.message_id,
                "notice_correlation_id": notice.correlation_id,
            },
        )


class AppriseNotifier(LogNotifier):
    """`Notifier` on apprise, which is imported when the first notice is sent.

    Parameters
    ----------
    settings : NoticeSettings
        For the time-out. Addresses come with each call, from settings and nowhere else.
    """

    def __init__(self, settings: NoticeSettings, logger: logging.Logger | None = None) -> None:
        super().__init__(logger)
        self._timeout_s = settings.timeout_s

    def deliver(self, channel: NoticeChannel, text: NoticeText, severity: Severity) -> None:
        """Send to one channel, once, following no redirect.

        Raises
        ------
        TransientError
            If the channel did not take it; the address is not named.
        """
        import apprise  # noqa: PLC0415 - an app without channels never pays for it

        careful: dict[str, Any] = {
            "plugin_paths": [],
            "secure_logging": True,
            "http_redirects": False,
            "default_service_retry": 0,
        }
        asset = apprise.AppriseAsset(app_id="Gatehouse", app_desc="Gatehouse", app_url="", **careful)
        service = apprise.Apprise.instantiate(channel.url, asset=asset)
        if service is None:
            raise TransientError(f"channel {channel.name}: apprise knows no service of this address")
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        service.overflow_mode = apprise.OverflowMode.SPLIT
        try:
            taken = service.notify(
                title=text.title,
                body=text.body,
                notify_type=apprise.NotifyType(_APPRISE_TYPES[severity]),
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:
            # A plugin's error may carry the address.
            kind = type(error).__name__
            raise TransientError(f"channel {channel.name} ({service.service_name}): {kind}") from None
        if not taken:
            raise TransientError(f"channel {channel.name} ({service.service_name}) did not take the notice")
