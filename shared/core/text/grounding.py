"""Whether an answer rests on the stories that it was given: it says no number, name, ticker or quote of its own.

What is compared are letters, digits and values, so what stands here holds whatever a model was told to say. Words in
small letters are free: what they mean is bounded by the answer's type, not by this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from shared.core.text.narratives import NarrativeAnswer
from shared.core.text.plain import spelled
from shared.core.text.stories import Story
from shared.core.text.tokens import MONEY_UNITS, Figure, Word, tokens

_SHOWN = 40
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|\b(?:data|javascript|mailto|file|tel):\S|\bwww\.|\]\(|<a\s|\w@\w"
    r"|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}(?::\d|/|\?\w)|\b\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
"""What could be followed, also without its scheme."""
_HOST = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b", re.IGNORECASE)
_SPEECH = re.compile(r'"([^"]*)"')

_OPENING = """
a about according adding additionally after all also although amid among an analyst analysts and announcement another
any as at bearish because before being board both bullish but by companies company concerns considering cost costs
coverage current demand despite due during each early earnings even expected first following for from further
furthermore given good growth guidance he headline headlines her here higher his how however i if in increased index
industry instead investor investors it its later lower management margin margins market markets meanwhile mixed more
moreover most negative net neutral new news no none nothing now of on one only operating or other others our outlook
overall positive potential price prices product profit profits quarterly recent recently reported reports results
revenue revenues risk risks sales sentiment separately several share shareholders shares she since so some source
sources still stock stocks stories story strong such summary that the their then there therefore these they this those
though thus to traders uncertainty under until we weak what when while with without yet
"""
_OPENERS = frozenset(_OPENING.split())
"""Words with which a sentence may begin with a capital letter though no story has them: none is a company's name."""


@dataclass(frozen=True, slots=True)
class _SourceWords:
    """What stories say, in the forms that an answer's words are looked up in."""

    figures: frozenset[tuple[Fraction, str, str]]
    words: frozenset[str]
    folded_words: frozenset[str]
    symbols: frozenset[str]
    text: str
    folded_text: str


def ungrounded(answer: NarrativeAnswer, stories: Sequence[Story], *, named: Sequence[str] = ()) -> str:
    """Return what an answer says that its stories do not, empty where there is nothing.

    Parameters
    ----------
    answer : NarrativeAnswer
        With its names and ids put back.
    stories : sequence of Story
        All that it was shown.
    named : sequence of str
        What the question itself called the symbol.

    Notes
    -----
    Held are: ids of stories; quotes, letter by letter of one headline or summary, only blanks, quotation marks and
    dashes folded, and so is speech in a summary; entities; numbers with unit and sign, neither of which is added or
    changed, while a currency or a sign may be left out; words in capitals with each letter's case; names, that is every
    other word with a capital letter but a few that open a sentence; words with a letter beyond ASCII. A story's source
    counts as its word, and so do its symbols. An address is refused though a story has it: nothing that is shown to a
    person can then lead anywhere but to a story's own source.
    """
    told = tuple(stories)
    said = _said(told, tuple(named))
    ids = {story.story_id for story in told}
    if unknown := [each for each in answer.source_ids if each not in ids]:
        return f"source {_shown(unknown[0])} is none of the stories"
    texts = [answer.summary, *answer.entities, *(quote.text for quote in answer.quotes)]
    for text in texts:
        if found := _ADDRESS.search(spelled(text)):
            return f"an address, {_shown(found[0])}, is not taken"
    return _unquoted(answer, told) or _invented(answer, said)


def unsaid_figure(text: str, lines: Sequence[str]) -> str:
    """Return the first number, ticker or address of a text that lines of figures do not have; empty: there is none.

    Numbers are held with unit and sign as those of a narrative are. Other words are free.
    """
    said = _said((), tuple(lines))
    told = spelled(text)
    if found := _ADDRESS.search(told):
        return f"an address, {_shown(found[0])}, is not taken"
    for token in tokens(told):
        if isinstance(token, Figure):
            if (token.value, token.unit, token.sign) not in said.figures:
                return f"number {_shown(token.text)} is in no figure"
        elif (token.is_cashtag or token.text.isupper()) and not _is_said(token, said):
            return f"ticker {_shown(token.text)} is in no figure"
    return ""


def _unquoted(answer: NarrativeAnswer, stories: Sequence[Story]) -> str:
    by_id = {story.story_id: story for story in stories}
    for quote in answer.quotes:
        story = by_id.get(quote.story_id)
        if story is None:
            return f"source {_shown(quote.story_id)} of a quote is none of the stories"
        wanted = spelled(quote.text)
        if not wanted or not any(wanted in spelled(text) for text in (story.headline, story.summary)):
            return f"quote {_shown(quote.text)} is not in its story"
    return ""


def _invented(answer: NarrativeAnswer, said: _SourceWords) -> str:
    for entity in answer.entities:
        if entity not in said.symbols and not _stands(spelled(entity).casefold(), said.folded_text):
            return f"entity {_shown(entity)} is in no story"
    return _unsaid(spelled(answer.summary), said)


def unsaid(text: str, stories: Sequence[Story], *, named: Sequence[str]) -> str:
    """Return what a text says that neither stories nor `named`, all else that it was shown, say; empty: nothing.

    It is held as a narrative's summary is: see `ungrounded`.
    """
    told = spelled(text)
    if found := _ADDRESS.search(told):
        return f"an address, {_shown(found[0])}, is not taken"
    return _unsaid(told, _said(tuple(stories), tuple(named)))


def _unsaid(text: str, said: _SourceWords) -> str:
    for speech in _SPEECH.findall(text):
        if speech.strip() and speech.strip(" .,") not in said.text:
            return f"quote {_shown(speech)} is in no story"
    for found in _HOST.finditer(text):
        if not _stands(found[0].casefold(), said.folded_text):
            return f"an address, {_shown(found[0])}, is not taken"
    for token in tokens(text):
        if isinstance(token, Figure):
            if (token.value, token.unit, token.sign) not in said.figures:
                return f"number {_shown(token.text)} is in no story"
        elif not _is_said(token, said):
            kind = "ticker" if token.is_cashtag or token.text.isupper() else "name"
            return f"{kind} {_shown(token.text)} is in no story"
    return ""


def _is_said(word: Word, said: _SourceWords) -> bool:
    text = word.text
    if word.is_cashtag:
        return text.upper() in said.symbols
    if text.islower() and text.isascii() and text.isalpha():
        return True
    folded = text.casefold()
    if not text.isascii():
        return folded in said.folded_words or (text.isalpha() and text.lower() == text.upper() and text in said.text)
    if text in said.words or text in said.symbols:
        return True
    if text.isalpha() and text.isupper():
        return text in {"A", "I"}
    return folded in said.folded_words or (word.is_first and folded in _OPENERS)


@lru_cache(maxsize=16)
def _said(stories: tuple[Story, ...], named: tuple[str, ...]) -> _SourceWords:
    # A line apart, so that no number or name is made of the end of one text and the beginning of the next.
    texts = [spelled(text) for text in _texts(stories, named)]
    found = [token for text in texts for token in tokens(text)]
    words = {token.text for token in found if isinstance(token, Word)}
    cashtags = {token.text.upper() for token in found if isinstance(token, Word) and token.is_cashtag}
    # A word that also counts ("Two Harbors", "First Solar") is a word of the story too.
    words |= {word for text in (*texts, *_symbols(stories)) for word in re.findall(r"\w+", text)}
    text = "\n".join(texts)
    return _SourceWords(
        figures=frozenset(
            (token.value, unit, sign)
            for token in found
            if isinstance(token, Figure)
            for unit in (token.unit, "" if token.unit in MONEY_UNITS else token.unit)
            for sign in ("", token.sign)
        ),
        words=frozenset(words),
        folded_words=frozenset(word.casefold() for word in words),
        symbols=frozenset({*cashtags, *(word for word in words if word.isupper()), *_symbols(stories)}),
        text=text,
        folded_text=text.casefold(),
    )


def _texts(stories: Iterable[Story], named: Iterable[str]) -> list[str]:
    told = (text for story in stories for text in (story.headline, story.summary, story.source) if text)
    return [*told, *named]


def _symbols(stories: Iterable[Story]) -> set[str]:
    return {symbol for story in stories for symbol in story.symbols}


def _stands(wanted: str, text: str) -> bool:
    """Whether words stand in a text, not in the middle of others."""
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
