"""Model reversal: a position whose symbol has since been scored down as far as an entry must be scored up is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared.contracts.records import Table, symbol_key
from shared.core.ledger import Ledger, Reservation
from shared.core.order_states import ExitReason
from shared.core.values import parse_utc
from shared.ports import Ports, Row
from shared.stages.account.reconcile import Wake, wake
from shared.stages.base.incidents import BROKEN, record_broken

AFTER_DIGITS = ":"
"""Sorts after every slot."""

_READ = ("faults", "edge", "scored_at")


def reversals(ports: Ports, on: date, ledger: Ledger) -> Iterator[Wake]:
    """Orders that the newest score of their symbol tells to leave.

    Only a score made after the order was reserved counts, and only one that was made on sound data by a trusted model.
    """
    return (
        wake(reservation, ExitReason.REVERSAL)
        for reservation in ledger.reservations
        if _is_left(ports, on, reservation)
    )


def _is_left(ports: Ports, on: date, reservation: Reservation) -> bool:
    since, until = symbol_key(reservation.symbol, ""), symbol_key(reservation.symbol, AFTER_DIGITS)
    rows = list(ports.tables.query(Table.SIGNALS, str(on), key_from=since, key_to=until, columns=_READ))
    if not rows:
        return False
    key, newest = rows[-1]
    try:
        return _is_reversed(ports, newest, reservation)
    except BROKEN as error:
        record_broken(ports, Table.SIGNALS, on, key, error)
        return False


def _is_reversed(ports: Ports, newest: Row, reservation: Reservation) -> bool:
    if newest.get("faults") or "edge" not in newest or parse_utc(str(newest["scored_at"])) <= reservation.reserved_at:
        return False
    return float(str(newest["edge"])) <= -ports.settings.policy.edge_min
