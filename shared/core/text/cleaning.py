"""Foreign text made plain, once, where it comes in: what a person would see of it, and nothing that hides.

Not by `html.parser`: its time grows with the square of what a hostile text leaves open (6 s for 32 kB of `<a `), and
it raises AssertionError at `<![`. The one expression here consumes at every place what it has looked at.
"""

from __future__ import annotations

import html
import re
import unicodedata

from shared.core.text.plain import UNSEEN
from shared.core.text.stories import MAX_TEXT

MAX_RAW = 65_536
"""Characters of a text that are looked at: what lies behind so much markup is no headline."""

_MAX_PLAIN = 8 * MAX_TEXT
_ROUNDS = 6
"""Markup escaped within markup is taken out layer by layer; who nests deeper loses every `<`, `>` and `&`."""

_MARKUP = re.compile(
    r"""
    <!--.*?(?:-->|\Z)
    | <[!?][^>]*+(?:>|\Z)
    | <(?P<end>/?)(?P<name>[a-z][^\s/>]*+)
      (?P<attributes>(?:[^>=]|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+)(?:>|\Z)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""Comments, declarations and tags, as a browser ends them: what is never closed reaches to the end."""

_HIDING = re.compile(
    r"""(?:^|[\s"'/])hidden(?:$|[\s=/])|display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)
    |(?:font-size|opacity|max-height|max-width)\s*:\s*0(?![.\d]*[1-9])""",
    re.VERBOSE | re.IGNORECASE,
)
_RAW = frozenset({"script", "style", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext"})
"""Elements whose content is no markup."""
_UNSEEN = frozenset({"head", "template", "svg", "math", "object", "audio", "video", "canvas", "select"})
_VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
_INLINE = frozenset(
    {"a", "abbr", "b", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"}
)
"""Tags that part no words."""

_BLANKS = frozenset("\t\n\v\f\r\u0085\u2028\u2029\u2800")
_MARKUP_CHARACTERS = str.maketrans("", "", "<>&")


def clean(text: str) -> str:
    """Return what a person sees of a text: NFKC, without markup, controls and invisible characters, blanks single.

    Returns
    -------
    str
        `MAX_TEXT` characters at most, cut where no combining sequence is parted; clean text comes back as it is.
        Empty where there is nothing to be seen.
    """
    text = _plain(text[:MAX_RAW])[:_MAX_PLAIN]
    for _ in range(_ROUNDS):
        cleaned = _cut(_plain(text))
        if cleaned == text:
            return text
        text = cleaned
    return _cut(_normal(text.translate(_MARKUP_CHARACTERS)))


def _plain(text: str) -> str:
    """Take one layer of markup and escapes out."""
    text = _normal(text)
    if "<" in text:
        text = _seen(text)
    return _normal(html.unescape(text)) if "&" in text else _normal(text)


def _seen(text: str) -> str:
    """The text between tags, without elements that are not shown."""
    found: list[str] = []
    at, hidden_in, depth = 0, "", 0
    while match := _MARKUP.search(text, at):
        if not depth:
            found.append(text[at : match.start()])
        at = match.end()
        name, is_end = (match["name"] or "").casefold(), bool(match["end"])
        if name not in _INLINE and not depth:
            found.append(" ")
        if depth:
            depth += (name == hidden_in) * (-1 if is_end else 1)
        elif not is_end and name in _RAW:
            closing = re.compile(rf"</{name}(?![^\s/>])", re.IGNORECASE).search(text, at)
            at = closing.start() if closing else len(text)
        elif not is_end and name and name not in _VOID and _is_hidden(name, match["attributes"]):
            hidden_in, depth = name, 1
    if not depth:
        found.append(text[at:])
    return "".join(found)


def _is_hidden(name: str, attributes: str) -> bool:
    return name in _UNSEEN or _HIDING.search(html.unescape(attributes)) is not None


def _normal(text: str) -> str:
    """NFKC, without what shows nothing, in words one blank apart."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    # One character may become eighteen: what is cut off here is far behind what is kept in the end.
    shown = "".join(map(_shown, unicodedata.normalize("NFKC", text)[:MAX_RAW]))
    return unicodedata.normalize("NFKC", " ".join(shown.split()))


def _shown(character: str) -> str:
    if character in _BLANKS:
        return " "
    category = unicodedata.category(character)
    if category[0] == "Z":
        return " "
    return "" if category[0] == "C" or character in UNSEEN else character


def _cut(text: str) -> str:
    """The first characters, up to a place where the next one combines with none before it."""
    end = min(len(text), MAX_TEXT)
    while 0 < end < len(text) and unicodedata.category(text[end])[0] == "M":
        end -= 1
    return text[:end].rstrip()
