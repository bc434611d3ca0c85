"""The real codec, which a simulation asks once for each value and each text."""

from __future__ import annotations

from typing import Any

from shared.adapters.codec import decode_json, encode_json
from shared.core.errors import InvariantError

_KEPT = 3000
_CHECK_EVERY = 97


class MemoCodec:
    """`Codec` that remembers what the real one has said.

    Values are frozen, so the same object has the same text, and the same text is the same value. One answer from memory
    in `_CHECK_EVERY` is held against the real codec.
    """

    def __init__(self) -> None:
        self._texts: dict[int, tuple[object, str]] = {}
        self._values: dict[tuple[type, str], Any] = {}
        self._remembered = 0

    def encode(self, value: object) -> str:
        """Return the one JSON spelling of a value."""
        known = self._texts.get(id(value))
        if known is None or known[0] is not value:
            text = encode_json(value).decode()
            _keep(self._texts, id(value), (value, text))
            _keep(self._values, (type(value), text), value)
            return text
        if self._is_checked() and encode_json(value).decode() != known[1]:
            raise InvariantError(f"{type(value).__name__} was changed after it was encoded")
        return known[1]

    def decode[T](self, cls: type[T], text: str | bytes) -> T:
        """Return the value."""
        spelled = text if isinstance(text, str) else text.decode()
        known: T | None = self._values.get((cls, spelled))
        if known is None:
            known = decode_json(cls, spelled)
            _keep(self._values, (cls, spelled), known)
        elif self._is_checked() and decode_json(cls, spelled) != known:
            raise InvariantError(f"{cls.__name__} was changed after it was encoded")
        return known

    def _is_checked(self) -> bool:
        self._remembered += 1
        return self._remembered % _CHECK_EVERY == 0


def _keep[K](memory: dict[K, Any], key: K, found: object) -> None:
    if len(memory) > _KEPT:
        memory.clear()
    memory[key] = found
