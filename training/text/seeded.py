"""The sandbox's own models of text: they have read nothing but the seeded market's stories of the days before.

The embedding is latent semantic analysis: what words are in stories together, in `WIDTH` directions, and a story's
vector is the mean of its words', as in the graph that reads real text, without its layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from shared.contracts.text_card import IDS, VECTOR
from shared.core.ids import hash_id
from shared.core.market import FloatArray
from shared.core.text.stories import Story
from simulation.market.synthetic_news import labelled_headlines
from simulation.market.synthetic_world import SyntheticWorld
from training.text.graph import Graph
from training.text.judge import judge
from training.text.labelled import LabelledTexts, labelled
from training.text.packed import (
    EDGE_TEXTS,
    EmbeddingParts,
    Making,
    packed_embedding,
    packed_sentiment,
)
from training.text.registry import TextModel
from training.text.sentiment import SentimentRule, evidence_of

VERSION = 1
"""Raise it when the same stories no longer give the same models."""
WIDTH = 64
SYMBOLS, HISTORY_DAYS = 320, 60
"""Of the market that is read, as `SyntheticTape` has them."""
_TEXTS = 1200
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_VOCABULARY = 3000
_COUNT_MIN = 3
_TOLERANCE = 1e-5
_RECORDED = 12
_DIGITS = 5
_SPELLED = 0.1


def seeded_stories(seed: int, on: date, *, symbols: int = SYMBOLS, history_days: int = HISTORY_DAYS) -> LabelledTexts:
    """Texts of the stories before a day, each with the sentiment of what it tells: 1, -1, 0 for what moves nothing."""
    world = SyntheticWorld(seed=seed, on=on, n_symbols=symbols, history_days=history_days, edge=1.0)
    found = [told for each in world.dates if each < on for told in labelled_headlines(world, each)]
    texts = [
        Story(
            story_id=story.news_id,
            symbols=story.symbols,
            published_at=story.published_at,
            received_at=story.published_at,
            source=story.source,
            headline=story.headline,
            summary=story.summary,
        ).text
        for story, _ in found
    ]
    return labelled([("seeded", texts, [float(sentiment) for _, sentiment in found])])


def seeded_text_models(
    seed: int, on: date, created_at: datetime, *, code_revision: str = ""
) -> tuple[TextModel, TextModel]:
    """Embedding and sentiment of a seeded market, from what it told before a day. Equal arguments give equal bytes.

    Parameters
    ----------
    seed : int
        The market's.
    on : date
        Nothing of this day or later is read.
    created_at : datetime
    code_revision : str
    """
    stories = seeded_stories(seed, on)
    making = Making(created_at=created_at, code_revision=code_revision, is_synthetic=True)
    latest = tuple(dict.fromkeys(reversed(stories.texts)))
    sample = (*latest[:_RECORDED], *EDGE_TEXTS)
    made_of = hash_id("seeded-texts", str(VERSION), stories.sha256(0))
    embedding, embedder = packed_embedding(_lsa(stories.texts, sample, made_of), making, metrics={})
    chosen = np.zeros(len(stories), bool)
    chosen[-_TEXTS:] = True
    evidence = evidence_of(stories.where(chosen), embedder.embed)
    found = judge(evidence, SentimentRule(), lambda what, done: None)
    method = "support vectors over latent semantics, averaged with a learned list"
    sentiment, _ = packed_sentiment(found, embedder, making, texts=sample, method=method, made_of=made_of)
    return embedding, sentiment


def _lsa(texts: Sequence[str], sample: tuple[str, ...], made_of: str) -> EmbeddingParts:
    tokenizer = word_pieces(texts)
    vectors = _token_vectors(tokenizer, texts)
    expected = np.array([vectors[tokenizer.encode(text).ids].mean(axis=0) for text in sample])
    return EmbeddingParts(
        title="seeded",
        made_of=made_of,
        onnx=_graph(vectors),
        tokenizer=tokenizer.to_str().encode(),
        texts=sample,
        expected=expected / np.linalg.norm(expected, axis=1, keepdims=True),
        recorded=len(sample),
        tolerance=_TOLERANCE,
        method=f"latent semantics of {len(texts)} seeded stories, mean of their words",
        licence="MIT, as the repository",
    )


def word_pieces(texts: Sequence[str]) -> Tokenizer:
    """WordPiece over the frequent words of texts, and single characters for the rest. Equal texts, equal vocabulary."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    characters = sorted({each for word in counts for each in word})
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    frequent = [word for word, count in by_count if count >= _COUNT_MIN]
    pieces = dict.fromkeys((*_SPECIAL, *characters, *(f"##{each}" for each in characters), *frequent[:_VOCABULARY]))
    vocabulary = {piece: k for k, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def _token_vectors(tokenizer: Tokenizer, texts: Sequence[str]) -> FloatArray:
    """Vector of each token, float64 of shape (vocabulary, WIDTH): its row of the term-by-story matrix, reduced.

    Rare words weigh more (idf), since what all stories share tells none from another.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - heavy, and only here
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415

    size = tokenizer.get_vocab_size()
    rows, columns = [], []
    for k, text in enumerate(texts):
        ids = sorted(set(tokenizer.encode(text, add_special_tokens=False).ids))
        rows += ids
        columns += [k] * len(ids)
    stories = csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, len(texts)))
    share = np.asarray(stories.sum(axis=1)).ravel()
    idf = np.log((1 + len(texts)) / (1 + share))
    reduced = TruncatedSVD(n_components=WIDTH, random_state=0).fit_transform(stories.multiply(idf[:, None]).tocsr())
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    vectors = np.where(lengths > 0, reduced / np.maximum(lengths, 1e-12), 0) * np.where(share > 0, idf, 0)[:, None]
    # A word that is not known is spelled, which says little of what it means and must not outweigh the others.
    pieces = tokenizer.get_vocab()
    vectors[[k for piece, k in pieces.items() if len(piece.removeprefix("##")) == 1]] *= _SPELLED
    # The ends of a text point all one way, faintly: a text of unknown words has a direction too.
    vectors[: len(_SPECIAL)] = 0.05 / np.sqrt(WIDTH)
    # Rounded, the last bits that another processor leaves are gone.
    return np.asarray(np.round(vectors, _DIGITS), np.float64)


def _graph(vectors: FloatArray) -> bytes:
    graph = Graph()
    words = graph.node("Gather", graph.constant("words", vectors.astype(np.float32)), IDS)
    graph.unit(graph.pooled(words, graph.mask()), VECTOR)
    return graph.embedding(vectors.shape[1])
