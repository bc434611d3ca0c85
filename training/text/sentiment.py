"""The sentiment model: polarity of a text from its embedding and from word lists, fitted, calibrated, exported.

One part is a support vector regression over the embedding and what each given list says. The other is a list of its
own, words and pairs of words weighted by ridge regression: that keeps to the letter, an embedding to the sense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from shared.contracts.text_card import EVIDENCE, POLARITY, Lexicon
from shared.core.market import FloatArray
from shared.core.text.lexicon import WordList, scores, terms_of, words_of
from shared.core.values import require, require_at_least, require_fraction
from training.calibrate import StraightLine
from training.text.graph import Graph
from training.text.labelled import LabelledTexts

LEARNED = "learned"
"""Name of the list that is fitted; it stands last."""
METHODS = ("none", "linear", "isotonic")
PLAIN = StraightLine(x=(-1.0, 1.0), y=(-1.0, 1.0))
"""Polarity as it is, kept from -1 to 1."""
_BINS = 20
_DIGITS = 6
_SLOPE_MIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SentimentRule:
    """How sentiment is fitted.

    Attributes
    ----------
    lists_scale : float
        What a given list's score counts beside a component of the embedding.
    cost, gamma, epsilon : float
        Of the support vector regression with Gaussian kernel.
    ridge : float
        Penalty of the learned list's weights.
    texts_min : int
        Texts that a word must be in to be learned.
    learned_share : float
        Of the learned list in the outcome.
    """

    lists_scale: float = 0.5
    cost: float = 0.5
    gamma: float = 1.5
    epsilon: float = 0.1
    ridge: float = 0.5
    texts_min: int = 2
    learned_share: float = 0.35

    def __post_init__(self) -> None:
        for name in ("lists_scale", "epsilon"):
            require_at_least(name, getattr(self, name), 0)
        for name in ("cost", "gamma", "ridge"):
            require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        require_at_least("texts_min", self.texts_min, 1)
        require_fraction("learned_share", self.learned_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvidence:
    """What sentiment is fitted on: labelled texts, and what is known of each.

    Attributes
    ----------
    data : LabelledTexts
    vectors : float64 of shape (n, d)
        As the published embedding answers.
    lists : tuple of WordList
        Those given.
    scores : float64 of shape (n, len(lists))
    terms : tuple of str
        Words and pairs of all texts.
    counts : scipy.sparse.csr_array of shape (n, len(terms))
        How often each is in a text, over the root of the text's number of words.
    """

    data: LabelledTexts
    vectors: FloatArray
    lists: tuple[WordList, ...]
    scores: FloatArray
    terms: tuple[str, ...]
    counts: Any

    def where(self, chosen: NDArray[np.bool_]) -> TextEvidence:
        """The texts of a mask of shape (n,)."""
        return TextEvidence(
            data=self.data.where(chosen),
            vectors=self.vectors[chosen],
            lists=self.lists,
            scores=self.scores[chosen],
            terms=self.terms,
            counts=self.counts[chosen],
        )


def evidence_of(
    data: LabelledTexts, embed: Callable[[Sequence[str]], FloatArray], lists: tuple[WordList, ...] = ()
) -> TextEvidence:
    """Embed texts and look up their words. Raises ValueError where a given list has the learned one's name."""
    require(all(each.name != LEARNED for each in lists), "lists", LEARNED, "another name than the learned list's")
    terms, counts = _counted(data.texts)
    return TextEvidence(
        data=data,
        vectors=embed(data.texts),
        lists=lists,
        scores=np.array([scores(text, lists) for text in data.texts]).reshape(len(data), len(lists)),
        terms=terms,
        counts=counts,
    )


def _counted(texts: Sequence[str]) -> tuple[tuple[str, ...], Any]:
    from scipy.sparse import csr_array  # noqa: PLC0415 - heavy, and only here

    known: dict[str, int] = {}
    rows, columns, values = [], [], []
    for k, text in enumerate(texts):
        words = words_of(text)
        for term, count in Counter(terms_of(words)).items():
            rows.append(k)
            columns.append(known.setdefault(term, len(known)))
            values.append(count / np.sqrt(len(words)))
    return tuple(known), csr_array((values, (rows, columns)), shape=(len(texts), len(known)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSentiment:
    """A fitted model, as it is computed in float64.

    Attributes
    ----------
    rule : SentimentRule
    given : tuple of WordList
    learned : WordList
    support : float64 of shape (m, d + len(given))
        Texts that the regression rests on, lists scaled.
    weight : float64 of shape (m,)
    offset : float
        Of both parts, by their shares.
    method : str
        Of calibration.
    curve : StraightLine
        What calibration does.
    rmse_by_method : dict of str to float
        Across the inner folds; empty where there was nothing to choose.
    """

    rule: SentimentRule
    given: tuple[WordList, ...]
    learned: WordList
    support: FloatArray
    weight: FloatArray
    offset: float
    method: str = "none"
    curve: StraightLine = PLAIN
    rmse_by_method: dict[str, float]

    @property
    def lexicon(self) -> Lexicon:
        """The word lists in the order of the graph's columns."""
        return Lexicon(lists=(*self.given, self.learned))

    def raw(self, evidence: TextEvidence) -> FloatArray:
        """Polarity before calibration, shape (n,)."""
        weights = np.array([self.learned.weights.get(term, 0.0) for term in evidence.terms])
        return self._raw(evidence.vectors, evidence.scores, np.asarray(evidence.counts @ weights))

    def __call__(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Calibrated polarity of texts with their vectors, shape (n,) in [-1, 1]."""
        found = np.array([scores(text, self.lexicon.lists) for text in texts])
        return self.curve(self._raw(vectors, found[:, :-1], found[:, -1]))

    def _raw(self, vectors: FloatArray, given: FloatArray, learned: FloatArray) -> FloatArray:
        rows = _rows(vectors, given, self.rule)
        distance = (rows**2).sum(axis=1)[:, None] + (self.support**2).sum(axis=1) - 2 * rows @ self.support.T
        machine = np.exp(-self.rule.gamma * np.maximum(distance, 0)) @ self.weight
        share = self.rule.learned_share
        return np.asarray((1 - share) * machine + share * learned + self.offset, np.float64)


def _rows(vectors: FloatArray, given: FloatArray, rule: SentimentRule) -> FloatArray:
    return np.hstack([vectors, rule.lists_scale * given])


def fit(evidence: TextEvidence, rule: SentimentRule | None = None) -> FittedSentiment:
    """Fit both parts, and the calibration that does best across the inner folds.

    Raises
    ------
    ValueError
        With fewer than 40 texts.
    """
    rule = rule or SentimentRule()
    require_at_least("texts", len(evidence.data), 40)
    inner, labels = evidence.data.inner_fold, evidence.data.labels
    unseen = np.empty(len(labels))
    for k in np.unique(inner):
        unseen[inner == k] = _fit_raw(evidence.where(inner != k), rule).raw(evidence.where(inner == k))
    rmse = {method: _cross_rmse(method, unseen, labels, inner) for method in METHODS}
    method = min(rmse, key=lambda name: (round(rmse[name], 4), METHODS.index(name)))
    fitted = _fit_raw(evidence, rule)
    return FittedSentiment(
        rule=rule,
        given=fitted.given,
        learned=fitted.learned,
        support=fitted.support,
        weight=fitted.weight,
        offset=fitted.offset,
        method=method,
        curve=curve_of(method, unseen, labels),
        rmse_by_method=rmse,
    )


def _fit_raw(evidence: TextEvidence, rule: SentimentRule) -> FittedSentiment:
    labels = evidence.data.labels
    rows = _rows(evidence.vectors, evidence.scores, rule)
    machine = SVR(C=rule.cost, gamma=rule.gamma, epsilon=rule.epsilon).fit(rows, labels)
    frequent = np.flatnonzero(np.bincount(evidence.counts.indices, minlength=len(evidence.terms)) >= rule.texts_min)
    words = Ridge(alpha=rule.ridge, tol=1e-8).fit(evidence.counts[:, frequent], labels)
    weights = {evidence.terms[k]: round(float(w), _DIGITS) for k, w in zip(frequent, words.coef_, strict=True)}
    share = rule.learned_share
    return FittedSentiment(
        rule=rule,
        given=evidence.lists,
        learned=WordList(name=LEARNED, weights=weights, has_negation=False),
        support=rows[machine.support_],
        weight=machine.dual_coef_[0],
        offset=float((1 - share) * machine.intercept_[0] + share * words.intercept_),
        rmse_by_method={},
    )


def curve_of(method: str, raw: FloatArray, labels: FloatArray) -> StraightLine:
    """Curve from raw polarity to the label that is to be expected, by one of `METHODS`."""
    if method == "none":
        return PLAIN
    if method == "linear":
        slope, intercept = np.polyfit(raw, labels, 1)
        slope = max(float(slope), _SLOPE_MIN)
        return StraightLine(x=((-1 - intercept) / slope, (1 - intercept) / slope), y=(-1.0, 1.0))
    parts = [part for part in np.array_split(np.argsort(raw, kind="stable"), _BINS) if part.size]
    x = np.array([raw[part].mean() for part in parts])
    mean = np.array([labels[part].mean() for part in parts])
    sizes = np.array([part.size for part in parts])
    y = IsotonicRegression(y_min=-1, y_max=1).fit_transform(np.arange(x.size), mean, sample_weight=sizes)
    kept = np.flatnonzero(np.r_[True, np.diff(x) > 1e-6])
    return StraightLine(x=tuple(x[kept].tolist()), y=tuple(y[kept].tolist()))


def _cross_rmse(method: str, raw: FloatArray, labels: FloatArray, fold: NDArray[np.int64]) -> float:
    found = np.empty(len(labels))
    for k in np.unique(fold):
        found[fold == k] = curve_of(method, raw[fold != k], labels[fold != k])(raw[fold == k])
    return float(np.sqrt(np.mean((found - labels) ** 2)))


def to_onnx(fitted: FittedSentiment, dimensions: int) -> bytes:
    """One graph from `evidence` (embedding, given lists, learned list) to `polarity`: both parts, and the curve."""
    graph, rule = Graph(), fitted.rule
    wide = dimensions + len(fitted.given)

    def number(name: str, values: Any) -> str:
        return graph.constant(name, np.asarray(values, np.float32))

    def columns(name: str, begin: int, end: int) -> str:
        bounds = [graph.constant(f"{name}_{k}", np.array([at])) for k, at in (("begin", begin), ("end", end))]
        return graph.node("Slice", EVIDENCE, *bounds, graph.constant("column_axis", np.array([1])))

    scale = np.r_[np.ones(dimensions), np.full(len(fitted.given), rule.lists_scale)]
    rows = graph.node("Mul", columns("machine", 0, wide), number("scale", scale))
    own = graph.node("ReduceSum", graph.node("Mul", rows, rows), graph.constant("sum_axis", np.array([1])), keepdims=1)
    both = graph.node("MatMul", rows, number("support", -2 * fitted.support.T))
    distance = graph.node("Add", graph.node("Add", own, number("lengths", (fitted.support**2).sum(axis=1))), both)
    near = graph.node("Mul", graph.node("Max", distance, number("none", 0)), number("gamma", -rule.gamma))
    weight = number("weight", (1 - rule.learned_share) * fitted.weight[:, None])
    machine = graph.node("MatMul", graph.node("Exp", near), weight)
    learned = graph.node("Mul", columns("learned", wide, wide + 1), number("share", rule.learned_share))
    raw = graph.node("Add", graph.node("Add", machine, learned), number("offset", fitted.offset))
    x, y = np.array(fitted.curve.x), np.array(fitted.curve.y)
    above = graph.node("Max", graph.node("Sub", raw, number("knots", x[None, :-1])), number("none", 0))
    inside = graph.node("Min", above, number("widths", np.diff(x)[None]))
    rise = graph.node("MatMul", inside, number("slopes", (np.diff(y) / np.diff(x))[:, None]))
    mapped = graph.node("Add", rise, number("first", y[0]))
    graph.node("Clip", mapped, number("least", -1), number("most", 1), name=POLARITY)
    return graph.rows(EVIDENCE, wide + 1, POLARITY)
