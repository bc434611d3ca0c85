"""The graph answers as the weights do, in float32 to the last digits and in int8 nearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.adapters.onnx_files import DOMAINS, operator_domains, session_of
from shared.adapters.texts import open_tokenizer
from shared.contracts.text_card import IDS, MASK, VECTOR
from shared.core.errors import ModelError
from tests.support.encoders import write_tiny_encoder
from training.text import transformer

pytest.importorskip("safetensors", reason="extra `text` is not installed: safetensors is missing")

TEXTS = ["profit rises", "shares fall as profit misses on record demand", "", "zz 9"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> transformer.Encoder:
    return transformer.read_encoder(write_tiny_encoder(tmp_path_factory.mktemp("encoder")))


def ids_of(encoder: transformer.Encoder) -> list[list[int]]:
    tokenizer = open_tokenizer("tiny", encoder.tokenizer)
    return [tokenizer.encode(text).ids for text in TEXTS]


def test_the_float32_graph_answers_as_the_weights_do_alone_and_filled_up_in_a_batch(
    encoder: transformer.Encoder,
) -> None:
    texts = ids_of(encoder)
    expected = transformer.encode(encoder, texts)
    assert np.abs(np.linalg.norm(expected, axis=1) - 1).max() < 1e-12
    session = session_of(transformer.to_onnx(encoder))
    for ids, vector in zip(texts, expected, strict=True):
        alone = np.array([ids])
        found = session.run([VECTOR], {IDS: alone, MASK: np.ones_like(alone)})[0][0]
        assert np.abs(found - vector).max() < 1e-5
    length = max(map(len, texts))
    batch = np.array([ids + [0] * (length - len(ids)) for ids in texts])
    mask = np.array([[1] * len(ids) + [0] * (length - len(ids)) for ids in texts])
    together = session.run([VECTOR], {IDS: batch, MASK: mask})[0]
    assert np.abs(together - expected).max() < 1e-5


def test_the_int8_graph_is_smaller_near_and_of_the_onnx_standard(encoder: transformer.Encoder) -> None:
    wide = transformer.to_onnx(encoder)
    narrow = transformer.quantised(wide)
    assert len(narrow) < 0.8 * len(wide)
    assert set(operator_domains(narrow)) <= DOMAINS
    session = session_of(narrow)
    for ids, vector in zip(ids_of(encoder), transformer.encode(encoder, ids_of(encoder)), strict=True):
        alone = np.array([ids])
        found = session.run([VECTOR], {IDS: alone, MASK: np.ones_like(alone)})[0][0]
        assert found @ vector > 0.98


def test_equal_weights_give_equal_bytes(encoder: transformer.Encoder) -> None:
    assert transformer.to_onnx(encoder) == transformer.to_onnx(encoder)
    wide = transformer.to_onnx(encoder)
    assert transformer.quantised(wide) == transformer.quantised(wide)


@pytest.mark.parametrize(("name", "value"), [("model_type", "roberta"), ("hidden_act", "relu")])
def test_an_encoder_of_another_kind_is_refused(name: str, value: str, tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path, config={name: value})
    with pytest.raises(ModelError, match=f"{name} must be"):
        transformer.read_encoder(folder)
