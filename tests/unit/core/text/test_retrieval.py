"""What a narrative is told: new stories first, then what is nearest to them, nothing twice, nothing from later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.market import FloatArray
from shared.core.text.retrieval import evidence
from shared.core.text.stories import Story
from tests.support.told_stories import STORY_AT, told

ECHO = 0.85


def unit(*components: float) -> FloatArray:
    vector = np.array(components, np.float64)
    return vector / np.linalg.norm(vector)


def ids(target: Sequence[Story], known: Sequence[Story], vectors: Sequence[FloatArray], *, limit: int = 8) -> list[str]:
    array = np.array(vectors) if vectors else np.zeros((0, 3))
    return [each.story_id for each in evidence(target, known, array, at=STORY_AT, echo_cosine=ECHO, limit=limit)]


NEW = told("new", minutes=1)


def test_the_new_stories_come_first_the_newest_in_front() -> None:
    older, known = told("older", minutes=9), told("known", minutes=60)
    vectors = [unit(1, 0, 0), unit(0, 1, 0), unit(1, 1, 0)]
    assert ids([older, NEW], [NEW, older, known], vectors) == ["id-new", "id-older", "id-known"]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((told("a", minutes=60), unit(1, 1, 0)), (told("b", minutes=60), unit(1, 0, 2))),
        ((told("a", minutes=60), unit(1, 1, 0)), (told("b", minutes=3000), unit(1, 0, 1))),
        ((told("a", minutes=60, weight=0.9), unit(1, 1, 0)), (told("b", minutes=60, weight=0.5), unit(1, 0, 1))),
        ((told("a", minutes=60), unit(1, 1, 0)), (told("b", minutes=61), unit(1, 0, 1))),
    ],
    ids=["nearer", "more recent", "of more weight", "newer of equals"],
)
def test_the_rest_is_in_order_of_nearness_recency_and_weight(
    better: tuple[Story, FloatArray], worse: tuple[Story, FloatArray]
) -> None:
    for known in ([better, worse], [worse, better]):
        stories, vectors = zip((NEW, unit(1, 0, 0)), *known, strict=True)
        assert ids([NEW], stories, vectors) == ["id-new", "id-a", "id-b"]
        assert ids([NEW], stories, vectors, limit=2) == ["id-new", "id-a"]


def test_near_duplicates_are_folded_the_new_ones_too() -> None:
    copies = [told("new", minutes=k, story_id=f"copy-{k}") for k in range(2, 52)]
    near, other = told("reworded", minutes=90), told("other", minutes=90)
    known = [*copies, near, other]
    vectors = [unit(1, 0.01 * k, 0) for k in range(50)] + [unit(1, 0.1, 0), unit(1, 2, 0)]
    assert ids(copies, known, vectors) == ["copy-2", "id-other"]
    assert ids(copies, [], []) == ["copy-2"], "by their words, where there is no embedding"


def test_what_is_not_near_at_all_or_worth_nothing_is_not_told() -> None:
    known = [NEW, told("opposite", minutes=60), told("worthless", minutes=60, weight=0)]
    assert ids([NEW], known, [unit(1, 0, 0), unit(-1, 0, 0), unit(1, 1, 0)]) == ["id-new"]


def test_without_a_new_story_nothing_is_told() -> None:
    late = replace(NEW, received_at=STORY_AT + timedelta(microseconds=1))
    assert ids([late], [late, told("known")], [unit(1, 0, 0), unit(1, 1, 0)]) == []


def test_vectors_must_be_those_of_the_stories() -> None:
    with pytest.raises(ValueError, match="as many as stories"):
        evidence([NEW], [NEW], np.zeros((0, 3)), at=STORY_AT, echo_cosine=ECHO)


minutes = st.integers(-500, 5000)
components = st.tuples(*[st.integers(-3, 3)] * 3).filter(any)
rows = st.lists(st.tuples(minutes, components, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=25)


@given(rows, st.integers(1, 4), st.integers(1, 8), st.randoms(use_true_random=False))
def test_nothing_received_later_is_told_and_the_order_of_the_input_does_not_matter(
    drawn: list[tuple[int, tuple[int, int, int], float]], new: int, limit: int, rng: object
) -> None:
    known = [told(f"s{k}", minutes=at, weight=weight) for k, (at, _, weight) in enumerate(drawn)]
    vectors = {story.story_id: unit(*each) for story, (_, each, _) in zip(known, drawn, strict=True)}
    target = known[:new]

    def chosen(stories: list[Story]) -> list[str]:
        return ids(target, stories, [vectors[story.story_id] for story in stories], limit=limit)

    found = chosen(known)
    by_id = {story.story_id: story for story in known}
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert all(by_id[each].received_at <= STORY_AT for each in found)
    shuffled = list(known)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert chosen(shuffled) == found
    # What comes later changes nothing.
    assert chosen([story for story in known if story.received_at <= STORY_AT or story in target]) == found
