"""Value of refusals: what gates, committee and roles saved or cost over some sessions, by the shadow book."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dashboard import charts, theme
from dashboard.day import COLUMNS
from dashboard.store import Query
from dashboard.view import View
from shared.contracts.records import Table
from shared.core.refusals import HEAD, RefusalValue, Refuser, sections, spelled, value_of_refusals
from shared.stages.evidence.shadows import shadow_of

_FIGURES = range(1, 5)
_ASIDES = range(2, 5)


def refusals_of(view: View, days: list[date]) -> tuple[RefusalValue, ...]:
    """Value what was refused or shrunk in several days."""
    found = view.source.many(Table.SHADOWS, [str(on) for on in days], Query(columns=COLUMNS[Table.SHADOWS]))
    return value_of_refusals(shadow_of(on, row) for on, rows in zip(days, found, strict=True) for row in rows)


def show(view: View, days: list[date]) -> None:
    """Show the section."""
    st.subheader("Value of refusals")
    values = refusals_of(view, days)
    if not values:
        theme.absent("Nothing was refused or shrunk in this range, or no night has followed it yet.")
        return
    st.caption(
        "Entries that were refused or shrunk, followed on paper: same exits, same costs. In brackets the interval of "
        "95 % over sessions drawn anew; each refuser is judged as if it alone were taken away and money were free."
    )
    sure = [
        (each.name, -bp.value, -bp.high, -bp.low)
        for each in values
        if each.part is Refuser.ALONE and (bp := each.net_bp) and bp.low is not None and bp.high is not None
    ]
    if sure:
        figure = charts.intervals(sure, unit="bp an entry")
        theme.chart(figure, key="refusals", title="What each saved alone, bp an entry")
    for heading, lines in sections(values).items():
        theme.facts([spelled(each) for each in lines], head=(heading, *HEAD[1:]), numbers=_FIGURES, asides=_ASIDES)
