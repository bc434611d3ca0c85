"""Stories as a stream, on the pages News and Case: words of others, escaped, and leading to their source."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import theme, units
from dashboard.news import Led, Thread
from dashboard.view import View
from shared.core.text.narratives import Narrative, NarrativeStatus
from shared.core.text.stories import Story

NEUTRAL_WITHIN = 0.05
"""A sentiment no farther from 0 has no colour."""


def story_entry(view: View, thread: Thread, led: Sequence[Led] = (), passed_by: str = "") -> theme.StreamEntry:
    """Return a story with its marks, what it led to or why to nothing, and its echoes folded under it."""
    story, count = thread.first, len(thread.echoes)
    about = f"{view.wall(story.received_at)}  {' '.join(story.symbols)}  {story.source}"
    why: list[tuple[str, theme.Tone]] = [(passed_by, "plain")] if passed_by else []
    return theme.StreamEntry(
        title=theme.WebLink(text=story.headline, url=story.url),
        note=f"{about}, published {units.et(story.published_at)}",
        marks=[*_marks(story), *(mark for each in led for mark in led_marks(each)), *why],
        folded=f"{count} echo{'es' if count > 1 else ''}",
        under=[
            theme.WebLink(text=f"{units.et(echo.received_at)}  {echo.source}: {echo.headline}", url=echo.url)
            for echo in thread.echoes
        ],
    )


def _marks(story: Story) -> list[tuple[str, theme.Tone]]:
    marks: list[tuple[str, theme.Tone]] = []
    if story.polarity is not None:
        tone = theme.tone_of(story.polarity) if abs(story.polarity) >= NEUTRAL_WITHIN else "plain"
        marks.append((f"sentiment {story.polarity:+.2f}", tone))
    if story.novelty is not None:
        marks.append((f"novelty {story.novelty:.2f}", "plain"))
    if story.weight < 1:
        marks.append((f"weight {story.weight:.2f}", "plain"))
    if story.echo_of:
        marks.append(("echo of an earlier story", "plain"))
    return marks


def led_marks(led: Led) -> list[tuple[str, theme.Tone]]:
    """Spell what a story led to: narrative, opinion, verdict, order."""
    marks: list[tuple[str, theme.Tone]] = []
    if led.narrative is not None:
        marks.append((f"{led.symbol} narrative {narrative_words(led.narrative)}", narrative_tone(led.narrative)))
    if led.policy:
        marks.append((f"{led.symbol} {led.strategy} {led.policy}", "good" if led.policy == "ENTER" else "plain"))
    if led.verdict:
        marks.append((led.verdict, "good" if led.verdict == "approved" else "warn"))
    if led.phase:
        marks.append((f"order {led.phase}", "plain"))
    return marks


def narrative_words(told: Narrative) -> str:
    """Spell what became of a narrative, and its score where it was told."""
    if told.score is None:
        return told.status.value
    return f"{told.status} {told.score:+.2f}, confidence {units.percent(told.confidence, digits=0)}"


def narrative_tone(told: Narrative) -> theme.Tone:
    """Good where it was told, else a warning."""
    return "good" if told.status is NarrativeStatus.TOLD else "warn"
