"""Journal: every step of every order, every act of a person, and what the person was told, of one day."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import theme
from dashboard.dataframes import frame, records
from dashboard.day import JOURNAL, day_report, table_of
from dashboard.store import KEY, Query, starting_with
from dashboard.view import View
from shared.contracts.records import Table

ROWS = 500
"""Steps shown at once: the page asks storage for no more, however long the day's journal is."""


def render(view: View) -> None:
    """Show the page."""
    steps, acts, notices = st.tabs(["Steps of orders", "Acts of people", "Notices"])
    with steps:
        _steps(view)
    with acts:
        _acts(view)
    with notices:
        _notices(view)


def _steps(view: View) -> None:
    report = day_report(view.source, view.on)
    if report:
        seal = str(report["journal_hash"])[:16]
        st.caption(f"The day report sealed {report['journal_rows']:,} rows with {seal}.")
    wanted, _ = st.columns([0.3, 0.7])
    symbol = wanted.text_input("Symbol", key="journal-symbol", placeholder="all").strip().upper().replace("/", "_")
    starts = _starts(view, symbol)
    rows = view.source.rows(Table.JOURNAL, str(view.on), _page(symbol, starts[-1]))
    if not rows:
        theme.absent("No step of an order is on record here.")
        return
    found = frame(rows[:ROWS], JOURNAL)
    theme.table(_listed(view, found), key="steps", height=560)
    more = len(rows) > ROWS
    st.caption(f"{len(found):,} steps by symbol and order, page {len(starts)}{', more follow' if more else ''}.")
    back, onward, _ = st.columns([0.12, 0.12, 0.76])
    back.button("Back", disabled=len(starts) == 1, key="journal-back", on_click=_turn, args=(starts, ""))
    following = str(rows[ROWS][KEY]) if more else ""
    onward.button("On", disabled=not more, key="journal-on", on_click=_turn, args=(starts, following))


def _turn(starts: list[str], to: str) -> None:
    """Turn the page, to the one that starts with a key, or back."""
    if to:
        starts.append(to)
    else:
        starts.pop()


def _starts(view: View, symbol: str) -> list[str]:
    """First key of each page turned so far; another day or symbol begins anew."""
    which = (view.profile.name, view.on, symbol)
    if st.session_state.get("journal-which") != which:
        st.session_state["journal-which"], st.session_state["journal-starts"] = which, [""]
    starts: list[str] = st.session_state["journal-starts"]
    return starts


def _page(symbol: str, start: str) -> Query:
    """One row more than is shown tells whether more follow."""
    if symbol:
        whole = starting_with(f"{symbol}|")
        return Query(columns=JOURNAL, key_from=start or whole.key_from, key_to=whole.key_to, limit=ROWS + 1)
    return Query(columns=JOURNAL, key_from=start, limit=ROWS + 1)


def _listed(view: View, found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "At": found["at"].map(view.wall),
            "Symbol": found["symbol"],
            "Order": found["intent_id"],
            "Step": found["seq"],
            "Command": found["command"],
            "Phase after it": found["phase"],
            "Note": found["note"],
            "Hash": found["hash"].str[:12],
            "Code": found["code_revision"],
        }
    )


def _acts(view: View) -> None:
    acts = table_of(view.source, Table.CONTROLS, view.on).sort_values("at", ascending=False)
    if acts.empty:
        theme.absent("Nobody has acted on this day.")
        return
    acts["who"] = acts["by"].where(acts["by"] != "", acts["caller"])
    acts["of"] = acts["matter"].where(acts["matter"] != "", acts["intent_id"])
    for column in ("parameter_set", "strategy"):
        acts["of"] = acts["of"].where(acts["of"] != "", acts[column])
    shown = ["act", "who", "reason", "status", "of", "problem"]
    rows = [(view.wall(row["at"]), *(row[name] for name in shown)) for row in records(acts)]
    theme.facts(rows, head=("At", "Act", "By", "Why", "Answer", "Of", "Problem"))


def _notices(view: View) -> None:
    told = table_of(view.source, Table.NOTICES, view.on).sort_values("decided_at", ascending=False)
    if told.empty:
        theme.absent("No notice is on record here: they are kept where there is a channel to send them through.")
        return
    rows = [
        (view.wall(row["decided_at"]), row["severity"], row["kind"], row["title"], row["channels"])
        for row in records(told)
    ]
    theme.facts(rows, head=("At", "Severity", "Kind", "Title", "What each channel made of it"))
