"""What went wrong, kept where a person finds it, and what could not be read, kept with its bytes."""

from __future__ import annotations

from datetime import date, datetime

from shared.contracts.messages import Message, Notice, Severity
from shared.contracts.records import Container, Table
from shared.core.errors import ConflictError
from shared.core.ids import digest
from shared.core.sessions import NEW_YORK
from shared.core.values import iso
from shared.core.wording import poison, quarantined
from shared.ports import Ports, Row
from shared.stages.notices import notice

REPLAYED = "replayed"
"""Status of an incident whose message a person has sent back."""


def record_incident(
    ports: Ports,
    on: date,
    key: str,
    *,
    now: datetime,
    kind: str,
    title: str,
    body: str,
    blob: str | None = None,
    severity: Severity = Severity.CRITICAL,
) -> list[Notice]:
    """Record an incident under its key; the first to do so also tells the person."""
    row = {"kind": kind, "title": title, "body": body[:8000], "at": iso(now), "blob": blob, "status": "open"}
    matter = f"{on} {key}"
    if not ports.tables.insert(Table.INCIDENTS, str(on), key, row):
        if not _reopened(ports, on, key, row):
            return []
        matter = f"{matter} {iso(now)}"  # news, although the words are those of the first time
    cause = digest(matter.encode())[:20]
    text = body[:8000]
    return [notice(now, kind=kind, severity=severity, title=title[:200], body=text, cause=cause)]


def _reopened(ports: Ports, on: date, key: str, row: Row) -> bool:
    """Open an incident again whose message was sent back and has come to grief again."""
    stored = ports.tables.get(Table.INCIDENTS, str(on), key)
    if stored is None or stored.value.get("status") != REPLAYED:
        return False
    try:
        ports.tables.replace(Table.INCIDENTS, str(on), key, row, stored.etag)
    except ConflictError:
        return False
    return True


def quarantine(ports: Ports, source: str, data: bytes, reason: str) -> list[Message]:
    """Keep what cannot be read, byte for byte, with the reason; nothing is traded on it.

    Parameters
    ----------
    source : str
        Queue it came from.
    """
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    name = digest(data)
    blob = f"{on}/{source}/{name}"
    ports.blobs.insert(Container.QUARANTINE, blob, data)
    ports.blobs.insert(Container.QUARANTINE, f"{blob}.reason.txt", reason.encode())
    words = quarantined(source, reason)
    # No time in the key: the same bytes delivered twice are one incident.
    key = "|".join(("quarantine", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="quarantine", title=words.title, body=words.body, blob=blob)]


def poisoned(ports: Ports, source: str, data: bytes) -> list[Message]:
    """Record a message that failed too often; its bytes are kept so that it can be sent back."""
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    name = digest(data)
    blob = f"{on}/{source}-poison/{name}"
    ports.blobs.insert(Container.QUARANTINE, blob, data)
    words = poison(source, blob)
    key = "|".join(("poison", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="poison", title=words.title, body=words.body, blob=blob)]
