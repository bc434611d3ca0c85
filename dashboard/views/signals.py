"""Signals: every opinion of the day, and what the gates made of those that policy wanted."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.dataframes import counts
from dashboard.day import closed_positions, refusals_of, scored_in, table_of
from dashboard.strategies import named, several, side_by_side
from dashboard.view import View
from dashboard.views.links import open_case
from shared.contracts.records import Table

_SHOWN_ROWS = 2000
"""More opinions than these are counted and drawn, but not listed."""


def render(view: View) -> None:
    """Show the page."""
    signals = table_of(view.source, Table.SIGNALS, view.on)
    decisions = table_of(view.source, Table.DECISIONS, view.on)
    if signals.empty:
        theme.absent("Nothing was scored on this day yet: scoring begins at 09:35 ET.")
        return
    wanted, candidates = int((signals["policy"] == "ENTER").sum()), scored_in(signals)
    approved = int((decisions["verdict"] == "approved").sum())
    theme.cards(
        [
            ("Candidates scored", f"{candidates:,}", f"{signals['symbol'].nunique()} symbols"),
            ("Signals", f"{wanted:,}", units.percent(wanted / candidates, digits=2) + " of scored"),
            ("Decisions", f"{len(decisions):,}", f"{len(decisions) - approved} refused or expired"),
            ("Approved", f"{approved:,}", units.percent(approved / len(decisions)) if len(decisions) else ""),
        ]
    )
    names = several(signals, decisions)
    if names:
        _by_strategy(view, names, signals, decisions)
    decided, scored = st.tabs(["Decisions", "All opinions"])
    with decided:
        _decisions(view, decisions, names)
    with scored:
        _opinions(view, signals, names)


def _by_strategy(view: View, names: list[str], signals: pd.DataFrame, decisions: pd.DataFrame) -> None:
    orders, fills = (table_of(view.source, table, view.on) for table in (Table.ORDERS, Table.FILLS))
    head, rows = side_by_side(names, closed_positions(orders, fills, decisions), signals, decisions)
    theme.facts(rows, head=head, numbers=range(1, len(head)))


def _decisions(view: View, decisions: pd.DataFrame, names: list[str]) -> None:
    if decisions.empty:
        theme.absent("No signal came to the gates on this day.")
        return
    verdicts, symbols, gates, *more = st.columns(4 if names else 3)
    verdict = verdicts.multiselect("Verdict", sorted(decisions["verdict"].unique()), key="verdict")
    symbol = symbols.multiselect("Symbol", sorted(decisions["symbol"].unique()), key="decided-symbol")
    gate = gates.multiselect("Refused by", list(refusals_of(decisions)), key="gate")
    strategy = more[0].multiselect("Strategy", names, key="decided-strategy") if names else []
    found = _within(decisions, {"verdict": verdict, "symbol": symbol, "strategy": strategy})
    if gate:
        found = found[found["refused_by"].map(lambda text: bool(set(gate) & set(text.split())))]
    found = found.sort_values("decided_at", ascending=False)
    listed = pd.DataFrame(
        {
            "Decided": found["decided_at"].map(view.wall),
            "Symbol": found["symbol"],
            "Session": found["session"],
            "Verdict": found["verdict"],
            "Refused by": found["refused_by"],
            "Quantity": found["qty"],
            "Bound": found["bound"],
            "Edge": (found["p_up"] - found["p_down"]).round(3),
            "Move, bp": (found["expected_move"] * 1e4).round(1),
            "Limit, USD": found["limit_usd"],
            "Stop, USD": found["stop_usd"],
            "Target, USD": found["target_usd"],
        }
    )
    at = theme.chosen(named(_told(listed, decisions), found["strategy"], names), key="decisions")
    st.caption("Choose a row to open its case.")
    if at is not None:
        open_case(view, str(found["decision_id"].iloc[at]))
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Refused by")
        refused = refusals_of(decisions)
        if refused:
            theme.chart(charts.count_bars(refused, colour=charts.WARN), key="refusals")
        else:
            st.caption("None was refused by a gate.")
    bounds = charts.count_bars(counts(decisions.loc[decisions["bound"] != "", "bound"]))
    theme.chart(bounds, key="bounds", title="What bound the size", into=right)


_OF_CHANCES = ("p up", "p none", "p down", "Edge", "Move, bp")


def _told(listed: pd.DataFrame, of: pd.DataFrame) -> pd.DataFrame:
    """Leave out what only strategies with models say, where no row of the day says it."""
    return listed if of["p_up"].notna().any() else listed.drop(columns=[n for n in _OF_CHANCES if n in listed])


def _opinions(view: View, signals: pd.DataFrame, names: list[str]) -> None:
    policies, sessions, symbols, edges, *more = st.columns(5 if names else 4)
    policy = policies.multiselect("Policy", sorted(signals["policy"].unique()), key="policy")
    session = sessions.multiselect("Session", sorted(signals["session"].unique()), key="session")
    symbol = symbols.multiselect("Symbol", sorted(signals["symbol"].unique()), key="symbol")
    least = edges.number_input("Edge at least", value=None, step=0.01, format="%.2f", key="edge")
    strategy = more[0].multiselect("Strategy", names, key="strategy") if names else []
    found = _within(signals, {"policy": policy, "session": session, "symbol": symbol, "strategy": strategy})
    if least is not None:
        found = found[found["edge"] >= least]
    left, right = st.columns([0.6, 0.4], gap="medium")
    if found["edge"].notna().any():
        theme.chart(charts.scores(found), key="scores", into=left)
    else:
        left.caption("No opinion here gives chances: there is no edge to draw.")
    theme.chart(charts.count_bars(counts(found["policy"])), key="policies", into=right)
    found = found.sort_values(["slot", "edge"], ascending=[False, False])
    shown = found.head(_SHOWN_ROWS)
    listed = named(_told(_listed(view, shown), signals), shown["strategy"], names)
    at = theme.chosen(listed, key="opinions", height=480)
    st.caption(f"{len(found):,} opinions; {min(len(found), _SHOWN_ROWS):,} are listed. Choose a row to open its case.")
    if at is not None:
        open_case(view, str(found["decision_id"].iloc[at]))


def _listed(view: View, found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Scored": found["scored_at"].map(view.wall),
            "Symbol": found["symbol"],
            "Session": found["session"],
            "Policy": found["policy"],
            "p up": found["p_up"].round(3),
            "p none": found["p_none"].round(3),
            "p down": found["p_down"].round(3),
            "Edge": found["edge"].round(3),
            "Move, bp": found["expected_move_bp"].round(1),
            "Cost, bp": found["cost_bp"].round(1),
            "Price, USD": found["price_usd"],
            "Faults": found["faults"],
        }
    )


def _within(rows: pd.DataFrame, wanted: dict[str, list[str]]) -> pd.DataFrame:
    for column, values in wanted.items():
        if values:
            rows = rows[rows[column].isin(values)]
    return rows
