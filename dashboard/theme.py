"""What all pages share: style, cards, limits, tables, and the words for what is absent."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure
from streamlit.delta_generator import DeltaGenerator

from dashboard import units
from dashboard.charts import ACCENT, GAIN, INK, LOSS, MUTED, RULE, WARN
from shared.core.text.addresses import web_address

type Tone = Literal["plain", "good", "warn", "bad"]

_TONES: Mapping[str, str] = {"plain": MUTED, "good": GAIN, "warn": WARN, "bad": LOSS}
_STYLE = f"""
<style>
.block-container {{ padding-top: 2.6rem; padding-bottom: 3rem; padding-left: 2.6rem; padding-right: 2.6rem;
  max-width: 1320px; }}
h1 {{ font-size: 1.55rem !important; font-weight: 600 !important; padding: 0 0 .2rem 0 !important; }}
h3 {{ font-size: 1.0rem !important; font-weight: 600 !important; padding: .6rem 0 .2rem 0 !important; }}
.gh-cards {{ display: grid; gap: .6rem; margin: .2rem 0; }}
@media (max-width: 1100px) {{ .gh-cards {{ grid-template-columns: repeat(3, 1fr) !important; }} }}
.gh-card {{ border: 1px solid {RULE}; border-radius: 8px; padding: .55rem .75rem; background: #fff; min-width: 0; }}
.gh-label {{ color: {MUTED}; font-size: .76rem; }}
.gh-value {{ color: {INK}; font-size: 1.06rem; font-weight: 600; font-variant-numeric: tabular-nums;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
.gh-note {{ color: {MUTED}; font-size: .76rem; }}
.gh-limit {{ margin: .3rem 0 .55rem 0; font-size: .84rem; color: {INK}; }}
.gh-limit div.gh-row {{ display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }}
.gh-track {{ height: 6px; border-radius: 3px; background: {RULE}; overflow: hidden; margin-top: .15rem; }}
.gh-track div {{ height: 6px; border-radius: 3px; }}
.gh-chip {{ display: inline-block; border-radius: 10px; padding: .05rem .6rem; font-size: .78rem; margin-right: .35rem;
  border: 1px solid; }}
.gh-facts {{ width: 100%; border-collapse: collapse; font-size: .86rem; }}
.gh-facts td, .gh-facts th {{ border: 0; border-bottom: 1px solid {RULE}; padding: .22rem .5rem .22rem 0;
  text-align: left; vertical-align: top; font-variant-numeric: tabular-nums; }}
.gh-facts th {{ color: {MUTED}; font-weight: 400; }}
.gh-facts td.gh-number, .gh-facts th.gh-number {{ text-align: right; }}
.gh-facts td {{ overflow-wrap: anywhere; }}
.gh-entry {{ border-bottom: 1px solid {RULE}; padding: .5rem 0; overflow-wrap: anywhere; }}
.gh-entry .gh-title {{ color: {INK}; font-size: .95rem; unicode-bidi: isolate; }}
.gh-entry .gh-chip {{ margin-top: .25rem; }}
.gh-entry details {{ color: {MUTED}; font-size: .8rem; margin-top: .25rem; }}
.gh-link {{ color: {ACCENT}; }}
@media (max-width: 640px) {{ .gh-cards {{ grid-template-columns: repeat(2, 1fr) !important; }}
  .block-container {{ padding-left: 1rem; padding-right: 1rem; }}
  .gh-facts td.gh-aside, .gh-facts th.gh-aside {{ display: none; }} }}
.gh-scroll {{ max-height: 26rem; overflow-y: auto; }}
</style>
"""


def style() -> None:
    """Put the style sheet into the page."""
    st.html(_STYLE)


def cards(figures: Sequence[tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, Tone]]) -> None:
    """Show figures as cards: label, value, and perhaps a note and a tone of the value."""
    made = []
    for label, value, *rest in figures:
        note = rest[0] if rest else ""
        tone = rest[1] if len(rest) > 1 else "plain"
        colour = "" if tone == "plain" else f' style="color:{_TONES[tone]}"'
        made.append(
            f'<div class="gh-card"><div class="gh-label">{html.escape(label)}</div>'
            f'<div class="gh-value"{colour}>{html.escape(value)}</div>'
            f'<div class="gh-note">{html.escape(note)}</div></div>'
        )
    columns = f"grid-template-columns: repeat({len(made)}, 1fr)"
    st.html(f'<div class="gh-cards" style="{columns}">{"".join(made)}</div>')


def tone_of(value: float | None) -> Tone:
    """Good for a gain, bad for a loss."""
    if value is None or not value:
        return "plain"
    return "good" if value > 0 else "bad"


def limit(label: str, shown: str, share: float) -> None:
    """Show how much of a limit is used: `share` 1 is all of it."""
    colour = LOSS if share >= 1 else WARN if share >= 0.75 else ACCENT
    st.html(
        f'<div class="gh-limit"><div class="gh-row"><span>{html.escape(label)}</span>'
        f"<span>{html.escape(shown)}</span></div>"
        f'<div class="gh-track"><div style="width:{min(max(share, 0.0), 1.0):.1%};background:{colour}"></div>'
        "</div></div>"
    )


def chips(marks: Sequence[tuple[str, Tone]]) -> None:
    """Show short marks side by side."""
    st.html(_chips(marks))


def _chips(marks: Sequence[tuple[str, Tone]]) -> str:
    return "".join(
        f'<span class="gh-chip" style="color:{_TONES[tone]};border-color:{_TONES[tone]}">{html.escape(text)}</span>'
        for text, tone in marks
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLink:
    """Words that lead to an address, where that is one of the web: else they are words alone."""

    text: str
    url: str


type Said = str | WebLink
"""What a cell says."""


def _html(said: Said) -> str:
    """Spell a cell: nothing of others becomes markup, and no page is told where its reader came from."""
    if isinstance(said, str):
        return html.escape(said)
    address, text = web_address(said.url), html.escape(said.text)
    if not address:
        return text
    rel = 'target="_blank" rel="noopener noreferrer nofollow"'
    return f'<a class="gh-link" href="{html.escape(address)}" {rel}>{text}</a>'


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """One of a stream: a title, a note under it, marks, and what is folded under a few words."""

    title: Said
    note: str
    marks: Sequence[tuple[str, Tone]] = ()
    folded: str = ""
    under: Sequence[Said] = ()


def entries(shown: Sequence[StreamEntry]) -> None:
    """Show a stream, one entry under the other: it fits any width."""
    st.html("".join(map(_entry, shown)))


def _entry(entry: StreamEntry) -> str:
    under = "".join(f"<div>{_html(said)}</div>" for said in entry.under)
    folded = f"<details><summary>{html.escape(entry.folded)}</summary>{under}</details>" if entry.under else ""
    return (
        f'<div class="gh-entry"><div class="gh-title">{_html(entry.title)}</div>'
        f'<div class="gh-note">{html.escape(entry.note)}</div>{_chips(entry.marks)}{folded}</div>'
    )


def facts(
    rows: Sequence[Sequence[Said]],
    *,
    head: Sequence[str] = (),
    numbers: Sequence[int] = (),
    asides: Sequence[int] = (),
    scrolls: bool = False,
) -> None:
    """Show a small table of text and links; columns `numbers` stand at the right, `scrolls` bounds its height.

    Columns `asides` are left out on a telephone.
    """
    kind = ' class="gh-scroll"' if scrolls else ""
    classes = dict.fromkeys(numbers, "gh-number")
    classes |= {at: f"{classes.get(at, '')} gh-aside".strip() for at in asides}
    body = "".join(_row("td", row, classes) for row in rows)
    st.html(f'<div{kind}><table class="gh-facts">{_row("th", head, classes) if head else ""}{body}</table></div>')


def _row(tag: str, cells: Sequence[Said], classes: Mapping[int, str]) -> str:
    made = (f"<{tag}{_class(classes.get(at))}>{_html(said)}</{tag}>" for at, said in enumerate(cells))
    return f"<tr>{''.join(made)}</tr>"


def _class(name: str | None) -> str:
    return f' class="{name}"' if name else ""


def table(shown: pd.DataFrame, *, key: str, height: int | None = None, **options: Any) -> Any:
    """Show a frame that can be sorted, searched and downloaded; `options` are those of Streamlit's data frames."""
    options |= {"hide_index": True, "width": "stretch", "placeholder": "", "column_config": _formats(shown)}
    return st.dataframe(shown, height=height or "auto", key=key, **options)


def chosen(shown: pd.DataFrame, *, key: str, height: int | None = None) -> int | None:
    """Show a frame of which a row can be chosen; return its position."""
    event = table(shown, key=key, height=height, on_select="rerun", selection_mode="single-row")
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows else None


QUANTITIES = frozenset({"Quantity", "Asked for", "Bought", "Sold"})
"""Columns in units of the asset."""


def _formats(shown: pd.DataFrame) -> dict[str, Any]:
    """Money with two decimals, or four where something costs less than a dollar; quantities with those they have."""
    made: dict[str, Any] = {}
    for name in QUANTITIES.intersection(shown.columns):
        digits = max((len(units.quantity(qty).partition(".")[2]) for qty in shown[name].dropna()), default=0)
        made[name] = st.column_config.NumberColumn(format=f"%.{digits}f")
    for name in shown.columns:
        if str(name).endswith(", USD"):
            is_small = bool((shown[name].abs() < 1).any()) and not str(name).startswith(("Realised", "Open"))
            made[str(name)] = st.column_config.NumberColumn(format="%.4f" if is_small else "%.2f")
    return made


def chart(figure: Figure, *, key: str, title: str = "", into: DeltaGenerator | None = None) -> None:
    """Show a chart without plotly's own tool bar, here or in a column."""
    place: Any = into or st
    if title:
        place.subheader(title)
    place.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False, "displaylogo": False})


def absent(text: str) -> None:
    """Say plainly that something is not there, and when it will be."""
    st.info(text, icon=":material/hourglass_empty:")
