"""Published models of text, verified before use: an embedding, and a sentiment model that stands on it.

A text is tokenised and run alone, whatever it is asked with: an int8 graph scales its activations over all that it is
given at once, so that in a batch its vector would depend on its neighbours. Replays rest on equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shared.adapters.champions import Champions, CheckedKind
from shared.adapters.codec import decode_json
from shared.adapters.onnx_files import opened, reason, require_bytes
from shared.contracts.model_card import MODEL_FILE
from shared.contracts.text_card import (
    EMBEDDING_MODEL,
    EVIDENCE,
    FILES,
    IDS,
    LEXICON_FILE,
    MASK,
    MAX_TOKENS,
    POLARITY,
    SENTIMENT_MODEL,
    TOKENIZER_FILE,
    VECTOR,
    Lexicon,
    TextCard,
)
from shared.core.errors import ContractError, ModelError
from shared.core.market import FloatArray
from shared.core.text.lexicon import WordList, scores
from shared.core.values import require
from shared.ports import BlobStore, Clock, TextState

MAX_DISTANCE = 0.05
"""1 less the cosine: no card may ask an embedding for less exactness than this."""
MAX_DIFFERENCE = 0.02
"""Of polarity. Another kind of processor rounds a vector otherwise, and polarity follows it."""
_LENGTH_OFF = 1e-3


class TextEmbedder:
    """A checked embedding.

    Parameters
    ----------
    card : TextCard
    session : onnxruntime.InferenceSession
    tokenizer : tokenizers.Tokenizer
    """

    def __init__(self, card: TextCard, session: Any, tokenizer: Any) -> None:
        self.card = card
        self._session = session
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, float64 of shape (len(texts), dimensions)."""
        found = np.empty((len(texts), self.card.dimensions))
        for k, text in enumerate(texts):
            ids = np.array([self._tokenizer.encode(text).ids], np.int64)
            found[k] = self._session.run([VECTOR], {IDS: ids, MASK: np.ones_like(ids)})[0][0]
        return found


class SentimentScorer:
    """A checked sentiment model.

    Parameters
    ----------
    card : TextCard
    session : onnxruntime.InferenceSession
    lists : tuple of WordList
    """

    def __init__(self, card: TextCard, session: Any, lists: tuple[WordList, ...]) -> None:
        self.card = card
        self._session = session
        self._lists = lists

    def polarity(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Return what texts sound like, float64 of shape (len(texts),) in [-1, 1].

        Raises
        ------
        ValueError
            If `vectors` is not of shape (len(texts), dimensions).
        """
        shape = (len(texts), self.card.dimensions)
        require(vectors.shape == shape, "vectors", vectors.shape, f"of shape {shape}")
        found = np.empty(len(texts))
        for k, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
            row = np.concatenate([vector, scores(text, self._lists)]).astype(np.float32)
            found[k] = self._session.run([POLARITY], {EVIDENCE: row[None]})[0][0, 0]
        return np.clip(found, -1.0, 1.0)


class OnnxReader:
    """`TextReader` on checked models.

    Parameters
    ----------
    embedder : TextEmbedder
    sentiment : SentimentScorer or None
        Standing on that embedding.
    """

    def __init__(self, embedder: TextEmbedder, sentiment: SentimentScorer | None) -> None:
        self._embedder = embedder
        self._sentiment = sentiment

    @property
    def versions(self) -> tuple[str, ...]:
        """Return `name/version` of each model in use."""
        cards = [self._embedder.card, *([self._sentiment.card] if self._sentiment else [])]
        return tuple(f"{card.name}/{card.version}" for card in cards)

    @property
    def has_sentiment(self) -> bool:
        """Return whether there is a sentiment model beside the embedding."""
        return self._sentiment is not None

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, float64 of shape (len(texts), d)."""
        return self._embedder.embed(texts)

    def polarity(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Return what texts sound like, float64 of shape (len(texts),) in [-1, 1]; NaN without a sentiment model."""
        if self._sentiment is None:
            return np.full(len(texts), np.nan)
        return self._sentiment.polarity(texts, vectors)


class OnnxTextModels:
    """`TextModels` over a blob store.

    The embedding in use is the champion; a sentiment model is used while it stands on that one.

    Parameters
    ----------
    blobs : BlobStore
    clock : Clock
        Decides when to look again, and whether a model has expired.
    accept_synthetic : bool
        Whether models that learned from an invented market may be used: in the sandbox only.
    """

    def __init__(self, blobs: BlobStore, clock: Clock, *, accept_synthetic: bool = False) -> None:
        embedding = CheckedKind(card=TextCard, files=_files_of, check=verified_embedding)
        sentiment = CheckedKind(card=TextCard, files=_files_of, check=self._verified_sentiment)
        self._embeddings = Champions(blobs, clock, embedding, accept_synthetic=accept_synthetic)
        self._sentiments = Champions(blobs, clock, sentiment, accept_synthetic=accept_synthetic)

    def current(self) -> TextState:
        """Return the newest champions that can be trusted; nothing reads without an embedding."""
        embedding = self._embeddings.current(EMBEDDING_MODEL)
        if embedding.model is None:
            return TextState(reader=None, fault=embedding.fault)
        sentiment = self._sentiments.current(SENTIMENT_MODEL)
        scorer, version = sentiment.model, embedding.model.card.version
        faults = [embedding.fault, sentiment.fault]
        if scorer is not None and scorer.card.embedding != version:
            faults.append(f"sentiment/{scorer.card.version} stands on embedding/{scorer.card.embedding}, not {version}")
            scorer = None
        fault = "; ".join(each for each in faults if each)
        return TextState(reader=OnnxReader(embedding.model, scorer), fault=fault)

    def _verified_sentiment(self, card: TextCard, files: Mapping[str, bytes]) -> SentimentScorer:
        embedder = self._embeddings.current(EMBEDDING_MODEL).model
        if embedder is None:
            raise ModelError(f"{card.name}/{card.version}: no embedding to check it with")
        return verified_sentiment(card, files, embedder)


def _files_of(card: TextCard) -> Sequence[str]:
    return FILES[card.name]


def verified_embedding(card: TextCard, files: Mapping[str, bytes]) -> TextEmbedder:
    """Check an embedding's files against its card.

    Raises
    ------
    ModelError
        Naming the model, what was expected and what was found.
    """
    where = _where(card, EMBEDDING_MODEL)
    session = opened(where, files[MODEL_FILE], card.files[MODEL_FILE])
    _require_inputs(where, session, {IDS: ("tensor(int64)", None), MASK: ("tensor(int64)", None)})
    _require_output(where, session, VECTOR, card.dimensions)
    require_bytes(where, TOKENIZER_FILE, files[TOKENIZER_FILE], card.files[TOKENIZER_FILE])
    embedder = TextEmbedder(card, session, open_tokenizer(where, files[TOKENIZER_FILE]))
    try:
        found = embedder.embed([pair.text for pair in card.pairs])
    except Exception as error:  # as in onnx_files
        raise ModelError(f"{where}: {MODEL_FILE} cannot be run: {reason(error)}") from error
    lengths = np.linalg.norm(found, axis=1)
    if not np.all(np.abs(lengths - 1) <= _LENGTH_OFF):
        raise ModelError(f"{where}: vectors must have length 1, got {lengths[:3]}")
    expected = np.array([pair.output for pair in card.pairs], np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    _require_within(where, card, 1 - (found * expected).sum(axis=1) / lengths, MAX_DISTANCE)
    return embedder


def verified_sentiment(card: TextCard, files: Mapping[str, bytes], embedder: TextEmbedder) -> SentimentScorer:
    """Check a sentiment model's files against its card, on the embedding that it stands on.

    Raises
    ------
    ModelError
        Naming the model, what was expected and what was found.
    """
    where = _where(card, SENTIMENT_MODEL)
    if card.embedding != embedder.card.version:
        raise ModelError(f"{where} stands on embedding/{card.embedding}, not {embedder.card.version}")
    session = opened(where, files[MODEL_FILE], card.files[MODEL_FILE])
    _require_inputs(where, session, {EVIDENCE: ("tensor(float)", card.dimensions + len(card.lists))})
    _require_output(where, session, POLARITY, 1)
    require_bytes(where, LEXICON_FILE, files[LEXICON_FILE], card.files[LEXICON_FILE])
    try:
        lexicon = decode_json(Lexicon, files[LEXICON_FILE])
    except ContractError as error:
        raise ModelError(f"{where}/{LEXICON_FILE}: {error}") from error
    if (names := tuple(each.name for each in lexicon.lists)) != card.lists:
        raise ModelError(f"{where}: word lists must be {card.lists}, got {names}")
    scorer = SentimentScorer(card, session, lexicon.lists)
    texts = [pair.text for pair in card.pairs]
    try:
        found = scorer.polarity(texts, embedder.embed(texts))
    except Exception as error:  # as in onnx_files
        raise ModelError(f"{where}: {MODEL_FILE} cannot be run: {reason(error)}") from error
    expected = np.array([pair.output[0] for pair in card.pairs], np.float64)
    _require_within(where, card, np.abs(found - expected), MAX_DIFFERENCE)
    return scorer


def open_tokenizer(where: str, data: bytes) -> Any:
    """Open `tokenizer.json`: at most `MAX_TOKENS` of a text, and no filling up. Raises ModelError."""
    import tokenizers  # noqa: PLC0415 - paid where text is read

    try:
        tokenizer = tokenizers.Tokenizer.from_str(data.decode())
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{where}: {TOKENIZER_FILE} cannot be loaded: {reason(error)}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _where(card: TextCard, name: str) -> str:
    if card.name != name:
        raise ModelError(f"{card.name}/{card.version} is no {name} model")
    return f"{card.name}/{card.version}"


def _require_inputs(where: str, session: Any, expected: Mapping[str, tuple[str, int | None]]) -> None:
    """Names, kinds and, where a width is given, widths of a graph's inputs."""
    found = {item.name: item for item in session.get_inputs()}
    fits = found.keys() == expected.keys() and all(
        found[name].type == kind and len(found[name].shape) == 2 and width in {None, found[name].shape[1]}
        for name, (kind, width) in expected.items()
    )
    if not fits:
        shown = [(item.name, item.type, item.shape) for item in found.values()]
        raise ModelError(f"{where}: inputs must be {dict(expected)}, got {shown}")


def _require_output(where: str, session: Any, name: str, width: int) -> None:
    found = [(item.name, item.type, item.shape) for item in session.get_outputs()]
    fits = len(found) == 1 and found[0][:2] == (name, "tensor(float)")
    if not (fits and len(found[0][2]) == 2 and found[0][2][1] == width):
        raise ModelError(f"{where}: output must be {name}, tensor(float) of shape (n, {width}), got {found}")


def _require_within(where: str, card: TextCard, off: FloatArray, limit: float) -> None:
    worst, tolerance = float(np.max(off)), min(card.tolerance, limit)
    if not worst <= tolerance:
        raise ModelError(
            f"{where}: recorded answers must be met within {tolerance:g}, differ by {worst:.3g} "
            f"on {len(card.pairs)} pairs"
        )
