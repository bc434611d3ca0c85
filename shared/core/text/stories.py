"""Stories: what the news says of symbols, when it was received, and what was read out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.core.text.narratives import Narrative
from shared.core.values import Symbol, require, require_fraction, require_utc

MAX_TEXT = 512
"""Characters of a headline or a summary that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One news item as it was received.

    Attributes
    ----------
    published_at, received_at : datetime
        The feed's instant and ours: a story exists for a decision from `received_at` on.
    headline, summary : str
        Cleaned, `MAX_TEXT` characters at most.
    url : str
        Where the source has it; empty where the feed gives none.
    weight : float
        What the source is worth, in [0, 1].
    polarity : float or None
        What it means for the symbol, in [-1, 1]; None without a sentiment model.
    novelty : float or None
        1 less the largest cosine to an earlier story of the same symbol within five days; None without an embedding.
    echo_of : str
        The story that it repeats; empty where it is the first to say so.
    """

    story_id: str
    symbols: tuple[Symbol, ...]
    published_at: datetime
    received_at: datetime
    source: str
    headline: str
    summary: str = ""
    url: str = ""
    weight: float = 1.0
    polarity: float | None = None
    novelty: float | None = None
    echo_of: str = ""

    def __post_init__(self) -> None:
        require_utc("published_at", self.published_at)
        require_utc("received_at", self.received_at)
        require_fraction("weight", self.weight)
        for name in ("headline", "summary"):
            found = getattr(self, name)
            require(len(found) <= MAX_TEXT, name, len(found), f"at most {MAX_TEXT} characters")

    @property
    def text(self) -> str:
        """Headline and summary as one text: what models read."""
        return f"{self.headline}. {self.summary}" if self.summary else self.headline


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolText:
    """What the news says of one symbol, as it is known at a decision.

    Attributes
    ----------
    stories : tuple of Story
        Of the last 24 hours, by `received_at`.
    narrative : Narrative or None
        The newest one that was told by then.
    fault : str
        Why text cannot be relied on; empty where it can.
    """

    stories: tuple[Story, ...] = ()
    narrative: Narrative | None = None
    fault: str = ""
