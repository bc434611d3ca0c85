"""The risk ledger: what is reserved or open, the day's state, and the halts that follow from it.

One value, changed by pure functions, stored as one row under its ETag, so that two decisions racing for the last slot
cannot both have it. Money in USD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

from shared.core.breaker import CLOSED, Breaker
from shared.core.portfolio import Account, Position, another_account
from shared.core.sessions import NEW_YORK
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import ZERO, Symbol, require_positive, require_utc

CONFIRMED_AFTER = timedelta(seconds=30)
"""How long after the first look at an equity a second one confirms it: brokers show wrong ones for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An equity beyond a bound that no later look has confirmed yet.

    `since` is the first look of those in a row that saw one; `equity` in USD is the one of them nearest the bound.
    """

    since: datetime
    equity: Decimal

    def __post_init__(self) -> None:
        require_utc("since", self.since)
        require_positive("equity", self.equity)


class Owned(Protocol):
    """What tells whose a reservation is."""

    @property
    def intent_id(self) -> str:
        """Whose reservation it is."""

    @property
    def strategy(self) -> str:
        """Whose idea it is."""

    @property
    def symbol(self) -> Symbol:
        """What is bought."""


class Entry(Owned, Protocol):
    """What an entry reserves. Prices in USD per share."""

    @property
    def worst_price(self) -> Decimal:
        """The most that a share may cost."""

    @property
    def stop_price(self) -> Decimal:
        """Where it is sold at a loss."""

    @property
    def exit_by(self) -> datetime:
        """Time limit of the position."""

    @property
    def approve_by(self) -> datetime | None:
        """Until when a person may approve it, where one is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room taken by an approved intent until its lifecycle has closed.

    `notional` is the most its entry can cost, `risk` the loss at its stop, both in USD; `approve_by` is None where
    nobody is asked.
    """

    intent_id: str
    strategy: str = FIRST_STRATEGY
    symbol: Symbol
    qty: Decimal
    notional: Decimal
    risk: Decimal
    reserved_at: datetime
    exit_by: datetime
    approve_by: datetime | None = None

    def __post_init__(self) -> None:
        require_positive("qty", self.qty)
        require_positive("notional", self.notional)
        require_utc("reserved_at", self.reserved_at)
        require_utc("exit_by", self.exit_by)

    @classmethod
    def of(cls, entry: Entry, qty: Decimal, reserved_at: datetime) -> Self:
        """Room for so much of an entry: an intent, or the plan that an order has of it."""
        return cls(
            intent_id=entry.intent_id,
            strategy=entry.strategy,
            symbol=entry.symbol,
            qty=qty,
            notional=entry.worst_price * qty,
            risk=(entry.worst_price - entry.stop_price) * qty,
            reserved_at=reserved_at,
            exit_by=entry.exit_by,
            approve_by=entry.approve_by,
        )

    @property
    def reserved_on(self) -> date:
        """New York date of the decision; the order's rows are under it, also when it is held over night."""
        return self.reserved_at.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyBook:
    """What a strategy has made of its share today, in USD.

    `realised` is that of orders which have ended, `open_result` that of what it holds, as last seen. One that has lost
    its share of the day's loss enters no more that day, unless a person resumes it.
    """

    realised: Decimal = ZERO
    open_result: Decimal = ZERO
    is_day_halted: bool = False

    @property
    def result(self) -> Decimal:
        """Of the day, in USD before fees."""
        return self.realised + self.open_result


def cooling_key(strategy: str, symbol: Symbol) -> str:
    """Key of a symbol that cools down for a strategy."""
    return f"{strategy}|{symbol}"


class DifferenceKind(StrEnum):
    """What the broker lists and no reservation names, rows of ours that cannot be read, and anything else."""

    POSITION = "position"
    ORDER = "open order"
    UNREADABLE_POSITION = "unreadable position"
    UNREADABLE_ORDER = "unreadable open order"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexplained:
    """A difference to the broker that nobody could explain; as text, what a person is told of it.

    `subject` is the symbol, `?` where its row does not tell; of another kind it is the text itself.
    """

    kind: DifferenceKind = DifferenceKind.OTHER
    subject: str

    def __str__(self) -> str:
        return self.subject if self.kind is DifferenceKind.OTHER else f"{self.kind} in {self.subject}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a difference from its text."""
        kind, found, symbol = text.partition(" in ")
        is_listed = found and kind in DifferenceKind
        return cls(kind=DifferenceKind(kind), subject=symbol) if is_listed else cls(subject=text)


NEXT = "; "
"""Stands between two differences in a text."""


def names(differences: Iterable[Unexplained]) -> str:
    """Text of several differences."""
    return NEXT.join(map(str, differences))


if TYPE_CHECKING:
    type Differences = tuple[Unexplained, ...]
else:  # older code kept the texts, those in `unexplained` as one: its ledgers, also in decisions and cases, are read
    type Differences = tuple[Unexplained | str, ...] | str


def _read(found: tuple[Unexplained | str, ...] | str) -> Differences:
    each = found.split(NEXT) if isinstance(found, str) else found
    return tuple(Unexplained.parse(one) if isinstance(one, str) else one for one in each if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The account's risk state on a session date.

    Attributes
    ----------
    account_id : str
        The broker's account that it is of; empty in one of older code, which is of the account it is next marked to.
    opening_equity : Decimal
        Equity at the last close as the broker tells it, with what was paid in since; the day's loss is measured from
        it. Where the broker knows no last close, the equity that the day's first look saw.
    equity : Decimal
        As last seen, whether confirmed or not.
    peak_equity : Decimal
        Highest equity that was confirmed; the drawdown is measured from it.
    peak_doubt, day_doubt, drawdown_doubt : Doubt or None
        An equity above the peak, and one that would halt the day or until a person resumes, which wait for a second
        look. No entries under the latter two.
    is_day_halted : bool
        No entries until the next session date.
    is_drawdown_halted : bool
        No entries until a person resumes.
    suspected : tuple of Unexplained
        What the last reconciliation could not explain; seen twice in a row, it is unexplained.
    unexplained : tuple of Unexplained
        Differences to the broker that nobody could explain; no entries until a person resumes.
    accepted : tuple of Unexplained
        Those that a person has resumed on and that stand still: they are the person's own, and halt nothing.
    broker, market : Breaker
        Circuit breakers of the trading and the market data API.
    cooling_until : mapping of `cooling_key` to datetime
        Symbols that a strategy may not enter before that instant.
    books : mapping of strategy to StrategyBook
        The day's result of each strategy that has traded.
    """

    on: date
    account_id: str = ""
    opening_equity: Decimal
    equity: Decimal
    peak_equity: Decimal
    peak_doubt: Doubt | None = None
    day_doubt: Doubt | None = None
    drawdown_doubt: Doubt | None = None
    is_day_halted: bool = False
    is_drawdown_halted: bool = False
    suspected: Differences = ()
    unexplained: Differences = ()
    accepted: Differences = ()
    broker: Breaker = CLOSED
    market: Breaker = CLOSED
    reservations: tuple[Reservation, ...] = ()
    cooling_until: Mapping[str, datetime] = field(default_factory=dict)
    books: Mapping[str, StrategyBook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("suspected", "unexplained", "accepted"):
            object.__setattr__(self, name, _read(getattr(self, name)))

    def book_of(self, strategy: str) -> StrategyBook:
        """A strategy's book of the day."""
        return self.books.get(strategy, StrategyBook())

    def reservations_of(self, strategy: str) -> tuple[Reservation, ...]:
        """Room that a strategy takes."""
        return tuple(r for r in self.reservations if r.strategy == strategy)

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


def open_ledger(on: date, account: Account) -> Ledger:
    """Return the first ledger of an account. Its peak is the equity that the day's loss is measured from."""
    require_positive("equity", account.equity)
    opening = account.opening_equity or account.equity
    return Ledger(
        on=on, account_id=account.account_id, opening_equity=opening, equity=account.equity, peak_equity=opening
    )


def mark(  # noqa: PLR0917 - what was seen, when, and the two limits
    ledger: Ledger, on: date, account: Account, at: datetime, day_loss_max: Decimal, drawdown_max: Decimal
) -> Ledger:
    """Carry the ledger to `on` and to the equity that a look at `at` has seen; set the halts that follow.

    An equity above the peak, or one that would halt, is believed when a second look in a row, `CONFIRMED_AFTER` after
    the first, sees one too. Nothing is lifted here but the day's halt, at the next session date. What another account
    shows changes nothing.
    """
    require_positive("equity", account.equity)
    if another_account(ledger.account_id, account.account_id):
        return ledger
    if on > ledger.on:
        ledger = replace(
            ledger,
            on=on,
            opening_equity=account.equity,
            is_day_halted=False,
            day_doubt=None,
            cooling_until={},
            books={},
        )
    # The broker's last close is taken anew at each look: one that it rolls late, or got wrong once, holds no longer.
    opening = account.opening_equity or ledger.opening_equity
    ledger = replace(ledger, account_id=account.account_id, opening_equity=opening, equity=account.equity)
    return _halted(_risen(ledger, at), at, day_loss_max, drawdown_max)


def _risen(ledger: Ledger, at: datetime) -> Ledger:
    """Raise the peak to what is confirmed."""
    doubt, risen = _second_look(ledger.peak_doubt, at, ledger.equity, is_beyond=ledger.equity > ledger.peak_equity)
    if risen is None:
        return replace(ledger, peak_doubt=doubt)
    rest = Doubt(since=at, equity=ledger.equity) if ledger.equity > risen else None
    return replace(ledger, peak_equity=risen, peak_doubt=rest)


def _halted(ledger: Ledger, at: datetime, day_loss_max: Decimal, drawdown_max: Decimal) -> Ledger:
    """Set the halts that are confirmed."""
    is_lost = not ledger.is_day_halted and ledger.day_loss >= day_loss_max
    is_down = not ledger.is_drawdown_halted and ledger.drawdown >= drawdown_max
    day, lost = _second_look(ledger.day_doubt, at, ledger.equity, is_beyond=is_lost, nearest=max)
    drawdown, down = _second_look(ledger.drawdown_doubt, at, ledger.equity, is_beyond=is_down, nearest=max)
    return replace(
        ledger,
        day_doubt=day,
        drawdown_doubt=drawdown,
        is_day_halted=ledger.is_day_halted or lost is not None,
        is_drawdown_halted=ledger.is_drawdown_halted or down is not None,
    )


def _second_look(
    doubt: Doubt | None,
    at: datetime,
    equity: Decimal,
    *,
    is_beyond: bool,
    nearest: Callable[[Decimal, Decimal], Decimal] = min,
) -> tuple[Doubt | None, Decimal | None]:
    """Return the doubt that a look leaves, and the equity that it confirms: of those seen the one nearest the bound."""
    if not is_beyond:
        return None, None
    if doubt is None:
        return Doubt(since=at, equity=equity), None
    seen = nearest(doubt.equity, equity)
    return (None, seen) if at - doubt.since >= CONFIRMED_AFTER else (replace(doubt, equity=seen), None)


def reserve(ledger: Ledger, reservation: Reservation) -> Ledger:
    """Reserve for an intent; a second reservation of the same intent replaces the first."""
    kept = without(ledger, reservation.intent_id)
    return replace(kept, reservations=(*kept.reservations, reservation))


def release(ledger: Ledger, entry: Owned, cooling_until: datetime, realised: Decimal) -> Ledger:
    """Release an entry's reservation: its strategy has realised so much in USD, and lets the symbol cool down.

    What is released already counts no second time.
    """
    cooling = {**ledger.cooling_until, cooling_key(entry.strategy, entry.symbol): cooling_until}
    books = ledger.books
    if any(r.intent_id == entry.intent_id for r in ledger.reservations):
        book = ledger.book_of(entry.strategy)
        books = {**books, entry.strategy: replace(book, realised=book.realised + realised)}
    return replace(without(ledger, entry.intent_id), cooling_until=cooling, books=books)


def mark_strategies(ledger: Ledger, positions: Iterable[Position], loss_max: Mapping[str, Decimal]) -> Ledger:
    """Carry each strategy's book to what it holds, and halt for the day one that has lost its share.

    Parameters
    ----------
    loss_max : mapping of strategy to Decimal
        What each may lose in a day, in USD.
    """
    owners = {r.symbol: r.strategy for r in ledger.reservations}
    held: dict[str, Decimal] = {}
    for position in positions:
        owner = owners.get(position.symbol)
        if owner is not None:
            held[owner] = held.get(owner, ZERO) + position.open_result
    books = dict(ledger.books)
    for strategy in sorted({*held, *books}):
        book = replace(ledger.book_of(strategy), open_result=held.get(strategy, ZERO))
        limit = loss_max.get(strategy)
        is_lost = limit is not None and -book.result >= limit
        books[strategy] = replace(book, is_day_halted=book.is_day_halted or is_lost)
    return replace(ledger, books=books)


def resume_strategy(ledger: Ledger, strategy: str) -> Ledger:
    """Lift a strategy's halt of the day by a person's act. Where its loss still stands, the next look sets it again."""
    if strategy not in ledger.books:
        return ledger
    return replace(ledger, books={**ledger.books, strategy: replace(ledger.book_of(strategy), is_day_halted=False)})


def without(ledger: Ledger, intent_id: str) -> Ledger:
    """Return the ledger as if the intent had reserved nothing."""
    return replace(ledger, reservations=tuple(r for r in ledger.reservations if r.intent_id != intent_id))


def resume(ledger: Ledger) -> Ledger:
    """Lift the drawdown halt by a person's act, and accept what was unexplained.

    Where a drawdown had halted, the peak starts anew at this equity, or stays where a wrong print shows a higher one; a
    resume of anything else leaves it. A day halt stays: nobody trades on after the day's loss, and the next marks
    would set it again.
    """
    accepted = tuple(dict.fromkeys((*ledger.accepted, *ledger.unexplained)))
    ledger = replace(ledger, unexplained=(), accepted=accepted)
    if not ledger.is_drawdown_halted:
        return ledger
    peak = min(ledger.equity, ledger.peak_equity)
    return replace(ledger, is_drawdown_halted=False, drawdown_doubt=None, peak_equity=peak, peak_doubt=None)
