"""Whether a story is new: held against what was said of the same symbols before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from shared.core.market import FloatArray
from shared.core.text.stories import Story

ECHO_WITHIN = timedelta(hours=24)
NOVELTY_WITHIN = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStory:
    """A story with its unit vector of shape (d,), None where there was no embedding."""

    story: Story
    vector: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """How new a story is, in [0, 1], and which one it repeats; `echo_of` is empty where it repeats none."""

    novelty: float
    echo_of: str


def novelty_of(
    vector: FloatArray, symbols: Sequence[str], known: Sequence[KnownStory], *, at: datetime, echo_cosine: float
) -> Novelty:
    """Hold a story against earlier ones that share a symbol with it.

    Parameters
    ----------
    vector : float64 of shape (d,)
        Its unit vector.
    known : sequence of KnownStory
        Those received at or before `at`; vectors of another length, of another embedding, are passed over.
    echo_cosine : float
        Cosine from which it repeats one of the last `ECHO_WITHIN`: that one's own source, where it is an echo itself.
    """
    names = set(symbols)
    near = [
        each
        for each in known
        if each.vector is not None
        and each.vector.shape == vector.shape
        and at - NOVELTY_WITHIN < each.story.received_at <= at
        and not names.isdisjoint(each.story.symbols)
    ]
    if not near:
        return Novelty(novelty=1.0, echo_of="")
    cosines = np.stack([each.vector for each in near if each.vector is not None]) @ vector
    echoed = ""
    lately = [k for k, each in enumerate(near) if each.story.received_at > at - ECHO_WITHIN]
    if lately:
        closest = near[max(lately, key=lambda k: float(cosines[k]))].story
        if max(float(cosines[k]) for k in lately) >= echo_cosine:
            echoed = closest.echo_of or closest.story_id
    return Novelty(novelty=float(np.clip(1 - cosines.max(), 0, 1)), echo_of=echoed)
