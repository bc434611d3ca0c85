"""What went wrong, kept where a person finds it, and what could not be read, kept with its bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

from shared.contracts.messages import Message, Notice, Severity
from shared.contracts.records import Container, Table, notice_key
from shared.core.errors import ConflictError, ContractError
from shared.core.ids import digest
from shared.core.notices import Fate
from shared.core.sessions import NEW_YORK
from shared.core.values import iso, parse_utc
from shared.ports import Cell, Ports, Row
from shared.stages.base.notices import notice, poison, quarantined

logger = logging.getLogger("gatehouse.incidents")

OPEN = "open"
"""Status of an incident that nobody has seen to."""

ON_ITS_WAY = timedelta(minutes=4)
"""So long a notice may be in its queue, its tries included, before it is taken for lost."""

BROKEN = (ContractError, ValueError, TypeError, KeyError, ArithmeticError)
"""What reading a row raises whose cells are not what they must be."""

REDRIVEN = "replayed"
"""Status of an incident whose message a person has sent back."""

CLOSED = "closed"
"""Status of an incident that is over, or that a person has seen to."""


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
    row: dict[str, Cell] = {
        "kind": kind,
        "title": title,
        "body": body[:8000],
        "at": iso(now),
        "blob": blob,
        "status": OPEN,
        "severity": severity.value,
        "cause": digest(f"{on} {key}".encode())[:20],
    }
    if not ports.tables.insert(Table.INCIDENTS, str(on), key, row):
        # News, although the words are those of the first time.
        row["cause"] = digest(f"{on} {key} {iso(now)}".encode())[:20]
        if not _reopened(ports, on, key, row):
            return []
    return [_notice_of(row)]


def _notice_of(row: Row) -> Notice:
    """The notice of an incident: the same, and under the same id, whenever it is made."""
    return notice(
        parse_utc(str(row["at"])),
        kind=str(row["kind"]),
        severity=Severity(str(row["severity"])),
        title=str(row["title"])[:200],
        body=str(row["body"]),
        cause=str(row["cause"]),
    )


def untold(ports: Ports) -> list[Notice]:
    """Notices of today's open incidents that nobody is known to have got: they are sent again until somebody has.

    A notice that is on its way, or was refused a little while ago, is given time. Without channels the log is all there
    is, and nothing is known of it.
    """
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    if not ports.settings.notices.channels:
        return []
    offered = dict(ports.tables.query(Table.NOTICES, str(on)))
    made = [each for _, each in readable(ports, Table.INCIDENTS, on, _standing) if each is not None]
    due = [each for each in made if each.decided_at < now - ON_ITS_WAY and now < each.expires_at]
    return [
        each
        for each in due
        if not _has_arrived(offered.get(notice_key(each.decided_at, each.kind, each.message_id)[1]), now)
    ]


def _standing(row: Row) -> Notice | None:
    """Notice of an incident that is open; None for one that is not, or was recorded before notices were repeated."""
    return _notice_of(row) if row["status"] == OPEN and row.get("cause") else None


def _has_arrived(row: Row | None, now: datetime) -> bool:
    """Whether every channel has decided on a notice, or one has refused it so lately that the queue tries again."""
    if row is None:
        return False
    is_refused = f"={Fate.FAILED}" in str(row["channels"])
    return not is_refused or parse_utc(str(row["offered_at"])) >= now - ON_ITS_WAY


def readable[T](
    ports: Ports, table: Table, on: date, read: Callable[[Row], T], *, key_from: str = "", columns: Sequence[str] = ()
) -> Iterator[tuple[str, T]]:
    """Yield key and value of each row of a day that can be read; of any other a person is told, and it is passed by."""
    for key, row in tuple(ports.tables.query(table, str(on), key_from=key_from, columns=columns)):
        try:
            value = read(row)
        except BROKEN as error:
            record_broken(ports, table, on, key, error)
            continue
        yield key, value


def sound_rows(
    ports: Ports, table: Table, on: date, read: Callable[[Row], object], *, columns: Sequence[str] = ()
) -> list[Row]:
    """Return the rows of a day of which everything can be read that `read` takes."""
    return [row for _, (row, _) in readable(ports, table, on, lambda row: (row, read(row)), columns=columns)]


def record_broken(ports: Ports, table: Table, partition: object, key: str, error: Exception) -> list[Notice]:
    """Record a row that cannot be read, once; it is left as it is. Who drops the notice leaves it to `untold`."""
    now = ports.clock.now()
    logger.error("%s, partition %s, row %s cannot be read: %s", table, partition, key, error)
    return record_incident(
        ports,
        now.astimezone(NEW_YORK).date(),
        f"broken-row|{table}|{key}",
        now=now,
        kind="broken-row",
        title=f"A row of table {table} cannot be read: {key}",
        body=f"Table {table}, partition {partition}, row {key}: {type(error).__name__}: {error}\n"
        "It is passed by, and everything else goes on. Put the row right, or delete it.",
    )


def close_incidents(ports: Ports, on: date, *beginnings: str) -> None:
    """Close a day's incidents whose keys begin so: a person has seen to them, and what comes back is told anew."""
    for key, row in tuple(ports.tables.query(Table.INCIDENTS, str(on))):
        if key.startswith(beginnings) and row.get("status") == OPEN:
            closed = {**row, "status": CLOSED, "closed_at": iso(ports.clock.now())}
            ports.tables.put(Table.INCIDENTS, str(on), key, closed)


def _reopened(ports: Ports, on: date, key: str, row: Row) -> bool:
    """Open an incident again that was seen to and has come back."""
    stored = ports.tables.get(Table.INCIDENTS, str(on), key)
    if stored is None or stored.value.get("status") not in {REDRIVEN, CLOSED}:
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
    text = quarantined(source, reason)
    # No time in the key: the same bytes delivered twice are one incident.
    key = "|".join(("quarantine", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="quarantine", title=text.title, body=text.body, blob=blob)]


def poisoned(ports: Ports, source: str, data: bytes) -> list[Message]:
    """Record a message that failed too often; its bytes are kept so that it can be sent back."""
    now = ports.clock.now()
    on = now.astimezone(NEW_YORK).date()
    name = digest(data)
    blob = f"{on}/{source}-poison/{name}"
    ports.blobs.insert(Container.QUARANTINE, blob, data)
    text = poison(source, blob)
    key = "|".join(("poison", source, name[:16]))
    return [*record_incident(ports, on, key, now=now, kind="poison", title=text.title, body=text.body, blob=blob)]
