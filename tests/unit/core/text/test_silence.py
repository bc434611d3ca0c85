"""Who usually has news and has none today."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.core.text.silence import Silence, silence
from shared.core.values import Symbol

A, B, C = map(Symbol, "ABC")
SYMBOLS = st.frozensets(st.sampled_from([A, B, C]))


def test_a_watched_symbol_with_a_story_in_each_session_and_none_today_is_silent() -> None:
    assert silence([{A, B}, {A, B, C}], {B}, [A, B, C]) == Silence(symbols=(A,))


def test_a_symbol_that_is_not_watched_is_not_told_of() -> None:
    assert silence([{A, B}, {A}], {B}, [B]) == Silence()


def test_a_symbol_without_a_story_in_one_of_the_sessions_is_not_usually_heard_of() -> None:
    assert silence([{A}, {B}], {C}, [A, B, C]) == Silence()


def test_no_story_at_all_is_one_silence_and_not_one_a_symbol() -> None:
    assert silence([{A, B}, {A}], set(), [A, B]) == Silence(is_all=True)


def test_without_a_past_or_with_a_session_that_had_none_nothing_is_missed() -> None:
    assert silence([], set(), [A]) == Silence()
    assert silence([{A}, set()], set(), [A]) == Silence()


@given(st.lists(SYMBOLS, max_size=4), SYMBOLS, SYMBOLS, SYMBOLS)
def test_a_symbol_is_told_of_once(
    past: list[frozenset[Symbol]], today: frozenset[Symbol], tomorrow: frozenset[Symbol], watched: frozenset[Symbol]
) -> None:
    found = silence(past, today, watched)
    after = silence([*past[1:], today], tomorrow, watched) if past else Silence()
    assert not set(found.symbols) & set(after.symbols)
    assert not (found.is_all and after.is_all)
    assert not (found.is_all and found.symbols)
