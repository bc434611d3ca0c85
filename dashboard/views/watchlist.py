"""Watchlist: who was watched when, why, and what came of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, theme, units
from dashboard.dataframes import counts, records
from dashboard.day import table_of
from dashboard.view import View
from shared.contracts.records import Table


def render(view: View) -> None:
    """Show the page."""
    watched = table_of(view.source, Table.WATCHLIST, view.on)
    if watched.empty:
        theme.absent("No watchlist on this day yet: the first is made at 07:00 ET.")
        return
    slots = sorted(watched["slot"].unique(), reverse=True)
    theme.cards(
        [
            ("Symbols watched", f"{watched['symbol'].nunique():,}", "over the whole day"),
            ("Lists", str(len(slots)), "made on this day"),
            ("Last list", f"{units.slot(slots[0])} ET", view.wall(watched["made_at"].max())),
            ("Symbols on it", str(int((watched["slot"] == slots[0]).sum()))),
        ]
    )
    slot = st.segmented_control("List", slots, default=slots[0], format_func=units.slot, key="slot", required=True)
    listed = watched[watched["slot"] == slot].sort_values("rank")
    left, right = st.columns([0.7, 0.3], gap="medium")
    with left:
        theme.table(_shown(view, listed), key="listed", height=560)
    with right:
        theme.chart(charts.count_bars(counts(listed["why"])), key="why", title="Why they are on it")
        _stories(view, set(listed["symbol"]))


def _shown(view: View, listed: pd.DataFrame) -> pd.DataFrame:
    signals = table_of(view.source, Table.SIGNALS, view.on)
    scored = signals.groupby("symbol")["slot"].count()
    wanted = signals[signals["policy"] == "ENTER"].groupby("symbol")["slot"].count()
    return pd.DataFrame(
        {
            "Rank": listed["rank"].astype(int),
            "Symbol": listed["symbol"],
            "Why": listed["why"],
            "Score": listed["score"].round(3),
            "Gap, %": (listed["gap"] * 100).round(2),
            "RVOL": listed["rvol"].round(2),
            "Times scored": listed["symbol"].map(scored).fillna(0).astype(int),
            "Signals": listed["symbol"].map(wanted).fillna(0).astype(int),
        }
    )


def _stories(view: View, symbols: set[str]) -> None:
    stories = table_of(view.source, Table.STORIES, view.on)
    is_of_these = stories["symbols"].map(lambda text: bool(symbols & set(text.split()))).astype(bool)
    mentioned = stories[is_of_these & (stories["echo_of"] == "")]
    st.subheader("Stories of these symbols")
    if mentioned.empty:
        st.caption("None on this day.")
        return
    latest = mentioned.sort_values("received_at", ascending=False).head(12)
    rows = [
        (
            units.et(row["received_at"], seconds=False).removesuffix(" ET"),
            str(row["symbols"]),
            theme.WebLink(text=str(row["headline"]), url=str(row["url"])),
        )
        for row in records(latest)
    ]
    theme.facts(rows, head=("Received, ET", "Symbols", "Headline"), scrolls=True)
