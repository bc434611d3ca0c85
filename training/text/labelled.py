"""Labelled texts and word lists, read from files of the user's own; none of them is part of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.core.ids import digest
from shared.core.market import FloatArray
from shared.core.text.lexicon import WordList
from shared.core.values import require

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5
_BUCKETS = 10
_INNER_FOLDS = 4
_APART = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledTexts:
    """Texts of one or more files with what they sound like.

    A text's folds follow from its words alone, case and punctuation left out: identical ones never lie on both sides of
    a split, and challenger and champion are held against the same texts however their files are put together.

    Attributes
    ----------
    texts : tuple of str
    labels : float64 of shape (n,)
        In [-1, 1].
    corpus : int64 of shape (n,)
        Which of `names` each comes from.
    names : tuple of str
    """

    texts: tuple[str, ...]
    labels: FloatArray
    corpus: NDArray[np.int64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = (len(self.texts),)
        for name in ("labels", "corpus"):
            require(getattr(self, name).shape == shape, name, getattr(self, name).shape, f"of shape {shape}")
        worst = float(np.abs(self.labels).max(initial=0.0))
        require(bool(worst <= 1), "labels", worst, "from -1 to 1")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def groups(self) -> NDArray[np.uint64]:
        """One number for each different text, shape (n,)."""
        plain = (_APART.sub(" ", text.lower()).strip() for text in self.texts)
        return np.array([int(digest(each.encode())[:15], 16) for each in plain], np.uint64)

    @property
    def fold(self) -> NDArray[np.int64]:
        """Which of the `FOLDS` parts a text is judged in, shape (n,)."""
        return np.asarray(self.groups % _BUCKETS // (_BUCKETS // FOLDS), np.int64)

    @property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Whether no published model learns from a text, shape (n,): a tenth of them."""
        return np.asarray(self.groups % _BUCKETS == 0)

    @property
    def inner_fold(self) -> NDArray[np.int64]:
        """Parts that calibration is fitted across, shape (n,)."""
        return np.asarray(self.groups // _BUCKETS % _INNER_FOLDS, np.int64)

    def where(self, chosen: NDArray[np.bool_]) -> LabelledTexts:
        """The texts of a mask of shape (n,)."""
        texts = tuple(text for text, is_chosen in zip(self.texts, chosen, strict=True) if is_chosen)
        return LabelledTexts(texts=texts, labels=self.labels[chosen], corpus=self.corpus[chosen], names=self.names)

    def sha256(self, corpus: int) -> str:
        """Hash of one file's texts and labels."""
        rows = (f"{self.texts[k]}\x1f{self.labels[k]!r}" for k in np.flatnonzero(self.corpus == corpus))
        return digest("\x1e".join(rows).encode())


def labelled(parts: Iterable[tuple[str, Sequence[str], Sequence[float]]]) -> LabelledTexts:
    """Join (name, texts, labels) of several sources."""
    found = list(parts)
    return LabelledTexts(
        texts=tuple(text for _, texts, _ in found for text in texts),
        labels=np.concatenate([np.asarray(labels, np.float64) for _, _, labels in found]),
        corpus=np.repeat(np.arange(len(found)), [len(texts) for _, texts, _ in found]),
        names=tuple(name for name, _, _ in found),
    )


def read_labelled(paths: Sequence[Path]) -> LabelledTexts:
    """Read parquet or CSV files with columns text and score, in [-1, 1].

    Raises
    ------
    ValueError
        Naming the file, if a column is missing or holds something else.
    """
    parts = []
    for path in paths:
        rows = _table(path, ("text", "score"))
        kept = rows[rows["text"].notna() & rows["score"].notna()]
        parts.append((path.stem, [str(text) for text in kept["text"]], [float(score) for score in kept["score"]]))
        if not len(kept):
            raise ValueError(f"{path}: no row has both text and score")
    return labelled(parts)


def read_lists(paths: Sequence[Path]) -> tuple[WordList, ...]:
    """Read word lists: parquet or CSV with columns word and polarity ("positive", "negative") or weight.

    With a column lexicon one file holds several; each is a list of its own.

    Raises
    ------
    ValueError
        Naming the file, if a column is missing or holds something else.
    """
    found: dict[str, dict[str, float]] = {}
    for path in paths:
        rows = _table(path, ("word",))
        if not {"polarity", "weight"} & set(rows.columns):
            raise ValueError(f"{path}: column polarity or weight must be there, got {', '.join(rows.columns)}")
        names = rows["lexicon"] if "lexicon" in rows.columns else [path.stem] * len(rows)
        values = rows["weight"] if "weight" in rows.columns else [_sign(path, value) for value in rows["polarity"]]
        for name, word, value in zip(names, rows["word"], values, strict=True):
            found.setdefault(str(name), {})[str(word).lower()] = float(value)
    return tuple(WordList(name=name, weights=weights) for name, weights in sorted(found.items()))


def packaged_lists() -> tuple[WordList, ...]:
    """Word lists of installed packages: VADER's, and the two that FinVADER adds to it; what is not there is left out.

    Only the lists are read. FinVADER pins an old nltk, which is not needed for that: install it without dependencies.
    """
    found = []
    if folder := _folder("vaderSentiment"):
        lines = (folder / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
        pairs = (line.split("\t")[:2] for line in lines if "\t" in line)
        found.append(WordList(name="vader", weights={word: float(value) for word, value in pairs}))
    if folder := _folder("finvader"):
        for name, file, function in (("henry", "Henry.py", "lexicon2"), ("senti", "SentiBignomics.py", "lexicon1")):
            words = getattr(_module(folder / file), function)()
            found.append(WordList(name=name, weights={str(word): float(value) for word, value in words.items()}))
    return tuple(found)


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _module(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - as in training.parquet

    rows = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    if missing := [name for name in columns if name not in rows.columns]:
        raise ValueError(f"{path}: column {missing[0]} is missing, got {', '.join(map(str, rows.columns))}")
    return rows


def _sign(path: Path, polarity: object) -> float:
    signs = {"positive": 1.0, "negative": -1.0}
    if polarity not in signs:
        raise ValueError(f"{path}: polarity must be positive or negative, got {polarity!r}")
    return signs[str(polarity)]
