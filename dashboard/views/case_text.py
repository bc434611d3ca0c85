"""What the news said when a case was decided: the narrative against the tape, its quotes, the stories."""

from __future__ import annotations

import streamlit as st

from dashboard import theme, units
from dashboard.news import threads_of
from dashboard.view import View
from dashboard.views.story_entries import narrative_tone, narrative_words, story_entry
from shared.contracts.cases import Case, CaseText
from shared.core.text.narratives import Narrative

_WEIGHED = {"narrative": "Narrative", "price_score": "Price", "divergence": "Divergence", "volume_z": "Volume z"}
"""Figures that are shown as cards; the others stand in a table."""


def news_panel(view: View, case: Case) -> None:
    """Show the panel: it says what is off where there is nothing to show."""
    st.subheader("What the news said")
    text = case.text
    if text is None:
        st.caption("This file was written by an older revision of the app, which kept no news.")
        return
    marks: list[tuple[str, theme.Tone]] = [(text.fault, "warn")] if text.fault else []
    if text.narrative is not None:
        marks.append((f"narrative {narrative_words(text.narrative)}", narrative_tone(text.narrative)))
    if text.reason:
        marks.append((text.reason, "good"))
    theme.chips(marks)
    _weighed(text)
    left, right = st.columns(2, gap="large")
    with left:
        if text.narrative is None:
            st.caption("No narrative was known when it was decided.")
        else:
            _narrative(view, text.narrative, text)
    with right:
        _stories(view, text)


def _weighed(text: CaseText) -> None:
    shown = [(words, f"{text.figures[name]:+.2f}") for name, words in _WEIGHED.items() if name in text.figures]
    if shown:
        confidence = text.figures.get("confidence")
        theme.cards([*shown, ("Confidence", units.percent(confidence, digits=0))])
    others = [(name, f"{value:+.3f}") for name, value in text.figures.items() if name not in _WEIGHED]
    if others:
        with st.expander("Other figures of the strategy"):
            theme.facts(others, numbers=(1,))


def _narrative(view: View, told: Narrative, text: CaseText) -> None:
    answer = told.answer
    sentiment = f"{told.sentiment:+.2f}" if told.sentiment is not None else units.NOTHING
    said = []
    if answer is not None:
        said = [("Summary", answer.summary), ("Model's own score", f"{answer.score:+.2f}")]
    theme.facts(
        [
            ("Status", told.status.value),
            *([("Fault", told.fault)] if told.fault else []),
            *said,
            ("Sentiment of the stories", sentiment),
            ("Asked, told", f"{view.wall(told.asked_at)}, {view.wall(told.told_at)}"),
            ("Answered by", f"{told.model or units.NOTHING}{', after a repair' if told.is_repaired else ''}"),
            ("Prompt", told.prompt_id or units.NOTHING),
            ("Recorded calls", " ".join(told.records) or units.NOTHING),
        ]
    )
    if answer is not None and answer.quotes:
        st.subheader("Quotes")
        found = [(quote, text.story(quote.story_id)) for quote in answer.quotes]
        rows = [
            (f"\u201c{quote.text}\u201d", theme.WebLink(text=story.source, url=story.url) if story else quote.story_id)
            for quote, story in found
        ]
        theme.facts(rows, head=("Word for word", "Source"))


def _stories(view: View, text: CaseText) -> None:
    st.subheader("Stories that were known")
    if not text.stories:
        st.caption("None of the 24 hours before.")
        return
    theme.entries([story_entry(view, thread) for thread in threads_of(text.stories)])
