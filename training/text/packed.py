"""From a built model of text to what is published: a card that says everything of it, checked as the app checks it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from shared.adapters.codec import encode_json
from shared.adapters.texts import SentimentScorer, TextEmbedder, verified_embedding, verified_sentiment
from shared.contracts.model_card import MODEL_FILE
from shared.contracts.text_card import (
    EMBEDDING_MODEL,
    LEXICON_FILE,
    SENTIMENT_MODEL,
    TOKENIZER_FILE,
    TextCard,
    TextPair,
)
from shared.core.errors import ModelError
from shared.core.ids import canonical_json, digest
from shared.core.market import FloatArray
from shared.core.sessions import NEW_YORK
from training.text import sentiment
from training.text.judge import JudgedSentiment
from training.text.registry import TextModel

VALID_DAYS = 365
"""A language changes more slowly than a market."""
SENTIMENT_PARITY = 1e-4
"""Most difference between the exported graph and what was fitted."""
SENTIMENT_TOLERANCE = 0.01
EDGE_TEXTS = (
    *("", " ", "Up", "?!", "12.5%", "$AAPL", "\U0001f680\U0001f680", "Gewinnwarnung: Umsatz bricht ein"),
    *("\u696d\u7e3e\u4e0a\u65b9\u4fee\u6b63", "profit " * 300, "x" * 512),
)
"""What no feed should send, and one will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What every card says of how it was made."""

    created_at: datetime
    code_revision: str = ""
    is_synthetic: bool = False

    def fields(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Fields of a card of these files."""
        return {
            "files": {name: digest(data) for name, data in files.items()},
            "created_at": self.created_at,
            "expires_on": self.created_at.astimezone(NEW_YORK).date() + timedelta(days=VALID_DAYS),
            "code_revision": self.code_revision,
            "is_synthetic": self.is_synthetic,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingParts:
    """An embedding before it has a card.

    Attributes
    ----------
    title, made_of : str
        The version begins with the one and ends in a hash: of what it was made of, where that is given, since another
        processor may leave other last bits in what is fitted on it; else of the files.
    onnx, tokenizer : bytes
    texts : tuple of str
        That it is compared on.
    expected : float64 of shape (len(texts), d)
        Unit vectors of the weights that it was made from.
    recorded : int
        How many of them, from the first on, go into the card.
    tolerance : float
        Most allowed 1 less the cosine.
    method, licence : str
    """

    title: str
    made_of: str = ""
    onnx: bytes
    tokenizer: bytes
    texts: tuple[str, ...]
    expected: FloatArray
    recorded: int
    tolerance: float
    method: str
    licence: str


def packed_embedding(
    parts: EmbeddingParts, making: Making, *, metrics: Mapping[str, float]
) -> tuple[TextModel, TextEmbedder]:
    """Give an embedding its card, checked against the original.

    Raises
    ------
    ModelError
        If a text's vector lies further from the original's than the tolerance.
    """
    files = {MODEL_FILE: parts.onnx, TOKENIZER_FILE: parts.tokenizer}
    pairs = tuple(
        TextPair(text=text, output=tuple(np.round(vector, 7).tolist()))
        for text, vector in zip(parts.texts[: parts.recorded], parts.expected, strict=False)
    )
    common = making.fields(files)
    card = TextCard(
        name=EMBEDDING_MODEL,
        version=_version(parts.title, files, parts.made_of),
        dimensions=parts.expected.shape[1],
        label="direction of what a text means, a unit vector",
        method=parts.method,
        licence=parts.licence,
        pairs=pairs,
        tolerance=parts.tolerance,
        metrics={},
        **common,
    )
    embedder = verified_embedding(card, files)
    embedder.embed(parts.texts[:1])
    began = time.perf_counter()
    found = embedder.embed(parts.texts)
    took_ms = 1e3 * (time.perf_counter() - began) / len(parts.texts)
    cosine = (found * parts.expected).sum(axis=1)
    if not 1 - cosine.min() <= parts.tolerance:
        raise ModelError(f"vectors differ from the original's by {1 - cosine.min():.3g}, limit {parts.tolerance:g}")
    measured = {
        "parity_texts": float(len(cosine)),
        "parity_min_cosine": float(cosine.min()),
        "parity_mean_cosine": float(cosine.mean()),
        "parity_max_difference": float(np.abs(found - parts.expected).max()),
        "megabytes": len(parts.onnx) / 1e6,
    }
    timed = {} if making.is_synthetic else {"ms_a_text": took_ms}  # the sandbox's files are the same each time
    return TextModel(files=files, card=replace(card, metrics={**measured, **timed, **metrics})), embedder


def packed_sentiment(
    found: JudgedSentiment,
    embedder: TextEmbedder,
    making: Making,
    *,
    texts: Sequence[str],
    method: str,
    made_of: str = "",
) -> tuple[TextModel, SentimentScorer]:
    """Give a sentiment model its card, checked against what was fitted, on the embedding that it stands on.

    Parameters
    ----------
    found : JudgedSentiment
    embedder : TextEmbedder
    making : Making
    texts : sequence of str
        That the exported graph is compared on, and that go into the card.
    method : str
    made_of : str
        As `EmbeddingParts` has it.

    Raises
    ------
    ModelError
        If the graph does not answer as the fitted model does.
    """
    fitted = found.fitted
    vectors = embedder.embed(texts)
    expected = fitted(texts, vectors)
    files = {
        MODEL_FILE: sentiment.to_onnx(fitted, vectors.shape[1]),
        LEXICON_FILE: encode_json(fitted.lexicon),
    }
    common = making.fields(files)
    card = TextCard(
        name=SENTIMENT_MODEL,
        version=_version(f"{making.created_at:%Y%m%d}", files, made_of),
        dimensions=vectors.shape[1],
        lists=tuple(each.name for each in fitted.lexicon.lists),
        embedding=embedder.card.version,
        label="what a text sounds like, from -1 to 1: the label that is to be expected",
        method=method,
        licence="as the labelled texts and word lists that it has learned from allow",
        pairs=tuple(TextPair(text=text, output=(float(p),)) for text, p in zip(texts, expected, strict=True)),
        tolerance=SENTIMENT_TOLERANCE,
        parameters={name: float(value) for name, value in asdict(fitted.rule).items()},
        judged=found.judged,
        calibration=found.calibration,
        **common,
    )
    scorer = verified_sentiment(card, files, embedder)
    worst = float(np.abs(scorer.polarity(texts, vectors) - expected).max())
    if not worst <= SENTIMENT_PARITY:
        raise ModelError(f"the graph differs from what was fitted by {worst:.3g}, limit {SENTIMENT_PARITY:g}")
    metrics = {
        "parity_texts": float(len(texts)),
        "parity_max_difference": worst,
        "support_texts": float(len(fitted.support)),
        "learned_terms": float(len(fitted.learned.weights)),
        "megabytes": sum(len(data) for data in files.values()) / 1e6,
    }
    return TextModel(files=files, card=replace(card, metrics=metrics)), scorer


def _version(title: str, files: Mapping[str, bytes], made_of: str) -> str:
    ends = made_of or digest(canonical_json({name: digest(data) for name, data in files.items()}))
    return f"{title}-{ends[:12]}"
