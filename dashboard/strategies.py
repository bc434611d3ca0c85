"""Strategies side by side: told apart on pages where more than one has traded, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from dashboard import units
from dashboard.figures import results_of
from dashboard.store import Source
from shared.contracts.records import ACCOUNT, CONTROLS, CURRENT, Table, strategy_key

COUNTED = ("Scored", "Signals", "Decisions", "Approved")
RESULTS = ("Positions", "Win rate", "Realised", "Mean")


def several(*tables: pd.DataFrame) -> list[str]:
    """Names of the strategies of some tables, in order; none where there is one alone."""
    names = sorted({str(name) for table in tables for name in table["strategy"].unique()})
    return names if len(names) > 1 else []


def named(shown: pd.DataFrame, strategies: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    """Put whose each row is behind the symbol, where there are several `names`."""
    if names:
        shown.insert(list(shown.columns).index("Symbol") + 1, "Strategy", strategies)
    return shown


def side_by_side(
    names: Sequence[str],
    positions: pd.DataFrame,
    scored: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Spell each strategy's figures, as head and rows: what its closed positions brought and, before it, how many of
    its opinions came how far, where opinions and decisions are given.
    """
    if scored is None or decisions is None:
        return ("Strategy", *RESULTS), [(name, *_results(positions, name)) for name in names]
    rows = [(name, *_counts(scored, decisions, name), *_results(positions, name)) for name in names]
    return ("Strategy", *COUNTED, *RESULTS), rows


def _counts(scored: pd.DataFrame, decisions: pd.DataFrame, name: str) -> Sequence[str]:
    opinions, decided = scored[scored["strategy"] == name], decisions[decisions["strategy"] == name]
    wanted, approved = (opinions["policy"] == "ENTER").sum(), (decided["verdict"] == "approved").sum()
    return f"{len(opinions):,}", f"{wanted:,}", f"{len(decided):,}", f"{approved:,}"


def _results(positions: pd.DataFrame, name: str) -> Sequence[str]:
    found = results_of(positions[positions["strategy"] == name])
    realised, mean = units.usd(found.realised_usd, sign=True), units.bp(found.expectancy_bp, sign=True)
    return str(found.positions), units.percent(found.win_rate), realised, mean


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyStanding:
    """Where a strategy stands on a day.

    Attributes
    ----------
    share : float or None
        Of the risk budget; None of one that trades no more.
    positions : int
        That it holds.
    result_usd : float
        Of the day, before fees: what has ended and, while the day's ledger stands, what is held.
    halted : str
        Why it enters nothing; empty where it may, and on a day that is over.
    """

    name: str
    share: float | None
    positions: int
    result_usd: float
    halted: str


def standings(
    source: Source, on: date, shares: Mapping[str, float], orders: pd.DataFrame, held: pd.DataFrame
) -> list[StrategyStanding]:
    """Return each strategy that trades, in order of priority, then those that only have something of that day.

    Parameters
    ----------
    shares : mapping of str to float
        As the settings of the day name them.
    orders, held : frame
        The day's orders and open positions, with column strategy.
    """
    ledger = _ledger(source, on)
    books: Mapping[str, Any] = {} if ledger is None else ledger.get("books", {})
    realised = orders.groupby("strategy")["realised_usd"].sum()
    names = dict.fromkeys([*shares, *books, *realised.index, *held["strategy"]])
    return [
        StrategyStanding(
            name=str(name),
            share=shares.get(name),
            positions=int((held["strategy"] == name).sum()),
            result_usd=_result(books[name]) if name in books else float(realised.get(name, 0.0)),
            halted="" if ledger is None else _halted(source, str(name), books.get(name, {})),
        )
        for name in names
    ]


def _ledger(source: Source, on: date) -> Mapping[str, Any] | None:
    """The ledger, while it is the day's."""
    row = source.row(Table.LEDGER, ACCOUNT, CURRENT)
    if row is None or row.get("on") != str(on):
        return None
    found: Mapping[str, Any] = json.loads(str(row["ledger"]))
    return found


def _result(book: Mapping[str, Any]) -> float:
    return sum(float(book.get(name, 0)) for name in ("realised", "open_result"))


def _halted(source: Source, name: str, book: Mapping[str, Any]) -> str:
    row = source.row(Table.CONTROLS, CONTROLS, strategy_key(name))
    if row is not None and row.get("is_on"):
        return f"{row.get('reason', '')} ({row.get('by', '')})"
    return "its share of the day's loss" if book.get("is_day_halted") else ""
