"""Documents of older code under today's names: states, ledgers, cases and messages that are stored or on their way.

Older code counted whole shares as JSON numbers, under names that said so. The one place where that is known: everything
else reads and writes quantities as they are now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_MARK = "qty_shares"
"""Stands in every document of older code that tells a quantity, and in none of today's."""

_NAMES: Mapping[str, str] = {"qty_shares": "qty", "filled_shares": "filled_qty"}
_COUNTS = frozenset({"written_off", "sized"})
"""What kept its name, and was a whole number."""
_MESSAGES: Mapping[str, str] = {"order-intent.v1": "order-intent.v2"}


def is_old(data: bytes | str) -> bool:
    """Whether a document tells quantities as older code did."""
    return _MARK in data if isinstance(data, str) else _MARK.encode() in data


def rewritten(parsed: Any) -> Any:
    """A parsed document of older code, as today's would be; what it does not know it leaves as it is.

    Raises
    ------
    ArithmeticError, TypeError
        If a position's fraction is no number.
    """
    if isinstance(parsed, list):
        return [rewritten(item) for item in parsed]
    if not isinstance(parsed, dict):
        return parsed
    found: dict[str, Any] = {}
    for name, value in parsed.items():
        today = _NAMES.get(name)
        if today is not None and today not in parsed and (value is None or type(value) is int):
            found[today] = _as_text(value)
        else:  # a quantity that older code would not have written so keeps the old name, to be refused
            found[name] = _as_text(value) if name in _COUNTS else rewritten(value)
    if "fraction" in found and "qty" in found:  # what a position held beside whole shares
        found["qty"] = str(Decimal(found["qty"]) + Decimal(found.pop("fraction")))
    if isinstance(parsed.get("bounds"), dict):  # what each bound of sizing allowed
        found["bounds"] = {bound: _as_text(qty) for bound, qty in parsed["bounds"].items()}
    if parsed.get("schema_id") in _MESSAGES:
        found["schema_id"] = _MESSAGES[parsed["schema_id"]]
    return found


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def text_of(parsed: Any) -> str:
    """JSON of a rewritten document."""
    return json.dumps(parsed)
