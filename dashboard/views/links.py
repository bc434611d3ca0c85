"""From one page to another."""

from __future__ import annotations

import streamlit as st

from dashboard.view import View

DECISION = "decision"
"""Of the case page: which decision, in the address."""


def open_case(view: View, decision_id: str) -> None:
    """Offer the case of a decision."""
    asked = {"env": view.profile.name, "on": str(view.on), DECISION: decision_id}
    st.page_link(view.case_page, label=f"Open case {decision_id}", icon=":material/description:", query_params=asked)


def asked_decision() -> str:
    """Return the decision that the address names, empty where it names none."""
    return str(st.query_params.get(DECISION, ""))
