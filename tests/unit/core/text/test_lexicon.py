"""Words are counted as they are written, behind a negation the other way, and no text breaks the count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.text.lexicon import TURNED, WordList, scores, terms_of, words_of

LIST = WordList(name="hand", weights={"gain": 1.0, "loss": -1.0, "record": 0.5})
PAIRS = WordList(name="pairs", weights={"record quarter": 2.0, "gain": 1.0}, has_negation=False)


def test_words_are_lower_case_and_a_number_keeps_its_sign_and_per_cent_only() -> None:
    found = words_of("AB's profit +12.5% vs -3, up 1,000.50. $AAPL isn\u2019t down")
    assert found == ("ab's", "profit", "+#%", "vs", "-#", "up", "#", "$aapl", "isn't", "down")


def test_pairs_of_neighbours_follow_the_words() -> None:
    assert terms_of(("a", "b", "c")) == ("a", "b", "c", "a b", "b c")
    assert terms_of(()) == ()


def test_the_sum_of_weights_is_divided_by_the_root_of_the_words() -> None:
    assert scores("gain gain on loss", [LIST]) == pytest.approx([0.5])
    assert scores("record quarter", [PAIRS]) == pytest.approx([2 / np.sqrt(2)])


def test_a_negation_turns_the_next_three_words_and_no_more() -> None:
    assert scores("no gain", [LIST])[0] == pytest.approx(TURNED / np.sqrt(2))
    assert scores("not a big gain", [LIST])[0] == pytest.approx(TURNED / 2)
    assert scores("not a very big gain", [LIST])[0] == pytest.approx(1 / np.sqrt(5))


def test_a_learned_list_knows_of_negation_by_itself() -> None:
    assert scores("no gain", [PAIRS])[0] == pytest.approx(1 / np.sqrt(2))


def test_a_text_without_words_says_nothing() -> None:
    assert scores("", [LIST, PAIRS]).tolist() == [0.0, 0.0]
    assert scores("\U0001f680 ?!", [LIST]).tolist() == [0.0]


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of 'gain' must be finite"):
        WordList(name="bad", weights={"gain": weight})


@given(st.text(max_size=400))
def test_no_text_breaks_the_count(text: str) -> None:
    found = scores(text, [LIST, PAIRS])
    assert found.shape == (2,)
    assert np.isfinite(found).all()
    assert np.abs(found[0]) <= np.sqrt(max(len(words_of(text)), 1))
