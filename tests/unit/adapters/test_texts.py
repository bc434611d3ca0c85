"""No model of text is believed before it is checked, and a text's vector is its own, whoever it is read with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.champions import CONTAINER
from shared.adapters.codec import encode_json
from shared.adapters.memory import MemoryBlobs
from shared.adapters.texts import OnnxTextModels, verified_embedding, verified_sentiment
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
from shared.core.ids import digest
from tests.support.clock import HandClock
from tests.support.models import hand_made_onnx
from tests.support.text_models import BAD, GOOD, IDLE, TEXT_CREATED_AT, text_pair
from training.publish import promote, roll_back
from training.text.packed import EDGE_TEXTS
from training.text.registry import TextModel, publish_text, store_text

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def blobs() -> MemoryBlobs:
    store = MemoryBlobs()
    for model in text_pair():
        publish_text(store, model, promoted_at=TEXT_CREATED_AT)
    return store


def in_sandbox(blobs: MemoryBlobs, clock: HandClock) -> OnnxTextModels:
    return OnnxTextModels(blobs, clock, accept_synthetic=True)


def put(blobs: MemoryBlobs, model: TextModel) -> None:
    """Write a version as it is, and make it champion without asking."""
    folder = f"{model.card.name}/{model.card.version}"
    for name, data in model.files.items():
        blobs.put(CONTAINER, f"{folder}/{name}", data)
    blobs.put(CONTAINER, f"{folder}/card.json", encode_json(model.card))
    champion = {"name": model.card.name, "version": model.card.version, "promoted_at": "2025-10-14T22:00:00Z"}
    blobs.put(CONTAINER, f"{model.card.name}/champion.json", json.dumps(champion).encode())


def changed(model: TextModel, change: Callable[[TextCard], TextCard] = lambda card: card, **files: bytes) -> TextModel:
    """The model as version v2, with other files or another card."""
    kept = dict(model.files) | {name.replace("__", "."): data for name, data in files.items()}
    card = replace(model.card, version="v2", files={name: digest(data) for name, data in kept.items()})
    return TextModel(files=kept, card=change(card))


def test_published_models_read_as_recorded(blobs: MemoryBlobs, clock: HandClock) -> None:
    state = in_sandbox(blobs, clock).current()
    assert state.fault == ""
    assert state.reader is not None
    embedding, sentiment = (model.card for model in text_pair())
    assert state.reader.versions == (f"embedding/{embedding.version}", f"sentiment/{sentiment.version}")
    assert state.reader.has_sentiment
    texts = [pair.text for pair in sentiment.pairs]
    vectors = state.reader.embed(texts)
    assert vectors.shape == (len(texts), 64)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.abs(vectors - [pair.output for pair in embedding.pairs]).max() < 1e-4
    expected = [pair.output[0] for pair in sentiment.pairs]
    assert np.abs(state.reader.polarity(texts, vectors) - expected).max() < 1e-4
    assert state.reader.embed([]).shape == (0, 64)
    assert state.reader.polarity([], np.empty((0, 64))).shape == (0,)
    with pytest.raises(ValueError, match="vectors must be of shape"):
        state.reader.polarity(texts, vectors[:, :3])


def test_good_news_sounds_better_than_bad(blobs: MemoryBlobs, clock: HandClock) -> None:
    reader = in_sandbox(blobs, clock).current().reader
    assert reader is not None
    good, bad, idle = reader.polarity([GOOD, BAD, IDLE], reader.embed([GOOD, BAD, IDLE]))
    assert bad < -0.2 < idle < 0.2 < good


def test_a_text_has_the_same_bits_alone_and_among_others(blobs: MemoryBlobs, clock: HandClock) -> None:
    reader = in_sandbox(blobs, clock).current().reader
    assert reader is not None
    texts = [GOOD, *EDGE_TEXTS, BAD]
    together = reader.embed(texts)
    polarity = reader.polarity(texts, together)
    for k, text in enumerate(texts):
        alone = reader.embed([text])
        assert np.array_equal(alone[0], together[k])
        assert reader.polarity([text], alone)[0] == polarity[k]
    assert np.isfinite(together).all()
    assert np.abs(polarity).max() <= 1


def test_models_of_an_invented_market_are_refused_outside_the_sandbox(blobs: MemoryBlobs, clock: HandClock) -> None:
    state = OnnxTextModels(blobs, clock).current()
    assert state.reader is None
    assert "invented market" in state.fault


def test_without_an_embedding_nothing_reads(clock: HandClock) -> None:
    state = in_sandbox(MemoryBlobs(), clock).current()
    assert state.reader is None
    assert "embedding/champion.json is missing" in state.fault


def test_without_a_sentiment_model_polarity_is_unknown_and_the_fault_says_so(clock: HandClock) -> None:
    blobs = MemoryBlobs()
    publish_text(blobs, text_pair()[0], promoted_at=TEXT_CREATED_AT)
    state = in_sandbox(blobs, clock).current()
    assert state.reader is not None
    assert not state.reader.has_sentiment
    assert np.isnan(state.reader.polarity([GOOD], state.reader.embed([GOOD]))).all()
    assert "sentiment/champion.json is missing" in state.fault


def test_a_sentiment_model_is_used_on_its_own_embedding_only(blobs: MemoryBlobs, clock: HandClock) -> None:
    models = in_sandbox(blobs, clock)
    models.current()
    other_embedding, other_sentiment = text_pair(seed=8)
    publish_text(blobs, other_embedding, promoted_at=clock.now())
    clock.pass_by(MINUTE)
    state = models.current()
    assert state.reader is not None
    assert not state.reader.has_sentiment
    assert f"stands on embedding/{text_pair()[0].card.version}" in state.fault
    publish_text(blobs, other_sentiment, promoted_at=clock.now())
    clock.pass_by(MINUTE)
    healed = models.current()
    assert healed.fault == ""
    assert healed.reader is not None
    assert healed.reader.has_sentiment


def test_a_rollback_brings_the_last_sound_embedding_back(blobs: MemoryBlobs, clock: HandClock) -> None:
    first, second = text_pair()[0], text_pair(seed=8)[0]
    publish_text(blobs, second, promoted_at=clock.now())
    on = TEXT_CREATED_AT.date()
    after = roll_back(blobs, EMBEDDING_MODEL, second.card.version, at=clock.now(), fault="odd", on=on)
    assert after.version == first.card.version
    assert in_sandbox(blobs, clock).current().fault == ""


def _wrong(pairs: tuple[TextPair, ...]) -> tuple[TextPair, ...]:
    first, *others = pairs[0].output
    return (replace(pairs[0], output=(first - 0.5, *others)), *pairs[1:])


EMBEDDING, SENTIMENT = text_pair()
CHALLENGERS: dict[str, tuple[TextModel, str]] = {
    "embedding with wrong answers": (
        changed(EMBEDDING, lambda card: replace(card, pairs=_wrong(card.pairs))),
        "answers must be met within 1e-05",
    ),
    "embedding with wrong answers and a lax card": (
        changed(EMBEDDING, lambda card: replace(card, pairs=_wrong(card.pairs), tolerance=3.0)),
        "answers must be met within 0.05",
    ),
    "embedding with another hash": (
        changed(EMBEDDING, lambda card: replace(card, files=card.files | {MODEL_FILE: "0" * 64})),
        "sha256 of model.onnx must be",
    ),
    "tokenizer with another hash": (
        changed(EMBEDDING, lambda card: replace(card, files=card.files | {TOKENIZER_FILE: "0" * 64})),
        "sha256 of tokenizer.json must be",
    ),
    "no tokenizer": (changed(EMBEDDING, tokenizer__json=b"{}"), "tokenizer.json cannot be loaded"),
    "foreign operators": (
        changed(EMBEDDING, model__onnx=hand_made_onnx(op="Gelu", domain="com.microsoft")),
        "got domains ['com.microsoft']",
    ),
    "other inputs": (changed(EMBEDDING, model__onnx=hand_made_onnx()), "inputs must be"),
    "embedding expired": (
        changed(EMBEDDING, lambda card: replace(card, expires_on=date(2025, 10, 13))),
        "expired on 2025-10-13",
    ),
    "sentiment with wrong answers": (
        changed(SENTIMENT, lambda card: replace(card, pairs=_wrong(card.pairs))),
        "answers must be met within 0.01",
    ),
    "sentiment with other lists": (
        changed(SENTIMENT, lambda card: replace(card, lists=("other",))),
        "word lists must be ('other',), got ('learned',)",
    ),
    "sentiment of other width": (
        changed(SENTIMENT, lambda card: replace(card, dimensions=63)),
        "inputs must be",
    ),
    "sentiment with a broken lexicon": (changed(SENTIMENT, lexicon__json=b"{}"), "lexicon.json: "),
    "sentiment of another embedding": (
        changed(SENTIMENT, lambda card: replace(card, embedding="v9")),
        "stands on embedding/v9",
    ),
}


@pytest.mark.parametrize("name", CHALLENGERS)
def test_a_challenger_that_fails_a_check_is_refused_and_the_last_good_pair_kept(
    name: str, blobs: MemoryBlobs, clock: HandClock
) -> None:
    challenger, reason = CHALLENGERS[name]
    models = in_sandbox(blobs, clock)
    good = models.current().reader
    assert good is not None
    put(blobs, challenger)
    clock.pass_by(MINUTE)
    state = models.current()
    assert reason in state.fault
    assert state.reader is not None
    assert state.reader.versions == good.versions
    promote(blobs, EMBEDDING_MODEL, EMBEDDING.card.version, promoted_at=clock.now())
    promote(blobs, SENTIMENT_MODEL, SENTIMENT.card.version, promoted_at=clock.now())
    clock.pass_by(MINUTE)
    assert models.current().fault == ""


def test_a_model_is_not_taken_for_one_of_the_other_kind() -> None:
    embedder = verified_embedding(EMBEDDING.card, EMBEDDING.files)
    with pytest.raises(ModelError, match="is no embedding model"):
        verified_embedding(SENTIMENT.card, SENTIMENT.files)
    with pytest.raises(ModelError, match="is no sentiment model"):
        verified_sentiment(EMBEDDING.card, EMBEDDING.files, embedder)


def test_a_card_says_what_belongs_to_its_kind() -> None:
    with pytest.raises(ValueError, match="files must be"):
        replace(EMBEDDING.card, files={MODEL_FILE: "0" * 64})
    with pytest.raises(ValueError, match="embedding must be named by a sentiment model only"):
        replace(EMBEDDING.card, embedding="v1")
    with pytest.raises(ValueError, match="pairs must be answers of 1 numbers"):
        replace(SENTIMENT.card, pairs=EMBEDDING.card.pairs)


def test_a_stored_version_is_immutable(blobs: MemoryBlobs) -> None:
    store_text(blobs, SENTIMENT)
    other = changed(SENTIMENT, lexicon__json=SENTIMENT.files[LEXICON_FILE] + b" ")
    with pytest.raises(ModelError, match="immutable"):
        store_text(blobs, TextModel(files=other.files, card=replace(other.card, version=SENTIMENT.card.version)))


def test_reading_needs_none_of_the_training_packages(tmp_path: Path) -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"xgboost", "sklearn", "onnx", "skl2onnx", "scipy", "training", "safetensors"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from shared.adapters import texts
assert not {"onnxruntime", "tokenizers", "pandas"} & set(sys.modules), "heavy imports at import time"
from shared.adapters.codec import decode_json
from shared.contracts.text_card import TextCard
import pathlib
found = []
for name in ("embedding", "sentiment"):
    folder = pathlib.Path(sys.argv[1]) / name
    card = decode_json(TextCard, (folder / "card.json").read_bytes())
    found.append((card, {file: (folder / file).read_bytes() for file in card.files}))
embedder = texts.verified_embedding(*found[0])
scorer = texts.verified_sentiment(*found[1], embedder)
print(scorer.polarity(["up"], embedder.embed(["up"])).shape)
"""
    for model in text_pair():
        folder = tmp_path / model.card.name
        folder.mkdir()
        for name, data in model.files.items():
            (folder / name).write_bytes(data)
        (folder / "card.json").write_bytes(encode_json(model.card))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(1,)"
