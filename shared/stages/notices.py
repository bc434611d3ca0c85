"""Making of notices, and their last stage."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.contracts.messages import Notice, Severity
from shared.core.ids import hash_id
from shared.ports import Ports

TIME_TO_LIVE = timedelta(hours=12)


def notice(at: datetime, *, kind: str, severity: Severity, title: str, body: str, cause: str) -> Notice:
    """Return a notice whose id is that of its content, so that a repeat is known. `cause` is the run or message id."""
    message_id = hash_id("notice", kind, title, body, cause)
    return Notice(
        message_id=message_id,
        correlation_id=cause,
        causation_id=cause,
        decided_at=at,
        expires_at=at + TIME_TO_LIVE,
        kind=kind,
        severity=severity,
        title=title,
        body=body,
    )


def notify(message: Notice, ports: Ports) -> None:
    """Send a notice on unless it is too old to matter."""
    if ports.clock.now() < message.expires_at:
        ports.notifier.send(message)
