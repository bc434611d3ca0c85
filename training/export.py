"""Fitted models to ONNX, refused unless onnxruntime answers as the original does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from shared.core.errors import ModelError
from shared.core.features.catalogue import FEATURE_HIGH, FEATURE_LOW
from training.calibrate import NEUTRAL, P_MIN, Beta, Calibrator, StraightLine

OPSET = 15
DOMAINS = frozenset({"", "ai.onnx.ml"})
"""Operator domains that onnxruntime brings itself."""
INPUT, OUTPUT = "features", "scores"
RAW = "raw_scores"
PARITY_ROWS = 10_000
"""Rows of all kinds that an export is compared on, at least."""
TOLERANCE = 1e-5


def to_onnx(model: XGBClassifier | XGBRegressor, n_features: int, calibrator: Calibrator = NEUTRAL) -> bytes:
    """Export a fitted model with its calibrator inside.

    The graph takes `features`, float32 of shape (n, n_features), and gives `scores`, float32 of shape (n, n_outputs):
    calibrated class probabilities, or the expected move. Only the standard operator domains are used, and equal models
    give equal bytes.
    """
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - half a second, and a second look at the same protobuf
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    graph_input = [(INPUT, FloatTensorType([None, n_features]))]
    onnx_model = convert_xgboost(model, name="gatehouse", initial_types=graph_input, target_opset=OPSET)
    return normalised(onnx_model, calibrator)


def normalised(model: Any, calibrator: Calibrator = NEUTRAL) -> bytes:
    """Keep the scores alone under our own name, and leave out what names a moment or a machine.

    Parameters
    ----------
    model : onnx.ModelProto
        Its last output is a float32 tensor of shape (n, n_outputs).
    calibrator : Calibrator
        Put behind that output.

    Raises
    ------
    ModelError
        If operators beyond the standard are needed.
    """
    from onnx import TensorProto, checker, helper  # noqa: PLC0415 - as above

    graph = model.graph
    scores = graph.output[-1]
    for node in graph.node:
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                if name == scores.name:
                    names[k] = RAW if calibrator.curves else OUTPUT
    outputs = int(scores.type.tensor_type.shape.dim[1].dim_value)
    if calibrator.curves:
        _append(graph, calibrator)
        if "" not in {entry.domain for entry in model.opset_import}:
            model.opset_import.append(helper.make_opsetid("", OPSET))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, outputs]))
    model.producer_name, model.producer_version, model.doc_string = "gatehouse", "", ""
    checker.check_model(model)
    if foreign := {entry.domain for entry in model.opset_import} - DOMAINS:
        raise ModelError(f"the export needs operators of {sorted(foreign)}, only {sorted(DOMAINS)} are standard")
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _append(graph: Any, calibrator: Calibrator) -> None:
    """Write a calibrator's curves, clipping and scaling as nodes from `RAW` to `OUTPUT`."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - as above

    def constant(name: str, values: Any, kind: type = np.float32) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    low, high = constant("p_min", P_MIN), constant("p_max", 1 - P_MIN)
    columns = []
    for k, curve in enumerate(calibrator.curves):
        p = node("Gather", [RAW, constant(f"class_{k}", [k], np.int64)], f"p_{k}", axis=1)
        if isinstance(curve, StraightLine):
            x, y = np.array(curve.x), np.array(curve.y)
            widths = np.diff(x) if x.size > 1 else np.ones(1)
            slopes = np.diff(y) / widths if x.size > 1 else np.zeros(1)
            over = node("Sub", [p, constant(f"knots_{k}", [x[:-1] if x.size > 1 else x])], f"over_{k}")
            above = node("Max", [over, constant(f"zero_{k}", 0.0)], f"above_{k}")
            inside = node("Min", [above, constant(f"widths_{k}", [widths])], f"inside_{k}")
            rise = node("MatMul", [inside, constant(f"slopes_{k}", slopes[:, None])], f"rise_{k}")
            mapped = node("Add", [rise, constant(f"first_{k}", y[0])], f"mapped_{k}")
        else:
            mapped = _beta_nodes(k, curve, node, constant, node("Clip", [p, low, high], f"kept_{k}"))
        columns.append(node("Clip", [mapped, low, high], f"bounded_{k}"))
    joined = node("Concat", columns, "joined", axis=1)
    total = node("ReduceSum", [joined, constant("class_axis", [1], np.int64)], "total", keepdims=1)
    node("Div", [joined, total], OUTPUT)


def _beta_nodes(k: int, curve: Beta, node: Any, constant: Any, p: str) -> str:
    """Sigmoid(a ln p - b ln(1 - p) + c)."""
    rest = node("Sub", [constant(f"one_{k}", 1.0), p], f"rest_{k}")
    up = node("Mul", [node("Log", [p], f"log_p_{k}"), constant(f"a_{k}", curve.a)], f"a_log_{k}")
    down = node("Mul", [node("Log", [rest], f"log_rest_{k}"), constant(f"b_{k}", curve.b)], f"b_log_{k}")
    odds = node("Sub", [up, down], f"slope_{k}")
    shifted: str = node("Sigmoid", [node("Add", [odds, constant(f"c_{k}", curve.c)], f"odds_{k}")], f"mapped_{k}")
    return shifted


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
    real = features[np.linspace(0, len(features) - 1, PARITY_ROWS // 2).astype(np.int64)]
    holes = np.where(rng.random(real.shape) < 0.3, np.float32(np.nan), real)[: PARITY_ROWS // 4]
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

    A row that the original leaves unanswered (NaN) must be left so.

    Raises
    ------
    ModelError
        If it is above `tolerance` or an answer is missing.
    """
    found = score_onnx(data, rows)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        raise ModelError("ONNX and the original do not leave the same rows unanswered")
    if found.shape != expected.shape:
        raise ModelError(f"ONNX answers in shape {found.shape}, the original in {expected.shape}")
    worst = float(np.nanmax(np.abs(found - expected)))
    if not worst <= tolerance:
        raise ModelError(f"ONNX differs from the original by {worst:.3g} on {len(rows)} rows, limit {tolerance:g}")
    return worst
