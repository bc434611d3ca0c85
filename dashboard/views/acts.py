"""The form behind every act: who, why, with which key; the app does it and journals it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard.api import act
from dashboard.view import View
from shared.contracts.openapi.fields import Route


def act_form(view: View, route: Route, body: Mapping[str, str], *, label: str, key: str) -> None:
    """Ask who and why, and call the app."""
    if not view.profile.api:
        st.caption(f"No address of the {view.profile.name} app is configured: acts are done through its API.")
        return
    with st.form(key=key, border=True):
        st.caption(f"{route.summary}. Through {view.profile.api}; the key is not kept.")
        names, reasons, keys = st.columns(3)
        by = names.text_input("By", key=f"{key}-by")
        reason = reasons.text_input("Why", key=f"{key}-why")
        secret = keys.text_input("Function key", type="password", key=f"{key}-key", autocomplete="off")
        asked = st.form_submit_button(label)
    if not asked:
        return
    if not (by and reason and secret):
        st.warning("Who, why and a function key are needed.")
        return
    answer = act(view.profile.api, secret, route, {**body, "by": by, "reason": reason})
    if answer.is_done:
        view.source.forget()
        st.success(answer.text)
    else:
        st.error(answer.text)
