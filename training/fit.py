"""Fit the two heads: a classifier of the triple barrier and a regressor of the expected move."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xgboost import XGBClassifier, XGBRegressor

from shared.contracts.model_card import SIGNAL_CLASSES
from shared.core.market import FloatArray
from shared.core.values import require, require_at_least, require_fraction
from training.dataset import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRule:
    """Boosting parameters. Small trees with many rows in a leaf: returns are mostly noise.

    `threads` is for one model. More than one makes the threads wait for each other at every level of every tree, which
    on a machine that is busy otherwise takes many times as long; the two models are fitted side by side instead.
    """

    trees: int = 150
    depth: int = 4
    learning_rate: float = 0.05
    leaf_weight_min: float = 40.0
    rows_fraction: float = 0.7
    columns_fraction: float = 0.6
    l2: float = 5.0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("trees", "depth", "threads"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("learning_rate", "rows_fraction", "columns_fraction"):
            require_fraction(name, getattr(self, name))


def fit_signal(data: Dataset, rule: FitRule, seed: int) -> XGBClassifier:
    """Fit the classifier; its classes are `SIGNAL_CLASSES`.

    Raises
    ------
    ValueError
        If a class does not occur: the model could never name it.
    """
    found = np.unique(data.outcome)
    require(found.size == len(SIGNAL_CLASSES), "classes in the training window", found, "all of down, none, up")
    model = XGBClassifier(objective="multi:softprob", base_score=0.5, **_parameters(rule, seed))
    model.fit(data.features, data.outcome, sample_weight=_weights(data))
    return model


def fit_move(data: Dataset, rule: FitRule, seed: int) -> XGBRegressor:
    """Fit the regressor of the return at the horizon's end."""
    # Hessians of the squared error are one per row, those of the softmax at most a quarter.
    parameters = _parameters(rule, seed) | {"min_child_weight": 4 * rule.leaf_weight_min}
    model = XGBRegressor(objective="reg:squarederror", base_score=0.0, **parameters)
    model.fit(data.features, data.move, sample_weight=_weights(data))
    return model


def fit_both(data: Dataset, rule: FitRule, seed: int) -> tuple[XGBClassifier, XGBRegressor]:
    """Fit both models side by side; the bits are those of one after the other."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        signal, move = pool.submit(fit_signal, data, rule, seed), pool.submit(fit_move, data, rule, seed)
        return signal.result(), move.result()


def predict(model: XGBClassifier | XGBRegressor, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the original model says, shape (n, n_outputs)."""
    if isinstance(model, XGBClassifier):
        return np.asarray(model.predict_proba(features), np.float64)
    return np.asarray(model.predict(features), np.float64)[:, None]


def _weights(data: Dataset) -> FloatArray:
    """Average uniqueness of each label, scaled to a mean of 1, so that the rule's leaf weights keep their meaning."""
    return np.asarray(data.weight / data.weight.mean(), np.float64)


def _parameters(rule: FitRule, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": rule.trees,
        "max_depth": rule.depth,
        "learning_rate": rule.learning_rate,
        "min_child_weight": rule.leaf_weight_min,
        "subsample": rule.rows_fraction,
        "colsample_bytree": rule.columns_fraction,
        "reg_lambda": rule.l2,
        "tree_method": "hist",
        "n_jobs": rule.threads,
        "random_state": seed,
    }
