"""Splits never let a test session near the training ones."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models import random_dataset
from training.folds import apart, combinatorial, walk_forward
from training.inner_cv import rows_of

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


@given(
    n=st.integers(24, 60),
    groups=st.integers(3, 6),
    test_groups=st.integers(1, 2),
    purge=st.integers(0, 2),
    embargo=st.integers(0, 2),
)
def test_combinatorial_splits_test_every_session_equally_often_and_keep_their_distance(
    n: int, groups: int, test_groups: int, purge: int, embargo: int
) -> None:
    dates = DATES[:n]
    found = combinatorial(dates, groups=groups, test_groups=test_groups, purge_sessions=purge, embargo_sessions=embargo)
    assert len(found) == math.comb(groups, test_groups)
    times = Counter(on for fold in found for on in fold.test)
    assert set(times) == set(dates)
    assert set(times.values()) == {math.comb(groups - 1, test_groups - 1)}
    for fold in found:
        tested = [dates.index(on) for on in fold.test]
        for on in fold.train:
            at = dates.index(on)
            assert all(at < k - purge or at > k + purge for k in tested)
            assert all(at < k or at > k + purge + embargo for k in tested)


def test_a_split_of_all_groups_or_of_more_groups_than_sessions_is_refused() -> None:
    with pytest.raises(ValueError, match="test_groups"):
        combinatorial(DATES, groups=3, test_groups=3, purge_sessions=0, embargo_sessions=0)
    with pytest.raises(ValueError, match="session dates"):
        combinatorial(DATES[:3], groups=4, test_groups=1, purge_sessions=0, embargo_sessions=0)
    with pytest.raises(ValueError, match="training sessions"):
        combinatorial(DATES[:6], groups=3, test_groups=2, purge_sessions=9, embargo_sessions=0)


SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), min_size=1, max_size=40)


@given(train=SPANS, test=SPANS)
def test_no_training_label_that_is_kept_overlaps_a_test_label_and_none_is_dropped_without_need(
    train: list[tuple[int, int]], test: list[tuple[int, int]]
) -> None:
    start, end = (np.array(part) for part in zip(*((a, a + length) for a, length in train), strict=True))
    test_start, test_end = (np.array(part) for part in zip(*((a, a + length) for a, length in test), strict=True))
    kept = apart(start, end, test_start, test_end)
    for k in range(len(train)):
        overlaps = any(start[k] < e and s < end[k] for s, e in zip(test_start, test_end, strict=True))
        assert kept[k] == (not overlaps)


@pytest.mark.parametrize("kind", ["walk-forward", "combinatorial"])
def test_no_training_row_of_a_split_has_a_label_that_reaches_into_its_test(kind: str) -> None:
    data = random_dataset(4)
    # Labels that outlive their session: dropping whole sessions would not be enough.
    long = replace(data, start_s=data.day * 86_400 + np.arange(len(data)) % 20_000, end_s=data.day * 86_400 + 100_000)
    gaps = {"purge_sessions": 0, "embargo_sessions": 0}
    if kind == "walk-forward":
        splits = walk_forward(long.dates, folds=2, test_sessions=1, **gaps)
    else:
        splits = combinatorial(long.dates, groups=3, test_groups=1, **gaps)
    for split in splits:
        rows = rows_of(long, split)
        assert 0 < len(rows.train) < len(long.on(split.train))
        first, last = rows.test.start_s.min(), rows.test.end_s.max()
        for start, end in zip(rows.train.start_s, rows.train.end_s, strict=True):
            assert end <= first or start >= last
