"""Make class probabilities honest: what a classifier calls 30 % should come 30 times in a hundred.

A calibrator maps each class's probability by a curve of its own and scales the three to a sum of 1. Every curve is made
of operators that ONNX has, with bounded slopes, so that the exported graph gives the same answers in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from shared.contracts.model_card import ReliabilityBin
from shared.core.market import FloatArray
from shared.core.values import require

type Method = Literal["none", "isotonic", "beta"]
METHODS: tuple[Method, ...] = ("none", "isotonic", "beta")
P_MIN = 1e-4
"""Least probability of a class before and after: no curve may promise certainty."""
_KNOTS = 40
_SLOPE_MAX = 20.0
_RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StraightLine:
    """A curve of straight pieces through the points (x[k], y[k]), flat outside; x ascending, at least one point."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, p: FloatArray) -> FloatArray:
        """Map probabilities of any shape."""
        return np.asarray(np.interp(p, self.x, self.y), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """sigmoid(a ln p - b ln(1 - p) + c) with a, b >= 0.

    Source: M. Kull, T. Silva Filho, P. Flach, Beta calibration, AISTATS 2017.
    """

    a: float
    b: float
    c: float

    def __call__(self, p: FloatArray) -> FloatArray:
        """Map probabilities of any shape."""
        p = np.clip(p, P_MIN, 1 - P_MIN)
        return np.asarray(1 / (1 + np.exp(-(self.a * np.log(p) - self.b * np.log1p(-p) + self.c))), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """One curve for each class; none: probabilities stay as they are."""

    method: Method
    curves: tuple[StraightLine | Beta, ...] = ()

    def __call__(self, p: FloatArray) -> FloatArray:
        """Map rows of class probabilities.

        Parameters
        ----------
        p : float64 of shape (n, n_classes)

        Returns
        -------
        float64 of shape (n, n_classes), each row with sum 1
        """
        if not self.curves:
            return p
        require(p.shape[1] == len(self.curves), "classes", p.shape[1], f"{len(self.curves)}")
        mapped = np.stack([curve(p[:, k]) for k, curve in enumerate(self.curves)], axis=1)
        mapped = np.clip(mapped, P_MIN, 1 - P_MIN)
        return np.asarray(mapped / mapped.sum(axis=1, keepdims=True), np.float64)


NEUTRAL = Calibrator(method="none")


def fit_calibrator(method: Method, p: FloatArray, outcome: NDArray[np.int8], weight: FloatArray) -> Calibrator:
    """Fit one curve per class on rows that the classifier has not learned from.

    Parameters
    ----------
    method : {"none", "isotonic", "beta"}
    p : float64 of shape (n, n_classes)
    outcome : int of shape (n,)
        Classes that came.
    weight : float64 of shape (n,)
    """
    if method == "none":
        return NEUTRAL
    fit: Callable[[FloatArray, FloatArray, FloatArray], StraightLine | Beta] = _line if method == "isotonic" else _beta
    curves = (fit(p[:, k], (outcome == k).astype(np.float64), weight) for k in range(p.shape[1]))
    return Calibrator(method=method, curves=tuple(curves))


def _line(p: FloatArray, happened: FloatArray, weight: FloatArray) -> StraightLine:
    """Isotonic frequencies of bins of equal count, joined by straight lines.

    Steps of single rows would follow noise, and their cliffs would turn a rounding of float32 into another answer.
    """
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), _KNOTS) if part.size]
    x = np.array([np.average(p[part], weights=weight[part]) for part in parts])
    mass = np.array([weight[part].sum() for part in parts])
    frequency = np.array([np.average(happened[part], weights=weight[part]) for part in parts])
    y = IsotonicRegression(y_min=0, y_max=1).fit_transform(np.arange(x.size), frequency, sample_weight=mass)
    points = [(float(x[0]), float(y[0]))]
    for at, value in zip(x[1:].tolist(), y[1:].tolist(), strict=True):
        last_x, last_y = points[-1]
        if at - last_x > 1e-6:
            points.append((at, min(value, last_y + _SLOPE_MAX * (at - last_x))))
    return StraightLine(x=tuple(at for at, _ in points), y=tuple(value for _, value in points))


def _beta(p: FloatArray, happened: FloatArray, weight: FloatArray) -> Beta:
    """Logistic regression on (ln p, -ln(1 - p)); a negative coefficient is dropped and the rest fitted anew."""
    if happened.min() == happened.max():
        return Beta(a=0.0, b=0.0, c=float(np.log(max(happened.mean(), P_MIN) / max(1 - happened.mean(), P_MIN))))
    p = np.clip(p, P_MIN, 1 - P_MIN)
    columns = np.stack([np.log(p), -np.log1p(-p)], axis=1)
    kept = [0, 1]
    while True:
        fitted = LogisticRegression(C=1e6).fit(columns[:, kept], happened, sample_weight=weight)
        if not (negative := [k for k, value in zip(kept, fitted.coef_[0], strict=True) if value < 0]):
            break
        if len(kept) == len(negative):
            return Beta(a=0.0, b=0.0, c=float(np.log(happened.mean() / (1 - happened.mean()))))
        kept = [k for k in kept if k not in negative]
    found = dict(zip(kept, map(float, fitted.coef_[0]), strict=True))
    return Beta(a=found.get(0, 0.0), b=found.get(1, 0.0), c=float(fitted.intercept_[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What a classifier said of one inner fold's test rows, which it had not learned from, and what came."""

    p: FloatArray
    outcome: NDArray[np.int8]
    weight: FloatArray


def choose_calibrator(
    folds: Sequence[Unseen], methods: Sequence[Method] = METHODS
) -> tuple[Calibrator, dict[str, float]]:
    """Fit the method with the least Brier score, out of those that make no fold worse than it was.

    Each fold is judged with the curves of the other folds; the chosen method is then fitted on all. A method that helps
    on the average only, because it helps in one period, would be a bet on that period.

    Parameters
    ----------
    folds : sequence of Unseen
        At least two, or one, of which then nothing can be judged: probabilities stay as they are.

    Returns
    -------
    tuple of Calibrator and dict
        And the score of each method.
    """
    if len(folds) < 2:
        return NEUTRAL, {}
    rows = np.array([fold.outcome.size for fold in folds])
    found = {method: _cross_scores(folds, method) for method in methods}
    plain = _cross_scores(folds, "none")
    scores = {method: float(np.average(score, weights=rows)) for method, score in found.items()}
    sound = [method for method in methods if (found[method] <= plain).all()]
    best: Method = min(sound, key=lambda method: scores[method]) if sound else "none"
    return fit_calibrator(best, *_stacked(folds)), {str(method): score for method, score in scores.items()}


def _cross_scores(folds: Sequence[Unseen], method: Method) -> FloatArray:
    """Brier score of each fold under the curves of the others."""
    scores = []
    for k, fold in enumerate(folds):
        calibrator = fit_calibrator(method, *_stacked([other for j, other in enumerate(folds) if j != k]))
        scores.append(brier(calibrator(fold.p), fold.outcome))
    return np.array(scores)


def _stacked(folds: Sequence[Unseen]) -> tuple[FloatArray, NDArray[np.int8], FloatArray]:
    return (
        np.concatenate([fold.p for fold in folds]),
        np.concatenate([fold.outcome for fold in folds]),
        np.concatenate([fold.weight for fold in folds]),
    )


def brier(p: FloatArray, outcome: NDArray[np.int8]) -> float:
    """Mean over rows of the squared distance from what came, summed over classes."""
    truth = np.eye(p.shape[1])[outcome]
    return float(((p - truth) ** 2).sum(axis=1).mean())


def cross_entropy(p: FloatArray, outcome: NDArray[np.int8], weight: FloatArray | None = None) -> float:
    """Mean over rows of -ln of the probability of what came, after scaling each row to a sum of 1."""
    told = p[np.arange(outcome.size), outcome] / p.sum(axis=1)
    return float(np.average(-np.log(np.maximum(told, 1e-15)), weights=weight))


def reliability(p: FloatArray, happened: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Reliability curve of one class in bins of equal count, by rising probability."""
    parts = np.array_split(np.argsort(p, kind="stable"), _RELIABILITY_BINS)
    return tuple(
        ReliabilityBin(p_mean=float(p[part].mean()), frequency=float(happened[part].mean()), rows=int(part.size))
        for part in parts
        if part.size
    )
