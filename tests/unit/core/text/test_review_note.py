"""A week's note says no number that the week's figures do not have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.prompts import REVIEW, prompt
from shared.core.text.grounding import unsaid_figure
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.review_note import MAX_FINDINGS, MAX_NOTE, NOTE_SCHEMA, ReviewNote, judged_note, note_question
from tests.support.language import reply

FIGURES = (
    "-85.00 USD realised in 23 orders and 5 sessions",
    "Hit rate 43%, expectancy -3.70 USD an order",
    "REG-PM: -120.50 USD, 20% of 12",
    "Slippage: entry +2.4 bp, exit +1.1 bp",
    "Proposed: GATEHOUSE_ENTRY_SESSIONS = REG-AM REG-MID. Surely lost before fees. REG-PM: -1.25% an order over 21",
)


def judge(note: object = "It lost 85.00 USD.", findings: object = (), finish: str = "stop") -> ReviewNote:
    text = json.dumps({"note": note, "findings": findings})
    return judged_note(FIGURES, reply(text, finish=finish), prompt_id="review.v1@1", record="r.json.gz")


def test_what_is_asked_holds_the_lines_and_nothing_else() -> None:
    asked = note_question(FIGURES, prompt(REVIEW))
    assert json.loads(asked.user) == {"figures": list(FIGURES)}
    assert json.loads(asked.schema) == NOTE_SCHEMA
    assert all(f'"{key}"' in asked.system for key in NOTE_SCHEMA["required"])


def test_a_note_that_repeats_the_figures_is_told() -> None:
    note = (
        "Few orders: 23. REG-PM lost 120.50 USD, at -1.25% an order. A fifth session may tell more; slippage is 2.4 bp."
    )
    found = judge(note.replace("A fifth", "Another"), ["Look at REG-PM."])
    assert (found.status, found.fault) == (NarrativeStatus.TOLD, "")
    assert found.findings == ("Look at REG-PM.",)
    assert (found.model, found.record) == ("small-model-2026", "r.json.gz")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("It lost 86 USD.", "number '86 USD'"),
        ("The hit rate was 43.", "number '43'"),
        ("It earned +85.00 USD.", "number '+85.00 USD'"),
        ("Slippage was 2.4%.", "number '2.4%'"),
        ("It lost twice as much.", "number 'twice'"),
        ("TSLA lost most.", "ticker 'TSLA'"),
        ("$tsla lost most.", "ticker 'tsla'"),
        ("See https://example.com/x", "an address"),
        ("Ask me@example.com", "an address"),
    ],
)
def test_what_the_figures_do_not_have_is_refused_with_the_first_of_it(said: str, fault: str) -> None:
    for found in (judge(said), judge("Nothing.", [said])):
        assert found.status is NarrativeStatus.UNGROUNDED
        assert found.fault.startswith(fault)
        assert (found.note, found.findings) == ("", ())


@pytest.mark.parametrize(
    ("note", "findings", "finish"),
    [
        ("x" * (MAX_NOTE + 1), [], "stop"),
        ("", [], "stop"),
        (7, [], "stop"),
        ("Fine.", "none", "stop"),
        ("Fine.", ["a"] * MAX_FINDINGS + ["b"], "stop"),
        ("Fine.", [], "length"),
    ],
)
def test_an_answer_of_another_form_is_refused(note: object, findings: object, finish: str) -> None:
    assert judge(note, findings, finish).status is NarrativeStatus.INVALID_PARSE


@given(st.one_of(st.text(max_size=300), st.recursive(st.none() | st.floats() | st.text(max_size=9), st.lists)))
def test_whatever_comes_is_judged_and_what_is_told_is_bounded(answer: Any) -> None:
    text = answer if isinstance(answer, str) else json.dumps({"note": answer, "findings": answer})
    found = judged_note(FIGURES, reply(text), prompt_id="", record="")
    assert (found.status is NarrativeStatus.TOLD) == bool(found.note)
    assert len(found.note) <= MAX_NOTE
    assert len(found.findings) <= MAX_FINDINGS


@given(st.decimals(min_value=0, max_value=10_000, places=2))
def test_a_number_is_taken_only_if_a_line_has_it(value: Any) -> None:
    is_there = f"{value} USD" in {"85.00 USD", "3.70 USD", "120.50 USD"}
    assert (unsaid_figure(f"It was {value} USD.", FIGURES) == "") == is_there
