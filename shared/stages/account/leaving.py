"""What its strategy says of a position since: the newest opinion of the strategy that holds it tells to leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from shared.contracts.records import Table, strategy_of, symbol_key
from shared.core.ledger import Ledger, Reservation
from shared.core.order_states import ExitReason
from shared.core.schedule import slot_of
from shared.core.sessions import NEW_YORK
from shared.core.values import parse_utc
from shared.ports import Ports, Row
from shared.stages.account.reconcile import Wake, wake
from shared.stages.base.incidents import BROKEN, record_broken

AFTER_DIGITS = ":"
"""Sorts after every slot."""

_READ = ("strategy", "leave", "scored_at")


def leaves(ports: Ports, on: date, ledger: Ledger) -> Iterator[Wake]:
    """Orders that the newest opinion of their own strategy tells to leave.

    Only one that was given after the order was reserved counts, and only one on sound data.
    """
    for reservation in ledger.reservations:
        reason = _reason(ports, on, reservation)
        if reason is not None:
            yield wake(reservation, reason)


def _reason(ports: Ports, on: date, reservation: Reservation) -> ExitReason | None:
    # One that waited in its queue until it was too old is of a slot so much earlier than when it was given.
    earliest = reservation.reserved_at - timedelta(seconds=ports.settings.policy.signal_ttl_s)
    first = slot_of(earliest) if earliest.astimezone(NEW_YORK).date() == on else ""
    since, until = symbol_key(reservation.symbol, first), symbol_key(reservation.symbol, AFTER_DIGITS)
    rows = ports.tables.query(Table.SIGNALS, str(on), key_from=since, key_to=until, columns=_READ)
    own = [(key, row) for key, row in rows if strategy_of(row) == reservation.strategy]
    if not own:
        return None
    key, newest = own[-1]
    try:
        return _said(newest, reservation)
    except BROKEN as error:
        record_broken(ports, Table.SIGNALS, on, key, error)
        return None


def _said(newest: Row, reservation: Reservation) -> ExitReason | None:
    if not newest.get("leave") or parse_utc(str(newest["scored_at"])) <= reservation.reserved_at:
        return None
    return ExitReason(str(newest["leave"]))
