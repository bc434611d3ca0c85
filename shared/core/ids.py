"""Ids are hashes of logical content, so that a duplicate is seen for what it is."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Any

ID_LENGTH = 20
"""Hex digits kept: 80 bits, so a client order id with leg and attempt stays within the broker's 48 characters."""


def digest(value: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(value).hexdigest()


def canonical_json(value: Any) -> bytes:
    """One spelling for one content: sorted keys, no blanks, UTF-8. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def hash_id(kind: str, *parts: str) -> str:
    """Short id of a thing from what it logically is."""
    return digest("\x1f".join((kind, *parts)).encode())[:ID_LENGTH]


def decision_id(on: date, slot: str, symbol: str, strategy: str) -> str:
    """Id of the one decision that a strategy takes on a symbol in a slot of a trading day."""
    return hash_id("decision", on.isoformat(), slot, symbol, strategy)


def client_order_id(intent_id: str, leg: str, attempt: int) -> str:
    """`{intent}-{leg}-{attempt}`: the same call always names the same order (at most 48 characters)."""
    return f"{intent_id}-{leg}-{attempt}"
