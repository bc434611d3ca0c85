"""What a narrative is told: the new stories, and what was known before that is nearest to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from shared.core.market import FloatArray
from shared.core.text.stories import Story
from shared.core.values import require, require_at_least, require_utc

EVIDENCE_LIMIT = 8
"""Stories of one question: some 2,000 tokens."""
STORY_HALF_LIFE = timedelta(hours=24)
"""A story that is a day older is worth half as much of what is told beside the new ones."""
_DIGITS = 9
"""Digits of a score that count: the last bits of a product of matrices depend on where in it a row stands."""


def evidence(
    target: Sequence[Story],
    known: Sequence[Story],
    vectors: FloatArray,
    *,
    at: datetime,
    echo_cosine: float,
    limit: int = EVIDENCE_LIMIT,
    half_life: timedelta = STORY_HALF_LIFE,
) -> tuple[Story, ...]:
    """Choose stories by cosine to the new ones x recency x source weight, whatever order they are given in.

    Parameters
    ----------
    target : sequence of Story
        The new stories: they come first, the newest of them in front.
    known : sequence of Story
        What there is to choose from, the new ones among them where they have a vector.
    vectors : ndarray, float64, shape (len(known), d)
        Unit vectors of `known`.
    at : datetime
        Nothing that was received later is chosen, new or not.
    echo_cosine : float
        A story as near as this to one that is chosen says the same and is left out, and so is one of the same words.
    limit : int
        Stories at most.
    half_life : timedelta
        Of recency, by `received_at`.

    Returns
    -------
    tuple of Story
        Empty where no new story was received by `at`.
    """
    require_utc("at", at)
    require_at_least("limit", limit, 1)
    require(len(vectors) == len(known), "vectors", len(vectors), f"as many as stories, {len(known)}")
    new = sorted(
        (story for story in target if story.received_at <= at), key=lambda s: (s.received_at, s.story_id), reverse=True
    )
    rows = {story.story_id: k for k, story in enumerate(known)}
    chosen: list[Story] = []
    chosen_rows: list[int] = []
    texts: set[str] = set()
    beside = (known[k] for k in _by_worth(new, known, vectors, rows, at=at, half_life=half_life))
    for source in (new, beside):
        for story in source:
            if len(chosen) == limit or not new:
                break
            row = rows.get(story.story_id)
            near = row is not None and chosen_rows and (vectors[chosen_rows] @ vectors[row]).max() >= echo_cosine
            if near or story.text.casefold() in texts:
                continue
            chosen.append(story)
            texts.add(story.text.casefold())
            if row is not None:
                chosen_rows.append(row)
    return tuple(chosen)


def _by_worth(
    new: Sequence[Story],
    known: Sequence[Story],
    vectors: FloatArray,
    rows: dict[str, int],
    *,
    at: datetime,
    half_life: timedelta,
) -> Iterator[int]:
    """Rows of `known` that were received by `at` and are worth something, best first."""
    wanted = [rows[story.story_id] for story in new if story.story_id in rows]
    if not wanted:
        return
    instant, life_s = at.timestamp(), half_life.total_seconds()
    age_s = instant - np.array([story.received_at.timestamp() for story in known])
    weight = np.array([story.weight for story in known])
    cosine = (vectors @ vectors[wanted].T).max(axis=1)
    worth = np.round(np.where(age_s >= 0, cosine * 0.5 ** (np.maximum(age_s, 0) / life_s) * weight, 0.0), _DIGITS)
    order = np.argsort(-worth, kind="stable").tolist()
    # Of equals the newest: they are put in order only when they are come to, which is seldom.
    for value, equals in groupby(order, key=worth.__getitem__):
        if value <= 0:
            return
        yield from sorted(equals, key=lambda k: (known[k].received_at, known[k].story_id), reverse=True)
