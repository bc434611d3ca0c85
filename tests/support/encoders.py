"""A BERT encoder of a few thousand random weights, in the files that real ones come in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.text.seeded import word_pieces

WIDTH, LAYERS, HEADS, INNER = 32, 2, 4, 64


def write_tiny_encoder(folder: Path, seed: int = 1, config: Mapping[str, object] | None = None) -> Path:
    """Write model.safetensors, config.json and tokenizer.json; return the folder."""
    from safetensors.numpy import save_file  # noqa: PLC0415 - of extra `text`

    tokenizer = word_pieces(["profit rises on record demand", "shares fall as profit misses"] * 3)
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}

    def normal(name: str) -> None:
        weights[f"{name}.weight"] = rng.normal(1, 0.1, WIDTH).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, WIDTH).astype(np.float32)

    def linear(name: str, wide: int, narrow: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, 0.2, (narrow, wide)).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, narrow).astype(np.float32)

    for name, rows in (("word", tokenizer.get_vocab_size()), ("position", 512), ("token_type", 2)):
        weights[f"embeddings.{name}_embeddings.weight"] = rng.normal(0, 1, (rows, WIDTH)).astype(np.float32)
    normal("embeddings.LayerNorm")
    for k in range(LAYERS):
        at = f"encoder.layer.{k}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            linear(f"{at}{name}", WIDTH, WIDTH)
        linear(f"{at}intermediate.dense", WIDTH, INNER)
        linear(f"{at}output.dense", INNER, WIDTH)
        normal(f"{at}attention.output.LayerNorm")
        normal(f"{at}output.LayerNorm")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    said = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(said | dict(config or {})))
    return folder
