"""Figures and words of a text. Figures are compared by what they are worth: 1.5B, 1,500 million, one hundred."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_HUNDRED, _THOUSAND, _MILLION, _BILLION, _TRILLION = 100, 10**3, 10**6, 10**9, 10**12
_SCALES = {
    **dict.fromkeys(("hundred", "hundreds"), _HUNDRED),
    **dict.fromkeys(("k", "thousand", "thousands"), _THOUSAND),
    **dict.fromkeys(("m", "mm", "mn", "mln", "million", "millions"), _MILLION),
    **dict.fromkeys(("b", "bn", "bln", "billion", "billions"), _BILLION),
    **dict.fromkeys(("t", "tn", "trn", "trillion", "trillions"), _TRILLION),
}
_UNITS = {
    "$": r"usd|(?:u\.?s\.? )?dollars?",
    "€": r"eur|euros?",
    "£": r"gbp|pounds?",
    "¥": r"jpy|yen",
    "¢": r"¢|cents?",
    "%": r"%|percent|per cent|pct",
    "pp": r"pp|percentage points?",
    "bp": r"bps?|basis points?",
    "x": r"x|times|fold",
}
MONEY_UNITS = frozenset("$€£¥¢")
_MONEY = {"$": "$", "us$": "$", "usd": "$", "€": "€", "eur": "€", "£": "£", "gbp": "£", "¥": "¥", "jpy": "¥"}
_ONES = (
    "zero|one first|two second|three third|four fourth|five fifth|six sixth|seven seventh|eight eighth|nine ninth|"
    "ten tenth|eleven eleventh|twelve twelfth|thirteen thirteenth|fourteen fourteenth|fifteen fifteenth|"
    "sixteen sixteenth|seventeen seventeenth|eighteen eighteenth|nineteen nineteenth"
)
_TENS = (
    "twenty twentieth|thirty thirtieth|forty fortieth|fifty fiftieth|sixty sixtieth|seventy seventieth|"
    "eighty eightieth|ninety ninetieth"
)
_SMALL = {word: value for value, words in enumerate(_ONES.split("|")) for word in words.split()} | {
    word: 10 * value for value, words in enumerate(_TENS.split("|"), start=2) for word in words.split()
}
_ORDINAL = "th"
_ORDINALS = tuple(words.split()[1] for words in f"{_ONES}|{_TENS}".split("|") if " " in words)
_LONE = frozenset({"one", "first"})
"""Words of everyday speech, unless something is counted by them."""
_MULTIPLES = {
    word: (Fraction(value), unit)
    for value, unit, words in (
        ("1/2", "", "half halve halves halved halving"),
        ("2", "x", "double doubles doubled doubling twice twofold"),
        ("3", "x", "triple triples tripled tripling thrice threefold"),
        ("4", "x", "quadruple quadruples quadrupled quadrupling fourfold"),
        ("5", "x", "fivefold"),
        ("10", "x", "tenfold"),
        ("12", "", "dozen dozens"),
    )
    for word in words.split()
}

_AMOUNT = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|(?<![\w.])\.\d+"
_TOKEN = re.compile(
    r"(?P<sign>(?<![\w.,%)])[-+])?(?P<money>(?:us\$|usd|eur|gbp|jpy|[$€£¥])\s?)?"
    rf"(?P<amount>{_AMOUNT})(?P<tail>\w*)"
    r"|(?P<cashtag>\$[^\W\d]\w*)|(?P<word>\w+)",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(k|m|mm|mn|mln|b|bn|bln|t|tn|trn)?(x|bps?|pp|pct|usd|eur|gbp|jpy|st|nd|rd|th)?", re.IGNORECASE)
_SCALE_AFTER = re.compile(r"[\s-](hundred|thousand|million|billion|trillion|mln|bln|mn|bn)s?\b", re.IGNORECASE)
_UNIT_AFTER = re.compile(
    r"[\s-]?(?:" + "|".join(f"({pattern})" for pattern in _UNITS.values()) + r")(?!\w)", re.IGNORECASE
)
_PERIOD_AFTER = re.compile(r"[\s-](?:quarter|half|year|month|week|day|hour|share)s?\b", re.IGNORECASE)
_NEXT_WORD = re.compile(r"(?:\s?-\s?|\s(?:and\s)?)([^\W\d_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with its unit and its sign, both empty where none is written, and as it is written.

    The unit of an ordinal is `th`: a third quarter is no matter of three.
    """

    value: Fraction
    unit: str = ""
    sign: str = ""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, or what is spelled like one (Q3, GPT_4), and whether it may be capital for its place alone."""

    text: str
    is_cashtag: bool = False
    is_first: bool = False


def tokens(text: str) -> Iterator[Figure | Word]:
    """Yield figures and words of a text whose dashes and quotation marks are spelled in one way, in their order."""
    at = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        if found["amount"]:
            token, at = _figure(text, found)
            yield token
        elif found["cashtag"]:
            yield Word(text=found["cashtag"][1:], is_cashtag=True)
        elif (counted := _counted(text, found)) is not None:
            figure, at = counted
            yield figure
        else:
            yield Word(text=found["word"], is_first=_is_first(text, found.start()))


def _figure(text: str, found: re.Match[str]) -> tuple[Figure | Word, int]:
    tail = _TAIL.fullmatch(found["tail"])
    if tail is None:
        return Word(text=found["amount"] + found["tail"]), found.end()
    at = found.end()
    value = Fraction(found["amount"].replace(",", ""))
    if tail[1]:
        value *= _SCALES[tail[1].lower()]
    while scale := _SCALE_AFTER.match(text, at):
        value *= _SCALES[scale[1].lower()]
        at = scale.end()
    unit, at = _unit_after(text, at)
    if tail[2]:
        unit = _unit_of(tail[2])
    if found["money"]:
        unit = _MONEY[found["money"].strip().lower()]
    return Figure(value=value, unit=unit, sign=found["sign"] or "", text=text[found.start() : at]), at


def _counted(text: str, found: re.Match[str]) -> tuple[Figure, int] | None:
    """A number in words: "two hundred and five million", "doubled"; None where the word is none."""
    first, at = found["word"].lower(), found.end()
    if first in _MULTIPLES:
        value, unit = _MULTIPLES[first]
        return Figure(value=value, unit=unit, text=found["word"]), at
    if len(first) < 3 or not (first in _SMALL or first in _SCALES):
        return None
    whole, part = 0, 0
    word: str | None = first
    while word is not None:
        if word in _SMALL:
            part += _SMALL[word]
        elif _SCALES[word] == _HUNDRED:
            part = (part or 1) * _HUNDRED
        else:
            whole, part = whole + (part or 1) * _SCALES[word], 0
        following = _NEXT_WORD.match(text, at)
        word = following[1].lower() if following else None
        if following is None or word is None or not _continues(word, part):
            break
        at = following.end()
    spoken = text[found.start() : at].lower()
    unit, at = _unit_after(text, at)
    if spoken in _LONE and not (unit or _PERIOD_AFTER.match(text, at)):
        return None
    if spoken.endswith(_ORDINALS):
        unit = _ORDINAL
    return Figure(value=Fraction(whole + part), unit=unit, text=text[found.start() : at]), at


def _continues(word: str, part: int) -> bool:
    """Whether a number in words goes on with a word: "two hundred five" is one, "two five" are two."""
    if word in _SMALL:
        return part % 100 == 0 or (part % 100 >= 20 and part % 10 == 0 and 0 < _SMALL[word] < 10)
    return len(word) > 2 and word in _SCALES


def _unit_after(text: str, at: int) -> tuple[str, int]:
    found = _UNIT_AFTER.match(text, at)
    if found is None or found.lastindex is None:
        return "", at
    return tuple(_UNITS)[found.lastindex - 1], found.end()


def _unit_of(tail: str) -> str:
    lower = tail.lower()
    return _MONEY.get(lower) or {"x": "x", "bp": "bp", "bps": "bp", "pp": "pp", "pct": "%"}.get(lower, _ORDINAL)


def _is_first(text: str, at: int) -> bool:
    """Whether a sentence, or something quoted or in brackets, begins here."""
    before = text[:at].rstrip()
    return not before or before[-1] in ".!?:;\"'([" or before.endswith(" -")
