"""The risk ledger: what is reserved or open, the day's state, and the halts that follow from it.

One value, changed by pure functions, stored as one row under its ETag, so that two decisions racing for the last slot
cannot both have it. Money in USD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from shared.core.breaker import CLOSED, Breaker
from shared.core.sessions import NEW_YORK
from shared.core.values import ZERO, Symbol, require_at_least, require_positive, require_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room taken by an approved intent until its lifecycle has closed.

    `notional` is the most its entry can cost, `risk` the loss at its stop, both in USD.
    """

    intent_id: str
    symbol: Symbol
    qty_shares: int
    notional: Decimal
    risk: Decimal
    reserved_at: datetime
    exit_by: datetime

    def __post_init__(self) -> None:
        require_at_least("qty_shares", self.qty_shares, 1)
        require_positive("notional", self.notional)
        require_utc("reserved_at", self.reserved_at)
        require_utc("exit_by", self.exit_by)

    @property
    def reserved_on(self) -> date:
        """New York date of the decision; the order's rows are under it, also when it is held over night."""
        return self.reserved_at.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The account's risk state on a session date.

    Attributes
    ----------
    opening_equity : Decimal
        Equity when the day's first supervision or decision saw it; the day's loss is measured from it.
    peak_equity : Decimal
        Highest equity ever seen; the drawdown is measured from it.
    is_day_halted : bool
        No entries until the next session date.
    is_drawdown_halted : bool
        No entries until a person resumes.
    suspected : tuple of str
        What the last reconciliation could not explain; seen twice in a row, it is unexplained.
    unexplained : str
        Differences to the broker that nobody could explain; no entries until a person resumes. Empty: none.
    accepted : tuple of str
        Those that a person has resumed on and that stand still: they are the person's own, and halt nothing.
    broker, market : Breaker
        Circuit breakers of the trading and the market data API.
    cooling_until : mapping of symbol to datetime
        Symbols that may not be entered before that instant.
    """

    on: date
    opening_equity: Decimal
    equity: Decimal
    peak_equity: Decimal
    is_day_halted: bool = False
    is_drawdown_halted: bool = False
    suspected: tuple[str, ...] = ()
    unexplained: str = ""
    accepted: tuple[str, ...] = ()
    broker: Breaker = CLOSED
    market: Breaker = CLOSED
    reservations: tuple[Reservation, ...] = ()
    cooling_until: Mapping[Symbol, datetime] = field(default_factory=dict)

    @property
    def reserved_notional(self) -> Decimal:
        """Sum of what all reservations may cost."""
        return sum((r.notional for r in self.reservations), ZERO)

    def reserved_in(self, symbol: Symbol) -> Decimal:
        """What reservations in one symbol may cost."""
        return sum((r.notional for r in self.reservations if r.symbol == symbol), ZERO)

    @property
    def day_loss(self) -> Decimal:
        """Fraction of the opening equity lost since the open; negative is a gain."""
        return (self.opening_equity - self.equity) / self.opening_equity

    @property
    def drawdown(self) -> Decimal:
        """Fraction that equity stands under its peak."""
        return (self.peak_equity - self.equity) / self.peak_equity


def open_ledger(on: date, equity: Decimal) -> Ledger:
    """Return the first ledger of an account."""
    require_positive("equity", equity)
    return Ledger(on=on, opening_equity=equity, equity=equity, peak_equity=equity)


def mark(ledger: Ledger, on: date, equity: Decimal, day_loss_max: Decimal, drawdown_max: Decimal) -> Ledger:
    """Carry the ledger to `on` and to the equity now seen; set the halts that follow.

    Nothing is lifted here but the day's halt, at the next session date.
    """
    require_positive("equity", equity)
    if on > ledger.on:
        ledger = replace(ledger, on=on, opening_equity=equity, is_day_halted=False, cooling_until={})
    ledger = replace(ledger, equity=equity, peak_equity=max(ledger.peak_equity, equity))
    return replace(
        ledger,
        is_day_halted=ledger.is_day_halted or ledger.day_loss >= day_loss_max,
        is_drawdown_halted=ledger.is_drawdown_halted or ledger.drawdown >= drawdown_max,
    )


def reserve(ledger: Ledger, reservation: Reservation) -> Ledger:
    """Take room for an intent; a second reservation of the same intent replaces the first."""
    kept = without(ledger, reservation.intent_id)
    return replace(kept, reservations=(*kept.reservations, reservation))


def release(ledger: Ledger, intent_id: str, symbol: Symbol, cooling_until: datetime) -> Ledger:
    """Give an intent's room back and let its symbol cool down."""
    return replace(without(ledger, intent_id), cooling_until={**ledger.cooling_until, symbol: cooling_until})


def without(ledger: Ledger, intent_id: str) -> Ledger:
    """Return the ledger as if the intent had reserved nothing."""
    return replace(ledger, reservations=tuple(r for r in ledger.reservations if r.intent_id != intent_id))


NEXT = "; "
"""Stands between two unexplained differences."""


def unexplained_of(ledger: Ledger) -> tuple[str, ...]:
    """Return each unexplained difference by its name."""
    return tuple(ledger.unexplained.split(NEXT)) if ledger.unexplained else ()


def resume(ledger: Ledger) -> Ledger:
    """Lift the drawdown halt by a person's act, and accept what was unexplained; the peak starts anew at this equity.

    A day halt stays: nobody trades on after the day's loss, and the next mark would set it again.
    """
    accepted = tuple(dict.fromkeys((*ledger.accepted, *unexplained_of(ledger))))
    return replace(ledger, is_drawdown_halted=False, unexplained="", accepted=accepted, peak_equity=ledger.equity)
