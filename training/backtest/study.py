"""A run put together for reading: its figures, what speaks against them, and a verdict in words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shared.contracts.model_card import SIGNAL_MODEL, ReliabilityBin
from shared.core.ids import canonical_json, digest
from shared.core.market import FloatArray
from shared.core.refusals import RefusalValue, value_of_refusals
from shared.core.text.language import may_have_read
from shared.strategies.catalogue import traded
from training.backtest.metrics import (
    BenchmarkFigures,
    RunFigures,
    TradeFigures,
    benchmark_figures,
    brier,
    run_figures,
    splits_of,
    trade_figures,
)
from training.backtest.overfit import (
    Deflated,
    Overfitting,
    Shuffled,
    deflated_sharpe,
    overfitting,
    shuffled,
    variance_of_ratios,
)
from training.backtest.spec import BacktestOutcome, ModelPlan, totals
from training.calibrate import reliability
from training.labels import UP
from training.report_style import INVENTED

PROVEN = 0.95
"""Probability of a true Sharpe ratio above what luck gives, from which a run is called evidence."""
ENOUGH_TRADES = 100
HALT = "HALTED_DRAWDOWN"
CONTAMINATED = "contaminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that report, files and summary say of a run.

    Attributes
    ----------
    run_id : str
        Hash of data, settings, models and venue: equal runs have equal ids.
    splits : mapping of str to mapping of str to TradeFigures
        By name of the split and of its part.
    overfit : Overfitting or None
        Where the trials that the run was picked from are known.
    verdict : str
        One of evidence, no evidence, in sample, contaminated.
    reasons : tuple of str
        Sentences that bear the verdict out.
    importances : tuple of (str, float)
        Features by how much worse the signal models' loss gets out of sample without them, mean over the models.
    refusals : tuple of RefusalValue
        What each refuser saved or cost, by the shadow book.
    """

    run_id: str
    outcome: BacktestOutcome
    run: RunFigures
    trades: TradeFigures
    splits: Mapping[str, Mapping[str, TradeFigures]]
    benchmarks: tuple[BenchmarkFigures, ...]
    deflated: Deflated
    overfit: Overfitting | None
    chance: Shuffled
    calibration_up: tuple[ReliabilityBin, ...]
    brier_up: float
    brier_base: float
    importances: tuple[tuple[str, float], ...]
    in_sample_days: int
    contaminated_days: int
    verdict: str
    reasons: tuple[str, ...]
    refusals: tuple[RefusalValue, ...] = ()

    @property
    def funnel(self) -> dict[str, int]:
        """How many came through each stage."""
        days = self.outcome.days
        decisions = totals(days, "decisions")
        return {
            "scored": sum(day.scored for day in days),
            "signals": totals(days, "policy").get("ENTER", 0),
            "decided": sum(decisions.values()),
            "approved": decisions.get("approved", 0),
            "trades": self.trades.trades,
        }


def study(
    outcome: BacktestOutcome, models: ModelPlan, *, trials: int = 1, trial_returns: FloatArray | None = None
) -> Study:
    """Work out the figures of a run.

    Parameters
    ----------
    outcome : BacktestOutcome
    models : ModelPlan
        Those it was run with.
    trials : int
        Runs that this one was picked from, itself included: what the Sharpe ratio is deflated by.
    trial_returns : float64 of shape (days, trials), optional
        Daily returns of these trials, for the probability of overfitting.
    """
    days = outcome.days
    returns = np.array([day.day_return for day in days])
    net = np.array([trade.net_usd for trade in outcome.trades])
    variance, overfit = _of_trials(trial_returns)
    run, trades = run_figures(days), trade_figures(outcome.trades)
    benchmarks = (
        benchmark_figures("universe, held", np.array([day.benchmark for day in days])),
        benchmark_figures("SPY, held", np.array([day.spy for day in days])),
    )
    deflated = deflated_sharpe(returns, trials=trials, variance=variance)
    probability = outcome.judged.probabilities
    up = (outcome.judged.outcome == UP).astype(float)
    chance = shuffled(net, run.opening_usd, halt_at=float(outcome.settings.risk.drawdown_max_fraction))
    draft = Study(
        run_id=run_id(outcome),
        outcome=outcome,
        run=run,
        trades=trades,
        splits=splits_of(outcome.trades),
        benchmarks=benchmarks,
        deflated=deflated,
        overfit=overfit,
        chance=chance,
        calibration_up=reliability(probability[:, UP], up > 0),
        brier_up=brier(probability[:, UP], up),
        brier_base=brier(np.full_like(up, up.mean() if up.size else 0.0), up),
        importances=_importances(models),
        in_sample_days=sum(day.in_sample for day in days),
        contaminated_days=_contaminated_days(outcome),
        verdict="",
        reasons=(),
        refusals=value_of_refusals(shadow for day in days for shadow in day.shadows),
    )
    verdict, reasons = _verdict(draft)
    is_invented = any(pair.card(SIGNAL_MODEL).is_synthetic for _, pair in models.steps)
    return replace(draft, verdict=verdict, reasons=(*([INVENTED] if is_invented else []), *reasons))


def run_id(outcome: BacktestOutcome) -> str:
    """Name of a run: what went in."""
    spec = outcome.spec
    content = {
        "data": outcome.content_id,
        "days": [outcome.days[0].on.isoformat(), outcome.days[-1].on.isoformat()],
        "settings": dict(sorted(spec.changed.items())),
        "models": list(outcome.models),
        "cash": str(spec.cash_usd),
        "venue": str(spec.venue),
        "core": spec.core,
    }
    return f"{outcome.days[0].on:%Y%m%d}-{outcome.days[-1].on:%Y%m%d}-{digest(canonical_json(content))[:10]}"


def _of_trials(returns: FloatArray | None) -> tuple[float | None, Overfitting | None]:
    """Variance of the trials' Sharpe ratios, and the probability that picking among them overfits."""
    if returns is None or returns.shape[1] < 2:
        return None, None
    return variance_of_ratios(returns), overfitting(returns, min(10, len(returns) // 2 * 2))


def _importances(models: ModelPlan) -> tuple[tuple[str, float], ...]:
    found: dict[str, list[float]] = defaultdict(list)
    for _, pair in models.steps:
        for each in pair.card(SIGNAL_MODEL).importances:
            found[each.name].append(each.permutation)
    means = [(name, sum(values) / len(models.steps)) for name, values in found.items()]
    return tuple(sorted(means, key=lambda item: -item[1]))


def _verdict(of: Study) -> tuple[str, tuple[str, ...]]:
    run, trades, deflated = of.run, of.trades, of.deflated
    reasons = []
    if of.in_sample_days:
        reasons.append(
            f"In sample: the models had learned from {of.in_sample_days} of {run.days} days. Nothing here says what "
            "they would have earned."
        )
    if of.contaminated_days:
        reasons.append(
            f"Contaminated: on {of.contaminated_days} of {run.days} days the language model may have known how they "
            "ended (GATEHOUSE_LANGUAGE_KNOWLEDGE_CUTOFF and 30 days). Nothing here says what its narratives would earn."
        )
    reasons.append(
        f"{trades.trades} trades earned {trades.net_usd:+,.0f} USD after fees of {trades.fees_usd:,.0f} USD; equity "
        f"changed by {run.total_return:+.2%} in {run.days} days."
    )
    if trades.trades:
        reasons.append(
            f"The mean trade earned {trades.expectancy_bp:+.1f} bp of what it cost (t = {trades.t:+.2f}), and "
            f"{trades.win_rate:.0%} of trades gained."
        )
    if not math.isnan(deflated.probability):
        shown = ", which is evidence" if deflated.probability >= PROVEN else f", and evidence begins at {PROVEN:.0%}"
        reasons.append(
            f"With {deflated.trials} trial{'s' if deflated.trials > 1 else ''}, the probability that the Sharpe ratio "
            f"is above what luck gives is {deflated.probability:.0%}{'' if of.in_sample_days else shown}."
        )
    held = ", ".join(f"{b.name} {b.total_return:+.1%}" for b in of.benchmarks if not math.isnan(b.total_return))
    if held:
        reasons.append(
            f"Over the same days, fully invested: {held}. This run was invested to {run.exposure:.0%} on average."
        )
    reasons += [*_concentration(of.outcome), *_halted(of.outcome)]
    if of.outcome.unfinished:
        reasons.append(f"{of.outcome.unfinished} positions were still open at the end and are not counted as trades.")
    if of.in_sample_days:
        return "in sample", tuple(reasons)
    if of.contaminated_days:
        return CONTAMINATED, tuple(reasons)
    if trades.trades < ENOUGH_TRADES:
        reasons.append(f"Fewer than {ENOUGH_TRADES} trades show nothing either way.")
    proven = deflated.probability >= PROVEN and trades.net_usd > 0 and trades.trades >= ENOUGH_TRADES
    return ("evidence" if proven else "no evidence"), tuple(reasons)


def _contaminated_days(outcome: BacktestOutcome) -> int:
    """Days on which a strategy rested on narratives of a model that may have read how they ended: all of no cutoff."""
    language = outcome.settings.language
    reading = [each for each in traded(outcome.settings.strategies) if each.strategy and each.strategy.needs.text]
    if not (language.url and reading):
        return 0
    return sum(may_have_read(day.on, language.knowledge_cutoff) for day in outcome.days)


def _halted(outcome: BacktestOutcome) -> list[str]:
    """From when on the drawdown halt has refused everything: no person has resumed."""
    halted = [day for day in outcome.days if HALT in day.refused_by and not day.decisions.get("approved")]
    approved = [day.on for day in outcome.days if day.decisions.get("approved")]
    after = [day.on for day in halted if not approved or day.on > approved[-1]]
    if not after:
        return []
    rest = sum(day.on >= after[0] for day in outcome.days)
    return [f"The drawdown halt has refused every entry since {after[0]}, {rest} days: only a person lifts it."]


def _concentration(outcome: BacktestOutcome) -> list[str]:
    """A result that rests on a few days is told as such."""
    gains = sorted((day.closing_usd - day.opening_usd for day in outcome.days), reverse=True)
    total, best = sum(gains), sum(gains[:3])
    if total > 0 and len(gains) > 10 and best > 0.5 * total:
        return [f"The best three days make {best / total:.0%} of the whole gain."]
    return []
