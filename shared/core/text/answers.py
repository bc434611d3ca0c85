"""The text of an answer becomes a value, or is refused with words that tell whoever wrote it what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from shared.core.errors import GatehouseError
from shared.core.text.narratives import MAX_CITATIONS, MAX_ENTITIES, MAX_SUMMARY, Citation, NarrativeAnswer
from shared.core.text.plain import plain

MAX_ANSWER = 8192
"""Characters of an answer that are looked at: more than the longest one that is taken has."""
MAX_QUOTE, MAX_ENTITY, MAX_ID, MAX_SOURCES = 256, 64, 64, 12
MAX_DEPTH = 3
"""An object, its list of quotes, one of them."""
_SHOWN = 40

ANSWER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": MAX_SUMMARY},
        "score": {"type": "number", "minimum": -1, "maximum": 1},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "entities": {
            "type": "array",
            "maxItems": MAX_ENTITIES,
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_ENTITY},
        },
        "quotes": {
            "type": "array",
            "maxItems": MAX_CITATIONS,
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "minLength": 1, "maxLength": MAX_QUOTE},
                    "story_id": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
                },
                "required": ["text", "story_id"],
                "additionalProperties": False,
            },
        },
        "source_ids": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_SOURCES,
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
        },
    },
    "required": ["summary", "score", "confidence", "entities", "quotes", "source_ids"],
    "additionalProperties": False,
}
"""What is asked for, as JSON schema. `parse_answer` takes nothing that it does not allow."""

_KEYS = tuple(ANSWER_SCHEMA["required"])
_QUOTE_KEYS = ("text", "story_id")
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\r?\n(.*)\r?\n[ \t]*```\s*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""What is never closed reaches to the end, so that no text takes longer than it is long."""
_BRACKET = re.compile(r"[\[\]{}]")


class AnswerError(GatehouseError):
    """An answer that is not what was asked for; its words are for whoever wrote it."""


def parse_answer(text: str, *, finish: str = "") -> NarrativeAnswer:
    """Read an answer.

    One code fence around the one object is taken, since it leaves nothing to choose; a word before or after, or a
    second fence, is not. Blanks and characters that are not seen are taken out of texts, and repetitions out of lists.

    Parameters
    ----------
    text : str
        As it came.
    finish : str
        The server's word for why it ended: one that was cut at its `length` is refused, whatever it says.

    Raises
    ------
    AnswerError
        If it is not exactly one JSON object as `ANSWER_SCHEMA` has it.
    """
    found = answer_object(text, _KEYS, finish=finish)
    quotes = _items("quotes", found["quotes"], most=MAX_CITATIONS)
    for quote in quotes:
        _require_keys("a quote", quote, _QUOTE_KEYS)
    return NarrativeAnswer(
        summary=text_of("summary", found["summary"], MAX_SUMMARY),
        score=_number("score", found["score"], -1),
        confidence=_number("confidence", found["confidence"], 0),
        entities=texts_of("entities", found["entities"], most=MAX_ENTITIES, longest=MAX_ENTITY),
        quotes=tuple(
            Citation(
                text=text_of("a quote's text", quote["text"], MAX_QUOTE),
                story_id=text_of("a quote's story_id", quote["story_id"], MAX_ID),
            )
            for quote in quotes
        ),
        source_ids=texts_of("source_ids", found["source_ids"], least=1, most=MAX_SOURCES, longest=MAX_ID),
    )


def answer_object(
    text: str, keys: tuple[str, ...], *, finish: str = "", longest: int = MAX_ANSWER
) -> Mapping[str, Any]:
    """Return the one object of exactly these keys that a text is; its numbers are floats.

    Raises
    ------
    AnswerError
        If it is not that, is longer than it may be, or was cut.
    """
    if finish == "length":
        refuse("it was cut off at the most tokens allowed: answer in fewer words")
    if len(text) > longest:
        refuse(f"expected at most {longest} characters, found {len(text)}")
    found = _json(fenced[1] if (fenced := _FENCED.fullmatch(text)) else text)
    _require_keys("the answer", found, keys)
    return cast("Mapping[str, Any]", found)


def _json(text: str) -> Any:
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            refuse(f"expected no more than {MAX_DEPTH} levels of brackets")
    try:
        # A whole number is read as a float: one of a thousand digits is then merely out of bounds.
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=float)
    except json.JSONDecodeError as error:
        raise AnswerError(f"expected one JSON object and nothing else: {error.msg} at character {error.pos}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        refuse(f"key {shown(next(key for key in keys if keys.count(key) > 1))} stands there twice")
    return found


def _constant(name: str) -> NoReturn:
    refuse(f"{name} is no JSON number")


def _require_keys(name: str, found: object, keys: tuple[str, ...]) -> None:
    if type(found) is not dict:
        refuse(f"{name}: expected an object, found {shown(found)}")
    if missing := [key for key in keys if key not in found]:
        refuse(f"{name}: {', '.join(missing)} missing")
    if unknown := [key for key in found if key not in keys]:
        refuse(f"{name}: expected the keys {', '.join(keys)} and no other, found {shown(unknown[0])}")


def _items(name: str, found: object, *, least: int = 0, most: int) -> list[Any]:
    if type(found) is not list:
        refuse(f"{name}: expected a list, found {shown(found)}")
    if not least <= len(found) <= most:
        refuse(f"{name}: expected {least} to {most}, found {len(found)}")
    return found


def texts_of(name: str, found: object, *, least: int = 0, most: int, longest: int) -> tuple[str, ...]:
    """Return a member that is a list of texts, without repetitions; raise AnswerError where it is none."""
    return tuple(dict.fromkeys(text_of(name, each, longest) for each in _items(name, found, least=least, most=most)))


def text_of(name: str, found: object, longest: int) -> str:
    """Return a member that is a text, without what is not seen; raise AnswerError where it is none."""
    if type(found) is not str:
        refuse(f"{name}: expected a string, found {shown(found)}")
    text = plain(found)
    # Both are counted: NFKC makes eighteen characters of one.
    if not (text and len(text) <= longest and len(found) <= longest):
        refuse(f"{name}: expected 1 to {longest} characters, found {max(len(found), len(text)) if text else 0}")
    return text


def _number(name: str, found: object, lowest: float) -> float:
    if type(found) is not float:
        refuse(f"{name}: expected a number, found {shown(found)}")
    if not lowest <= found <= 1:
        refuse(f"{name}: expected a number from {lowest} to 1, found {found:g}")
    return found


def shown(found: object) -> str:
    """Return a value as a refusal names it."""
    text = json.dumps(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def refuse(fault: str) -> NoReturn:
    """Raise AnswerError."""
    raise AnswerError(fault)
