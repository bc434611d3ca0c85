"""Sessions: what each part of the trading day brought, and at what price it was traded."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.day import scored_in, tables_of
from dashboard.figures import grown_by, results_by
from dashboard.strategies import several, side_by_side
from dashboard.view import View
from dashboard.views.performance import chosen_days, positions_of
from shared.contracts.records import Table
from shared.core.sessions import Session

_ORDER = [session.value for session in Session]
_ALL = "all"


def render(view: View) -> None:
    """Show the page."""
    days = chosen_days(view)
    scored, decisions, fills = (
        tables_of(view.source, table, days) for table in (Table.SIGNALS, Table.DECISIONS, Table.FILLS)
    )
    positions = positions_of(view, days)
    names = several(scored, decisions, fills, positions)
    head, of_each = side_by_side(names, positions, scored, decisions)
    if names:
        chosen = st.segmented_control("Strategy", [_ALL, *names], default=_ALL, key="sessions-strategy", required=True)
        scored, decisions, fills, positions = (
            table if chosen == _ALL else table[table["strategy"] == chosen]
            for table in (scored, decisions, fills, positions)
        )
    groups = results_by(positions, "session")
    rows = [
        _row(name, scored, decisions, fills, groups) for name in _ORDER if _is_there(name, scored, decisions, fills)
    ]
    if not rows:
        theme.absent("Nothing was scored in this range.")
        return
    theme.facts([list(row.values()) for row in rows], head=list(rows[0]), numbers=range(1, len(rows[0])))
    st.caption(
        "Positions and their results count to the session of their decision, fills to the session they happened in. "
        "Slippage is that of entries over the price at the decision; positive is worse."
    )
    if of_each:
        st.subheader("By strategy")
        theme.facts(of_each, head=head, numbers=range(1, len(head)))
    if positions.empty:
        return
    left, right = st.columns(2, gap="medium")
    slippage = {str(name): float(value) for name, value in _slippage(fills).round(2).items()}
    realised = charts.signed_bars(groups["realised_usd"], unit="USD")
    theme.chart(realised, key="realised", title="Realised, USD", into=left)
    theme.chart(charts.count_bars(slippage), key="slippage", title="Entry slippage, bp", into=right)
    if len(days) > 1:
        grown = charts.lines(grown_by(positions, "session"), unit="USD")
        theme.chart(grown, key="grown", title="Realised so far, by session")


def _is_there(name: str, *tables: pd.DataFrame) -> bool:
    return any((table["session"] == name).any() for table in tables)


def _row(
    name: str, scored: pd.DataFrame, decisions: pd.DataFrame, fills: pd.DataFrame, groups: pd.DataFrame
) -> dict[str, str]:
    opinions, decided, filled = (table[table["session"] == name] for table in (scored, decisions, fills))
    none: dict[str, Any] = {"positions": 0, "realised_usd": 0.0, "win_rate": None}
    result = groups.loc[name].to_dict() if name in groups.index else none
    return {
        "Session": name,
        "Scored": f"{scored_in(opinions):,}",
        "Signals": str(int((opinions["policy"] == "ENTER").sum())),
        "Decisions": str(len(decided)),
        "Approved": str(int((decided["verdict"] == "approved").sum())),
        "Positions": str(int(result["positions"])),
        "Realised": units.usd(float(result["realised_usd"]), sign=True),
        "Win rate": units.percent(result["win_rate"]),
        "Fills": str(len(filled)),
        "Slippage": units.bp(_slippage(filled).get(name), sign=True),
    }


def _slippage(fills: pd.DataFrame) -> pd.Series:
    """Mean slippage of entries by session, weighted by quantity."""
    entries = fills[fills["role"] == "entry"]
    weighted = (entries["slippage_bp"] * entries["qty"]).groupby(entries["session"]).sum()
    return weighted / entries.groupby("session")["qty"].sum()
