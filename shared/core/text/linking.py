"""Symbols of a text that comes without any: by cashtag, ticker and name of the companies that are listed.

A ticker may be a word ("NOW", "ALL", "IT"), and the name of one company the beginning of another's ("Apple",
"Apple Hospitality"). What can be read in two ways links to nothing: a story that is missed costs less than a trade on
another company's news.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.core.market import Asset
from shared.core.text.words import (
    ABBREVIATIONS,
    AMERICAN_EXCHANGES,
    ANALYSTS,
    BRANDS,
    BUSINESSES,
    COMMON_WORDS,
    FOREIGN_EXCHANGES,
    IDIOMS,
    LEGAL_FORMS,
    RATES,
    SHARE_KINDS,
    SMALL_WORDS,
    UNNAMED_KINDS,
)
from shared.core.values import Symbol

_CRYPTO, _USD = "crypto", "/USD"

_TICKER = r"[A-Z]{1,5}(?:[./-][A-Z]{1,2})?"
_CASHTAG = re.compile(rf"(?<![\w$])\$({_TICKER})(?![\w$])", re.IGNORECASE)
_EXCHANGE = "|".join(sorted(map(re.escape, (*AMERICAN_EXCHANGES, *FOREIGN_EXCHANGES)), key=len, reverse=True))
_QUOTED = re.compile(
    rf"(?<!\w)(?P<where>(?i:(?:{_EXCHANGE})(?:\s?(?:,|/|&|and)\s?)?){{1,4}})\s?:\s?(?P<ticker>{_TICKER})(?!\w)"
)
"""A ticker with its exchange, as `NASDAQ: AAPL`."""
_AMERICAN = re.compile("|".join(map(re.escape, AMERICAN_EXCHANGES)), re.IGNORECASE)
_BARE = re.compile(r"(?<![\w$@&.'/-])[A-Z]{3,5}(?![\w&/@-]|\.\w|['\u2019](?!s\b))")
"""Shorter ones are no evidence of a company."""
_WORD = re.compile(r"[^\W_]+(?:&[^\W_]+)*(?:['\u2019]s(?!\w)|['\u2019](?!\w))?")
_KIND = re.compile(rf" (?:{'|'.join(SHARE_KINDS)})(?: |$)")
_RATING_REACH = 3
_SHORT_NAME = 3
"""A name of so few letters counts in capitals only."""

type _Name = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listings:
    """What is listed, by ticker and by name.

    Attributes
    ----------
    tickers : mapping of str to Symbol
        Tickers in capitals; a coin's without the currency it is quoted in.
    names : mapping of str to (mapping of tuple of str to tuple of Symbol)
        By a name's first word: names as words in lower case, longest first, with the symbols of the company's share
        classes; none where nobody can say which company it is, or it is no company.
    """

    tickers: Mapping[str, Symbol]
    names: Mapping[str, Mapping[_Name, tuple[Symbol, ...]]]


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a text: as it stands, as it is compared, and without the possessive's s."""

    raw: str
    start: int
    text: str
    stem: str

    @property
    def is_name_like(self) -> bool:
        """Whether it is written as a name is: with a capital or a figure."""
        return self.raw != self.raw.lower() or self.raw[0].isdigit()


def listings_of(assets: Iterable[Asset]) -> Listings:
    """Derive how companies are called from what the broker calls them ("Apple Inc. Common Stock").

    A company goes by its name without the legal form, by brands that are known of it, and by what is left without
    words of its business ("Meta Platforms": "Meta"). Where several go by one name, it is that one's whose own name is
    nearest to it, and where two are as near, nobody's.
    """
    tickers: dict[str, Symbol] = {}
    listed: dict[_Name, list[Symbol]] = defaultdict(list)
    for asset in assets:
        is_coin = asset.asset_class == _CRYPTO
        company = _words_of(asset.name.partition(" / ")[0]) if is_coin else _listed_name(asset.name)
        if asset.is_tradable and (not is_coin or asset.symbol.endswith(_USD)):
            tickers[_as_ticker(asset.symbol.removesuffix(_USD))] = asset.symbol
            listed[company].append(asset.symbol)
        else:
            listed[company] += ()  # its name is taken all the same
    claims: dict[_Name, dict[_Name, int]] = defaultdict(dict)
    for company in filter(None, listed):
        for alias, distance in _aliases(company):
            claims[alias].setdefault(company, distance)
    found: dict[_Name, tuple[Symbol, ...]] = {}
    for alias, by_company in claims.items():
        nearest = min(by_company.values())
        owners = [company for company, distance in by_company.items() if distance == nearest]
        found[alias] = tuple(sorted(listed[owners[0]])) if len(owners) == 1 else ()
    found |= {_words_of(idiom): () for idiom in IDIOMS}
    names: dict[str, dict[_Name, tuple[Symbol, ...]]] = defaultdict(dict)
    for alias in sorted(found, key=lambda each: (-len(each), each)):
        names[alias[0]][alias] = found[alias]
    return Listings(tickers=tickers, names=names)


def called(name: str) -> tuple[str, ...]:
    """What a company goes by that the broker calls so, in small letters, its own name first; nothing for a fund.

    >>> called("Meta Platforms, Inc. Class A Common Stock")[0]
    'meta platforms'
    """
    company = _listed_name(name)
    return tuple(dict.fromkeys(" ".join(alias) for alias, _ in _aliases(company))) if company else ()


def _listed_name(name: str) -> _Name:
    """A company's name up to its kind of share; none of an instrument that nobody calls by its issuer's name."""
    words = _words_of(name)
    if UNNAMED_KINDS & set(words):
        return ()
    kind = _KIND.search(" ".join(words))
    return tuple(kind.string[: kind.start()].split()) if kind else words


def _aliases(listed_name: _Name) -> Iterator[tuple[_Name, int]]:
    """Names of a company, each with how far it is from the company's own, which has no legal form."""
    company = listed_name[1:] if listed_name[0] == "the" else listed_name
    while len(company) > 1 and company[-1] in LEGAL_FORMS:
        company = company[:-1]
    yield company, 0
    for brand in _BRANDS.get(company, ()):
        yield brand, 0
    for distance in range(1, len(company)):
        if company[-distance] not in BUSINESSES | LEGAL_FORMS:
            return
        name = company[:-distance]
        if len(name) > 1 or name[0] not in COMMON_WORDS:
            yield name, distance


def symbols_in(text: str, listings: Listings) -> tuple[Symbol, ...]:
    """Symbols that a clean text names, in the order of their first mention, each once."""
    found: list[tuple[int, Symbol]] = []
    masked = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    for match in _QUOTED.finditer(text):
        if _AMERICAN.search(match["where"]):
            found += _listed(text, match.start("ticker"), match["ticker"], listings)
    for match in _CASHTAG.finditer(masked):
        found += _listed(masked, match.start(1), match[1], listings)
    words = _spoken(masked)
    spans = list(_named(words, listings))
    for first, end, symbols in spans:
        if not _only_rates(words[end : end + _RATING_REACH]):
            found += [(words[first].start, symbol) for symbol in symbols]
    taken = {word.start for first, end, _ in spans for word in words[first:end]}
    if not _is_shouted(words, listings):
        for match in _BARE.finditer(masked):
            if match[0] not in ABBREVIATIONS and match.start() not in taken:
                found += _listed(masked, match.start(), match[0], listings)
    found.sort(key=lambda mention: mention[0])
    return tuple(dict.fromkeys(symbol for _, symbol in found))


def _listed(text: str, start: int, spelled: str, listings: Listings) -> list[tuple[int, Symbol]]:
    """A ticker's place and symbol, where it is one of ours and no mark changes its letters."""
    if not _is_whole(text, start, start + len(spelled)):
        return []
    ticker = _as_ticker(spelled)
    symbol = listings.tickers.get(ticker) or listings.tickers.get(ticker.partition(".")[0])
    return [(start, symbol)] if symbol else []


def _as_ticker(text: str) -> str:
    return text.upper().replace("/", ".").replace("-", ".")


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no combining mark touches what stands there: with one it is another word."""
    beside = text[max(start - 1, 0) : start] + text[end : end + 1]
    return not any(unicodedata.category(each)[0] == "M" for each in beside)


def _words_of(name: str) -> _Name:
    """A name's words as they are compared."""
    return tuple(word.text for word in _spoken(unicodedata.normalize("NFKC", name)))


def _spoken(text: str) -> list[_Word]:
    words = []
    for match in _WORD.finditer(text):
        if _is_whole(text, match.start(), match.end()):
            lower = match[0].casefold().replace("\u2019", "'").removesuffix("'")
            words.append(_Word(match[0], match.start(), lower, lower.removesuffix("'s")))
    return words


def _named(words: Sequence[_Word], listings: Listings) -> Iterator[tuple[int, int, tuple[Symbol, ...]]]:
    """Names in a text, the longest at every place: words from, words to, symbols."""
    at = 0
    while at < len(words):
        length, symbols = _longest(words, at, listings)
        if length:
            yield at, at + length, symbols
        at += max(length, 1)


def _longest(words: Sequence[_Word], at: int, listings: Listings) -> tuple[int, tuple[Symbol, ...]]:
    for first in dict.fromkeys((words[at].text, words[at].stem)):
        for name, symbols in listings.names.get(first, {}).items():
            spoken = words[at : at + len(name)]
            if len(spoken) == len(name) and all(map(_says, spoken, name)) and _is_meant(name, words, at):
                return len(name), symbols
    return 0, ()


def _says(spoken: _Word, word: str) -> bool:
    return word in {spoken.text, spoken.stem} and (spoken.is_name_like or word in SMALL_WORDS)


def _is_meant(name: _Name, words: Sequence[_Word], at: int) -> bool:
    """Whether one word is a company's name where it stands, and not the beginning of another company's."""
    if len(name) > 1:
        return True
    (word,), spoken = name, words[at]
    following = words[at + 1] if at + 1 < len(words) else None
    is_possessive = spoken.text != spoken.stem
    is_firm = following is not None and following.is_name_like and following.text in LEGAL_FORMS - SMALL_WORDS
    is_in_capitals = spoken.raw[: len(spoken.stem)].isupper()
    if len(spoken.stem) <= _SHORT_NAME and not (is_in_capitals or is_firm):
        return False
    if word in COMMON_WORDS:
        is_first = at == 0 or not words[at - 1].is_name_like
        return is_possessive or (is_firm and is_first)
    if is_possessive or following is None:
        return True
    return not (following.is_name_like and following.text in BUSINESSES)


def _only_rates(following: Sequence[_Word]) -> bool:
    """Whether a bank is named for what it says of another company."""
    return any(word.stem in ANALYSTS for word in following) or any(word.text in RATES for word in following[:1])


def _is_shouted(words: Sequence[_Word], listings: Listings) -> bool:
    """Whether more than half of the words that are no tickers stand in capitals: then capitals mean nothing."""
    raws = (word.raw for word in words if len(word.raw) > 1 and word.raw.isalpha())
    others = [raw for raw in raws if raw not in listings.tickers]
    return sum(raw.isupper() for raw in others) * 2 > len(others)


_BRANDS = {_words_of(company): tuple(map(_words_of, brands)) for company, brands in BRANDS.items()}
