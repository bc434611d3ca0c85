"""Thresholds by regime: what each threshold earned out of sample on the days of one regime, and what that bears.

Every set is run over all days, then walked forward on each regime's days alone. Looking three times is trying three
times as often, and deflates so. A regime keeps what is in force unless its own days show more; where one of them has
too few days, none gets a threshold of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from shared.adapters.calendar import XnysCalendar
from shared.adapters.scorer import verified
from shared.contracts.model_card import REGIME_MODEL
from shared.core.features import FEATURE_NAMES
from shared.core.regime import Regime, view_of
from shared.core.settings import PolicySettings
from shared.core.values import require
from training.backtest.batch import symbol_days
from training.backtest.engine import traded_dates
from training.backtest.spec import ModelPlan, Spec, symbols_of
from training.backtest.sweep import Trial, Walk, walk
from training.backtest.tape import RollingTape
from training.regimes import COLUMNS

EDGE_MIN = "GATEHOUSE_EDGE_MIN"
LEAST_JUDGED = 60
"""Days of each regime that must have been traded by what was best before them."""
SHOWN, OVERFITTING_MAX = 0.95, 0.5
NOT_STUDIED = (
    "weights of narrative and tape: no evidence. A file of bars holds no narratives; what stories say in calm and in "
    "volatile markets, `python -m training stories` shows"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeFinding:
    """What a regime's days say. `against` is why its threshold stays; `walk` is None with too few days."""

    regime: Regime
    days: int
    walk: Walk | None = None
    in_force: float = 0.0
    against: tuple[str, ...]

    @property
    def told(self) -> str:
        """One line."""
        reasons = "; ".join(self.against)
        if self.walk is None:
            return f"{self.regime}: no evidence: {reasons}"
        found = f"out of sample {self.walk.total_return:+.2%}, in force {self.in_force:+.2%}, {self.days} days"
        return f"{self.regime}: {f'stays: {reasons}' if reasons else self.walk.chosen.name} ({found})"

    def figures(self) -> dict[str, float]:
        """Evidence, by names that begin with the regime's; what is not known is left out."""
        found = {"days": float(self.days)}
        if self.walk is not None:
            found |= {
                "out_of_sample_return": self.walk.total_return,
                "in_force_return": self.in_force,
                "out_of_sample_sharpe": self.walk.sharpe,
                "deflated_sharpe_probability": self.walk.probability,
                "overfitting_probability": self.walk.overfitting,
            }
        return {f"{self.regime}.{name}": value for name, value in found.items() if np.isfinite(value)}


def regimes_of(spec: Spec, models: ModelPlan) -> dict[date, Regime]:
    """Return the regime of each day as the app would have known it; days on which nobody can tell are left out."""
    tape = RollingTape.from_parquet(spec.bars, spec.until)
    found: dict[date, Regime] = {}
    for day in (day for on in traded_dates(spec) if (day := XnysCalendar().day(on)) is not None):
        market, pair = symbols_of(tape, day.on, spec.core)[1], models.of(day.on)
        own = [] if pair is None else [part for part in pair.models if part[1].name == REGIME_MODEL]
        if not own or not market:
            continue
        past = symbol_days(tape, day, market[:1])[0].past
        row = np.full((1, len(FEATURE_NAMES)), np.nan)
        row[0, list(COLUMNS)] = past.fact("volatility_20d"), past.fact("return_20d")
        ((onnx, card),) = own
        if (regime := view_of(verified(card, onnx).predict(row)[0]).regime) is not None:
            found[day.on] = regime
    return found


def by_regime(
    trials: Sequence[Trial], regimes: Mapping[date, Regime], *, window: int, least_past: int
) -> tuple[RegimeFinding, ...]:
    """Walk the sets forward on each regime's days.

    Parameters
    ----------
    trials : sequence of Trial
        On the same days, the one in force first.
    window, least_past : int
        Days of the regime between two choices, and before the first.
    """
    return tuple(
        _finding(regime, [_on_days(trial, regimes, regime) for trial in trials], window, least_past)
        for regime in Regime
    )


def _on_days(trial: Trial, regimes: Mapping[date, Regime], regime: Regime) -> Trial:
    kept = [(on, made) for on, made in zip(trial.dates, trial.returns, strict=True) if regimes.get(on) is regime]
    return dataclasses.replace(trial, dates=tuple(on for on, _ in kept), returns=tuple(made for _, made in kept))


def _finding(regime: Regime, trials: Sequence[Trial], window: int, least_past: int) -> RegimeFinding:
    own, days = trials[0], len(trials[0].dates)
    if (judged := days - least_past) < LEAST_JUDGED:
        return RegimeFinding(
            regime=regime, days=days, against=(f"{max(judged, 0)} days out of sample, {LEAST_JUDGED} needed",)
        )
    found = walk(trials, window=window, least_past=least_past, looks=len(Regime))
    in_force = float(np.prod(1 + np.array(own.returns[least_past:])) - 1)
    reasons = {
        "what is in force was best": found.chosen.name == own.name,
        f"deflated Sharpe probability {found.probability:.2f} of {SHOWN:g}": not found.probability >= SHOWN,
        f"overfitting probability {found.overfitting:.2f} of {OVERFITTING_MAX:g}": found.overfitting > OVERFITTING_MAX,
        "what is in force earned as much": found.total_return <= in_force,
    }
    against = tuple(reason for reason, speaks in reasons.items() if speaks)
    return RegimeFinding(regime=regime, days=days, walk=found, in_force=in_force, against=against)


def threshold_values(findings: Sequence[RegimeFinding], policy: PolicySettings) -> dict[str, str]:
    """Return the settings that give each regime its threshold; nothing where nothing changes, or days are too few.

    The factor of a regime is times GATEHOUSE_EDGE_MIN, so it makes up for what the normal regime's threshold moves.
    """
    if any(each.walk is None for each in findings):
        return {}
    least = {
        each.regime: policy.edge_min if each.walk is None or each.against else float(each.walk.chosen.values[EDGE_MIN])
        for each in findings
    }
    normal = least[Regime.NORMAL]
    require(normal > 0, EDGE_MIN, normal, "above 0, since regimes' factors are times it")
    wanted = {
        EDGE_MIN: (policy.edge_min, normal),
        "GATEHOUSE_EDGE_FACTOR_CALM": (
            policy.edge_factor_calm,
            policy.edge_factor_calm * least[Regime.CALM] / normal,
        ),
        "GATEHOUSE_EDGE_FACTOR_STRESSED": (
            policy.edge_factor_stressed,
            policy.edge_factor_stressed * least[Regime.STRESSED] / normal,
        ),
    }
    return {name: f"{value:.6g}" for name, (own, value) in wanted.items() if not np.isclose(own, value)}


def as_data(findings: Sequence[RegimeFinding], values: Mapping[str, str]) -> dict[str, Any]:
    """The study as plain data: the evidence blob."""
    figures = {name: value for each in findings for name, value in each.figures().items()}
    told = [*(each.told for each in findings), NOT_STUDIED]
    return {"schema_id": "backtest-by-regime.v1", "figures": figures, "chosen": dict(values), "told": told}
