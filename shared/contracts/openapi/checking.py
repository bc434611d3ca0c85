"""A request held against its route: everything is checked before any code of a stage sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.openapi.fields import UNPRINTABLE, Field, FieldKind, Route

MAX_BODY_BYTES = 16 * 1024
"""More than any body needs; what is longer is not read."""

type Values = Mapping[str, str | bool]

_NOT_SHOWN = re.compile(rf"[{UNPRINTABLE}\ud800-\udfff]")
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request is refused: HTTP status, the field at fault, what was expected and found."""

    status: int
    field: str
    text: str


def check(route: Route, parts: Mapping[str, str], body: object) -> Values | Problem:
    """Return the request's values, defaults filled in, or what is wrong with it.

    A text that a person words is made one line, not refused: a reason with a line break must not keep a kill waiting.

    Parameters
    ----------
    parts : mapping of str to str
        Of the path, decoded.
    body : object
        Parsed JSON; not looked at where the route takes none.
    """
    found: dict[str, str | bool] = {}
    for field in route.parts:
        text = parts.get(field.name, "")
        if (fault := _fault(field, text)) is not None:
            return Problem(status=404, field=field.name, text=fault)
        found[field.name] = text
    if not route.fields:
        return found
    if not isinstance(body, dict):
        return Problem(status=400, field="body", text="expected a JSON object with " + _names(route))
    if strange := sorted(set(body) - {field.name for field in route.fields}):
        return Problem(status=400, field=_shown(strange[0]), text="no such field; expected " + _names(route))
    for field in route.fields:
        value = body.get(field.name, field.default)
        if (fault := _fault(field, value)) is not None:
            return Problem(status=400, field=field.name, text=fault)
        found[field.name] = value if isinstance(value, bool) else one_line(str(value))
    return found


def one_line(text: str) -> str:
    """A text as it may be kept and logged: what no text may hold is replaced by U+FFFD, so that it is seen."""
    return _NOT_SHOWN.sub("\ufffd", text)


def _fault(field: Field, value: object) -> str | None:
    """What is wrong with a value, None where nothing is."""
    if field.kind is FieldKind.FLAG:
        ok = isinstance(value, bool)
    else:
        ok = (
            isinstance(value, str)
            and 0 < len(value) <= field.max_characters
            and (field.is_free or _NOT_SHOWN.search(value) is None)
            and (not field.pattern or re.fullmatch(field.pattern, value) is not None)
            and (not field.choices or value in field.choices)
        )
    return None if ok else f"expected {field.expected}, got {_shown(repr(value))}"


def _names(route: Route) -> str:
    return ", ".join(field.name for field in route.fields)


def _shown(text: str) -> str:
    printable = one_line(text).encode("ascii", "backslashreplace").decode()
    return printable if len(printable) <= _SHOWN else f"{printable[:_SHOWN]}..."
