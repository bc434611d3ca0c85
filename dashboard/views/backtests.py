"""Backtests and replay: runs side by side, their curves over each other, and what the nightly replay found."""

from __future__ import annotations

import json

import streamlit as st

from dashboard import charts, theme, units
from dashboard.runs import BacktestRun, load_run, run_ids
from dashboard.view import View
from shared.contracts.cases import WITHIN_TOLERANCE
from shared.contracts.records import Container

_MOST = 4
"""Runs beside each other: more cannot be read."""


def render(view: View) -> None:
    """Show the page."""
    backtests, replays = st.tabs(["Backtests", "Replay"])
    with backtests:
        _backtests(view)
    with replays:
        _replays(view)


def _backtests(view: View) -> None:
    there = run_ids(view.source)
    if not there:
        theme.absent("No backtest is stored in this environment. A backtest that publishes its report shows up here.")
        return
    names = st.multiselect("Runs", there, default=there[:2], max_selections=_MOST, key="runs")
    runs = [run for name in names if (run := load_run(view.source, name)) is not None]
    if not runs:
        st.caption("Choose up to four runs.")
        return
    drawn = {run.run_id: run for run in runs if len(run.curve)}
    if drawn:
        st.subheader("Equity, from 100 at the start")
        curves = {
            name: (
                list(charts.new_york(run.curve["at"])),
                list(100 * run.curve["equity_usd"] / run.curve["equity_usd"].iloc[0]),
            )
            for name, run in drawn.items()
        }
        theme.chart(charts.lines(curves, unit="index"), key="overlay")
    st.subheader("Side by side")
    _side_by_side(runs)
    _splits(runs)


def _side_by_side(runs: list[BacktestRun]) -> None:
    facts = list(dict.fromkeys(name for run in runs for name in run.facts))
    metrics = list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows = [(name, *[run.facts.get(name, units.NOTHING) for run in runs]) for name in facts]
    rows += [
        (name, *[units.figure(run.metrics[name]) if name in run.metrics else units.NOTHING for run in runs])
        for name in metrics
    ]
    theme.facts(rows, head=("", *[run.run_id for run in runs]), numbers=range(1, len(runs) + 1))


def _splits(runs: list[BacktestRun]) -> None:
    """Figures of the parts of each run: by session, symbol, hour, regime, event."""
    names = list(dict.fromkeys(name for run in runs for name in run.splits))
    if not names:
        return
    st.subheader("Where it was made")
    for tab, name in zip(st.tabs(names), names, strict=True):
        parts = [(run.run_id, part, found) for run in runs for part, found in run.splits.get(name, {}).items()]
        columns = list(dict.fromkeys(column for _, _, found in parts for column in found))
        rows = [(run_id, part, *[_figure(found.get(column)) for column in columns]) for run_id, part, found in parts]
        with tab:
            theme.facts(rows, head=("Run", name, *columns), numbers=range(2, 2 + len(columns)), scrolls=True)


def _figure(value: float | None) -> str:
    return units.NOTHING if value is None else units.figure(value)


def _replays(view: View) -> None:
    stored = view.source.blob(Container.REPORTS, f"{view.on}/replay.json")
    if stored is None:
        theme.absent("The nightly check has not replayed this day's sample yet.")
        return
    found = json.loads(stored)
    differs, revised = dict(found["differs"]), f"{found['revised']} decided by another revision"
    close = found.get("close", 0)  # reports of older code know none
    equal = f"bit for bit; {close:,} more {WITHIN_TOLERANCE}" if close else "bit for bit"
    theme.cards(
        [
            ("Cases of the day", f"{found['cases']:,}"),
            ("Replayed", f"{found['sampled']:,}", f"made {found['made_at']}"),
            ("Equal", f"{found['equal']:,}", equal, "good" if not differs else "plain"),
            ("Different", f"{len(differs):,}", revised, "bad" if len(differs) > found["revised"] else "plain"),
        ]
    )
    if differs:
        st.subheader("What differs")
        theme.facts([(name, ", ".join(parts)) for name, parts in differs.items()], head=("Decision", "Parts"))
    else:
        st.caption("Every replayed decision came out as it was recorded.")
