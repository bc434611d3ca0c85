"""What a route takes and answers, as values: parsing, checking and describing all read these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

UNPRINTABLE = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
"""Control characters, ends of lines and of paragraphs, and what turns the direction of writing, as a range of a regular
expression. None is kept of a text that a person gives: it would make two lines of one in a log, or show another."""


class FieldKind(StrEnum):
    """JSON type of a field."""

    TEXT = "string"
    FLAG = "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a body, or one part of a path.

    Attributes
    ----------
    pattern : str
        Regular expression that the whole text must match; empty: any text.
    choices : tuple of str
        The only texts allowed; empty: any.
    default : bool or None
        What an absent flag means; None: the field must be given.
    example : str
        For the description.
    """

    name: str
    what: str
    kind: FieldKind = FieldKind.TEXT
    max_characters: int = 500
    pattern: str = ""
    choices: tuple[str, ...] = ()
    default: bool | None = None
    example: str = ""

    @property
    def is_free(self) -> bool:
        """Whether a person words it: any text, of which what must not be shown is replaced."""
        return self.kind is FieldKind.TEXT and not self.pattern and not self.choices

    @property
    def is_required(self) -> bool:
        """Whether a body without it is refused."""
        return self.default is None

    @property
    def expected(self) -> str:
        """What an error says was expected."""
        if self.kind is FieldKind.FLAG:
            return "true or false"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        how = f" like {self.example}" if self.pattern else ""
        return f"1 to {self.max_characters} characters{how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Attributes
    ----------
    name : str
        Operation id, and what the act is called in table controls.
    path : str
        Below the host's prefix, with `{parts}`.
    fields : tuple of Field
        Of the JSON body; a route without is a GET.
    parts : tuple of Field
        Of the path.
    answers : mapping of int to str
        Every status that the route's own code gives, beside what the checks before it do.
    is_keyless : bool
        Whether it is answered without a function key.
    media : str
        Media type of its 200.
    """

    name: str
    method: str
    path: str
    summary: str
    fields: tuple[Field, ...] = ()
    parts: tuple[Field, ...] = ()
    answers: Mapping[int, str]
    is_keyless: bool = False
    media: str = "application/json"
