"""The report of one training: the verdict first, then everything that it rests on. Markdown, and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_MODEL, FoldResult, ModelCard, ReliabilityBin
from shared.core.regime import Regime
from training import report_style
from training.registry.nightly_state import NightRun

if TYPE_CHECKING:
    from jinja2 import Template

_TOP = 15
_METRICS = {
    "log_loss": "log loss",
    "log_loss_base": "log loss of the base rates",
    "brier": "Brier score",
    "brier_base": "Brier score of the base rates",
    "auc_direction": "AUC of direction (0.5 is chance)",
    "calibration_error_up": "p(up) is off by, mean over tenths",
    "top_decile_net_bp": "net bp of the tenth with the largest edge",
    "all_net_bp": "net bp of all rows",
}
_FOLD_METRICS = {"net_bp": "net return, bp", "auc_direction": "AUC of direction", "log_loss": "log loss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Results of one kind of split: how many, and of a metric the least, median and greatest."""

    kind: str
    splits: int
    metric: str
    least: float
    median: float
    greatest: float


def spreads(folds: Sequence[FoldResult]) -> list[Spread]:
    """Spread of direction and of return after costs, for each kind of split."""
    found = []
    for kind in dict.fromkeys(fold.kind for fold in folds):
        for metric in _FOLD_METRICS:
            values = [fold.metrics[metric] for fold in folds if fold.kind == kind]
            found.append(
                Spread(
                    kind=kind,
                    splits=len(values),
                    metric=metric,
                    least=min(values),
                    median=float(np.median(values)),
                    greatest=max(values),
                )
            )
    return found


def headline(night: NightRun) -> str:
    """The verdict in a sentence."""
    if night.verdict is None:
        return "Nothing new: the challenger is champion already." if night.challenger else "No challenger was trained."
    if night.verdict.is_promoted:
        return f"Promoted: {night.challenger} beats what it was held against, after costs, out of sample."
    return f"Refused: {night.challenger} is not shown to be worth its costs. It is stored and not used."


def documents(night: NightRun, cards: Sequence[ModelCard]) -> dict[str, bytes]:
    """`report.md` and `report.html` of a training.

    Parameters
    ----------
    night : NightRun
    cards : sequence of ModelCard
        Of the challenger's models; empty where none was trained.
    """
    return {"report.md": markdown(night, cards).encode(), "report.html": html(night, cards).encode()}


def markdown(night: NightRun, cards: Sequence[ModelCard]) -> str:
    """The report as Markdown."""
    by_name = {card.name: card for card in cards}
    lines = [f"# Training of {night.on}", "", headline(night), ""]
    if night.verdict is not None:
        lines += ["| Check | | Found | Needs |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {c.code} | {'passed' if c.passed else 'failed'} | {c.found} | {c.limit} |" for c in night.verdict.checks
        ]
        lines.append("")
    lines += [f"- {done.step.value}: {done.outcome}" for done in night.finished]
    if (signal := by_name.get(SIGNAL_MODEL)) is not None:
        lines += ["", "## Signal model", "", *_about(signal), ""]
        lines += ["| Metric out of sample | |", "| --- | --- |"]
        known = {words: signal.metrics[name] for name, words in _METRICS.items() if name in signal.metrics}
        lines += [f"| {words} | {value:.4f} |" for words, value in known.items()]
        if signal.folds:
            lines += ["", "| Splits of the training window | Metric | Least | Median | Greatest |"]
            lines += ["| --- | --- | --- | --- | --- |"]
            for s in spreads(signal.folds):
                values = f"{s.least:.3f} | {s.median:.3f} | {s.greatest:.3f}"
                lines.append(f"| {s.splits} {s.kind} | {_FOLD_METRICS[s.metric]} | {values} |")
        lines += ["", "Largest gains: " + ", ".join(f"{i.name} {i.gain:.1%}" for i in signal.importances[:8]) + "."]
    if (move := by_name.get(MOVE_MODEL)) is not None:
        lines += ["", "## Move model", "", f"Rank correlation with what came: {move.metrics['rank_correlation']:.3f}."]
    if (regime := by_name.get(REGIME_MODEL)) is not None:
        shares = ", ".join(f"{r.value} {regime.metrics[f'share_{r.value}']:.0%}" for r in Regime)
        lines += ["", "## Regime model", "", f"Share of training sessions: {shares}."]
    return "\n".join([*lines, ""])


def _about(card: ModelCard) -> list[str]:
    lines = [
        f"- {card.label}",
        f"- learned from {card.trained_from} to {card.trained_to}, judged on {card.judged_from} to {card.judged_to}",
        f"- {card.trials} parameter sets tried" if card.trials else "- not tuned",
        f"- ONNX differs from the original by {card.metrics['parity_max_difference']:.1e} at most, on "
        f"{card.metrics['parity_rows']:.0f} rows",
    ]
    if (calibration := card.calibration) is not None:
        before, after = calibration.brier_before, calibration.brier_after
        lines.append(f"- calibration {calibration.method}: Brier score {before:.4f} before, {after:.4f} after")
    if card.is_synthetic:
        lines.append(f"- {report_style.INVENTED[0].lower()}{report_style.INVENTED[1:-1]}")
    return lines


def parts(night: NightRun, cards: Sequence[ModelCard]) -> report_style.TrainingParts:
    """Render the parts, for a page of their own or another's."""
    by_name = {card.name: card for card in cards}
    signal = by_name.get(SIGNAL_MODEL)
    calibration = signal.calibration if signal else None
    warning = report_style.INVENTED if signal is not None and signal.is_synthetic else ""
    verdict = _template("verdict").render(night=night, headline=headline(night), warning=warning)
    details = _template("details").render(
        night=night,
        signal=signal,
        about=[line.removeprefix("- ") for line in _about(signal)] if signal else [],
        metrics=_METRICS,
        fold_metrics=_FOLD_METRICS,
        spreads=spreads(signal.folds) if signal else [],
        folds=signal.folds if signal else (),
        curves=_curves(signal),
        method=calibration.method if calibration else "none",
        importances=signal.importances[:_TOP] if signal else (),
        move=by_name.get(MOVE_MODEL),
        regime=by_name.get(REGIME_MODEL),
        regimes=[regime.value for regime in Regime],
        colours={"accent": report_style.ACCENT, "faint": report_style.FAINT, "grid": report_style.GRID},
    )
    return report_style.TrainingParts(
        title=f"Training of {night.on}",
        data=f"Data {night.content_id}, challenger {night.challenger or 'none'}",
        verdict=verdict,
        details=details,
    )


def html(night: NightRun, cards: Sequence[ModelCard]) -> str:
    """The report as one HTML page that needs nothing else."""
    return _template("report").render(made=parts(night, cards), style=report_style.style())


def _template(name: str) -> Template:
    return report_style.template(Path(__file__).with_name(f"{name}.html.jinja"))


def _curves(card: ModelCard | None) -> list[Mapping[str, Any]]:
    """Reliability curves as points of a drawing 100 wide and high, both axes alike."""
    if card is None or card.calibration is None:
        return []
    both = (("before", card.calibration.reliability_before), ("after", card.calibration.reliability))
    most = max((max(b.p_mean, b.frequency) for _, bins in both for b in bins), default=1.0) or 1.0
    return [{"name": name, "points": _points(bins, most), "most": most} for name, bins in both]


def _points(bins: Sequence[ReliabilityBin], most: float) -> list[tuple[float, float]]:
    return [(100 * b.p_mean / most, 100 - 100 * b.frequency / most) for b in bins]
