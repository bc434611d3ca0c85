"""Champion and challenger: who is better out of sample after costs, and whether that is enough. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.contracts.model_card import SIGNAL_CLASSES, ModelCard
from shared.core.drift import FeatureDrift, drifted_share
from shared.core.market import FloatArray
from shared.core.values import require_at_least, require_fraction
from shared.strategies.protocol import Predictor
from training.backtest.metrics import t_statistic
from training.baseline import Record, nothing, record_of
from training.calibrate import brier
from training.dataset import Dataset
from training.evaluate import calibration_error, rank_correlation
from training.labels import UP

_DOWN_AT, _UP_AT = SIGNAL_CLASSES.index("down"), SIGNAL_CLASSES.index("up")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRule:
    """What a challenger must show on sessions that it has not learned from.

    Attributes
    ----------
    margin_bp : float
        Least lead over the champion, in basis points a trade after costs.
    t_min : float
        Least lead over doing nothing, the simple rule and the champion, in standard errors over the sessions. The
        margin alone would promote whoever had the luckier fortnight.
    calibration_error_max : float
        Most mean distance of p_up from the frequency in tenths.
    drifted_share_max : float
        Most share of features that lie beyond their limits in the judged sessions.
    """

    margin_bp: float = 0.5
    t_min: float = 1.0
    calibration_error_max: float = 0.05
    drifted_share_max: float = 0.3

    def __post_init__(self) -> None:
        for name in ("margin_bp", "t_min"):
            require_at_least(name, getattr(self, name), 0)
        for name in ("calibration_error_max", "drifted_share_max"):
            require_fraction(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedEvidence:
    """What one version of the models is worth on the judged sessions.

    `record` takes the tenth of each session's rows with the largest p_up - p_down. `brier` sums over classes,
    `brier_base` is that of the judged sessions' own base rates, `move_correlation` the rank correlation of the expected
    move with what came. `is_synthetic` says that it has learned from an invented market.
    """

    version: str
    record: Record
    brier: float
    brier_base: float
    calibration_error: float
    move_correlation: float
    is_synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionCheck:
    """One condition: its stable code, whether it holds, and both figures in words."""

    code: str
    passed: bool
    found: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionVerdict:
    """Whether a challenger is promoted, with every condition."""

    challenger: str
    champion: str
    checks: tuple[PromotionCheck, ...]

    @property
    def is_promoted(self) -> bool:
        """All conditions hold."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, one line each; empty where it is promoted."""
        return tuple(f"{c.code}: {c.found}, needs {c.limit}" for c in self.checks if not c.passed)


def evidence_of(card: ModelCard, signal: Predictor, move: Predictor, judge: Dataset, cost_bp: float) -> JudgedEvidence:
    """Let a version's models, as published, score the judged rows.

    Parameters
    ----------
    card : ModelCard
        Of the signal model.
    signal, move : Predictor
        Checked as the app checks them: what is judged is what would trade.
    judge : Dataset
    cost_bp : float
        Round-trip cost taken off each return.
    """
    rows = judge.features.astype(np.float64)
    p = signal.predict(rows)
    p = p / p.sum(axis=1, keepdims=True)
    base = np.tile(np.bincount(judge.outcome, minlength=p.shape[1]) / len(judge), (len(judge), 1))
    moves = move.predict(rows)[:, 0]
    return JudgedEvidence(
        version=card.version,
        is_synthetic=card.is_synthetic,
        record=record_of(card.version, p[:, _UP_AT] - p[:, _DOWN_AT], judge, cost_bp),
        brier=brier(p, judge.outcome),
        brier_base=brier(base, judge.outcome),
        calibration_error=calibration_error(p[:, _UP_AT], judge.outcome == UP),
        move_correlation=rank_correlation(moves, judge.move),
    )


def verdict(
    challenger: JudgedEvidence,
    champion: JudgedEvidence | None,
    *,
    simple: Record,
    judge: Dataset,
    drifts: Sequence[FeatureDrift],
    rule: PromotionRule,
) -> PromotionVerdict:
    """Decide whether the challenger becomes champion.

    Parameters
    ----------
    challenger, champion : JudgedEvidence
        Of the same rows; no champion where there is none that can be trusted.
    simple : Record
        The simple rule that did best where the challenger learned.
    judge : Dataset
    drifts : sequence of FeatureDrift
        The judged sessions' features against those the challenger learned from.
    rule : PromotionRule
    """
    checks = [
        _lead("COSTS", challenger.record, nothing(judge), least_bp=0.0, t_min=rule.t_min),
        _lead("BASELINE", challenger.record, simple, least_bp=0.0, t_min=rule.t_min),
    ]
    if champion is not None:
        checks += _against(challenger, champion, rule)
    share = drifted_share(drifts)
    off, limit = challenger.calibration_error, rule.calibration_error_max
    moved, most = challenger.move_correlation, rule.drifted_share_max
    beyond = f"{share:.0%} of features beyond their limits{_worst(drifts)}"
    rates = f"at most {challenger.brier_base:.4f}, that of constant base rates"
    for code, passed, found, needs in (
        ("CALIBRATION", off <= limit, f"p_up is off by {off:.4f}", f"at most {limit:g}"),
        ("BRIER", challenger.brier <= challenger.brier_base, f"Brier score {challenger.brier:.4f}", rates),
        ("MOVE", moved > 0, f"rank correlation {moved:.4f} of the expected move", "above 0"),
        ("DRIFT", share <= most, beyond, f"at most {most:.0%}"),
    ):
        checks.append(PromotionCheck(code=code, passed=passed, found=found, limit=needs))
    return PromotionVerdict(
        challenger=challenger.version, champion=champion.version if champion else "", checks=tuple(checks)
    )


def _against(challenger: JudgedEvidence, champion: JudgedEvidence, rule: PromotionRule) -> list[PromotionCheck]:
    """A champion is a measure for models of its own market; one of the real market gives way to no invented one."""
    if challenger.is_synthetic and not champion.is_synthetic:
        found, limit = "it has learned from an invented market", f"the real one, that of {champion.version}"
        return [PromotionCheck(code="MARKET", passed=False, found=found, limit=limit)]
    if champion.is_synthetic and not challenger.is_synthetic:
        return []
    return [_lead("CHAMPION", challenger.record, champion.record, least_bp=rule.margin_bp, t_min=rule.t_min)]


def lead(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Mean difference over sessions, and the same in standard errors (0 where it has none), shape (n,) each."""
    difference = one - other
    mean = float(difference.mean())
    t = t_statistic(difference)
    return mean, 0.0 if math.isnan(t) else t


def _lead(code: str, one: Record, other: Record, *, least_bp: float, t_min: float) -> PromotionCheck:
    mean, t = lead(one.net_bp, other.net_bp)
    return PromotionCheck(
        code=code,
        passed=mean > least_bp and t >= t_min,
        found=f"{one.mean_bp:+.2f} bp a trade against {other.mean_bp:+.2f} bp of {other.name}, t = {t:.2f}",
        limit=f"a lead of more than {least_bp:g} bp and t of at least {t_min:g}",
    )


def _worst(drifts: Sequence[FeatureDrift]) -> str:
    beyond = [f"{one.name} {one.psi:.2f}" for one in drifts if one.has_drifted][:3]
    return f" ({', '.join(beyond)})" if beyond else ""
