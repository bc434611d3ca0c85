"""What of an answer could not be read: kept beside what could, so that one bad row costs itself alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.core.values import Symbol

SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """One row that could not be read.

    `what` says of what kind it is ("quote", "position"), `name` the symbol as it was spelled, empty where there is
    none, `fault` what is wrong with it, `raw` the row's own JSON, shortened.
    """

    what: str
    name: str
    fault: str
    raw: str


def shown(raw: object) -> str:
    """A row's JSON, shortened for a person's eye."""
    text = json.dumps(raw, default=repr, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


class Listed[T](tuple[T, ...]):
    """Rows of an answer in their order, with those that could not be read."""

    unread: tuple[Unread, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[T], unread: Iterable[Unread]) -> Listed[T]:
        """Rows with what could not be read."""
        found = cls(rows)
        found.unread = tuple(unread)
        return found


class BySymbol[T](dict[Symbol, T]):
    """An answer by symbol, with what could not be read; a symbol that could not is missing."""

    unread: tuple[Unread, ...] = ()

    @classmethod
    def of(cls, rows: Mapping[Symbol, T], unread: Iterable[Unread]) -> BySymbol[T]:
        """Rows with what could not be read."""
        found = cls(rows)
        found.unread = tuple(unread)
        return found


def unread_in(*answers: object) -> tuple[Unread, ...]:
    """What some answers could not read; a source that reads no foreign text has nothing to tell."""
    return tuple(row for answer in answers for row in getattr(answer, "unread", ()))


def why_unread(name: str, *answers: object) -> tuple[str, ...]:
    """Why there is nothing of a symbol in some answers: `bars unread: o must be positive, got 0.0`."""
    return tuple(f"{row.what} unread: {row.fault}" for row in unread_in(*answers) if row.name == name)
