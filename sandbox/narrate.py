"""`python -m sandbox narrate`: a real language model answers for a day's stories, and what is rejected is counted.

Each story is asked as the app asks it: the same prompt, adapter, parser, one repair and grounding. Nothing is stored.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sandbox.books import opened
from sandbox.local_model import MODEL, SLOTS, local_model
from shared.adapters.language import ChatCompletions
from shared.contracts.prompts import NARRATIVE, REPAIR, prompt
from shared.contracts.records import Table
from shared.contracts.settings import LanguageSettings
from shared.core.errors import SettingsError
from shared.core.market import Headline
from shared.core.sessions import NEW_YORK
from shared.core.text.judging import JudgedAnswer, judged
from shared.core.text.language import LanguageError, LanguageReply
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.question import Question, question, repair_request
from shared.core.text.stories import Story
from shared.core.values import Symbol, parse_utc
from shared.ports import LanguageModel, Row
from simulation.market.scenario import Scenario
from simulation.market.tape import Tape

PATIENCE_S = 120.0
"""For one answer: a small machine takes its time, and nothing waits here."""

EVIDENCE = 3
"""Stories that a question shows: the new one, and the latest before it of its symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narration:
    """What came of one question, and every reply that it took."""

    found: JudgedAnswer
    replies: tuple[LanguageReply, ...] = ()

    @property
    def outcome(self) -> str:
        """Told, repaired, or the status that it was rejected with."""
        if self.found.status is not NarrativeStatus.TOLD:
            return f"rejected: {self.found.status}"
        return "told" if len(self.replies) == 1 else "repaired"

    @property
    def latency_ms(self) -> int:
        """Of all its replies together."""
        return sum(reply.latency_ms for reply in self.replies)


def narration(language: LanguageModel, asked: Question, *, timeout_s: float = PATIENCE_S) -> Narration:
    """Ask, judge, and ask once more where the answer was none."""
    replies: list[LanguageReply] = []
    request = asked.request
    try:
        replies.append(language.ask(request, timeout_s=timeout_s))
        found = judged(asked, replies[0], sentiment=None)
        if found.status is NarrativeStatus.INVALID_PARSE:
            again = repair_request(request, prompt(REPAIR), answer=replies[0].text, fault=found.fault)
            replies.append(language.ask(again, timeout_s=timeout_s))
            found = judged(asked, replies[1], sentiment=None)
    except LanguageError as error:
        found = JudgedAnswer(status=NarrativeStatus.UNAVAILABLE, fault=str(error))
    return Narration(found=found, replies=tuple(replies))


def questions(
    stories: Sequence[Story], names: Mapping[Symbol, Sequence[str]], *, max_tokens: int
) -> Iterator[tuple[Story, Question]]:
    """Ask of each story, in the order of their receipt, with the ones of its symbol that were known by then."""
    known: dict[Symbol, list[Story]] = {}
    for story in sorted(stories, key=lambda each: (each.received_at, each.story_id)):
        symbol = story.symbols[0]
        mine = known.setdefault(symbol, [])
        mine.insert(0, story)
        how = {"names": names, "prompt": prompt(NARRATIVE), "at": story.received_at, "max_tokens": max_tokens}
        yield story, question(symbol, mine[:EVIDENCE], **how)  # type: ignore[arg-type]


def narrate(
    world: Scenario,
    console: Console,
    *,
    folder: Path,
    storage: str = "",
    count: int,
    settings: LanguageSettings | None = None,
) -> int:
    """Show what a language model answers for a day's stories; return the exit code, 1 where it never answered.

    Parameters
    ----------
    world : Scenario
        Whose day and companies.
    folder, storage : Path, str
        Where the last finished day's table `stories` is; without any, the seeded market's headlines are taken.
    count : int
        Stories at most; the first ones.
    settings : LanguageSettings or None
        A service to ask; None: SmolLM2 on this machine.

    Raises
    ------
    SettingsError
        If SmolLM2 is to be asked and is not installed.
    """
    tape = world.tape()
    stories, origin = _stories(world, tape, folder, storage)
    names = {Symbol(symbol): (asset.name,) for symbol, asset in tape.assets.items()}
    with service_or_local(settings) as service:
        console.print(f"{service.model} at {service.url}, {origin}", markup=False)
        language = ChatCompletions(service, is_sandbox=True)
        done: list[Narration] = []
        for story, asked in questions(stories[:count], names, max_tokens=service.max_tokens):
            done.append(narration(language, asked))
            show(story, done[-1], console)
    console.print(counted(done), markup=False)
    return 0 if any(each.replies for each in done) else 1


@contextlib.contextmanager
def service_or_local(settings: LanguageSettings | None, *, slots: int = SLOTS) -> Iterator[LanguageSettings]:
    """Yield the settings of a service; without any, of SmolLM2 with so many slots, which is served meanwhile."""
    if settings is not None:
        yield settings
        return
    with local_model(slots=slots) as url:
        yield replace(LanguageSettings(), url=url, model=MODEL, slots=slots)


def _stories(world: Scenario, tape: Tape, folder: Path, storage: str) -> tuple[tuple[Story, ...], str]:
    with contextlib.suppress(SettingsError), opened(storage, folder) as app:
        rows = app.tables.query(Table.STORIES, world.on.isoformat())
        if found := tuple(_of_row(row) for _, row in rows if row["symbols"] and not row["echo_of"]):
            return found, f"stories of {world.on} as the app read them"
    start = datetime.combine(world.on, datetime.min.time(), NEW_YORK)
    news = tape.news(start, start + timedelta(days=1))
    return tuple(map(story_of, news)), f"headlines of {world.on}, since no day has left any stories"


def _of_row(row: Row) -> Story:
    return Story(
        story_id=str(row["story_id"]),
        symbols=tuple(map(Symbol, str(row["symbols"]).split())),
        published_at=parse_utc(str(row["published_at"])),
        received_at=parse_utc(str(row["received_at"])),
        source=str(row["source"]),
        headline=str(row["headline"]),
        summary=str(row["summary"]),
    )


def story_of(item: Headline) -> Story:
    """Return a headline as the story that the app would make of it, received as it was published."""
    return Story(
        story_id=item.news_id,
        symbols=item.symbols,
        published_at=item.published_at,
        received_at=item.published_at,
        source=item.source,
        headline=item.headline,
        summary=item.summary,
    )


def show(story: Story, done: Narration, console: Console) -> None:
    """Print a story and what came of it."""
    style = {"told": "green", "repaired": "yellow"}.get(done.outcome, "red")
    console.print(f"[{style}]{done.outcome:<9}[/] {done.latency_ms / 1000:5.1f} s  {escape(story.headline)}")
    answer = done.found.answer
    told = f"{answer.score:+.2f}, confidence {answer.confidence:.2f}: {answer.summary}" if answer else done.found.fault
    console.print(f"   {told}", markup=False)


def counted(done: Sequence[Narration]) -> str:
    """Say how often what came of questions, how long they took, and how many tokens."""
    outcomes = Counter(each.outcome for each in done)
    parts = [f"{len(done)} stories: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))]
    replies = [reply for each in done for reply in each.replies]
    if replies:
        p50, p95 = (quantile([reply.latency_ms for reply in replies], share) / 1000 for share in (0.5, 0.95))
        tokens_in, tokens_out = sum(reply.tokens_in for reply in replies), sum(reply.tokens_out for reply in replies)
        parts.append(
            f"{len(replies)} answers: p50 {p50:.1f} s, p95 {p95:.1f} s, tokens {tokens_in:,} in, {tokens_out:,} out"
        )
    return "\n".join(parts)


def quantile(values: Iterable[int], share: float) -> int:
    """Return the smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
