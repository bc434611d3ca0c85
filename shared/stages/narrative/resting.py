"""A language service that keeps failing is not asked for a while: its breaker, kept in one row of table calls."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

from shared.contracts.messages import Notice, Severity
from shared.contracts.records import Table
from shared.core.breaker import CLOSED, OPEN_FOR, Breaker, failed, succeeded
from shared.core.errors import ConflictError
from shared.core.sessions import NEW_YORK
from shared.core.text.language import LanguageError, LanguageFault
from shared.core.values import iso, parse_utc
from shared.ports import Ports, Row
from shared.stages.base.incidents import BROKEN, close_incidents, record_incident
from shared.stages.base.notices import language_back, language_down, to_notice
from shared.stages.base.rows import change_row

BREAKER, SERVICE = "breaker", "language"
"""Partition and row key of the breaker."""
DOWN, BACK = "language-down", "language-back"
"""Kinds of notice; the first is an incident, under its kind as key."""


def pass_breaker(ports: Ports) -> bool:
    """Go on where the service may be asked; half open, whoever comes first goes on alone.

    Returns
    -------
    bool
        Whether the breaker is as if nothing had ever failed.

    Raises
    ------
    LanguageError
        RESTING.
    """
    stored = ports.tables.get(Table.CALLS, BREAKER, SERVICE)
    before = _breaker(ports, stored.value if stored else None)
    if stored is None or before.open_until is None:
        return before == CLOSED
    now, until = ports.clock.now(), before.open_until
    if not before.is_open(now):
        until = now + OPEN_FOR
        claimed = Breaker(failures=before.failures, open_until=until)
        with suppress(ConflictError):
            row = _row(ports, claimed, _opened_at(stored.value, now))
            ports.tables.replace(Table.CALLS, BREAKER, SERVICE, row, stored.etag)
            return False
    raise LanguageError(LanguageFault.RESTING, f"{before.failures} failures in a row, asked again from {iso(until)}")


def count_failure(ports: Ports, on: date, why: str) -> list[Notice]:
    """Count a failure; the one that opens the breaker is told of."""
    now = ports.clock.now()

    def change(row: Row | None) -> Row:
        return _row(ports, failed(_breaker(ports, row), now), _opened_at(row, now))

    rows = change_row(ports, Table.CALLS, BREAKER, SERVICE, change)
    before, after = (_breaker(ports, row) for row in rows)
    if before.open_until is not None or after.open_until is None:
        return []
    text = language_down(after.failures, after.open_until, why)
    return record_incident(
        ports, on, DOWN, now=now, kind=DOWN, title=text.title, body=text.body, severity=Severity.WARNING
    )


def count_success(ports: Ports) -> list[Notice]:
    """Close the breaker; where it was open, that is told and its incident is closed."""
    now = ports.clock.now()
    before, _ = change_row(
        ports, Table.CALLS, BREAKER, SERVICE, lambda row: _row(ports, succeeded(_breaker(ports, row)), now)
    )
    if _breaker(ports, before).open_until is None:
        return []
    opened_at = _opened_at(before, now)
    close_incidents(ports, opened_at.astimezone(NEW_YORK).date(), DOWN)
    text = language_back(opened_at, now)
    return [to_notice(text, now, kind=BACK, severity=Severity.INFO, cause=f"{BACK} {iso(opened_at)}")]


def _breaker(ports: Ports, row: Row | None) -> Breaker:
    """What a row says. One that cannot be read says nothing and is written anew: at worst, one question too many."""
    with suppress(*BROKEN):
        return ports.codec.decode(Breaker, str(row["breaker"])) if row else CLOSED
    return CLOSED


def _opened_at(row: Row | None, now: datetime) -> datetime:
    """When the breaker opened first: now, unless it is open."""
    with suppress(*BROKEN):
        return parse_utc(str(row["opened_at"])) if row else now
    return now


def _row(ports: Ports, breaker: Breaker, opened_at: datetime) -> Row:
    """Row of the breaker; `opened_at` is when it opened first, until it closes."""
    return {
        "breaker": ports.codec.encode(breaker),
        "failures": breaker.failures,
        "open_until": iso(breaker.open_until) if breaker.open_until else None,
        "opened_at": iso(opened_at) if breaker.open_until else None,
    }
