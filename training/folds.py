"""Splits by session date. A session is never torn apart: its rows share a market and often a label's bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shared.core.market import IntArray
from shared.core.values import require, require_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Session dates to learn from, and others to be judged on."""

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


def combinatorial(
    dates: Sequence[date], *, groups: int, test_groups: int, purge_sessions: int, embargo_sessions: int
) -> tuple[Fold, ...]:
    """Every way to be tested on some of the groups that the dates are cut into, and to learn from the others.

    Each session is tested in many of the splits, so their results have a spread: it says how far one lucky period could
    carry a model. Some splits learn from what lies after their test, which no trader can: the spread is no forecast.

    Source: M. Lopez de Prado, Advances in Financial Machine Learning, 12.4.

    Parameters
    ----------
    dates : sequence of date
        Session dates, ascending.
    groups, test_groups : int
        Groups of neighbouring dates, alike in size but for one date; how many of them each split is tested on.
    purge_sessions : int
        Sessions dropped from training before and after each tested stretch.
    embargo_sessions : int
        Further sessions dropped after it.

    Returns
    -------
    tuple of Fold
        `groups` choose `test_groups`.

    Raises
    ------
    ValueError
        If a split would have no training session.
    """
    require(0 < test_groups < groups, "test_groups", test_groups, f"from 1 to {groups - 1}")
    require(len(dates) >= groups, "session dates", len(dates), f"at least {groups}")
    parts = np.array_split(np.arange(len(dates)), groups)
    result = []
    for chosen in combinations(range(groups), test_groups):
        test = np.concatenate([parts[k] for k in chosen])
        barred = {
            at
            for k in chosen
            for at in range(
                int(parts[k][0]) - purge_sessions, int(parts[k][-1]) + purge_sessions + embargo_sessions + 1
            )
        }
        train = [on for at, on in enumerate(dates) if at not in barred]
        require(bool(train), "training sessions of a split", 0, "at least 1")
        result.append(Fold(train=tuple(train), test=tuple(dates[at] for at in test)))
    return tuple(result)


def apart(start_s: IntArray, end_s: IntArray, test_start_s: IntArray, test_end_s: IntArray) -> NDArray[np.bool_]:
    """Which training labels share no instant with any test label.

    Dropping whole sessions achieves it as long as labels end within their session; this holds for any label.

    Parameters
    ----------
    start_s, end_s : int of shape (n,)
        Training labels: each is about [start_s, end_s).
    test_start_s, test_end_s : int of shape (m,)
        Test labels.

    Returns
    -------
    bool of shape (n,)
    """
    order = np.argsort(test_start_s, kind="stable")
    starts, reach = test_start_s[order], np.maximum.accumulate(test_end_s[order])
    # Of the test labels that start before a training label ends, the farthest reach tells whether any overlaps it.
    before = np.searchsorted(starts, end_s, side="left")
    farthest = np.concatenate([[np.iinfo(np.int64).min], reach])[before]
    return np.asarray(farthest <= start_s, np.bool_)
