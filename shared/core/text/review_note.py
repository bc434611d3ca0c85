"""The weekly review as an argued note: what a language model is asked, and what of its answer is believed.

It is shown the review's lines and nothing else: no row, no symbol, no date. People read the note; nothing acts on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.text.answers import AnswerError, answer_object, text_of, texts_of
from shared.core.text.grounding import unsaid_figure
from shared.core.text.language import LanguageReply, LanguageRequest, Prompt
from shared.core.text.narratives import NarrativeStatus

MAX_NOTE, MAX_FINDINGS, MAX_FINDING = 1200, 5, 240
NOTE_TOKENS = 900
"""Of the answer: note and findings in full, as JSON."""

NOTE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "note": {"type": "string", "minLength": 1, "maxLength": MAX_NOTE},
        "findings": {
            "type": "array",
            "maxItems": MAX_FINDINGS,
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_FINDING},
        },
    },
    "required": ["note", "findings"],
    "additionalProperties": False,
}
_KEYS = tuple(NOTE_SCHEMA["required"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewNote:
    """`weekly/YYYY-MM-DD.note.json`: note and findings where it is `TOLD`, else why there is none.

    `record` names the call's record in container language, as far as there was an answer.
    """

    schema_id: str = "review-note.v1"
    status: NarrativeStatus
    fault: str = ""
    note: str = ""
    findings: tuple[str, ...] = ()
    model: str = ""
    prompt_id: str = ""
    record: str = ""


def note_question(figures: Sequence[str], prompt: Prompt) -> LanguageRequest:
    """Ask for the note on a week whose figures are these lines."""
    return LanguageRequest(
        prompt_id=prompt.id,
        system=prompt.text,
        user=json.dumps({"figures": list(figures)}, ensure_ascii=False),
        schema=json.dumps(NOTE_SCHEMA),
        max_tokens=NOTE_TOKENS,
    )


def judged_note(figures: Sequence[str], reply: LanguageReply, *, prompt_id: str, record: str) -> ReviewNote:
    """Judge what came: of the right form, and no number, ticker or address that the figures do not have."""
    status, fault, note, findings = NarrativeStatus.TOLD, "", "", tuple[str, ...]()
    try:
        found = answer_object(reply.text, _KEYS, finish=reply.finish)
        note = text_of("note", found["note"], MAX_NOTE)
        findings = texts_of("findings", found["findings"], most=MAX_FINDINGS, longest=MAX_FINDING)
    except AnswerError as error:
        status, fault = NarrativeStatus.INVALID_PARSE, str(error)
    else:
        if fault := next(filter(None, (unsaid_figure(text, figures) for text in (note, *findings))), ""):
            status = NarrativeStatus.UNGROUNDED
    is_told = status is NarrativeStatus.TOLD
    return ReviewNote(
        status=status,
        fault=fault,
        note=note if is_told else "",
        findings=findings if is_told else (),
        model=reply.model,
        prompt_id=prompt_id,
        record=record,
    )
