"""A reader that knows words and nothing else: what a model of text has to be better than."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from shared.core.errors import ContractError, SettingsError
from shared.core.market import FloatArray

WIDTH: Final = 512
"""Components of a vector: each word has one, by its hash."""
_WORD: Final = re.compile(r"[a-z]+(?:['-][a-z]+)*")


class WordReader:
    """`TextReader` on a list of words: polarity by counting good and bad ones, vectors by counting all.

    Parameters
    ----------
    weights : mapping of str to float
        Above 0 for what sounds good.
    name : str
        Of the list, for `versions`.
    """

    def __init__(self, weights: Mapping[str, float], name: str) -> None:
        self._weights = dict(weights)
        content = "\n".join(f"{word} {weight!r}" for word, weight in sorted(self._weights.items()))
        self._version = f"words/{name}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"

    @property
    def versions(self) -> tuple[str, ...]:
        """Name and hash of the list."""
        return (self._version,)

    @property
    def has_sentiment(self) -> bool:
        """It has."""
        return True

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of word counts, float64 of shape (len(texts), WIDTH)."""
        found = np.zeros((len(texts), WIDTH))
        for k, text in enumerate(texts):
            for word in _words(text):
                found[k, _place(word)] += 1
        found[~found.any(axis=1), 0] = 1  # a text without a word is like every other one without
        unit: FloatArray = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit

    def polarity(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Return (good - bad) / (good + bad + 1) of each text, float64 of shape (len(texts),)."""
        del vectors
        found = np.zeros(len(texts))
        for k, text in enumerate(texts):
            weights = [self._weights.get(word, 0.0) for word in _words(text)]
            found[k] = sum(weights) / (sum(map(abs, weights)) + 1)
        return found


def read_words(path: Path) -> WordReader:
    """Read a list: parquet with columns `word` and `polarity` (positive or negative); other polarities are left out.

    Raises
    ------
    SettingsError
        If there is no such file.
    ContractError
        If a column is missing or no word is left.
    """
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file pays
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    if not path.is_file():
        raise SettingsError(f"no list of words at {path}")
    try:
        columns = pq.read_table(path).to_pydict()
    except pa.ArrowException as error:
        raise ContractError(f"{path.name} cannot be read: {error}") from error
    if absent := [name for name in ("word", "polarity") if name not in columns]:
        raise ContractError(f"{path.name}: columns {absent} are missing; it has {list(columns)}")
    sign = {"positive": 1.0, "negative": -1.0}
    total: dict[str, float] = {}
    for spelled, kind in zip(columns["word"], columns["polarity"], strict=True):
        word = str(spelled).lower()
        total[word] = total.get(word, 0.0) + sign.get(str(kind), 0.0)
    weights = {word: float(np.sign(weight)) for word, weight in total.items() if weight}
    if not weights:
        raise ContractError(f"{path.name}: column polarity names no word positive or negative")
    return WordReader(weights, path.stem)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


@lru_cache(maxsize=200_000)
def _place(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % WIDTH
