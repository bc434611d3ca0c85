"""The report of one training: the verdict first, then everything that it rests on. Markdown, and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from shared.contracts.model_card import MOVE_MODEL, REGIME_MODEL, SIGNAL_MODEL, FoldResult, ModelCard, ReliabilityBin
from shared.core.regime import Regime
from training.registry.night import NightRun

_TOP = 15
_METRICS = (
    "log_loss",
    "log_loss_base",
    "brier",
    "brier_base",
    "auc_direction",
    "calibration_error_up",
    "top_decile_net_bp",
    "all_net_bp",
)


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
        for metric in ("net_bp", "auc_direction", "log_loss"):
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
        lines += [f"| {name} | {signal.metrics[name]:.4f} |" for name in _METRICS if name in signal.metrics]
        if signal.folds:
            lines += ["", "| Splits of the training window | Metric | Least | Median | Greatest |"]
            lines += ["| --- | --- | --- | --- | --- |"]
            lines += [
                f"| {s.splits} {s.kind} | {s.metric} | {s.least:.3f} | {s.median:.3f} | {s.greatest:.3f} |"
                for s in spreads(signal.folds)
            ]
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
        lines.append("- the market is an invented one: nothing here says anything of a real one")
    return lines


def html(night: NightRun, cards: Sequence[ModelCard]) -> str:
    """The report as one HTML page that needs nothing else."""
    from jinja2 import Environment, StrictUndefined, select_autoescape  # noqa: PLC0415 - only who reports pays

    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("training.registry").joinpath("report.html.jinja").read_text(encoding="utf-8")
    by_name = {card.name: card for card in cards}
    signal = by_name.get(SIGNAL_MODEL)
    return environment.from_string(source).render(
        night=night,
        headline=headline(night),
        signal=signal,
        about=[line.removeprefix("- ") for line in _about(signal)] if signal else [],
        metrics=_METRICS,
        spreads=spreads(signal.folds) if signal else [],
        folds=[_bar(fold) for fold in signal.folds] if signal else [],
        curves=_curves(signal),
        importances=signal.importances[:_TOP] if signal else (),
        move=by_name.get(MOVE_MODEL),
        regime=by_name.get(REGIME_MODEL),
        regimes=[regime.value for regime in Regime],
    )


def _bar(fold: FoldResult) -> Mapping[str, Any]:
    return {
        "kind": fold.kind,
        "when": f"{fold.tested_from} to {fold.tested_to}",
        "sessions": fold.test_sessions,
        "net_bp": fold.metrics["net_bp"],
        "all_net_bp": fold.metrics["all_net_bp"],
        "auc": fold.metrics["auc_direction"],
    }


def _curves(card: ModelCard | None) -> list[Mapping[str, Any]]:
    """Reliability curves as points of a drawing 100 wide and high, both axes alike."""
    if card is None or card.calibration is None:
        return []
    both = (("before", card.calibration.reliability_before), ("after", card.calibration.reliability))
    most = max((max(b.p_mean, b.frequency) for _, bins in both for b in bins), default=1.0) or 1.0
    return [{"name": name, "points": _points(bins, most), "most": most} for name, bins in both]


def _points(bins: Sequence[ReliabilityBin], most: float) -> list[tuple[float, float]]:
    return [(100 * b.p_mean / most, 100 - 100 * b.frequency / most) for b in bins]
