"""What words sound like: word lists with weights, looked up with negation. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shared.core.market import FloatArray
from shared.core.values import require

NEGATIONS = frozenset(
    (
        *("no", "not", "never", "none", "without", "nor", "neither", "cannot", "hardly", "barely", "less"),
        *("won't", "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "can't", "couldn't", "wouldn't"),
    )
)
REACH = 3
"""Words after a negation that it turns."""
TURNED = -0.74
"""What is left of a word's weight behind a negation (Hutto and Gilbert 2014)."""
_WORD = re.compile(r"\$?[a-z]+(?:['-][a-z]+)*|[+-]?\d[\d.,]*%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordList:
    """A lexicon.

    Attributes
    ----------
    name : str
    weights : dict of str to float
        Of words, and of pairs of neighbouring words with a blank between them; above 0 for what sounds good.
    has_negation : bool
        Whether a word behind a negation counts the other way; pairs, where they were learned, know of it by themselves.
    """

    name: str
    weights: dict[str, float]
    has_negation: bool = True

    def __post_init__(self) -> None:
        require(bool(self.name), "name", self.name, "not empty")
        wrong = next((word for word, weight in self.weights.items() if not math.isfinite(weight)), None)
        require(wrong is None, f"weight of {wrong!r}", wrong and self.weights[wrong], "finite")


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in lower case; a number is `#`, with its sign and per cent, for what it is hardly matters."""
    found = (match.group() for match in _WORD.finditer(text.lower().replace("\u2019", "'")))
    return tuple(_number(word) if word[-1] in "0123456789%.," else word for word in found)


def _number(word: str) -> str:
    sign = word[0] if word[0] in "+-" else ""
    return f"{sign}#{'%' if word.endswith('%') else ''}"


def terms_of(words: Sequence[str]) -> tuple[str, ...]:
    """Words, then pairs of neighbours."""
    return (*words, *(f"{one} {other}" for one, other in pairwise(words)))


def scores(text: str, lists: Sequence[WordList]) -> FloatArray:
    """What each list says of a text, float64 of shape (len(lists),).

    The sum of the weights found, over the root of the number of words: a long text has more of everything, and what it
    has of it grows like its root where words are drawn at random.
    """
    words = words_of(text)
    if not words:
        return np.zeros(len(lists))
    turned = _turned(words)
    terms = terms_of(words)
    length = math.sqrt(len(words))
    return np.array([_sum(one, terms, turned) / length for one in lists], np.float64)


def _sum(one: WordList, terms: Sequence[str], turned: Sequence[bool]) -> float:
    total = 0.0
    for k, term in enumerate(terms):
        if weight := one.weights.get(term, 0.0):
            is_turned = one.has_negation and k < len(turned) and turned[k]
            total += TURNED * weight if is_turned else weight
    return total


def _turned(words: Sequence[str]) -> list[bool]:
    """Which words lie behind a negation."""
    last = -REACH - 1
    found = []
    for k, word in enumerate(words):
        found.append(k - last <= REACH)
        if word in NEGATIONS:
            last = k
    return found
