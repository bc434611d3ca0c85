"""What the commentator makes of stories: it knows the invented market's headlines, and words of theirs in others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from simulation.market.synthetic_news import templates

HALF_LIFE_MIN = 90.0
_ECHOED = r"(?:\S{1,24}: )?"
_FIELDS = {"{name}": r".{1,80}?", "{pct}": r"\d+", "{n}": r"\d+"}
_WORD = re.compile(r"[a-z]{4,}")
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,60}\binstructions?\b|\b(?:confidence|score)\b\W{0,8}(?:to |of |is )?[01]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStory:
    """A story as a question shows it; its age counts from when it was received."""

    story_id: str
    headline: str
    summary: str
    source: str = ""
    age_min: float = 0.0

    @property
    def gives_an_order(self) -> bool:
        """Whether it tells its reader what to answer."""
        return bool(_ORDER.search(f"{self.headline}\n{self.summary}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What stories mean together, in [-1, 1], and the one that weighs most."""

    meaning: float
    main: ShownStory


def read_stories(stories: Sequence[ShownStory]) -> Reading:
    """Weigh what each of at least one story means by its age; of equals the first is the main one."""
    weighed = [meaning(story.headline) * 0.5 ** (max(story.age_min, 0.0) / HALF_LIFE_MIN) for story in stories]
    heaviest = max(range(len(stories)), key=lambda k: abs(weighed[k]))
    return Reading(meaning=max(-1.0, min(1.0, sum(weighed))), main=stories[heaviest])


def meaning(headline: str) -> float:
    """What a headline means: 1, -1 or 0 where the invented market wrote it, else what its words suggest, in [-1, 1]."""
    for pattern, meant in _patterns():
        if pattern.fullmatch(headline):
            return float(meant)
    good, bad = _words()
    found = [*_WORD.findall(headline.lower())]
    lean = sum(word in good for word in found) - sum(word in bad for word in found)
    return max(-1.0, min(1.0, lean / 2))


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], int], ...]:
    return tuple((re.compile(_ECHOED + _pattern(headline)), meant) for headline, meant in templates())


def _pattern(headline: str) -> str:
    parts = re.split(r"(\{\w+\})", headline)
    return "".join(_FIELDS[part] if part in _FIELDS else re.escape(part) for part in parts)


@cache
def _words() -> tuple[frozenset[str], frozenset[str]]:
    """Words of headlines that mean something good, or bad, and of no others."""
    of = {
        meant: frozenset(word for text, sign in templates() if sign == meant for word in _WORD.findall(text.lower()))
        for meant in (1, 0, -1)
    }
    return of[1] - of[0] - of[-1], of[-1] - of[0] - of[1]
