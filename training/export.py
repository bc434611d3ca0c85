"""XGBoost to ONNX, refused unless onnxruntime answers as the original does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from shared.core.errors import ModelError
from shared.core.features.catalogue import FEATURE_HIGH, FEATURE_LOW

OPSET = 15
DOMAINS = frozenset({"", "ai.onnx.ml"})
"""Operator domains that onnxruntime brings itself."""
INPUT, OUTPUT = "features", "scores"
PARITY_ROWS = 2_000
TOLERANCE = 1e-5


def to_onnx(model: XGBClassifier | XGBRegressor, n_features: int) -> bytes:
    """Export a fitted model.

    The graph takes `features`, float32 of shape (n, n_features), and gives `scores`, float32 of shape (n, n_outputs):
    class probabilities, or the expected move. Only the standard operator domains are used, and equal models give equal
    bytes.
    """
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - half a second, and a second look at the same protobuf
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    graph_input = [(INPUT, FloatTensorType([None, n_features]))]
    onnx_model = convert_xgboost(model, name="gatehouse", initial_types=graph_input, target_opset=OPSET)
    return _normalised(onnx_model)


def _normalised(model: Any) -> bytes:
    """Keep the scores alone under our own name, and leave out what names a moment or a machine."""
    from onnx import TensorProto, checker, helper  # noqa: PLC0415 - as above

    graph = model.graph
    scores = graph.output[-1]
    for node in graph.node:
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                if name == scores.name:
                    names[k] = OUTPUT
    outputs = int(scores.type.tensor_type.shape.dim[1].dim_value)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, outputs]))
    model.producer_name, model.producer_version, model.doc_string = "gatehouse", "", ""
    checker.check_model(model)
    if foreign := {entry.domain for entry in model.opset_import} - DOMAINS:
        raise ModelError(f"the export needs operators of {sorted(foreign)}, only {sorted(DOMAINS)} are standard")
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def parity_rows(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Rows to compare on: real ones, real ones with holes, edges of the ranges, and nothing at all.

    Parameters
    ----------
    features : float32 of shape (n, n_features)
        Rows the model has not learned from.
    seed : int

    Returns
    -------
    float32 of shape (at least PARITY_ROWS, n_features)
    """
    rng = np.random.default_rng(seed)
    real = features[np.linspace(0, len(features) - 1, PARITY_ROWS).astype(np.int64)]
    holes = np.where(rng.random(real.shape) < 0.3, np.float32(np.nan), real)[: PARITY_ROWS // 2]
    spread = rng.uniform(FEATURE_LOW, FEATURE_HIGH, (PARITY_ROWS // 4, real.shape[1]))
    edges = np.stack([FEATURE_LOW, FEATURE_HIGH, np.zeros(real.shape[1]), np.full(real.shape[1], np.nan)])
    huge = np.stack([np.full(real.shape[1], value) for value in (1e30, -1e30)])
    return np.concatenate([real, holes, spread, edges, huge]).astype(np.float32)


def score_onnx(data: bytes, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """What onnxruntime answers, shape (n, n_outputs)."""
    import onnxruntime  # noqa: PLC0415 - as above

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: features})[0], np.float64)


def require_parity(
    data: bytes, rows: NDArray[np.float32], expected: NDArray[np.float64], tolerance: float = TOLERANCE
) -> float:
    """Compare ONNX with the original's answers and return the largest absolute difference.

    Raises
    ------
    ModelError
        If it is above `tolerance` or an answer is missing.
    """
    found = score_onnx(data, rows)
    if found.shape != expected.shape:
        raise ModelError(f"ONNX answers in shape {found.shape}, the original in {expected.shape}")
    worst = float(np.max(np.abs(found - expected)))
    if not worst <= tolerance:
        raise ModelError(f"ONNX differs from the original by {worst:.3g} on {len(rows)} rows, limit {tolerance:g}")
    return worst
