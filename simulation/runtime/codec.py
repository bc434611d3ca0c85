"""The real codec's texts and values, at less cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from types import NoneType
from typing import Any

from shared.adapters.codec import decode_json, encode_json
from shared.core.errors import InvariantError
from shared.core.values import iso

_KEPT = 3000


_CHECK_EVERY = 97


_PLAIN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, encode_basestring),
    (NoneType, lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (int, repr),
    (float, repr),
    (Decimal, lambda value: f'"{value:f}"'),
    (datetime, lambda value: f'"{iso(value)}"'),
    (date, lambda value: f'"{value.isoformat()}"'),
)
"""How plain values are spelled, by the first type that fits."""


class MemoCodec:
    """The real codec's texts and values, at less cost: what was spelled or read before is remembered.

    Values are frozen, so the same object has the same text, and the same text is the same value. One call in
    `_CHECK_EVERY` asks the real codec too and compares.
    """

    def __init__(self) -> None:
        self._spellers: dict[type, Callable[[Any], str]] = {}
        self._texts: dict[int, tuple[object, str]] = {}
        self._values: dict[tuple[type, str], Any] = {}
        self._calls = 0

    def encode(self, value: object) -> str:
        """Return the one JSON spelling of a value."""
        text = self._spell(value)
        self._calls += 1
        if self._calls % _CHECK_EVERY == 0 and encode_json(value).decode() != text:
            raise InvariantError(f"{type(value).__name__} is spelled otherwise by the real codec")
        self._keep(type(value), text, value)
        return text

    def decode[T](self, cls: type[T], text: str | bytes) -> T:
        """Return the value."""
        spelled = text if isinstance(text, str) else text.decode()
        known: T | None = self._values.get((cls, spelled))
        if known is None:
            known = decode_json(cls, spelled)
            self._keep(cls, spelled, known)
            return known
        self._calls += 1
        if self._calls % _CHECK_EVERY == 0 and decode_json(cls, spelled) != known:
            raise InvariantError(f"{cls.__name__} was changed after it was encoded")
        return known

    def _keep(self, cls: type, text: str, value: object) -> None:
        if len(self._values) > _KEPT:
            self._values.clear()
        self._values[cls, text] = value

    def _spell(self, value: Any) -> str:
        speller = self._spellers.get(type(value))
        if speller is None:
            speller = self._spellers[type(value)] = self._speller_of(type(value))
        return speller(value)

    def _speller_of(self, cls: type) -> Callable[[Any], str]:
        """How values of a type are spelled: looked up once for each type, not once for each value."""
        plain = next((spell for kind, spell in _PLAIN if issubclass(cls, kind)), None)
        if plain is not None:
            return plain
        if issubclass(cls, Mapping):
            return self._spell_mapping
        if issubclass(cls, Sequence):
            return self._spell_sequence
        return self._dataclass_speller(cls)

    def _spell_mapping(self, value: Mapping[str, Any]) -> str:
        return "{" + ",".join([f"{encode_basestring(k)}:{self._spell(value[k])}" for k in sorted(value)]) + "}"

    def _spell_sequence(self, value: Sequence[Any]) -> str:
        return "[" + ",".join([self._spell(each) for each in value]) + "]"

    def _dataclass_speller(self, cls: Any) -> Callable[[Any], str]:
        names = tuple((name, f'"{name}":') for name in sorted(field.name for field in dataclasses.fields(cls)))
        texts, spell = self._texts, self._spell

        def spell_dataclass(value: Any) -> str:
            known = texts.get(id(value))
            if known is not None and known[0] is value:
                return known[1]
            text = "{" + ",".join([f"{label}{spell(getattr(value, name))}" for name, label in names]) + "}"
            if len(texts) > _KEPT:
                texts.clear()
            texts[id(value)] = (value, text)
            return text

        return spell_dataclass
