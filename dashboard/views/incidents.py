"""Incidents: what went wrong, the bytes that could not be read or carried, and the way back for them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import theme
from dashboard.dataframes import counts
from dashboard.day import table_of
from dashboard.view import View
from dashboard.views.acts import act_form
from shared.contracts.openapi.routes import POISON_REDRIVE, QUARANTINE_REDRIVE
from shared.contracts.records import Container, Table

_ROUTES = {"poison": POISON_REDRIVE, "quarantine": QUARANTINE_REDRIVE}
_SHOWN_BYTES = 4000


def render(view: View) -> None:
    """Show the page."""
    found = table_of(view.source, Table.INCIDENTS, view.on).sort_values("at", ascending=False)
    kinds = counts(found["kind"])
    theme.cards(
        [
            ("Incidents", str(len(found)), f"{int((found['status'] == 'open').sum())} open"),
            ("Poison", str(kinds.get("poison", 0)), "messages that failed five times"),
            ("Quarantined", str(kinds.get("quarantine", 0)), "messages that could not be read"),
            ("Other", str(len(found) - kinds.get("poison", 0) - kinds.get("quarantine", 0)), "broker, account, jobs"),
        ]
    )
    if found.empty:
        st.success("No incident on this day.", icon=":material/check_circle:")
        return
    at = theme.chosen(_listed(view, found), key="incidents")
    if at is None:
        st.caption("Choose an incident to read it, see its bytes and send it back.")
        return
    _incident(view, found.iloc[at])


def _listed(view: View, found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "At": found["at"].map(view.wall),
            "Kind": found["kind"],
            "Title": found["title"],
            "Status": found["status"],
            "Key": found["key"],
        }
    )


def _incident(view: View, incident: pd.Series) -> None:
    st.subheader(str(incident["title"]))
    st.text(str(incident["body"]))
    blob = str(incident["blob"])
    if blob:
        data = view.source.blob(Container.QUARANTINE, blob)
        st.caption(f"quarantine/{blob}, {len(data or b''):,} bytes")
        st.code((data or b"").decode(errors="replace")[:_SHOWN_BYTES], language=None, wrap_lines=True)
    route = _ROUTES.get(str(incident["kind"]))
    if route is not None:
        key = str(incident["key"])
        act_form(view, route, {"on": str(view.on), "incident": key}, label="Send it back", key=f"replay-{key}")
