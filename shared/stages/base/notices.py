"""Making of notices; `shared.stages.notify` sends them."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.contracts.messages import Link, Notice, Severity
from shared.core.ids import hash_id
from shared.core.wording import Words

TIME_TO_LIVE = timedelta(hours=12)


def notice(
    at: datetime, *, kind: str, severity: Severity, title: str, body: str, cause: str, links: tuple[Link, ...] = ()
) -> Notice:  # fmt: skip
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


def worded(at: datetime, words: Words, *, kind: str, severity: Severity, cause: str) -> Notice:
    """Return a notice of these words."""
    return notice(at, kind=kind, severity=severity, title=words.title, body=words.body, cause=cause)
