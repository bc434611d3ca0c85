"""Who and when, kept from a language model: it may know how it ended.

Tickers, company names and dates become placeholders before a model sees a story, and what they stand for is put back in
its answer. Every spelling has a placeholder of its own, so that what comes back is what was there to the letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from shared.core.text.stories import Story
from shared.core.values import Symbol

_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19[5-9][0-9]|20[0-4][0-9])"
_DATES = (
    rf"{_YEAR}-[01][0-9]-[0-3][0-9]",
    r"[01]?[0-9]/[0-3]?[0-9]/(?:[0-9]{4}|[0-9]{2})",
    r"[0-3]?[0-9]\.[01]?[0-9]\.[0-9]{4}",
    rf"(?i:{_MONTHS})\s+{_DAY}(?:,?\s+{_YEAR})?",
    rf"{_DAY}\s+(?i:{_MONTHS})(?:,?\s+{_YEAR})?",
    rf"(?i:{_MONTHS}),?\s+{_YEAR}",
    rf"(?:Q[1-4]|[1-4]Q|H[12])[\s']*(?:{_YEAR}|[0-9]{{2}})",
    r"FY\s?'?(?:20)?[0-9]{2}",
    # A year alone; with a sign or a unit of money about it, or as a round thousand, it is a number.
    rf"(?<![$€£¥.,])(?!2000){_YEAR}(?![.,]?[0-9%])",
)
_PLACEHOLDER = re.compile(r"(?<!\w)(?:COMPANY|TICKER|DATE)_[0-9]{1,9}(?:_[0-9]{1,9})?(?!\w)", re.IGNORECASE)
_TAKEN = re.compile(r"(?:COMPANY|TICKER|DATE)_([0-9]{1,9})", re.IGNORECASE)
_NEVER = re.compile(r"(?!)")
_NAME_WORD = re.compile(r"[\w&]+")
_BETWEEN = r"[^\w&]{1,3}"
"""What stands between a name's words, however it is punctuated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What stands for what in the stories of one question.

    Attributes
    ----------
    ticker, company : str
        What the question calls its symbol; `company` is empty where no name of it is known.
    hidden : mapping of str to str
        Placeholder of each spelling that occurs.
    meant : mapping of str to str
        The spelling that each placeholder stands for.
    pattern : re.Pattern
        Finds what is hidden.
    """

    ticker: str
    company: str = ""
    hidden: Mapping[str, str]
    meant: Mapping[str, str]
    pattern: re.Pattern[str]

    def hide(self, text: str) -> str:
        """Return a story's text with placeholders."""
        return self.pattern.sub(lambda found: self.hidden.get(found[0], found[0]), text)

    def restore(self, text: str) -> str:
        """Return a text with what its placeholders stand for; one that stands for nothing stays."""
        return _PLACEHOLDER.sub(lambda found: self.meant.get(found[0].upper(), found[0]), text)


def mask_of(
    stories: Sequence[Story], *, symbol: Symbol, names: Mapping[Symbol, Sequence[str]], also: Sequence[str] = ()
) -> Mask:
    """Choose placeholders for what stories say, the same for the same stories in the same order.

    `restore(hide(text)) == text` for each of their texts. A number that a story uses in something like a placeholder
    ("COMPANY_1 soars") is used for none.

    Parameters
    ----------
    stories : sequence of Story
        All that the question shows.
    symbol : Symbol
        What it is about: it has the lowest number.
    names : mapping of symbol to sequence of str
        What its company and those of the stories' other symbols are called, the usual name first, in all ways that
        are to be hidden; letters' case and what stands between words do not count. Other companies' names stay.
    also : sequence of str
        What the question shows beside stories.
    """
    texts = [text for story in stories for text in (story.headline, story.summary)] + [*also]
    symbols = list(dict.fromkeys([symbol, *(each for story in stories for each in story.symbols)]))
    taken = {int(number) for text in texts for number in _TAKEN.findall(text)}
    free, dates = (filter(lambda k: k not in taken, count(1)) for _ in range(2))
    numbers = [next(free) for _ in symbols]
    pattern = _pattern(symbols, names)
    hidden: dict[str, str] = {}
    spellings = Counter[str]()
    for found in (match for text in texts for match in pattern.finditer(text)):
        if found[0] in hidden:
            continue
        kind, *owner = (found.lastgroup or "").split("_")
        stem = f"{kind}_{numbers[int(owner[0])] if owner else next(dates)}"
        spellings[stem] += 1
        hidden[found[0]] = stem if spellings[stem] == 1 else f"{stem}_{spellings[stem]}"
    meant = {placeholder: spelling for spelling, placeholder in hidden.items()}
    ticker, company = f"TICKER_{numbers[0]}", f"COMPANY_{numbers[0]}"
    meant.setdefault(ticker, symbol)
    if own := names.get(symbol):
        meant.setdefault(company, own[0])
    return Mask(ticker=ticker, company=company if company in meant else "", hidden=hidden, meant=meant, pattern=pattern)


def no_mask(symbol: Symbol, names: Sequence[str] = ()) -> Mask:
    """Hide nothing: to measure what hiding changes."""
    return Mask(ticker=symbol, company=names[0] if names else "", hidden={}, meant={}, pattern=_NEVER)


def _pattern(symbols: Sequence[Symbol], names: Mapping[Symbol, Sequence[str]]) -> re.Pattern[str]:
    """A group for each way to write each symbol: of several that begin at a place the longest wins, then the first."""
    ways: list[tuple[int, str]] = []
    for k, symbol in enumerate(symbols):
        ways.append((len(symbol), f"(?P<TICKER_{k}>{_ticker_pattern(symbol)})"))
        for j, name in enumerate(names.get(symbol, ())):
            if words := _NAME_WORD.findall(name):
                ways.append((len(name), f"(?P<COMPANY_{k}_{j}>(?i:{_BETWEEN.join(map(re.escape, words))}))"))
    ways.sort(key=lambda way: -way[0])
    return re.compile(rf"(?<!\w)(?:{'|'.join(way for _, way in ways)}|(?P<DATE>{'|'.join(_DATES)}))(?!\w)")


def _ticker_pattern(symbol: Symbol) -> str:
    """In capitals, or with its dollar sign; a single letter is a ticker only where it is marked as one."""
    escaped = re.escape(symbol)
    tagged = rf"(?<=\$)(?i:{escaped})"
    if len(symbol) > 1:
        return rf"{escaped}|{tagged}"
    return rf"{tagged}|(?<=[(:]){escaped}(?=\))|(?<=: ){escaped}(?=\))"
