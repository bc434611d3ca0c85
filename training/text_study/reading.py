"""Stories as a model of text reads them: polarity, echoes, novelty, and each against its symbol's own past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import ModelError
from shared.core.market import FloatArray, IntArray
from shared.core.text.scores import MOST_Z, PRIOR_SPREAD, PRIOR_WEIGHT
from shared.ports import TextReader
from training.text_study.story_file import StoryFile

type BoolArray = NDArray[np.bool_]

ECHO_S: Final = 24 * 3600
NOVELTY_S: Final = 5 * 24 * 3600
FIRST: Final = -1
"""In `echo_of`: the story repeats none."""
_BATCH: Final = 256
_DIGITS: Final = 10
"""What a sum's rounding leaves of nothing has no sign, and equal scores are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStories:
    """What was read out of n stories.

    Attributes
    ----------
    polarity : float64 of shape (n,)
        In [-1, 1].
    novelty : float64 of shape (n,)
        1 less the largest cosine to a story of the same symbol in the five days before; 1 where there is none.
    echo_of : int64 of shape (n,)
        Index of the story that it repeats, the first of them; `FIRST` where it repeats none.
    versions : tuple of str
        Of the models that read them.
    """

    polarity: FloatArray
    novelty: FloatArray
    echo_of: IntArray
    versions: tuple[str, ...]

    @property
    def is_first(self) -> BoolArray:
        """Which stories repeat none."""
        found: BoolArray = self.echo_of == FIRST
        return found


def read_all(
    stories: StoryFile, reader: TextReader, *, echo_cosine: float, progress: Callable[[str, float], None]
) -> ReadStories:
    """Read stories in the order they were received.

    Parameters
    ----------
    echo_cosine : float
        Cosine from which a story repeats an earlier one of its symbol within 24 hours.

    Raises
    ------
    ModelError
        If the file has no scores and the reader no sentiment model, or what it says is no polarity.
    """
    if stories.given is None and not reader.has_sentiment:
        raise ModelError(f"{', '.join(reader.versions)}: no sentiment model, and {stories.name} has no column score")
    texts = sorted(set(stories.texts))
    where = {text: k for k, text in enumerate(texts)}
    index = np.array([where[text] for text in stories.texts], np.int64)
    vectors, polarity = _read_batches(texts, reader, progress)
    said = stories.given if stories.given is not None else polarity[index]
    if not (np.isfinite(said) & (np.abs(said) <= 1)).all():
        wrong = int(np.flatnonzero(~(np.abs(said) <= 1))[0])
        raise ModelError(f"polarity of {stories.texts[wrong][:60]!r} must be from -1 to 1, got {said[wrong]}")
    novelty, echo_of = np.ones(len(stories)), np.full(len(stories), FIRST, np.int64)
    for code in range(len(stories.symbols)):
        own = np.flatnonzero(stories.code == code)
        found = _echoes(stories.at_s[own], vectors[index[own]], echo_cosine)
        novelty[own] = found[0]
        echo_of[own] = np.where(found[1] >= 0, own[found[1]], FIRST)
        progress("echoes", (code + 1) / len(stories.symbols))
    return ReadStories(polarity=said, novelty=novelty, echo_of=echo_of, versions=reader.versions)


def _read_batches(
    texts: list[str], reader: TextReader, progress: Callable[[str, float], None]
) -> tuple[NDArray[np.float32], FloatArray]:
    vectors, polarity = [], []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        found = reader.embed(batch)
        polarity.append(reader.polarity(batch, found))
        vectors.append(found.astype(np.float32))
        progress("read stories", (start + len(batch)) / len(texts))
    return np.concatenate(vectors), np.concatenate(polarity)


def _echoes(at_s: IntArray, vectors: NDArray[np.float32], echo_cosine: float) -> tuple[FloatArray, IntArray]:
    """Novelty of one symbol's stories, and the place of the story that each repeats."""
    novelty, echo_of = np.ones(at_s.size), np.full(at_s.size, FIRST, np.int64)
    since = np.searchsorted(at_s, at_s - NOVELTY_S)
    day = np.searchsorted(at_s, at_s - ECHO_S)
    for k in range(1, at_s.size):
        if since[k] == k:
            continue
        cosine = vectors[since[k] : k] @ vectors[k]
        novelty[k] = min(max(1.0 - float(cosine.max()), 0.0), 1.0)
        alike = np.flatnonzero(cosine[day[k] - since[k] :] >= echo_cosine)
        if alike.size:
            source = int(day[k] + alike[0])
            echo_of[k] = source if echo_of[source] == FIRST else echo_of[source]
    return novelty, echo_of


def own_z(values: FloatArray, code: IntArray) -> FloatArray:
    """Each value in deviations from its symbol's values before it, shrunk to the prior, at most `MOST_Z`.

    Parameters
    ----------
    values : float64 of shape (n,)
        In the order they were received.
    code : int64 of shape (n,)
        Symbols.
    """
    order = np.argsort(code, kind="stable")
    x, of = values[order], code[order]
    first = np.flatnonzero(np.diff(of, prepend=-1) != 0)
    length = np.diff(np.append(first, x.size))
    count = np.arange(x.size) - np.repeat(first, length)

    def before(parts: FloatArray) -> FloatArray:
        running = np.zeros(parts.size)
        for start, size in zip(first.tolist(), length.tolist(), strict=True):
            # Each symbol's sum is its own: one over all would take the rounding of others, later ones too.
            running[start + 1 : start + size] = np.cumsum(parts[start : start + size - 1])
        return running

    total, squares = before(x), before(x * x)
    weight = PRIOR_WEIGHT + count
    # Of a normal distribution with unknown mean and variance, known from a prior of mean 0 and the values so far.
    variance = (PRIOR_WEIGHT * PRIOR_SPREAD**2 + np.maximum(squares - total**2 / weight, 0.0)) / weight
    z = np.clip((x - total / weight) / np.sqrt(variance), -MOST_Z, MOST_Z)
    found = np.empty(x.size)
    found[order] = np.round(z, _DIGITS) + 0.0
    return found
