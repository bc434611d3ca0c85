"""The risk ledger under its ETag: read, opened, changed, backed up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Literal

from shared.contracts.records import ACCOUNT, BACKUP, CURRENT, Table
from shared.core.breaker import failed
from shared.core.errors import ConflictError, ContractError, TransientError
from shared.core.ledger import Differences, Ledger, Reservation, Unexplained, mark, names, open_ledger
from shared.core.order_states import OrderState, Phase
from shared.core.portfolio import Account
from shared.core.values import iso
from shared.ports import Ports, Row, Stored
from shared.stages.base.incidents import readable

type Service = Literal["broker", "market"]


LEDGER_TRIES = 8
"""Writers that race for the ledger's row are few; eight losses in a row mean that something else is wrong."""


def load_ledger(ports: Ports) -> Stored[Ledger] | None:
    """Return the ledger as stored, None before the account's first day."""
    stored = ports.tables.get(Table.LEDGER, ACCOUNT, CURRENT)
    if stored is None:
        return None
    return Stored(value=ports.codec.decode(Ledger, str(stored.value["ledger"])), etag=stored.etag)


LEDGER_LOST = Unexplained(subject="the ledger's row was lost")
"""Why entries halt when there is no ledger, but its backup or orders that live: it may have known what they do not."""


def opened(ports: Ports, on: date, account: Account) -> Ledger:
    """Return an account's first ledger, or one whose row was lost from its backup; orders that live are reserved again.

    An order of the day before may live: a position that found no buyer is held over night.
    """
    reservations = tuple(reservation_of(ports, state) for state in live_orders(ports, on))
    stored = ports.tables.get(Table.LEDGER, ACCOUNT, BACKUP)
    if stored is None:
        return replace(
            open_ledger(on, account), reservations=reservations, unexplained=(LEDGER_LOST,) if reservations else ()
        )
    backup = ports.codec.decode(Ledger, str(stored.value["backup"]))
    known = [what for what in backup.unexplained if what != LEDGER_LOST]
    return replace(backup, reservations=reservations, unexplained=(LEDGER_LOST, *known))


def live_orders(ports: Ports, on: date) -> list[OrderState]:
    """Orders of a date, and of the trading day before, that are not over, as last recorded."""
    found: list[OrderState] = []
    for day in [*(day.on for day in ports.calendar.previous_days(on, 1)), on]:
        for _, state in readable(ports, Table.ORDERS, day, lambda row: _living(ports, row)):
            found += [state] if state is not None else []
    return found


def _living(ports: Ports, row: Row) -> OrderState | None:
    return None if Phase(str(row["phase"])).is_over else ports.codec.decode(OrderState, str(row["state"]))


def reservation_of(ports: Ports, state: OrderState) -> Reservation:
    """Room that an order takes from now on: what it bought once no entry of it can follow, before that all it wants."""
    plan = state.plan
    qty = state.bought if state.bought and state.live_entry is None else state.wanted
    # On the order's own date, also when that is over.
    return Reservation.of(plan, qty, min(ports.clock.now(), plan.expires_at))


def ledger_row(ports: Ports, ledger: Ledger) -> Row:
    """Row of the ledger: the whole as JSON, and what a person wants to see."""
    return {
        "ledger": ports.codec.encode(ledger),
        "on": str(ledger.on),
        "account_id": ledger.account_id or None,
        "equity_usd": str(ledger.equity),
        "opening_usd": str(ledger.opening_equity),
        "peak_usd": str(ledger.peak_equity),
        "reservations": len(ledger.reservations),
        "reserved_usd": str(ledger.reserved_notional),
        "is_day_halted": ledger.is_day_halted,
        "is_drawdown_halted": ledger.is_drawdown_halted,
        "unexplained": names(ledger.unexplained) or None,
        "accepted": names(ledger.accepted) or None,
        "broker_failures": ledger.broker.failures,
        "market_failures": ledger.market.failures,
    }


def update_ledger(
    ports: Ports,
    on: date,
    account: Account | None,
    change: Callable[[Ledger], Ledger],
    *,
    at: datetime | None = None,
    known: Stored[Ledger] | None = None,
    backs_up: bool = False,
) -> Ledger:
    """Mark the ledger to the account as seen and change it, under its ETag. One that was not seen marks nothing.

    `change` is called anew with what another writer has left, until the write holds; it may return the ledger as it
    got it. Where nothing changes, nothing is written. A new ledger is backed up, and one whose halts have changed, that
    before it is written: a halt never stands in the one row alone.

    Parameters
    ----------
    at : datetime, optional
        When the account was looked at; now unless given.
    known : Stored of Ledger, optional
        The ledger as just read, which saves a first look.
    backs_up : bool
        Whether to back up the ledger though its halts stand.

    Raises
    ------
    TransientError
        After `LEDGER_TRIES` lost races, and where there is neither a ledger nor an equity to open one with.
    """
    risk = ports.settings.risk
    day_loss, drawdown = risk.day_loss_max_fraction, risk.drawdown_max_fraction
    for attempt in range(LEDGER_TRIES):
        stored = known if known and attempt == 0 else load_ledger(ports)
        if account is not None:
            before = stored.value if stored else opened(ports, on, account)
            before = mark(before, on, account, at or ports.clock.now(), day_loss, drawdown)
        elif stored is not None:
            before = stored.value
        else:
            raise TransientError("there is no ledger yet, and no account to open it with")
        after = change(before)
        row = ledger_row(ports, after)
        if stored is None:
            if ports.tables.insert(Table.LEDGER, ACCOUNT, CURRENT, row):
                _back_up(ports, after)  # not before: who else opens the account would take its ledger for a lost one
                return after
            continue
        if backs_up or _halts(stored.value) != _halts(after):
            _back_up(ports, after)
        if after == stored.value:
            return after
        try:
            ports.tables.replace(Table.LEDGER, ACCOUNT, CURRENT, row, stored.etag)
        except ConflictError:
            continue
        return after
    raise TransientError(f"ledger was changed by others {LEDGER_TRIES} times in a row")


def _halts(ledger: Ledger) -> tuple[date, bool, bool, Differences, frozenset[str]]:
    """What entries are halted by, those of all and of single strategies, and the date that a day's halt is of."""
    strategies = frozenset(strategy for strategy, book in ledger.books.items() if book.is_day_halted)
    return ledger.on, ledger.is_day_halted, ledger.is_drawdown_halted, ledger.unexplained, strategies


def _back_up(ports: Ports, ledger: Ledger) -> None:
    """Write the ledger's backup. Room is not in it: the rows of the orders that live tell it, and are never old."""
    row = {"backup": ports.codec.encode(replace(ledger, reservations=())), "at": iso(ports.clock.now())}
    ports.tables.put(Table.LEDGER, ACCOUNT, BACKUP, row)


@contextmanager
def watching(ports: Ports, service: Service) -> Iterator[None]:
    """Count a failure of a service against its circuit breaker, and let it go on.

    A refusal by the broker (4xx) is an answer, not a failure.
    """
    try:
        yield
    except (TransientError, ContractError):
        stored = load_ledger(ports)
        if stored is not None:
            ledger, now = stored.value, ports.clock.now()
            if service == "broker":
                after = replace(ledger, broker=failed(ledger.broker, now))
            else:
                after = replace(ledger, market=failed(ledger.market, now))
            with suppress(ConflictError):  # another writer was faster; the next failure counts
                ports.tables.replace(Table.LEDGER, ACCOUNT, CURRENT, ledger_row(ports, after), stored.etag)
        raise
