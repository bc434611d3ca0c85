"""What a model must beat: rules that anybody could follow without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.core.features.catalogue import FEATURE_NAMES
from shared.core.market import FloatArray
from training.dataset import Dataset

TOP_SHARE = 0.1
"""Share of a session's rows, those with the largest score, whose return is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What following a rule returned.

    `net_bp` of shape (n_sessions,) is the mean return of its rows in each session, in basis points after costs (0 where
    it took none).
    """

    name: str
    net_bp: FloatArray

    @property
    def mean_bp(self) -> float:
        """Mean over sessions."""
        return float(self.net_bp.mean())


def record_of(name: str, score: FloatArray, data: Dataset, cost_bp: float) -> Record:
    """Take the rows with the largest score of each session.

    Parameters
    ----------
    score : float64 of shape (n,)
        NaN is never taken.
    data : Dataset
        The n rows.
    cost_bp : float
        Round-trip cost taken off each return.
    """
    net = 1e4 * data.exit_return - cost_bp
    means = []
    for day in np.unique(data.day):
        of_day = np.flatnonzero((data.day == day) & np.isfinite(score))
        count = int(np.ceil(TOP_SHARE * of_day.size))
        taken = of_day[np.argsort(-score[of_day], kind="stable")[:count]]
        means.append(float(net[taken].mean()) if taken.size else 0.0)
    return Record(name=name, net_bp=np.array(means))


def nothing(data: Dataset) -> Record:
    """Stay out: no return, no cost."""
    return Record(name="nothing", net_bp=np.zeros(np.unique(data.day).size))


def everything(data: Dataset, cost_bp: float) -> Record:
    """Buy every row."""
    net = 1e4 * data.exit_return - cost_bp
    means = np.array([net[data.day == day].mean() for day in np.unique(data.day)])
    return Record(name="everything", net_bp=means)


_SCORES: Mapping[str, Callable[[NDArray[np.float32]], FloatArray]] = {
    "momentum": lambda features: features[:, FEATURE_NAMES.index("return_60m")].astype(np.float64),
    "reversal": lambda features: -features[:, FEATURE_NAMES.index("return_60m")].astype(np.float64),
}


def best_simple(learn: Dataset, judge: Dataset, cost_bp: float) -> Record:
    """The rule that did best in the training window, out of everything, momentum and reversal, on the judged rows.

    It is chosen where the model learned, so it has no more hindsight than the model.
    """
    found = {name: record_of(name, score(learn.features), learn, cost_bp) for name, score in _SCORES.items()}
    found["everything"] = everything(learn, cost_bp)
    best = max(found.values(), key=lambda record: record.mean_bp).name
    if best == "everything":
        return everything(judge, cost_bp)
    return record_of(best, _SCORES[best](judge.features), judge, cost_bp)
