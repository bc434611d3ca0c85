"""Making of notices; `shared.stages.notify` sends them."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.contracts.messages import Link, Notice, NoticeText, Severity
from shared.core.ids import hash_id

TIME_TO_LIVE = timedelta(hours=12)


def notice(
    at: datetime, *, kind: str, severity: Severity, title: str, body: str, cause: str, links: tuple[Link, ...] = ()
) -> Notice:
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
        links=links,
    )


def to_notice(text: NoticeText, at: datetime, *, kind: str, severity: Severity, cause: str) -> Notice:
    """Return the notice of a text."""
    return notice(at, kind=kind, severity=severity, title=text.title, body=text.body, cause=cause)
