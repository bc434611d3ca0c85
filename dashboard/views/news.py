"""News: the day's stories and what each led to, narratives, calls of the language model, feeds, and what is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard import theme, units
from dashboard.active import active_settings
from dashboard.dataframes import records
from dashboard.day import table_of
from dashboard.news import (
    CallFigures,
    Consequences,
    Off,
    Thread,
    calls_on,
    feeds_of,
    figures_of,
    narratives_on,
    opinions_on,
    stories_on,
    threads_of,
    what_is_off,
)
from dashboard.view import View
from dashboard.views.links import open_case
from dashboard.views.story_entries import story_entry
from shared.contracts.records import Table
from shared.core.text.narratives import Narrative, NarrativeStatus

_SHOWN = 100
"""Stories of the stream; more are counted and can be filtered."""


def render(view: View) -> None:
    """Show the page."""
    found = stories_on(view.source, view.on)
    narratives, unread_narratives = narratives_on(view.source, view.on)
    calls, feeds = calls_on(view.source, view.on), feeds_of(view.source)
    threads, figures = threads_of(found.stories), figures_of(calls)
    _figures(threads, len(found.stories), narratives, figures)
    strategies = active_settings(view.source, view.on).shares
    _off(what_is_off(found.stories, narratives, calls=len(calls), feeds=len(feeds), strategies=strategies))
    if unread := found.unread + unread_narratives:
        st.warning(f"{unread} rows of stories and narratives cannot be read.")
    decisions, orders = (table_of(view.source, table, view.on) for table in (Table.DECISIONS, Table.ORDERS))
    led = Consequences(narratives, opinions_on(view.source, view.on), decisions, orders)
    streamed, told, asked, read = st.tabs(["Stories", "Narratives", "Language model", "Feeds"])
    with streamed:
        _stream(view, threads, led, found.passed_by)
    with told:
        _narratives(view, narratives, led)
    with asked:
        _calls(calls, figures)
    with read:
        _feeds(view, feeds)


def _figures(threads: Sequence[Thread], stories: int, narratives: Sequence[Narrative], figures: CallFigures) -> None:
    told = sum(each.status is NarrativeStatus.TOLD for each in narratives)
    symbols = {symbol for thread in threads for symbol in thread.first.symbols}
    theme.cards(
        [
            ("Stories", f"{len(threads):,}", f"{stories - len(threads)} echoes folded"),
            ("Symbols", f"{len(symbols):,}", "with a story"),
            ("Narratives", f"{told:,}", f"told, of {len(narratives)} asked for"),
            ("Answers rejected", units.percent(figures.rejected), "not valid, or not held by their stories"),
            ("Answer after", units.whole(figures.p50_ms, "ms"), f"95 % within {units.whole(figures.p95_ms, 'ms')}"),
            ("Cost", units.usd(figures.usd, digits=4), f"{figures.tokens_in + figures.tokens_out:,.0f} tokens"),
        ]
    )


def _off(found: Sequence[Off]) -> None:
    if not found:
        theme.chips([("every part of the news is on", "good")])
        return
    theme.facts([(each.part, each.why, each.turned_on_by) for each in found], head=("Off", "Why", "Turned on by"))


def _stream(view: View, threads: Sequence[Thread], led: Consequences, passed_by: Mapping[str, str]) -> None:
    if not threads:
        theme.absent("No story on this day yet: news is looked for every 15 minutes from 04:00 ET.")
        return
    symbols = sorted({symbol for thread in threads for symbol in thread.first.symbols})
    wanted = set(st.multiselect("Symbol", symbols, key="news-symbol"))
    found = [thread for thread in threads if not wanted or wanted & set(thread.first.symbols)]
    theme.entries(
        [
            story_entry(view, thread, led.of(thread.first), passed_by.get(thread.first.story_id, ""))
            for thread in found[:_SHOWN]
        ]
    )
    if len(found) > _SHOWN:
        st.caption(f"{len(found):,} stories; the latest {_SHOWN} are shown.")


def _narratives(view: View, narratives: Sequence[Narrative], led: Consequences) -> None:
    if not narratives:
        theme.absent("No narrative was asked for on this day.")
        return
    latest = [(told, led.of_narrative(told)) for told in reversed(narratives)]
    listed = pd.DataFrame(
        {
            "Told": [view.wall(told.told_at) for told, _ in latest],
            "Symbol": [told.symbol for told, _ in latest],
            "Status": [told.status.value for told, _ in latest],
            "Score": [told.score for told, _ in latest],
            "Confidence": [told.answer.confidence if told.answer else None for told, _ in latest],
            "Opinion": [f"{each.strategy} {each.policy}".strip() for _, each in latest],
            "Verdict": [each.verdict for _, each in latest],
            "Order": [each.phase for _, each in latest],
            "Said, or fault": [told.answer.summary if told.answer else told.fault for told, _ in latest],
            "Repaired": ["yes" if told.is_repaired else "" for told, _ in latest],
            "Model": [told.model for told, _ in latest],
        }
    )
    at = theme.chosen(listed.round(2), key="narratives")
    st.caption("Choose a row to open the case that it led to.")
    if at is not None and latest[at][1].decision_id:
        open_case(view, latest[at][1].decision_id)


def _calls(calls: pd.DataFrame, figures: CallFigures) -> None:
    if calls.empty:
        theme.absent("No language model was called on this day.")
        return
    theme.cards(
        [
            ("Calls", f"{figures.calls:,}", f"{figures.answered} answered"),
            ("Latency", units.whole(figures.p50_ms, "ms"), f"p95 {units.whole(figures.p95_ms, 'ms')}, answered"),
            ("Tokens", f"{figures.tokens_in:,.0f} in", f"{figures.tokens_out:,.0f} out"),
            ("Rejected", units.percent(figures.rejected), "of the answers"),
            ("Repairs", units.percent(figures.repairs), "of the first answers"),
            ("Cost", units.usd(figures.usd, digits=4), "at the prices that are set"),
        ]
    )
    st.subheader("By outcome")
    theme.facts([(name, str(count)) for name, count in figures.outcomes.items()], numbers=(1,))
    st.subheader("By model and prompt")
    theme.facts(
        [(str(model), str(prompt), *_of(part)) for (model, prompt), part in calls.groupby(["model", "prompt_id"])],
        head=("Model", "Prompt", "Calls", "p50", "p95", "Rejected", "Cost"),
        numbers=(2, 3, 4, 5, 6),
    )


def _of(part: pd.DataFrame) -> tuple[str, ...]:
    found = figures_of(part)
    latency = units.whole(found.p50_ms, "ms"), units.whole(found.p95_ms, "ms")
    return str(found.calls), *latency, units.percent(found.rejected), units.usd(found.usd, digits=4)


def _feeds(view: View, feeds: pd.DataFrame) -> None:
    if feeds.empty:
        theme.absent("No feed has been read. GATEHOUSE_NEWS_FEEDS names feeds; the account's own news needs none.")
        return
    rows = [
        (
            str(row["name"]),
            view.wall(row["read_at"]),
            units.whole(row["items"]),
            "unchanged" if row["unchanged"] == str(True) else "",
            str(row["fault"]) or "sound",
        )
        for row in records(feeds.sort_values("name"))
    ]
    theme.facts(rows, head=("Feed", "Last read", "Items", "", "State"), numbers=(2,))
