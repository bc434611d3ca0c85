"""Orders and positions: where each order stands, how it came about, what was paid."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.dataframes import counts, frame, records
from dashboard.day import JOURNAL, closed_positions, table_of
from dashboard.store import starting_with
from dashboard.strategies import named, several
from dashboard.view import View
from dashboard.views.links import open_case
from shared.contracts.records import Table, symbol_key


def render(view: View) -> None:
    """Show the page."""
    orders = table_of(view.source, Table.ORDERS, view.on)
    if orders.empty:
        theme.absent("No order on this day.")
        return
    fills = table_of(view.source, Table.FILLS, view.on)
    decisions = table_of(view.source, Table.DECISIONS, view.on)
    closed = closed_positions(orders, fills, decisions)
    ended = orders["phase"].isin(["CLOSED", "CANCELED", "REJECTED", "DENIED", "EXPIRED"])
    realised = float(orders["realised_usd"].sum())
    theme.cards(
        [
            ("Orders", str(len(orders)), f"{int((~ended).sum())} under way"),
            ("Fills", str(len(fills)), units.usd(float(closed["turnover_usd"].sum()), digits=0) + " moved"),
            ("Realised", units.usd(realised, sign=True), "before fees", theme.tone_of(realised)),
            ("Entry slippage", units.bp(_mean(fills.loc[fills["role"] == "entry", "slippage_bp"]), sign=True), "mean"),
            ("Held", units.minutes(_mean(closed["held_min"])), "mean of closed positions"),
        ]
    )
    listed = orders.sort_values("updated_at", ascending=False)
    at = theme.chosen(named(_listed(view, listed), listed["strategy"], several(orders)), key="orders")
    if at is None:
        st.caption("Choose an order to see its steps and its fills.")
        _overview(orders, fills)
        return
    _order(view, listed.iloc[at], fills)


def _listed(view: View, orders: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Symbol": orders["symbol"],
            "Phase": orders["phase"],
            "Left by": orders["exit_reason"],
            "Asked for": orders["qty"],
            "Bought": orders["bought_qty"],
            "Sold": orders["sold_qty"],
            "Paid, USD": orders["entry_usd"].round(4),
            "Stop, USD": orders["stop_usd"],
            "Target, USD": orders["target_usd"],
            "Realised, USD": orders["realised_usd"].round(2),
            "Steps": orders["seq"],
            "Changed": orders["updated_at"].map(view.wall),
            "Note": orders["note"],
        }
    )


def _overview(orders: pd.DataFrame, fills: pd.DataFrame) -> None:
    left, middle, right = st.columns(3, gap="medium")
    theme.chart(charts.count_bars(counts(orders["phase"])), key="phases", title="Where orders stand", into=left)
    with middle:
        st.subheader("Why positions were left")
        reasons = counts(orders.loc[orders["exit_reason"] != "", "exit_reason"])
        if reasons:
            theme.chart(charts.count_bars(reasons), key="reasons")
        else:
            st.caption("None was left yet.")
    realised = charts.signed_bars(orders.groupby("symbol")["realised_usd"].sum(), unit="USD")
    theme.chart(realised, key="by-symbol", title="Realised by symbol, USD", into=right)
    st.subheader("Fills")
    theme.table(_fills(fills), key="fills")


def _order(view: View, order: pd.Series, fills: pd.DataFrame) -> None:
    """One order: where it comes from, its steps, its fills."""
    intent_id = str(order["intent_id"])
    st.subheader(f"{order['symbol']}, order {intent_id}")
    open_case(view, str(order["decision_id"]))
    prefix = symbol_key(str(order["symbol"]), intent_id, "")
    steps = frame(view.source.rows(Table.JOURNAL, str(view.on), starting_with(prefix, JOURNAL)), JOURNAL)
    rows = [
        (str(int(row["seq"])), view.wall(row["at"]), *(str(row[name]) for name in ("command", "phase", "note")))
        for row in records(steps)
    ]
    theme.facts(rows, head=("Step", "At", "Command", "Phase after it", "Note"), scrolls=True)
    theme.table(_fills(fills[fills["intent_id"] == intent_id]), key="order-fills")


def _fills(fills: pd.DataFrame) -> pd.DataFrame:
    found = fills.sort_values("occurred_at", ascending=False)
    return pd.DataFrame(
        {
            "At": found["occurred_at"].map(units.et),
            "Symbol": found["symbol"],
            "Role": found["role"],
            "Side": found["side"],
            "Quantity": found["qty"],
            "Price, USD": found["price_usd"].round(4),
            "Slippage, bp": found["slippage_bp"].round(1),
            "Session": found["session"],
            "Client order id": found["client_order_id"],
        }
    )


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None
