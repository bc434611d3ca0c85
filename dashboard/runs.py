"""Stored backtests: `backtests/{run_id}/summary.json` in container reports, schema `backtest-summary.v1`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.store import Source
from shared.contracts.records import Container

FOLDER = "backtests/"
SUMMARY = "/summary.json"
_FACTS = ("verdict", "reasons", "data", "since", "until", "models", "settings", "in_sample_days")
_FIGURES = ("run", "trades", "deflated_sharpe", "overfitting", "chance")


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRun:
    """One backtest.

    Attributes
    ----------
    facts : mapping of str to str
        What it says of itself: verdict, window, models, settings that were changed.
    metrics : mapping of str to float
        Figures of the run and of its positions, of chance and overfitting, under dotted names.
    splits : mapping
        By split (session, symbol ...) and part of it: figures by name.
    curve : DataFrame
        Columns at (UTC), equity_usd.
    """

    run_id: str
    facts: Mapping[str, str]
    metrics: Mapping[str, float]
    splits: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    curve: pd.DataFrame


def run_ids(source: Source) -> list[str]:
    """Return the runs whose summary is stored, the latest name first."""
    names = source.names(Container.REPORTS, FOLDER)
    return sorted((n.removeprefix(FOLDER).removesuffix(SUMMARY) for n in names if n.endswith(SUMMARY)), reverse=True)


def load_run(source: Source, run_id: str) -> BacktestRun | None:
    """Read a run; None where its summary is gone or is no JSON object."""
    stored = source.blob(Container.REPORTS, f"{FOLDER}{run_id}{SUMMARY}")
    try:
        summary = json.loads(stored) if stored else None
    except ValueError:
        return None
    return run_of(run_id, summary) if isinstance(summary, dict) else None


def run_of(run_id: str, summary: Mapping[str, Any]) -> BacktestRun:
    """Sort a summary's content by how it is shown; a part that it lacks is empty."""
    benchmarks = {f"benchmark.{one['name']}": one for one in summary.get("benchmarks", ())}
    chosen = {name: summary[name] for name in _FIGURES if isinstance(summary.get(name), Mapping)}
    return BacktestRun(
        run_id=run_id,
        facts={name: _words(summary[name]) for name in _FACTS if name in summary},
        metrics=dict(_numbers({**chosen, **benchmarks})),
        splits=summary.get("splits", {}),
        curve=_curve(summary.get("curve", ())),
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text}" for name, text in value.items()) or "none"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _numbers(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{path}{name}", float(value)


def _curve(points: Any) -> pd.DataFrame:
    made = pd.DataFrame(list(points), columns=["at", "equity_usd"])
    made["at"] = pd.to_datetime(made["at"], utc=True, format="ISO8601", errors="coerce")
    made["equity_usd"] = pd.to_numeric(made["equity_usd"], errors="coerce")
    return made.dropna()
