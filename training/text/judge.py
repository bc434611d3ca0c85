"""Sentiment against labels: folds, held-out texts, transfer, calibration; and whether a challenger is promoted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.contracts.text_card import JudgedCorpus, PolarityBin, PolarityCalibration, PolarityFigures, TextCard
from shared.core.market import FloatArray
from shared.core.values import require_at_least
from training.registry.judge import PromotionCheck, PromotionVerdict
from training.text.labelled import FOLDS, LabelledTexts
from training.text.sentiment import FittedSentiment, SentimentRule, TextEvidence, fit

NEUTRAL_BAND = 0.1
"""Labels and polarity within it count as neither."""
_BINS = 10

type Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPromotionRule:
    """What a sentiment model must show: its lead in Pearson r over the best word list and over the champion.

    `calibration_error_max` is the most mean distance of polarity and label in tenths.
    """

    margin: float = 0.0
    calibration_error_max: float = 0.06

    def __post_init__(self) -> None:
        require_at_least("margin", self.margin, 0)
        require_at_least("calibration_error_max", self.calibration_error_max, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSentiment:
    """The model to be published, and what is known of it."""

    fitted: FittedSentiment
    judged: tuple[JudgedCorpus, ...]
    calibration: PolarityCalibration


def figures(polarity: FloatArray, labels: FloatArray) -> PolarityFigures:
    """Agreement of polarity with labels, shape (n,) each; r is 0 where one of them does not vary."""
    varies = len(labels) > 1 and polarity.std() > 0 and labels.std() > 0
    signed = labels != 0
    right = np.sign(polarity[signed]) == np.sign(labels[signed])
    return PolarityFigures(
        texts=len(labels),
        pearson=float(np.corrcoef(polarity, labels)[0, 1]) if varies else 0.0,
        sign_accuracy=float(right.mean()) if right.size else 0.0,
        class_accuracy=float((_classes(polarity) == _classes(labels)).mean()) if len(labels) else 0.0,
        rmse=float(np.sqrt(np.mean((polarity - labels) ** 2))) if len(labels) else 0.0,
    )


def _classes(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) <= NEUTRAL_BAND, 0.0, np.sign(values))


def judge(evidence: TextEvidence, rule: SentimentRule, show: Progress) -> JudgedSentiment:
    """Fit the model to be published on all texts but the held-out ones, and judge it and its rule.

    Each fold's model, its calibration included, has learned from the other folds alone. The rule's own few numbers are
    not chosen here.
    """
    data = evidence.data
    raw, polarity = np.empty(len(data)), np.empty(len(data))
    for k in range(FOLDS):
        chosen = data.fold == k
        if chosen.any():
            part = evidence.where(chosen)
            model = fit(evidence.where(~chosen), rule)
            raw[chosen] = model.raw(part)
            polarity[chosen] = model.curve(raw[chosen])
        show("sentiment by folds", (k + 1) / FOLDS)
    fitted = fit(evidence.where(~data.is_held_out), rule)
    own = fitted.curve(fitted.raw(evidence))
    judged = []
    for corpus in range(len(data.names)):
        judged.append(_judged(evidence, corpus, polarity=polarity, own=own, rule=rule))
        show("transfer", (corpus + 1) / len(data.names))
    return JudgedSentiment(
        fitted=fitted, judged=tuple(judged), calibration=_calibration(fitted, raw, polarity, data.labels)
    )


def _judged(
    evidence: TextEvidence, corpus: int, *, polarity: FloatArray, own: FloatArray, rule: SentimentRule
) -> JudgedCorpus:
    data = evidence.data
    is_here = data.corpus == corpus
    folds = [is_here & (data.fold == k) for k in range(FOLDS)]
    held_out = is_here & data.is_held_out
    return JudgedCorpus(
        name=data.names[corpus],
        sha256=data.sha256(corpus),
        texts=int(is_here.sum()),
        distinct=len(np.unique(data.groups[is_here])),
        folds=tuple(figures(polarity[chosen], data.labels[chosen]) for chosen in folds),
        overall=figures(polarity[is_here], data.labels[is_here]),
        held_out=figures(own[held_out], data.labels[held_out]),
        transfer=_transfer(evidence, corpus, rule) if len(data.names) > 1 else None,
        lists={
            each.name: figures(evidence.scores[is_here, k], data.labels[is_here]).pearson
            for k, each in enumerate(evidence.lists)
        },
    )


def _transfer(evidence: TextEvidence, corpus: int, rule: SentimentRule) -> PolarityFigures:
    """What the other files teach of this one."""
    data = evidence.data
    is_here = data.corpus == corpus
    teaches = ~is_here & ~np.isin(data.groups, data.groups[is_here])
    part = evidence.where(is_here)
    model = fit(evidence.where(teaches), rule)
    return figures(model.curve(model.raw(part)), part.data.labels)


def _calibration(
    fitted: FittedSentiment, raw: FloatArray, polarity: FloatArray, labels: FloatArray
) -> PolarityCalibration:
    slope, intercept = np.polyfit(polarity, labels, 1) if polarity.std() > 0 else (0.0, float(labels.mean()))
    bins = reliability(polarity, labels)
    return PolarityCalibration(
        method=fitted.method,
        rmse_by_method=fitted.rmse_by_method,
        slope=float(slope),
        intercept=float(intercept),
        error_before=bin_error(reliability(raw, labels)),
        error=bin_error(bins),
        reliability=bins,
    )


def reliability(polarity: FloatArray, labels: FloatArray) -> tuple[PolarityBin, ...]:
    """Tenths of equal count by rising polarity."""
    parts = [part for part in np.array_split(np.argsort(polarity, kind="stable"), _BINS) if part.size]
    return tuple(
        PolarityBin(polarity=float(polarity[part].mean()), label=float(labels[part].mean()), texts=int(part.size))
        for part in parts
    )


def bin_error(bins: tuple[PolarityBin, ...]) -> float:
    """Mean distance of polarity and label, by texts."""
    total = sum(each.texts for each in bins)
    return sum(abs(each.polarity - each.label) * each.texts for each in bins) / total


def verdict(
    challenger: TextCard, held_out: LabelledTexts, own: FloatArray, champion: tuple[TextCard, FloatArray] | None
) -> PromotionVerdict:
    """Decide whether a sentiment model becomes champion.

    Parameters
    ----------
    challenger : TextCard
    held_out : LabelledTexts
        Texts that neither of the two has learned from: which they are follows from the texts alone.
    own : float64 of shape (n,)
        The challenger's polarity of them, as published.
    champion : (TextCard, float64 of shape (n,)) or None
        The same of the champion; None where there is none that can be trusted.
    """
    rule = TextPromotionRule()
    checks = [_over_lists(challenger, rule), _calibrated(challenger, rule)]
    if champion is not None:
        card, theirs = champion
        if challenger.is_synthetic and not card.is_synthetic:
            found, limit = "it has learned from an invented market", f"real texts, as {card.version} has"
            checks.append(PromotionCheck(code="MARKET", passed=False, found=found, limit=limit))
        elif challenger.is_synthetic == card.is_synthetic:
            checks.append(_over_champion(held_out, own, card.version, theirs, rule))
    return PromotionVerdict(
        challenger=challenger.version, champion=champion[0].version if champion else "", checks=tuple(checks)
    )


def _over_lists(card: TextCard, rule: TextPromotionRule) -> PromotionCheck:
    leads = {each.name: each.overall.pearson - max(each.lists.values(), default=0.0) for each in card.judged}
    worst = min(leads, key=lambda name: leads[name])
    return PromotionCheck(
        code="BASELINE",
        passed=leads[worst] > rule.margin,
        found=f"r leads by {leads[worst]:+.3f} on {worst}",
        limit=f"more than {rule.margin:g} over the best word list alone, on each file",
    )


def _calibrated(card: TextCard, rule: TextPromotionRule) -> PromotionCheck:
    off = card.calibration.error if card.calibration else 1.0
    limit = rule.calibration_error_max
    return PromotionCheck(
        code="CALIBRATION", passed=off <= limit, found=f"polarity is off by {off:.4f}", limit=f"at most {limit:g}"
    )


def _over_champion(
    held_out: LabelledTexts, own: FloatArray, version: str, theirs: FloatArray, rule: TextPromotionRule
) -> PromotionCheck:
    """Mean r over the files' held-out texts, challenger against champion."""
    parts = [held_out.corpus == k for k in np.unique(held_out.corpus)]
    mine, other = (
        float(np.mean([figures(one[part], held_out.labels[part]).pearson for part in parts])) for one in (own, theirs)
    )
    return PromotionCheck(
        code="CHAMPION",
        passed=mine - other >= rule.margin,
        found=f"r {mine:.3f} against {other:.3f} of {version} on {len(held_out)} texts that neither has learned from",
        limit=f"a lead of at least {rule.margin:g}",
    )
