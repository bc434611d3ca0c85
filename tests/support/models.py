"""Small real models with true cards, for whoever tests what is done with models."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard, RecordedPair
from shared.core.features import FEATURE_NAMES
from shared.core.ids import digest
from shared.core.values import Symbol
from training import export, fit
from training.dataset import Dataset

CREATED_AT = datetime(2025, 10, 14, 22, 0, tzinfo=UTC)
EXPIRES_ON = date(2025, 11, 28)
OUTPUTS = {SIGNAL_MODEL: SIGNAL_CLASSES, MOVE_MODEL: ("expected_move",)}


def random_dataset(seed: int, rows: int = 3000, features: int = len(FEATURE_NAMES)) -> Dataset:
    """Rows whose first feature decides the outcome half of the time."""
    rng = np.random.default_rng(seed)
    table = rng.normal(0, 1, (rows, features)).astype(np.float32)
    table[rng.random(table.shape) < 0.05] = np.nan
    driver = np.nan_to_num(table[:, 0])
    move = 0.01 * driver + rng.normal(0, 0.01, rows)
    outcome = np.digitize(move, (-0.006, 0.006)).astype(np.int8)
    days = 6
    return Dataset(
        features=table,
        outcome=outcome,
        exit_return=move,
        move=move,
        day=np.sort(rng.integers(0, days, rows)),
        symbol=np.zeros(rows, np.int64),
        start_s=np.arange(rows) * 300,
        end_s=np.arange(rows) * 300 + 600,
        weight=np.ones(rows),
        dates=tuple(date(2025, 10, 1) + timedelta(days=k) for k in range(days)),
        symbols=(Symbol("ABC"),),
    )


@cache
def tiny_model(name: str = SIGNAL_MODEL, seed: int = 1, features: int = len(FEATURE_NAMES)) -> tuple[bytes, ModelCard]:
    """A model of ten small trees over the first `features` features, and its card."""
    data = random_dataset(seed, features=features)
    rule = fit.FitRule(trees=10, depth=3, threads=1)
    model = fit.fit_signal(data, rule, seed) if name == SIGNAL_MODEL else fit.fit_move(data, rule, seed)
    onnx = export.to_onnx(model, features)
    rows = data.features[:16]
    pairs = tuple(
        RecordedPair(
            features=tuple(None if np.isnan(v) else float(v) for v in row), output=tuple(float(v) for v in output)
        )
        for row, output in zip(rows, fit.predict(model, rows), strict=True)
    )
    card = ModelCard(
        name=name,
        version=f"v{seed}",
        sha256=digest(onnx),
        feature_names=FEATURE_NAMES[:features],
        output_names=OUTPUTS[name],
        label="made up",
        trained_from=date(2025, 10, 1),
        trained_to=date(2025, 10, 6),
        created_at=CREATED_AT,
        expires_on=EXPIRES_ON,
        code_revision="",
        metrics={},
        pairs=pairs,
    )
    return onnx, card


def hand_made_onnx(
    *, op: str = "Identity", domain: str = "", input_name: str = "features", output_name: str = "scores", width: int = 3
) -> bytes:
    """A graph of one node over `width` features."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - few tests need it

    node = helper.make_node(op, [input_name], [output_name], domain=domain)
    graph = helper.make_graph(
        [node],
        "hand-made",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, [None, width])],
    )
    opsets: list[Any] = [helper.make_opsetid("", 15)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return data
