"""What a committee said of a case's entry: each role's answer, and what they came to."""

from __future__ import annotations

import streamlit as st

from dashboard import theme, units
from shared.contracts.cases import Case
from shared.core.committee.values import Deliberation, RoleOutcome, Stance

_TONES: dict[Stance, theme.Tone] = {Stance.APPROVE: "good", Stance.SHRINK: "warn", Stance.VETO: "bad"}


def committee_panel(case: Case) -> None:
    """Show the deliberation; nothing where none sat."""
    found = None if case.inputs.facts is None else case.inputs.facts.committee
    if found is None:
        return
    st.subheader("What the committee said")
    marks: list[tuple[str, theme.Tone]] = [(_left(found), "plain" if found.factor == 1 else "warn")]
    marks += [(f"{each.role}: {_said(each)}", _tone(each)) for each in found.outcomes]
    theme.chips(marks)
    rows = [(each.role.value, _said(each), _why(each), _sources(case, each)) for each in found.outcomes]
    theme.facts(rows, head=("Role", "Says", "Why", "Rests on"), scrolls=True)
    st.caption(
        f"Decided by: {found.why}. A role without a valid answer counts as {found.default}. It can only make an entry "
        "smaller; symbol, stop and target are out of its reach."
    )


def _left(found: Deliberation) -> str:
    return "the size as planned" if found.factor == 1 else f"size times {found.factor}"


def _said(outcome: RoleOutcome) -> str:
    answer = outcome.answer
    if answer is None:
        return outcome.fault
    return f"{answer.stance} {answer.factor}" if answer.stance is Stance.SHRINK else answer.stance.value


def _tone(outcome: RoleOutcome) -> theme.Tone:
    return "plain" if outcome.answer is None else _TONES[outcome.answer.stance]


def _why(outcome: RoleOutcome) -> str:
    return outcome.why if outcome.answer is None else outcome.answer.reason


def _sources(case: Case, outcome: RoleOutcome) -> str:
    """Ids of the evidence; a story by its headline."""
    if outcome.answer is None:
        return units.NOTHING
    found = []
    for source in outcome.answer.source_ids:
        story = case.text.story(source) if case.text is not None else None
        found.append(source if story is None else story.headline)
    return ", ".join(found)
