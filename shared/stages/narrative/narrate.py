"""Narrate: new stories of symbols -> what a language model makes of them -> narratives, and scores at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from shared.contracts.messages import Message, NarrativeRequest, Notice, StoriesOf
from shared.contracts.prompts import NARRATIVE, REPAIR, prompt
from shared.contracts.records import Table, symbol_key
from shared.core.text.judging import JudgedAnswer, judged, narrative_of
from shared.core.text.language import LanguageReply
from shared.core.text.linking import called
from shared.core.text.narratives import Narrative, NarrativeStatus, ScorePast
from shared.core.text.novelty import NOVELTY_WITHIN
from shared.core.text.question import Question, question, repair_request
from shared.core.text.retrieval import evidence
from shared.core.text.stories import Story
from shared.core.values import Symbol
from shared.ports import Ports
from shared.stages.base.incidents import BROKEN
from shared.stages.market.focused import focused_slice
from shared.stages.market.names import listed_names
from shared.stages.narrative.calls import LanguageCall, ask
from shared.stages.narrative.records import (
    LATEST,
    StoryRow,
    narrative_key,
    narrative_row,
    stories_since,
)


def narrate(request: NarrativeRequest, ports: Ports) -> Sequence[Message]:
    """Ask for the narrative of each symbol, side by side, and have them scored whatever came of it.

    One that was told when the message came before stands. A message that has lain too long asks for nothing.
    """
    if ports.clock.now() >= request.expires_at:
        return []
    known = stories_since(ports, request.on, request.decided_at - NOVELTY_WITHIN)
    listed = listed_names(ports, request.on)
    told_of = {symbol for row in known for symbol in row.story.symbols if symbol in listed}
    names = {symbol: called(listed[symbol]) for symbol in told_of}
    desk = _Desk(ports=ports, request=request, known=known, names=names)
    with ThreadPoolExecutor(max_workers=ports.settings.language.slots) as pool:
        told = [each for each in pool.map(desk.narrative, request.asked) if each is not None]
    for each in told:
        _keep(ports, each.narrative)
    notices = [notice for each in told for notice in each.notices]
    return [*focused_slice(ports, [each.symbol for each in request.asked], cause=request.message_id), *notices]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A narrative, and what a person is to be told of asking for it."""

    narrative: Narrative
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What the narratives of one message share."""

    ports: Ports
    request: NarrativeRequest
    known: Sequence[StoryRow]
    names: Mapping[Symbol, Sequence[str]]

    def narrative(self, asked: StoriesOf) -> _Asked | None:
        """Ask about one symbol; None where its stories are gone, or it was told when the message came before."""
        symbol, at = asked.symbol, self.request.decided_at
        own = [row for row in self.known if symbol in row.story.symbols and row.story.received_at <= at]
        new = [row.story for row in own if row.story.story_id in asked.story_ids]
        shown = self._evidence(new, own)
        if not shown:
            return None
        about = question(
            symbol,
            shown,
            names=self.names,
            prompt=prompt(NARRATIVE),
            at=at,
            max_tokens=self.ports.settings.language.max_tokens,
        )
        unanswered = JudgedAnswer(status=NarrativeStatus.UNAVAILABLE)
        blank = self._made(about, unanswered, new, past=ScorePast(), calls=())
        if self.ports.tables.get(Table.NARRATIVES, str(blank.on), narrative_key(blank)) is not None:
            return None
        outcome, calls, prompt_id = self._answered(about, sentiment=blank.sentiment)
        told = self._made(about, outcome, new, past=_past(self.ports, symbol), calls=calls, prompt_id=prompt_id)
        return _Asked(narrative=told, notices=tuple(notice for call in calls for notice in call.notices))

    def _evidence(self, new: Sequence[Story], own: Sequence[StoryRow]) -> tuple[Story, ...]:
        placed = [(row.story, row.known.vector) for row in own if row.known.vector is not None]
        # Vectors of an embedding before this one have another length: they cannot be compared.
        width = max((len(vector) for story, vector in placed if story in new), default=0)
        near = [(story, vector) for story, vector in placed if len(vector) == width]
        return evidence(
            new,
            [story for story, _ in near],
            np.array([vector for _, vector in near]).reshape(len(near), width),
            at=self.request.decided_at,
            echo_cosine=self.ports.settings.news.echo_cosine,
        )

    def _answered(
        self, about: Question, *, sentiment: float | None
    ) -> tuple[JudgedAnswer, Sequence[LanguageCall], str]:
        """Ask, once more where the answer cannot be read, and judge what came; the last prompt's id beside it."""
        request, calls = about.request, list[LanguageCall]()
        left_s = self.ports.settings.language.timeout_s

        def judge(reply: LanguageReply) -> str:
            return judged(about, reply, sentiment=sentiment).status.value

        while True:
            is_repair = bool(calls)
            on = self.request.on
            call = ask(self.ports, request, on=on, deadline_s=left_s, judge=judge, is_repair=is_repair)
            calls.append(call)
            if call.reply is None:
                return JudgedAnswer(status=NarrativeStatus.UNAVAILABLE, fault=call.why), calls, request.prompt_id
            found = judged(about, call.reply, sentiment=sentiment)
            if found.status is not NarrativeStatus.INVALID_PARSE or is_repair:
                return found, calls, request.prompt_id
            left_s -= call.reply.latency_ms / 1000
            request = repair_request(about.request, prompt(REPAIR), answer=call.reply.text, fault=found.fault)

    def _made(
        self,
        about: Question,
        outcome: JudgedAnswer,
        new: Sequence[Story],
        *,
        past: ScorePast,
        calls: Sequence[LanguageCall],
        prompt_id: str = "",
    ) -> Narrative:
        replies = [(call, call.reply) for call in calls if call.reply is not None]
        return narrative_of(
            about,
            outcome,
            new=new,
            on=self.request.on,
            asked_at=self.request.decided_at,
            told_at=max(self.ports.clock.now(), self.request.decided_at),
            past=past,
            model=replies[-1][1].model if replies else "",
            prompt_id=prompt_id,
            records=[call.record for call, _ in replies],
            is_repaired=len(replies) > 1,
        )


def _past(ports: Ports, symbol: Symbol) -> ScorePast:
    """A symbol's scores so far; what cannot be read counts as none."""
    stored = ports.tables.get(Table.NARRATIVES, LATEST, symbol_key(symbol))
    with suppress(*BROKEN):
        return ports.codec.decode(ScorePast, str(stored.value["past"])) if stored else ScorePast()
    return ScorePast()


def _keep(ports: Ports, told: Narrative) -> None:
    """Write a narrative, once, and count its score among the symbol's."""
    row = narrative_row(ports, told)
    if ports.tables.insert(Table.NARRATIVES, str(told.on), narrative_key(told), row) and told.score is not None:
        past = ports.codec.encode(told.past.then(told.score))
        ports.tables.put(Table.NARRATIVES, LATEST, symbol_key(told.symbol), {"symbol": told.symbol, "past": past})
