"""Symbols that usually have news and suddenly have none: their news may have been lost on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from shared.core.values import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What was not heard of on a day: `symbols`, or, where nothing was heard at all, the news as a whole."""

    symbols: tuple[Symbol, ...] = ()
    is_all: bool = False


def silence(past: Sequence[AbstractSet[Symbol]], today: AbstractSet[Symbol], watched: Collection[Symbol]) -> Silence:
    """Find the watched symbols that had a story in each of the past sessions and have none today.

    A symbol that goes on being silent is found once: the next day's past has a session without it.

    Parameters
    ----------
    past : sequence of set of Symbol
        The symbols of each past session's stories; none finds nothing.
    today : set of Symbol
        Those of today's.
    """
    if not past or not all(past):
        return Silence()
    if not today:
        return Silence(is_all=True)
    usual = frozenset[Symbol].intersection(*map(frozenset, past))
    return Silence(symbols=tuple(sorted((usual - today) & set(watched))))
