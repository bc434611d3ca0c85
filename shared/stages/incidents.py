"""What went wrong, kept where a person finds it, and what could not be read, kept with its bytes."""

from __future__ import annotations

from datetime import date, datetime

from shared.contracts.messages import Message, Notice, Severity
from shared.contracts.records import Container, Table
from shared.core.ids import digest
from shared.core.sessions import NEW_YORK
from shared.core.values import iso
from shared.ports import Ports
from shared.stages.notices import notice


def record_incident(
    ports: Ports, on: date, key: str, *, now: datetime, kind: str, title: str, body: str, blob: str | None = None
) -> list[Notice]:
    """Record an incident under its key; the first to do so also tells the person."""
    row = {"kind": kind, "title": title, "body": body[:8000], "at": iso(now), "blob": blob, "status": "open"}
    if not ports.tables.insert(Table.INCIDENTS, str(on), key, row):
        return []
    cause = digest(f"{on} {key}".encode())[:20]
    text = body[:8000]
    return [notice(now, kind=kind, severity=Severity.CRITICAL, title=title[:200], body=text, cause=cause)]


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
    title = f"Quarantined a message of {source}"
    # No time in the key: the same bytes delivered twice are one incident.
    key = "|".join(("quarantine", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="quarantine", title=title, body=reason, blob=blob)]


def poisoned(ports: Ports, source: str, data: bytes) -> list[Message]:
    """Record a message that failed too often; its bytes are kept so that it can be sent back."""
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    name = digest(data)
    blob = f"{on}/{source}-poison/{name}"
    ports.blobs.insert(Container.QUARANTINE, blob, data)
    title = f"Poison message of {source}"
    body = f"Delivery failed too often. Its text is in quarantine/{blob}."
    key = "|".join(("poison", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="poison", title=title, body=body, blob=blob)]
