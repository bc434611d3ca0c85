"""The frame around the pages: navigation, environment, day, refresh."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard import theme, units
from dashboard.cache import CachedSource
from dashboard.environments import StorageEnvironment, profiles_from
from dashboard.store import StorageView
from dashboard.view import View
from dashboard.views import (
    backtests,
    case,
    configuration,
    incidents,
    journal,
    models,
    news,
    orders,
    performance,
    sessions,
    signals,
    today,
    watchlist,
)
from shared.core.errors import GatehouseError

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M2 14V7l6-5 6 5v7h-4V9H6v5z" fill="#2f6f8f"/></svg>'
)
"""A gatehouse; drawn here so that no page asks another machine for it."""

type Render = Callable[[View], None]

REFRESH_S: Mapping[str, float | None] = {"every 10 s": 10.0, "every 30 s": 30.0, "off": None}

_PAGES: Mapping[str, Mapping[str, tuple[str, str, Render]]] = {
    "The day": {
        "today": ("Today", "today", today.render),
        "watchlist": ("Watchlist", "visibility", watchlist.render),
        "news": ("News", "newspaper", news.render),
        "signals": ("Signals", "sensors", signals.render),
        "case": ("Case", "description", case.render),
        "orders": ("Orders and positions", "receipt_long", orders.render),
    },
    "Figures": {
        "performance": ("Performance", "monitoring", performance.render),
        "sessions": ("Sessions", "schedule", sessions.render),
        "backtests": ("Backtests and replay", "history", backtests.render),
        "models": ("Models and drift", "model_training", models.render),
    },
    "The system": {
        "journal": ("Journal", "menu_book", journal.render),
        "incidents": ("Incidents", "report", incidents.render),
        "configuration": ("Configuration", "tune", configuration.render),
    },
}

PAGES: Mapping[str, str] = {path: title for group in _PAGES.values() for path, (title, _, _) in group.items()}
"""Every page: its address and its title."""


@st.cache_resource(show_spinner=False)
def _source(profile: StorageEnvironment) -> CachedSource:
    """One cache per environment, for all who look."""
    return CachedSource(StorageView(profile.storage))


def main() -> None:
    """Show the page that is asked for."""
    st.set_page_config(page_title="Gatehouse", page_icon=ICON, layout="wide")
    theme.style()
    made: dict[str, StreamlitPage] = {}
    groups = {}
    for group, pages in _PAGES.items():
        for path, (title, icon, render) in pages.items():
            run = _page(title, render, made)
            made[path] = st.Page(run, title=title, icon=f":material/{icon}:", url_path=path, default=path == "today")
        groups[group] = [made[path] for path in pages]
    st.navigation(groups, expanded=True).run()


def alone(path: str) -> None:
    """Show one page without the navigation around it, as tests and measurements do."""
    title, _, render = next(pages[path] for pages in _PAGES.values() if path in pages)
    _page(title, render, {"case": st.Page(lambda: None, title="Case", url_path="case")})()


def _page(title: str, render: Render, pages: Mapping[str, StreamlitPage]) -> Callable[[], None]:
    """Return a page as Streamlit runs it: the sidebar's choices, then the page, redrawn in place as time goes by."""

    def run() -> None:
        try:
            view, refresh_s = _chosen(pages)
        except GatehouseError as error:
            st.title(title)
            st.error(f"Storage does not answer: {error}", icon=":material/cloud_off:")
            return
        if view is None:
            st.title(title)
            theme.absent("This storage holds no day yet. Run `make day`, or wait for the app's first scan.")
            return

        @st.fragment(run_every=refresh_s if view.is_latest else None)
        def body() -> None:
            if view.source.days() != view.days:
                st.rerun()  # a new day has begun: the choices beside the page are old
            _draw(title, render, view)

        body()

    return run


def _draw(title: str, render: Render, view: View) -> None:
    st.title(title)
    try:
        render(view)
    except GatehouseError as error:
        st.error(f"Storage does not answer: {error}", icon=":material/cloud_off:")


def _chosen(pages: Mapping[str, StreamlitPage]) -> tuple[View | None, float | None]:
    profiles = {profile.name: profile for profile in profiles_from(os.environ)}
    with st.sidebar:
        name = st.segmented_control(
            "Environment", list(profiles), default=_asked("env", list(profiles)), key="env", required=True
        )
        profile = profiles[name or next(iter(profiles))]
        source = _source(profile)
        days = source.days()
        if not days:
            return None, None
        on = _day(days, profile.name)
        refresh = st.selectbox("Refresh", list(REFRESH_S), key="refresh")
        if st.button("Read anew", icon=":material/refresh:", width="stretch"):
            source.forget()
    st.query_params.update({"env": profile.name, "on": str(on)})
    view = View(profile=profile, source=source, days=days, on=on, zone=_zone(), case_page=pages["case"])
    return view, REFRESH_S[refresh]


def _asked(name: str, choices: list[str]) -> str:
    """A choice out of the address, so that a page can be sent as a link."""
    asked = st.query_params.get(name, "")
    return asked if asked in choices else choices[0]


def _day(days: tuple[date, ...], environment: str) -> date:
    """The day that is chosen; who looks at the latest goes on with the next when it begins."""
    texts = [str(on) for on in days]
    key, latest = f"on-{environment}", f"latest-{environment}"
    known = st.session_state.get(key)
    if known not in texts:
        st.session_state[key] = _asked("on", texts)
    elif known == st.session_state.get(latest):
        st.session_state[key] = texts[0]
    st.session_state[latest] = texts[0]
    return date.fromisoformat(
        st.selectbox("Day", texts, key=key, format_func=lambda text: units.day(date.fromisoformat(text)))
    )


def _zone() -> tzinfo:
    """Where the browser says it is."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
