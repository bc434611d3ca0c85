"""Splits never let a test session near the training ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.folds import walk_forward

DATES = [date(2025, 1, 1) + timedelta(days=k) for k in range(60)]


@given(
    n=st.integers(20, 60),
    folds=st.integers(1, 3),
    test=st.integers(1, 4),
    purge=st.integers(0, 2),
    embargo=st.integers(0, 2),
)
def test_training_ends_before_the_gap_and_tests_do_not_overlap(
    n: int, folds: int, test: int, purge: int, embargo: int
) -> None:
    dates = DATES[:n]
    found = walk_forward(dates, folds=folds, test_sessions=test, purge_sessions=purge, embargo_sessions=embargo)
    tested = [on for fold in found for on in fold.test]
    assert tested == dates[-folds * test :]
    for fold in found:
        assert fold.train[0] == dates[0]
        assert dates.index(fold.test[0]) - dates.index(fold.train[-1]) == purge + embargo + 1


def test_too_few_sessions_are_refused_with_the_number_needed() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        walk_forward(DATES[:7], folds=2, test_sessions=3, purge_sessions=1, embargo_sessions=0)
