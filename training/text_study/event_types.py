"""What kind of event a story tells of, by its words: coarse, fixed, and blind to everything but the text."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class StoryKind(StrEnum):
    """Kinds of events, the first that fits; `OTHER` where none does."""

    DEAL = "M&A"
    GUIDANCE = "guidance"
    EARNINGS = "earnings"
    ANALYST = "analyst"
    LEGAL = "legal"
    PRODUCT = "product"
    OTHER = "other"


_WORDS: Final = {
    StoryKind.DEAL: r"acqui(?:re[sd]?|ring|sitions?)|mergers?|merging|takeovers?|buyouts?|bids? for|to buy|stake in|"
    r"spin-?offs?|divest\w*",
    StoryKind.GUIDANCE: r"guidance|outlook|forecasts?|profit warning|warns (?:on|of)|raises (?:full[- ]year|fy)|"
    r"(?:cuts|lowers) (?:full[- ]year|fy)|expects (?:q[1-4]|revenue|sales|earnings)",
    StoryKind.EARNINGS: r"earnings|eps|revenues?|q[1-4]|quarter(?:ly)?|(?:net )?profits?|"
    r"(?:beats|misses) (?:est\w*|by)|same[- ]store sales|dividends?",
    StoryKind.ANALYST: r"upgrade[sd]?|downgrade[sd]?|price targets?|pt (?:raised|cut|lowered)|initiat\w+|analysts?|"
    r"(?:out|under)perform|overweight|underweight|reiterat\w+|ratings?|rated",
    StoryKind.LEGAL: r"lawsuits?|sue[sd]?|suing|court|judge|settle[sd]?|settlements?|fine[sd]?|probes?|investigat\w+|"
    r"antitrust|sec charges|doj|ftc|patents?|recalls?|subpoenas?",
    StoryKind.PRODUCT: r"launch\w*|unveil\w*|releases?|new (?:product|model|drug|app|device)s?|fda|approv\w+|trials?|"
    r"iphone|contracts?|partnership|ships|orders?",
}
_PATTERNS: Final = {kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for kind, words in _WORDS.items()}


def kind_of(text: str) -> StoryKind:
    """Return the kind of a text."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(text)), StoryKind.OTHER)
