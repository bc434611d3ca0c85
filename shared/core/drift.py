"""How far live features have moved from those a model has learned from: population stability and divergence.

A feature's reference is the shares of its training rows in bins of equal count, with bins of their own for what is
missing and for what lies outside all that was seen. Slow features (a market's 20-day volatility) differ from week to
week in any healthy market, so each reference also keeps the index that nine in ten stretches of training sessions stay
under against the whole: only what goes a quarter beyond that, and beyond `PSI_MIN`, has drifted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.core.market import FloatArray
from shared.core.values import require, require_at_least

BINS = 10
PSI_MIN = 0.25
"""Below this index a feature has not drifted: what lies above it is commonly read as a large shift."""
_USUAL, _SLACK = 0.9, 1.25
_FLOOR = 1e-4
"""Least share of a bin, so that an empty one counts much but not infinitely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureReference:
    """How one feature was distributed where the model learned.

    Attributes
    ----------
    name : str
    edges : tuple of float
        Borders of the bins, ascending; bin k holds edges[k-1] < x <= edges[k], the first what is at or below all
        training values, the last what is above them.
    shares : tuple of float
        Share of all rows in each bin, one more than edges; with `missing` they add up to 1.
    missing : float
        Share of rows without a value.
    usual_psi : float
        Index that nine in ten stretches of training sessions stay under, each against the whole.
    """

    name: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float
    usual_psi: float = 0.0

    def __post_init__(self) -> None:
        require(len(self.shares) == len(self.edges) + 1, "shares", len(self.shares), f"{len(self.edges) + 1} bins")
        require(all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False)), "edges", self.edges, "ascending")
        require_at_least("usual_psi", self.usual_psi, 0)

    @property
    def limit(self) -> float:
        """Index beyond which the feature has drifted."""
        return max(PSI_MIN, _SLACK * self.usual_psi)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDrift:
    """One feature's distance from its reference: `psi` both ways, `kl` of the found from the expected, in nats."""

    name: str
    psi: float
    kl: float
    limit: float

    @property
    def has_drifted(self) -> bool:
        """Whether the index is beyond the feature's own limit."""
        return self.psi > self.limit


def reference_of(name: str, values: FloatArray, stretches: Iterable[FloatArray] = ()) -> FeatureReference:
    """Bin a feature's training values.

    Parameters
    ----------
    name : str
    values : float64 of shape (n,)
        NaN for missing; n at least 1.
    stretches : iterable of float64 arrays
        The values of stretches of sessions, for `usual_psi`.
    """
    require_at_least("values", values.size, 1)
    known = values[~np.isnan(values)]
    cuts = np.quantile(known, np.arange(BINS + 1) / BINS) if known.size else np.empty(0)
    edges = tuple(float(edge) for edge in np.unique(cuts))
    empty = FeatureReference(name=name, edges=edges, shares=(0.0,) * (len(edges) + 1), missing=0.0)
    shares = shares_in(empty, values)
    reference = FeatureReference(
        name=name, edges=edges, shares=tuple(map(float, shares[:-1])), missing=float(shares[-1])
    )
    indices = [drift_of(reference, part).psi for part in stretches if part.size]
    usual = float(np.quantile(indices, _USUAL)) if indices else 0.0
    return FeatureReference(name=name, edges=edges, shares=reference.shares, missing=reference.missing, usual_psi=usual)


def shares_in(reference: FeatureReference, values: FloatArray) -> FloatArray:
    """Share of values in each of a reference's bins, the missing last; shape (len(edges) + 2,)."""
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(reference.edges, known), minlength=len(reference.edges) + 1)
    return np.append(counts, values.size - known.size) / max(values.size, 1)


def drift_of(reference: FeatureReference, values: FloatArray) -> FeatureDrift:
    """Population stability index sum((q - p) ln(q / p)) and Kullback-Leibler divergence sum(q ln(q / p)).

    p are the reference's shares, q those of `values` (shape (n,), NaN for missing), each at least `_FLOOR`.
    """
    p = np.maximum(np.append(reference.shares, reference.missing), _FLOOR)
    q = np.maximum(shares_in(reference, values), _FLOOR)
    p, q = p / p.sum(), q / q.sum()
    ratio = np.log(q / p)
    return FeatureDrift(
        name=reference.name,
        psi=float(((q - p) * ratio).sum()),
        kl=float((q * ratio).sum()),
        limit=reference.limit,
    )


def drifts(references: Sequence[FeatureReference], columns: FloatArray) -> tuple[FeatureDrift, ...]:
    """Distance of every feature, the farthest beyond its limit first.

    Parameters
    ----------
    references : sequence of FeatureReference
    columns : float64 of shape (n, len(references))
        Values in the references' order.
    """
    require(
        columns.ndim == 2 and columns.shape[1] == len(references),
        "columns",
        columns.shape,
        f"of shape (n, {len(references)})",
    )
    found = (drift_of(reference, columns[:, k]) for k, reference in enumerate(references))
    return tuple(sorted(found, key=lambda one: one.limit - one.psi))


def drifted_share(found: Sequence[FeatureDrift]) -> float:
    """Share of features that have drifted, in [0, 1]."""
    return sum(one.has_drifted for one in found) / len(found) if found else 0.0
