"""Only an export that answers as the original does leaves the house."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL
from shared.core.errors import ModelError
from shared.core.features import FEATURE_NAMES
from tests.support.models import random_dataset, tiny_model
from training import export, fit

RULE = fit.FitRule(trees=40, depth=4, threads=1)
WIDTH = len(FEATURE_NAMES)


@pytest.mark.parametrize("fitting", [fit.fit_signal, fit.fit_move])
def test_onnx_answers_as_xgboost_on_real_holed_and_absurd_rows(fitting: type) -> None:
    data = random_dataset(3)
    model = fitting(data, RULE, 3)
    onnx_bytes = export.to_onnx(model, WIDTH)
    rows = export.parity_rows(random_dataset(4).features, seed=5)
    assert len(rows) >= 2_000
    assert np.isnan(rows).any()
    assert export.require_parity(onnx_bytes, rows, fit.predict(model, rows)) <= 1e-5


def test_an_export_that_differs_is_refused_with_the_difference() -> None:
    data = random_dataset(3)
    one, other = fit.fit_signal(data, RULE, 3), fit.fit_signal(data, RULE, 4)
    rows = export.parity_rows(data.features, seed=5)
    with pytest.raises(ModelError, match="differs from the original by"):
        export.require_parity(export.to_onnx(one, WIDTH), rows, fit.predict(other, rows))


def test_answers_that_are_not_numbers_are_refused() -> None:
    data = random_dataset(3)
    model = fit.fit_move(data, RULE, 3)
    rows = export.parity_rows(data.features, seed=5)
    with pytest.raises(ModelError):
        export.require_parity(export.to_onnx(model, WIDTH), rows, np.full((len(rows), 1), np.nan))


def test_the_same_training_gives_the_same_bytes() -> None:
    fitted = [fit.fit_signal(random_dataset(3), RULE, 3) for _ in range(2)]
    assert export.to_onnx(fitted[0], WIDTH) == export.to_onnx(fitted[1], WIDTH)


@pytest.mark.parametrize(("name", "outputs"), [(SIGNAL_MODEL, 3), (MOVE_MODEL, 1)])
def test_the_graph_has_one_input_and_one_output_in_our_words(name: str, outputs: int) -> None:
    graph = onnx.load_model_from_string(tiny_model(name)[0]).graph
    shapes = [
        (item.name, [dim.dim_value for dim in item.type.tensor_type.shape.dim])
        for item in (*graph.input, *graph.output)
    ]
    assert shapes == [("features", [0, WIDTH]), ("scores", [0, outputs])]


def test_a_class_that_never_occurs_is_refused() -> None:
    data = random_dataset(3)
    without = data.on(data.dates)
    without.outcome[:] = np.minimum(without.outcome, 1)
    with pytest.raises(ValueError, match="all of down, none, up"):
        fit.fit_signal(without, RULE, 3)
