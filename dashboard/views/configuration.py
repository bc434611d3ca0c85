"""Configuration: the settings that decisions are made under, and the parameter sets that a person may accept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import theme, units
from dashboard.active import KEPT, ShownSettings, active_settings, defaults
from dashboard.view import View
from dashboard.views.acts import act_form
from shared.bootstrap import JsonCodec
from shared.contracts.openapi.routes import ACCEPT_PARAMETERS
from shared.contracts.parameters import OWN_SETTINGS, ParameterSet
from shared.contracts.records import CONTROLS, PARAMETERS, Container, Table
from shared.core.errors import ContractError


def render(view: View) -> None:
    """Show the page."""
    limits = active_settings(view.source, view.on)
    accepted = view.source.row(Table.CONTROLS, CONTROLS, PARAMETERS)
    name = str(accepted["parameter_set"]) if accepted else OWN_SETTINGS
    told = f"slice of {units.slot(limits.slot)} ET" if limits.slot else "no slice tells yet: defaults are shown"
    note = f"by {accepted['by']}: {accepted['reason']}" if accepted else "the app's own settings"
    theme.cards(
        [
            ("Parameter set accepted", name, note),
            ("Decisions made under", str(limits.values["policy"].get("parameter_set", OWN_SETTINGS)), told),
            ("Settings", limits.settings_id[:12] or units.NOTHING, "hash of policy, risk and strategies"),
        ]
    )
    settings, sets, profile = st.tabs(["Settings in force", "Parameter sets", "Environments"])
    with settings:
        _settings(limits)
    with sets:
        _sets(view, limits, name)
    with profile:
        _profile(view)


def _settings(limits: ShownSettings) -> None:
    only = st.toggle("Only those that differ from their default", key="only-changed")
    for group, declared in KEPT.items():
        usual, rows = defaults(declared), []
        for item in dataclasses.fields(declared):
            found = limits.values[group].get(item.name)
            differs = _shown(found) != _shown(usual.get(item.name))
            if "name" in item.metadata and (differs or not only):
                meta = item.metadata
                mark = "changed" if differs else ""
                rows.append(
                    (meta["name"], _shown(found), meta["unit"], _shown(usual.get(item.name)), mark, meta["what"])
                )
        st.subheader(group.capitalize())
        if rows:
            theme.facts(rows, head=("Setting", "In force", "Unit", "Default", "", "What"), numbers=(1, 3))
        else:
            st.caption("All as by default.")


def _sets(view: View, limits: ShownSettings, accepted: str) -> None:
    found = [_set_of(view, name) for name in view.source.names(Container.PARAMETERS, "")]
    sets = {one.name: one for one in found if one is not None}
    if not sets:
        theme.absent("No parameter set is stored: the weekly review and the training job propose them.")
        return
    name = st.selectbox("Parameter set", sorted(sets), key="set")
    one = sets[name]
    st.caption(f"Proposed by {one.proposed_by}, {one.created_at:%Y-%m-%d %H:%M} UTC. Evidence: {one.evidence.blob}")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("What it changes")
        now = _by_name(limits)
        rows = [(key, _shown(now.get(key)), text) for key, text in sorted(one.values.items())]
        theme.facts(rows, head=("Setting", "In force", "Proposed"), numbers=(1, 2))
    with right:
        st.subheader("Figures of its evidence")
        theme.facts([(key, units.figure(value)) for key, value in one.evidence.figures.items()], numbers=(1,))
    if name == accepted:
        st.caption("This set is the one accepted.")
    else:
        act_form(view, ACCEPT_PARAMETERS, {"name": name}, label="Accept this set", key=f"accept-{name}")
    if accepted != OWN_SETTINGS:
        act_form(
            view, ACCEPT_PARAMETERS, {"name": OWN_SETTINGS}, label="Back to the app's own settings", key="accept-own"
        )


def _set_of(view: View, name: str) -> ParameterSet | None:
    stored = view.source.blob(Container.PARAMETERS, name)
    try:
        return None if stored is None else JsonCodec().decode(ParameterSet, stored)
    except ContractError as error:
        st.warning(f"{name} cannot be read: {error}")
        return None


def _by_name(limits: ShownSettings) -> Mapping[str, Any]:
    """Values in force by the settings' names."""
    return {
        item.metadata["name"]: limits.values[group].get(item.name)
        for group, declared in KEPT.items()
        for item in dataclasses.fields(declared)
        if "name" in item.metadata
    }


def _profile(view: View) -> None:
    storage = view.profile.storage
    how = "a connection string" if storage.connection else f"this user's identity, account {storage.account_name}"
    theme.facts(
        [
            ("Environment", view.profile.name),
            ("Storage is entered with", how),
            ("Acts go to", view.profile.api or "nowhere: no address is configured"),
            ("Session dates in storage", f"{len(view.days):,}, from {view.days[-1]} to {view.days[0]}"),
        ]
    )


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_shown, value)) or "none"
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return f"{value:g}" if isinstance(value, float) else str(value)
