"""Splits by session date. A session is never torn apart: its rows share a market and often a label's bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from shared.core.values import require, require_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Session dates to learn from and, later ones, to be judged on."""

    train: tuple[date, ...]
    test: tuple[date, ...]


def walk_forward(
    dates: Sequence[date], *, folds: int, test_sessions: int, purge_sessions: int, embargo_sessions: int
) -> tuple[Fold, ...]:
    """Expanding walk-forward splits, the last of which is tested on the last sessions.

    Labels end within their session, so no outcome reaches over the border. What does reach over it are slow features
    (20-day figures) that neighbouring sessions share: purge and embargo keep that many sessions away from the tests.

    Parameters
    ----------
    dates : sequence of date
        Session dates, ascending.
    folds, test_sessions : int
        Number of splits, and test sessions of each; test windows do not overlap.
    purge_sessions, embargo_sessions : int
        Sessions dropped between training and test window: their sum.

    Returns
    -------
    tuple of Fold, oldest first

    Raises
    ------
    ValueError
        If the first fold would have no training session.

    Examples
    --------
    >>> days = [date(2025, 1, k) for k in range(1, 11)]
    >>> fold = walk_forward(days, folds=1, test_sessions=3, purge_sessions=1, embargo_sessions=1)[0]
    >>> len(fold.train), fold.test[0].day
    (5, 8)
    """
    for name, value, least in (("folds", folds, 1), ("test_sessions", test_sessions, 1)):
        require_at_least(name, value, least)
    gap = purge_sessions + embargo_sessions
    needed = folds * test_sessions + gap + 1
    require(len(dates) >= needed, "session dates", len(dates), f"at least {needed}")
    result = []
    for k in range(folds, 0, -1):
        first = len(dates) - k * test_sessions
        result.append(Fold(train=tuple(dates[: first - gap]), test=tuple(dates[first : first + test_sessions])))
    return tuple(result)
