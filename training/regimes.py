"""The regime model: a Gaussian mixture over the index's volatility and trend, its components named by volatility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from shared.core.features.catalogue import FEATURE_HIGH, FEATURE_LOW, FEATURE_NAMES
from shared.core.market import FloatArray
from shared.core.regime import REGIME_FEATURES, Regime
from shared.core.values import require_at_least
from training import export
from training.dataset import Dataset

COLUMNS: tuple[int, ...] = tuple(FEATURE_NAMES.index(name) for name in REGIME_FEATURES)
MIN_SESSIONS = 20
"""With fewer no mixture is fitted, and the app knows no regimes."""
_SHARE_MIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeMixture:
    """Three normal distributions with diagonal covariance, by rising volatility.

    Attributes
    ----------
    weight : float64 of shape (3,)
        Share of each component.
    mean, deviation : float64 of shape (3, 2)
        Of the standardised features of each component.
    centre, scale : float64 of shape (2,)
        What the features are standardised by.
    """

    weight: FloatArray
    mean: FloatArray
    deviation: FloatArray
    centre: FloatArray
    scale: FloatArray

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Probabilities of the regimes, shape (n, 3), for `REGIME_FEATURES`, shape (n, 2); NaN where one is missing."""
        low, high = FEATURE_LOW[list(COLUMNS)], FEATURE_HIGH[list(COLUMNS)]
        z = (np.clip(rows.astype(np.float64), low, high) - self.centre) / self.scale
        distance = (z[:, None, :] - self.mean) / self.deviation
        log_p = np.log(self.weight) - np.log(self.deviation).sum(axis=1) - 0.5 * (distance**2).sum(axis=2)
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True), np.float64)


def session_rows(data: Dataset) -> FloatArray:
    """Return the regime features of each session, once, of shape (n_sessions, 2); sessions without them are left out.

    They are figures of completed days, the same in every row of a session.
    """
    _, first = np.unique(data.day, return_index=True)
    rows = data.features[first][:, list(COLUMNS)].astype(np.float64)
    return np.asarray(rows[~np.isnan(rows).any(axis=1)], np.float64)


def fit_regimes(rows: FloatArray, seed: int) -> RegimeMixture:
    """Fit the mixture on one row a session, shape (n, 2).

    The components start at the thirds of volatility, so that the outcome does not hang on a draw.

    Raises
    ------
    ValueError
        With fewer than `MIN_SESSIONS` rows.
    """
    require_at_least("sessions", len(rows), MIN_SESSIONS)
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    z = (rows - centre) / scale
    thirds = np.array_split(np.argsort(z[:, 0], kind="stable"), len(Regime))
    mixture = GaussianMixture(
        n_components=len(Regime),
        covariance_type="diag",
        reg_covar=0.05,
        means_init=np.stack([z[part].mean(axis=0) for part in thirds]),
        max_iter=500,
        random_state=seed,
    ).fit(z)
    order = np.argsort(mixture.means_[:, 0], kind="stable")
    weight = np.maximum(mixture.weights_[order], _SHARE_MIN)
    return RegimeMixture(
        weight=weight / weight.sum(),
        mean=mixture.means_[order],
        deviation=np.sqrt(mixture.covariances_[order]),
        centre=centre,
        scale=scale,
    )


def to_onnx(mixture: RegimeMixture) -> bytes:
    """Export the mixture: `features` float32 (n, 2) in, `scores` float32 (n, 3) out, reckoned in float64 inside."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - as in training.export
    from skl2onnx import to_onnx as convert  # noqa: PLC0415
    from skl2onnx.common.data_types import DoubleTensorType  # noqa: PLC0415

    scaled = convert(
        _as_sklearn(mixture),
        initial_types=[("z", DoubleTensorType([None, len(COLUMNS)]))],
        target_opset=export.OPSET,
        options={GaussianMixture: {"score_samples": False}},
    )
    graph = scaled.graph
    probabilities = graph.output[-1].name
    constants: list[Any] = [
        helper.make_tensor(name, TensorProto.DOUBLE, [len(values)] if values.ndim else [], values.ravel().tolist())
        for name, values in (
            ("low", FEATURE_LOW[list(COLUMNS)]),
            ("high", FEATURE_HIGH[list(COLUMNS)]),
            ("centre", mixture.centre),
            ("scale", mixture.scale),
        )
    ]
    before = [
        helper.make_node("Cast", [export.INPUT], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Max", ["wide", "low"], ["raised"]),
        helper.make_node("Min", ["raised", "high"], ["kept"]),
        helper.make_node("Sub", ["kept", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["z"]),
    ]
    after = helper.make_node("Cast", [probabilities], ["narrow"], to=TensorProto.FLOAT)
    nodes = [*before, *graph.node, after]
    joined = helper.make_graph(
        nodes,
        "gatehouse",
        [helper.make_tensor_value_info(export.INPUT, TensorProto.FLOAT, [None, len(COLUMNS)])],
        [helper.make_tensor_value_info("narrow", TensorProto.FLOAT, [None, len(Regime)])],
        [*graph.initializer, *constants],
    )
    model = helper.make_model(joined, opset_imports=list(scaled.opset_import), ir_version=scaled.ir_version)
    return export.normalised(model)


def _as_sklearn(mixture: RegimeMixture) -> GaussianMixture:
    """The mixture as scikit-learn holds it, for the converter."""
    model = GaussianMixture(n_components=len(Regime), covariance_type="diag")
    model.weights_, model.means_ = mixture.weight, mixture.mean
    model.covariances_ = mixture.deviation**2
    model.precisions_cholesky_ = 1 / mixture.deviation
    model.precisions_ = model.precisions_cholesky_**2
    model.n_features_in_ = len(COLUMNS)
    return model


def parity_rows(rows: FloatArray, seed: int) -> NDArray[np.float32]:
    """Rows to compare on: real ones, all over the ranges, with holes, and absurd; shape (over 10,000, 2)."""
    rng = np.random.default_rng(seed)
    low, high = FEATURE_LOW[list(COLUMNS)], FEATURE_HIGH[list(COLUMNS)]
    near = rows.mean(axis=0) + 4 * rows.std(axis=0) * rng.normal(size=(export.PARITY_ROWS // 2, len(COLUMNS)))
    spread = rng.uniform(low, high, (export.PARITY_ROWS // 2, len(COLUMNS)))
    odd = np.array([low, high, [0, 0], [1e30, 1e30], [-1e30, -1e30], [np.nan, 0], [0, np.nan], [np.nan, np.nan]])
    return np.concatenate([rows, near, spread, odd]).astype(np.float32)
