"""Embedding vectors in a table's row: int8 in base64, 384 of them in 512 characters."""

from __future__ import annotations

import base64
import binascii

import numpy as np

from shared.core.errors import ContractError
from shared.core.market import FloatArray

_SCALE = 127.0


def packed(vector: FloatArray) -> str:
    """Spell a unit vector of shape (d,): each component within 1/254 of what it was, times the largest of them."""
    largest = float(np.abs(vector).max(initial=0.0)) or 1.0
    return base64.b64encode(np.rint(vector / largest * _SCALE).astype(np.int8).tobytes()).decode()


def unpacked(text: str) -> FloatArray:
    """Return the unit vector that a text spells, float64 of shape (d,). Raises ContractError where it spells none."""
    try:
        raw = np.frombuffer(base64.b64decode(text, validate=True), np.int8).astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise ContractError(f"expected a vector in base64, got {text[:20]!r}") from error
    length = float(np.linalg.norm(raw))
    if not length > 0:
        raise ContractError(f"expected a vector of some length, got {text[:20]!r}")
    return raw / length
