"""Text as it is compared: one spelling for what looks alike, and nothing in it that is not seen."""

from __future__ import annotations

import unicodedata

_DROPPED = frozenset({"Cf", "Cn", "Co", "Cs"})
"""Zero-width, bidi and tag characters; what has no meaning; what is no character."""
_BLANK = frozenset({"Cc", "Zl", "Zp", "Zs"})
_SELECTORS = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
UNSEEN = frozenset({*map(chr, _SELECTORS), *_FILLERS})
"""Letters and marks that show nothing: variation selectors and fillers can carry a hidden text."""
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_SPELLED = str.maketrans(_QUOTES | dict.fromkeys(_DASHES, "-"))


def plain(text: str) -> str:
    """Return a text in NFKC without characters that are not seen, blanks folded."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    seen = "".join(_seen(each) for each in text)
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def spelled(text: str) -> str:
    """Return a plain text with one spelling of quotation marks and dashes too: its letters and digits are untouched."""
    return plain(text).translate(_SPELLED)


def _seen(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in _BLANK:
        return " "
    return "" if kind in _DROPPED or character in UNSEEN else character
