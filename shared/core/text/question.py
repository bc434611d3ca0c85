"""The question for a narrative: instructions, and the stories as one JSON document that nothing in them can leave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.core.text.answers import ANSWER_SCHEMA, MAX_SOURCES
from shared.core.text.language import LanguageRequest, Prompt
from shared.core.text.masking import Mask, mask_of, no_mask
from shared.core.text.narratives import MAX_SUMMARY, Citation, NarrativeAnswer
from shared.core.text.stories import Story
from shared.core.values import Symbol, require

MAX_REFUSED = 1200
"""Characters of a refused answer that are shown again."""
MAX_FAULT = 300
_SCHEMA = json.dumps(ANSWER_SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about a symbol.

    Attributes
    ----------
    stories : tuple of Story
        All that is shown, in its order: the first is S1 to the model, the second S2.
    named : tuple of str
        What the question itself calls the symbol, once names are put back.
    """

    symbol: Symbol
    stories: tuple[Story, ...]
    mask: Mask
    named: tuple[str, ...]
    request: LanguageRequest

    def restored(self, answer: NarrativeAnswer) -> NarrativeAnswer:
        """Put names, dates and stories' ids back; an id that was not shown becomes one that no story has."""
        ids = {shown_id(k): story.story_id for k, story in enumerate(self.stories)}
        put_back = self.mask.restore
        return replace(
            answer,
            summary=whole_words(put_back(answer.summary), MAX_SUMMARY),
            entities=tuple(dict.fromkeys(map(put_back, answer.entities))),
            quotes=tuple(
                Citation(text=put_back(quote.text), story_id=ids.get(quote.story_id, f"{quote.story_id} (not shown)"))
                for quote in answer.quotes
            ),
            source_ids=tuple(ids.get(each, f"{each} (not shown)") for each in answer.source_ids),
        )


def question(
    symbol: Symbol,
    stories: Sequence[Story],
    *,
    names: Mapping[Symbol, Sequence[str]],
    prompt: Prompt,
    at: datetime,
    max_tokens: int,
    is_masked: bool = True,
) -> Question:
    """Ask for a narrative.

    Parameters
    ----------
    symbol : Symbol
        What it is about.
    stories : sequence of Story
        The evidence, 1 to `MAX_SOURCES`; all of them received by `at`.
    names : mapping of symbol to sequence of str
        What companies are called: see `mask_of`.
    prompt : Prompt
        The instructions.
    at : datetime
        From when stories' ages count. Take the message's instant, not the clock's: the same message then asks the same.
    max_tokens : int
        Of the answer.
    is_masked : bool
        Whether names and dates are hidden.
    """
    require(1 <= len(stories) <= MAX_SOURCES, "stories", len(stories), f"1 to {MAX_SOURCES}")
    require_known(stories, at)
    own = names.get(symbol, ())
    mask = mask_of(stories, symbol=symbol, names=names) if is_masked else no_mask(symbol, own)
    about = {"ticker": mask.ticker} | ({"company": mask.company} if mask.company else {})
    return Question(
        symbol=symbol,
        stories=tuple(stories),
        mask=mask,
        named=tuple(dict.fromkeys(mask.restore(each) for each in about.values())),
        request=LanguageRequest(
            prompt_id=prompt.id,
            system=prompt.text,
            user=document_of({"about": about, "stories": shown_stories(stories, mask, at)}),
            schema=_SCHEMA,
            max_tokens=max_tokens,
        ),
    )


def repair_request(request: LanguageRequest, prompt: Prompt, *, answer: str, fault: str) -> LanguageRequest:
    """Ask once more, showing what was answered and what is wrong with it, both cut to a bound and both as data."""
    refused = {"answer": answer[:MAX_REFUSED], "fault": fault[:MAX_FAULT]}
    return replace(
        request,
        prompt_id=f"{request.prompt_id}+{prompt.id}",
        system=f"{request.system}\n{prompt.text}",
        user=document_of(json.loads(request.user) | {"refused": refused}),
    )


def require_known(stories: Sequence[Story], at: datetime) -> None:
    """Stories that had been received by an instant."""
    late = [story.story_id for story in stories if story.received_at > at]
    require(not late, "stories", late, f"received by {at}")


def shown_stories(stories: Sequence[Story], mask: Mask, at: datetime) -> list[dict[str, object]]:
    """Return stories as a question shows them: S1, S2 and on."""
    return [
        {
            "id": shown_id(k),
            "headline": mask.hide(story.headline),
            "summary": mask.hide(story.summary),
            "source": story.source,
            "age_min": int((at - story.received_at).total_seconds() // 60),
        }
        for k, story in enumerate(stories)
    ]


def document_of(value: object) -> str:
    """Write the one JSON document that a question is."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def shown_id(k: int) -> str:
    """What a question calls the story at a place, from 0."""
    return f"S{k + 1}"


def whole_words(text: str, most: int) -> str:
    """Cut a text to so many characters: names are longer than placeholders, and what no longer fits goes."""
    return text if len(text) <= most else text[: most + 1].rpartition(" ")[0] or text[:most]
