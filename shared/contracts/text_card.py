"""What a model of text says of itself. The app believes none of it before it has checked it against the bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from shared.contracts.model_card import MODEL_FILE, ModelCard
from shared.core.text.lexicon import WordList
from shared.core.values import require, require_at_least, require_utc

EMBEDDING_MODEL = "embedding"
SENTIMENT_MODEL = "sentiment"
TEXT_MODELS = (EMBEDDING_MODEL, SENTIMENT_MODEL)
TOKENIZER_FILE, LEXICON_FILE = "tokenizer.json", "lexicon.json"
FILES = {EMBEDDING_MODEL: (MODEL_FILE, TOKENIZER_FILE), SENTIMENT_MODEL: (MODEL_FILE, LEXICON_FILE)}
IDS, MASK, VECTOR = "input_ids", "attention_mask", "vector"
"""Inputs and output of an embedding's graph: int64 of shape (n, t), twice, and float32 of shape (n, dimensions)."""
EVIDENCE, POLARITY = "evidence", "polarity"
"""Input and output of a sentiment graph: float32 of shape (n, dimensions + lists), and of shape (n, 1)."""
MAX_TOKENS = 128
"""Of a text; the rest is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """`lexicon.json`: the word lists that a sentiment model wants, in the order of its columns."""

    schema_id: str = "lexicon.v1"
    lists: tuple[WordList, ...]

    def __post_init__(self) -> None:
        require(self.schema_id == "lexicon.v1", "schema_id", self.schema_id, "lexicon.v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPair:
    """A text, and what the trainer's own model answered: a unit vector, or a polarity."""

    text: str
    output: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarityFigures:
    """How polarity agrees with labels in [-1, 1] on texts that were not learned from.

    Attributes
    ----------
    texts : int
    pearson : float
    sign_accuracy : float
        Share of the texts whose label is not 0 that have its sign.
    class_accuracy : float
        Share of right answers of three: below -0.1, above 0.1, and between.
    rmse : float
    """

    texts: int
    pearson: float
    sign_accuracy: float
    class_accuracy: float
    rmse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCorpus:
    """One labelled file.

    Attributes
    ----------
    name : str
    sha256 : str
        Of texts and labels.
    texts, distinct : int
        Rows, and different texts among them once case and punctuation are left out: alike ones share a fold.
    folds : tuple of PolarityFigures
        Of models that have learned from the other folds of all files.
    overall : PolarityFigures
        The folds' answers together.
    held_out : PolarityFigures
        Of the published model itself.
    transfer : PolarityFigures or None
        Of a model that has learned from the other files only.
    lists : dict of str to float
        Pearson r of each word list alone.
    """

    name: str
    sha256: str
    texts: int
    distinct: int
    folds: tuple[PolarityFigures, ...]
    overall: PolarityFigures
    held_out: PolarityFigures
    transfer: PolarityFigures | None = None
    lists: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarityBin:
    """Texts whose polarity is alike: its mean, and that of their labels."""

    polarity: float
    label: float
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarityCalibration:
    """How polarity was made to mean the label that is to be expected.

    Attributes
    ----------
    method : str
        "none", "linear" or "isotonic".
    rmse_by_method : dict of str to float
        Of the folds that the published model learned from, each method fitted on the other folds; the least was chosen.
    slope, intercept : float
        Of labels over calibrated polarity of the judged folds; 1 and 0 are perfect.
    error_before, error : float
        Mean distance of polarity and label over tenths of the judged folds, without and with it.
    reliability : tuple of PolarityBin
        The judged folds in tenths by rising polarity.
    """

    method: str
    rmse_by_method: dict[str, float]
    slope: float
    intercept: float
    error_before: float
    error: float
    reliability: tuple[PolarityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCard:
    """Published beside the files of a model of text.

    Attributes
    ----------
    name, version : str
        `{name}/{version}` is the blob folder. A version is immutable.
    files : dict of str to str
        SHA-256 by file: those of `FILES`.
    dimensions : int
        Components of the embedding's vectors.
    lists : tuple of str
        Names of a sentiment model's word lists, in the order of its columns; none of an embedding.
    embedding : str
        Version of the embedding that a sentiment model stands on; empty for an embedding.
    label, method, licence : str
        What is answered, how it was made, and the licence of the weights, in words.
    pairs : tuple of TextPair
        Of an embedding, the vectors of the weights that it was made from; re-computed before the files are trusted.
    tolerance : float
        How far the re-computed may lie off: 1 less the cosine for vectors, the absolute difference for polarity.
    is_synthetic : bool
        Whether it has learned from an invented market.
    metrics, parameters : dict of str to float
        Measured figures, and those of the fit.
    judged : tuple of JudgedCorpus
        Of a sentiment model, one for each labelled file.
    calibration : PolarityCalibration or None
        Of a sentiment model.
    """

    schema_id: str = "text-card.v1"
    name: str
    version: str
    files: dict[str, str]
    dimensions: int
    lists: tuple[str, ...] = ()
    embedding: str = ""
    label: str
    method: str
    licence: str
    created_at: datetime
    expires_on: date
    code_revision: str
    pairs: tuple[TextPair, ...]
    tolerance: float
    is_synthetic: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    judged: tuple[JudgedCorpus, ...] = ()
    calibration: PolarityCalibration | None = None

    def __post_init__(self) -> None:
        require(self.schema_id == "text-card.v1", "schema_id", self.schema_id, "text-card.v1")
        require(self.name in TEXT_MODELS, "name", self.name, f"one of {', '.join(TEXT_MODELS)}")
        require(sorted(self.files) == sorted(FILES[self.name]), "files", sorted(self.files), f"{FILES[self.name]}")
        for file, sha256 in self.files.items():
            require(len(sha256) == 64, f"sha256 of {file}", sha256, "64 hex digits")
        require_at_least("dimensions", self.dimensions, 1)
        is_embedding = self.name == EMBEDDING_MODEL
        require(bool(self.embedding) != is_embedding, "embedding", self.embedding, "named by a sentiment model only")
        require(is_embedding or bool(self.lists), "lists", self.lists, "one at least of a sentiment model")
        require_utc("created_at", self.created_at)
        require(len(self.pairs) >= 1, "pairs", len(self.pairs), "at least one recorded pair")
        width = self.dimensions if is_embedding else 1
        for pair in self.pairs:
            require(len(pair.output) == width, "pairs", len(pair.output), f"answers of {width} numbers")


def card_class_of(name: str) -> type[ModelCard] | type[TextCard]:
    """Return the kind of card that a model of a name has."""
    return TextCard if name in TEXT_MODELS else ModelCard
