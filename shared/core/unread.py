"""Rows of broker and market that cannot be read: kept beside those that can, so that one never hides the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import overload

from shared.core.values import Symbol

NAME_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """One row that could not be read, and what could be told of it all the same.

    Attributes
    ----------
    what : str
        Kind of row: position, order, asset, snapshot, quote, bars, split, headline.
    name : str
        Symbol as the broker spells it, one word; empty where that cannot be read either.
    fault : str
        What is wrong with it.
    raw : str
        The row's JSON, shortened.
    market_value : Decimal or None
        A position's absolute value in USD, None where it cannot be read.
    order_id, side : str
        An order's, empty where they cannot be read.
    """

    what: str
    name: str
    fault: str
    raw: str
    market_value: Decimal | None = None
    order_id: str = ""
    side: str = ""

    def may_be(self, symbol: str) -> bool:
        """Whether this row may be of a symbol: it says so, or does not say of which it is."""
        return self.name in {symbol, ""}


@dataclass(frozen=True, slots=True)
class Listing[T](Sequence[T]):
    """The rows of a list that could be read, as a sequence, and those that could not."""

    rows: tuple[T, ...] = ()
    unread: tuple[Unread, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.rows[index]


def listing[T](rows: Iterable[T]) -> Listing[T]:
    """Return a list in which everything could be read."""
    return Listing(tuple(rows))


def one_word(text: str) -> str:
    """Return a name as one printable word of bounded length: it becomes part of names and keys."""
    word = "".join(c if c.isprintable() and not c.isspace() and c not in ";|" else "_" for c in text.strip())
    return word[:NAME_CHARACTERS]


class BySymbol[T](dict[Symbol, T]):
    """An answer by symbol, with what could not be read; a symbol that could not is missing."""

    def __init__(self, rows: Mapping[Symbol, T], unread: Iterable[Unread] = ()) -> None:
        super().__init__(rows)
        self.unread = tuple(unread)


def unread_in(*answers: object) -> tuple[Unread, ...]:
    """What some answers could not read; a source that reads no foreign text has nothing to tell."""
    return tuple(row for answer in answers for row in getattr(answer, "unread", ()))


def why_unread(name: str, *answers: object) -> tuple[str, ...]:
    """Why there is nothing of a symbol in some answers: `bars unread: o must be positive, got 0.0`."""
    return tuple(f"{row.what} unread: {row.fault}" for row in unread_in(*answers) if row.name == name)
