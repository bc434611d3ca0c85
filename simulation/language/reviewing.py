"""What the commentator makes of a week's figures: it argues from their lines in the lines' own words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_NOTE, MOST_FINDINGS, MOST_FINDING = 1000, 3, 200
_PROPOSED = "Proposed: "
_WORTH_A_LOOK = ("Refused by", "Slippage", "Incidents", "Brier")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReview:
    """The lines of a week as a question shows them, and whether it is asked again."""

    figures: Sequence[str]
    is_repair: bool

    @property
    def identity(self) -> str:
        """What makes it the same question."""
        return "\x1f".join(self.figures)


def shown_review(messages: object) -> ShownReview | None:
    """Read a question about a week; None where it is none."""
    try:
        document = json.loads(messages[-1]["content"])  # type: ignore[index]
        figures = [str(line) for line in document["figures"]]
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return ShownReview(figures=figures, is_repair="refused" in document) if figures else None


def note_on(review: ShownReview) -> dict[str, Any]:
    """A sound answer: every number in it is a line's own."""
    first, *rest = review.figures
    proposed = [line.removeprefix(_PROPOSED) for line in rest if line.startswith(_PROPOSED)]
    told = [f"This is what the week says: {first}", *rest[:2]]
    for change in proposed:
        told += [f"A change is asked for: {change}", "It rests on these orders alone, and a walk-forward must bear it"]
    if not proposed:
        told.append("Nothing speaks for a change: to leave everything as it is is the right answer so far")
    note = " ".join(f"{line.rstrip('.')}." for line in told)
    findings = [line for line in rest if line.startswith(_WORTH_A_LOOK)][:MOST_FINDINGS]
    return {"note": _whole_words(note, MOST_NOTE), "findings": [_whole_words(line, MOST_FINDING) for line in findings]}


def _whole_words(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most + 1].rpartition(" ")[0] or text[:most]
