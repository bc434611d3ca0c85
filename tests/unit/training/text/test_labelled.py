"""Labelled texts and word lists are read as they are, and alike texts never lie on both sides of a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.text.labelled import FOLDS, labelled, read_labelled, read_lists


def test_files_are_joined_and_rows_without_text_or_score_left_out(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.parquet"
    pd.DataFrame({"text": ["up", None, "down"], "score": [0.5, 0.1, -1.0], "more": 0}).to_csv(one)
    pd.DataFrame({"text": ["flat", "gone"], "score": [0.0, float("nan")]}).to_parquet(two)
    found = read_labelled([one, two])
    assert found.texts == ("up", "down", "flat")
    assert found.labels.tolist() == [0.5, -1.0, 0.0]
    assert found.corpus.tolist() == [0, 0, 1]
    assert found.names == ("one", "two")
    assert len(found.where(found.corpus == 1)) == 1


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"text": ["up"]}, "column score is missing, got text"),
        ({"text": ["up"], "score": [1.5]}, "labels must be from -1 to 1, got 1.5"),
        ({"text": [None], "score": [1.0]}, "no row has both"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    columns: dict[str, list[object]], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame(columns).to_parquet(path)
    with pytest.raises(ValueError, match=reason):
        read_labelled([path])


@given(st.text(max_size=40), st.sampled_from(["", " ", "!", "..."]))
def test_texts_that_differ_in_case_and_punctuation_share_their_folds(text: str, end: str) -> None:
    found = labelled([("one", [text, text.lower() + end], [0.0, 0.1]), ("two", [f" {text}"], [0.2])])
    for folds in (found.fold, found.inner_fold, found.is_held_out, found.groups):
        assert len(np.unique(folds)) == 1


def test_folds_hold_alike_shares_and_a_tenth_is_held_out() -> None:
    found = labelled([("many", [f"text {k}" for k in range(2000)], [0.0] * 2000)])
    assert np.bincount(found.fold, minlength=FOLDS).min() > 330
    assert 140 < found.is_held_out.sum() < 260
    assert set(found.fold[found.is_held_out]) == {0}
    assert np.bincount(found.inner_fold).min() > 400


def test_a_files_hash_follows_its_texts_and_labels() -> None:
    first = labelled([("a", ["up"], [0.5]), ("b", ["down"], [-0.5])])
    assert first.sha256(0) != first.sha256(1)
    assert first.sha256(1) == labelled([("c", ["down"], [-0.5])]).sha256(0)


def test_word_lists_have_signs_or_weights_and_one_file_may_hold_several(tmp_path: Path) -> None:
    signed, weighted = tmp_path / "signed.parquet", tmp_path / "weighted.csv"
    rows = {
        "word": ["Gain", "loss", "gain"],
        "polarity": ["positive", "negative", "positive"],
        "lexicon": ["A", "A", "B"],
    }
    pd.DataFrame(rows).to_parquet(signed)
    pd.DataFrame({"word": ["soar"], "weight": [2.5]}).to_csv(weighted)
    found = {each.name: each.weights for each in read_lists([signed, weighted])}
    assert found == {"A": {"gain": 1.0, "loss": -1.0}, "B": {"gain": 1.0}, "weighted": {"soar": 2.5}}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"word": ["gain"]}, "column polarity or weight must be there"),
        ({"word": ["gain"], "polarity": ["good"]}, "positive or negative, got 'good'"),
    ],
)
def test_a_word_list_that_is_something_else_is_refused(
    columns: dict[str, list[str]], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    pd.DataFrame(columns).to_csv(path)
    with pytest.raises(ValueError, match=reason):
        read_lists([path])
