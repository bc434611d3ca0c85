"""Parameter walk-forward: several parameter sets on the same days, each window traded by what was best before it.

Every set is run once over all days, by joblib, on scores that are computed once. A finished run is kept under the hash
of what went into it and not run again. What is picked is picked on the past only; what that would have earned is the
evidence that a proposal carries. A person accepts it, nobody else.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from joblib import Parallel, delayed

from shared.adapters.codec import decode_json, encode_json
from shared.contracts.parameters import TUNABLE, Evidence, ParameterSet
from shared.core.errors import SettingsError
from shared.core.ids import canonical_json, digest
from training.backtest.engine import batched_scores, run
from training.backtest.metrics import annualised, run_figures, sharpe, trade_figures
from training.backtest.overfit import best_column, deflated_sharpe, overfitting, variance_of_ratios
from training.backtest.spec import BacktestOutcome, ModelPlan, Spec
from training.backtest.study import run_id
from training.data.store import write_whole
from training.dataset import Progress

LEAST_PAST = 20
"""Days before the first choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One parameter set's run: its values, days and daily returns, and a few figures."""

    name: str
    values: Mapping[str, str]
    run_id: str
    dates: tuple[date, ...]
    returns: tuple[float, ...]
    trades: int
    net_usd: float
    expectancy_bp: float
    max_drawdown: float

    @property
    def sharpe(self) -> float:
        """Annualised Sharpe ratio of the daily returns."""
        return annualised(sharpe(np.array(self.returns)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One window: what was best before it, and what that earned in it."""

    since: date
    until: date
    name: str
    past_sharpe: float
    day_returns: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Outcome of a parameter walk-forward.

    Attributes
    ----------
    chosen : Trial
        Best over all days: what would be traded next.
    sharpe, probability : float
        Of the windows' returns, chosen on the past alone: annualised Sharpe ratio, and the probability that it is above
        what the best of so many worthless sets gives.
    overfitting : float
        Probability that picking the best of the sets overfits (CSCV).
    """

    trials: tuple[Trial, ...]
    choices: tuple[Choice, ...]
    chosen: Trial
    sharpe: float
    total_return: float
    probability: float
    overfitting: float

    def figures(self) -> dict[str, float]:
        """Evidence of the chosen set in figures; what is not known is left out."""
        found = {
            "trials": float(len(self.trials)),
            "days": float(len(self.chosen.returns)),
            "chosen_on_the_past_sharpe": self.sharpe,
            "chosen_on_the_past_return": self.total_return,
            "deflated_sharpe_probability": self.probability,
            "overfitting_probability": self.overfitting,
            "trades": float(self.chosen.trades),
            "net_usd": self.chosen.net_usd,
            "expectancy_bp": self.chosen.expectancy_bp,
            "max_drawdown": self.chosen.max_drawdown,
            "sharpe": self.chosen.sharpe,
        }
        return {name: value for name, value in found.items() if np.isfinite(value)}


def parse_grid(texts: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of `NAME=VALUE,VALUE` texts.

    Raises
    ------
    SettingsError
        If a text cannot be read, or names what a parameter set may not hold.
    """
    axes = []
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise SettingsError(f"--grid {text!r}: expected NAME=VALUE,VALUE")
        if name not in TUNABLE:
            raise SettingsError(f"--grid {name}: no parameter set may hold it")
        axes.append([(name, value.strip()) for value in values.split(",")])
    return [dict(combination) for combination in itertools.product(*axes)]


def run_trials(
    spec: Spec, models: ModelPlan, grid: Sequence[Mapping[str, str]], folder: Path, progress: Progress, *, jobs: int
) -> list[Trial]:
    """Run every set of a grid, but those whose run is kept in the folder already.

    `jobs` is joblib's: whatever backend is registered and chosen by `joblib.parallel_config` runs them.
    """
    kept = folder / "runs"
    kept.mkdir(parents=True, exist_ok=True)
    specs = [dataclasses.replace(spec, changed={**spec.changed, **values}, workers=0, cases=False) for values in grid]
    paths = [kept / f"{_trial_id(each, models)}.json" for each in specs]
    missing = [k for k, path in enumerate(paths) if not path.is_file()]
    if missing:
        scores = folder / "scores.joblib"
        joblib.dump(batched_scores(spec, models, progress), scores)
        tasks = [delayed(_one)(specs[k], models, dict(grid[k]), scores, paths[k]) for k in missing]
        for done, _ in enumerate(Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks), start=1):
            progress("parameter sets", done / len(missing))
        scores.unlink()
    return [decode_json(Trial, path.read_bytes()) for path in paths]


def _trial_id(spec: Spec, models: ModelPlan) -> str:
    content = {
        "bars": digest(spec.bars.read_bytes()),
        "days": [str(spec.since), str(spec.until)],
        "changed": dict(sorted(spec.changed.items())),
        "models": [[on.isoformat(), pair.version] for on, pair in models.steps],
        "cash": str(spec.cash_usd),
        "venue": str(spec.venue),
        "core": spec.core,
        "code": code_digest(),
    }
    return digest(canonical_json(content))[:20]


@cache
def code_digest() -> str:
    """Of everything that a run's result depends on besides its inputs.

    Taken once: a process goes on with the code that it has loaded, whatever becomes of the files meanwhile.
    """
    root = Path(__file__).resolve().parents[2]
    folders = ("shared", "simulation/venue", "simulation/market", "simulation/runtime", "training/backtest")
    paths = sorted(path for name in folders for path in (root / name).rglob("*.py"))
    return digest(b"".join(path.read_bytes() for path in paths))


def _one(spec: Spec, models: ModelPlan, values: Mapping[str, str], scores: Path, path: Path) -> None:
    """Runs in a process of joblib's; the file appears whole or not at all."""
    outcome = run(spec, models, scores=joblib.load(scores))
    write_whole(path, encode_json(trial_of(outcome, values)))


def trial_of(outcome: BacktestOutcome, values: Mapping[str, str]) -> Trial:
    """Carry a run into a trial."""
    trades = trade_figures(outcome.trades)
    return Trial(
        name=name_of(values),
        values=dict(values),
        run_id=run_id(outcome),
        dates=tuple(day.on for day in outcome.days),
        returns=tuple(day.day_return for day in outcome.days),
        trades=trades.trades,
        net_usd=trades.net_usd,
        expectancy_bp=trades.expectancy_bp if trades.trades else 0.0,
        max_drawdown=run_figures(outcome.days).max_drawdown,
    )


def name_of(values: Mapping[str, str]) -> str:
    """A set's values in one line."""
    return " ".join(f"{name.removeprefix('GATEHOUSE_').lower()}={values[name]}" for name in sorted(values)) or "own"


def walk(trials: Sequence[Trial], *, window: int, least_past: int = LEAST_PAST, looks: int = 1) -> Walk:
    """Choose for each window the set that was best before it, and look what it earned.

    Parameters
    ----------
    trials : sequence of Trial
        On the same days, at least one.
    window : int
        Days between two choices.
    least_past : int
        Days before the first choice.
    looks : int
        Walks like this one that are picked from: as many times the trials.

    Raises
    ------
    ValueError
        If days differ, or there are too few.
    """
    dates = trials[0].dates
    if any(trial.dates != dates for trial in trials):
        raise ValueError("trials must be of the same days")
    if len(dates) <= least_past:
        raise ValueError(f"days must be more than {least_past}, got {len(dates)}")
    returns = np.array([trial.returns for trial in trials]).T
    choices = []
    for start in range(least_past, len(dates), window):
        end = min(start + window, len(dates))
        best = best_column(returns[:start])
        choices.append(
            Choice(
                since=dates[start],
                until=dates[end - 1],
                name=trials[best].name,
                past_sharpe=annualised(sharpe(returns[:start, best])),
                day_returns=tuple(returns[start:end, best].tolist()),
            )
        )
    own = np.array([value for choice in choices for value in choice.day_returns])
    blocks = min(10, len(dates) // 2 * 2)
    return Walk(
        trials=tuple(trials),
        choices=tuple(choices),
        chosen=trials[best_column(returns)],
        sharpe=annualised(sharpe(own)),
        total_return=float(np.prod(1 + own) - 1),
        probability=deflated_sharpe(own, trials=looks * len(trials), variance=variance_of_ratios(returns)).probability,
        overfitting=overfitting(returns, blocks).probability if len(trials) > 1 else float("nan"),
    )


def proposal(found: Walk, *, name: str, created_at: datetime, blob: str) -> ParameterSet:
    """The chosen set as a proposal that a person may accept.

    Raises
    ------
    SettingsError
        If the name cannot be one.
    """
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?", name):
        raise SettingsError(f"--propose {name!r}: expected 1 to 63 of a-z, 0-9, dots and dashes")
    return ParameterSet(
        name=name,
        created_at=created_at,
        proposed_by="backtest walkforward",
        values=dict(found.chosen.values),
        evidence=Evidence(blob=blob, figures=found.figures()),
    )


def walk_as_data(found: Walk) -> dict[str, Any]:
    """A walk as plain data: the evidence blob."""
    return {
        "schema_id": "backtest-walkforward.v1",
        "figures": found.figures(),
        "chosen": dict(found.chosen.values),
        "choices": [
            {
                "since": choice.since.isoformat(),
                "until": choice.until.isoformat(),
                "set": choice.name,
                "past_sharpe": choice.past_sharpe if np.isfinite(choice.past_sharpe) else None,
                "return": float(np.prod(1 + np.array(choice.day_returns)) - 1),
            }
            for choice in found.choices
        ],
        "trials": [
            {
                "values": dict(trial.values),
                "run_id": trial.run_id,
                "sharpe": trial.sharpe if np.isfinite(trial.sharpe) else None,
                "trades": trial.trades,
                "net_usd": trial.net_usd,
                "max_drawdown": trial.max_drawdown,
            }
            for trial in found.trials
        ],
    }
