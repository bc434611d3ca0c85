"""What Azure Storage allows as a name, a key and a cell: checked before anything is sent, by every store alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from shared.core.values import require
from shared.ports import Row

MAX_KEY_CHARACTERS = 512
MAX_TEXT_CHARACTERS = 32 * 1024
"""A string cell holds 64 KiB of UTF-16."""
MAX_CELLS = 252

_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:-?[a-z0-9])*")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_NOT_IN_KEY = re.compile(r"[/\\#?%\x00-\x1f\x7f-\x9f]")
_NOT_IN_BLOB = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_RESERVED = frozenset({"PartitionKey", "RowKey", "Timestamp"})

type PlainCell = str | int | float | bool


def key_of(symbol: str) -> str:
    """Spell a symbol so that it can stand in a key or a blob name: BTC/USD becomes BTC_USD."""
    return symbol.replace("/", "_")


def symbol_of(key: str) -> str:
    """Undo `key_of`; no symbol holds an underscore."""
    return key.replace("_", "/")


def require_table(table: str) -> None:
    """A table name: 3 to 63 letters and digits, a letter first."""
    require(_TABLE.fullmatch(table) is not None, "table", table, "3 to 63 letters and digits, a letter first")


def require_key(name: str, key: str) -> None:
    """A partition or row key. Forbidden characters are named."""
    require(0 < len(key) <= MAX_KEY_CHARACTERS, name, key, f"1 to {MAX_KEY_CHARACTERS} characters")
    bad = sorted(set(_NOT_IN_KEY.findall(key)))
    require(not bad, name, key, f"free of {' '.join(map(repr, bad))}")


def require_container(container: str) -> None:
    """A container name: 3 to 63 of a-z, 0-9 and single dashes."""
    require(_CONTAINER.fullmatch(container) is not None, "container", container, "3 to 63 of a-z 0-9 and single dashes")


def require_blob_name(name: str) -> None:
    """A blob name: a relative path without `.`, `..`, empty parts, backslashes or control characters."""
    require(0 < len(name) <= 1024, "blob name", name[:80], "1 to 1024 characters")
    bad = sorted(set(_NOT_IN_BLOB.findall(name)))
    require(not bad, "blob name", name, f"free of {' '.join(map(repr, bad))}")
    parts = name.split("/")
    ok = all(part and not part.endswith(".") for part in parts) and len(parts) <= 254
    require(ok, "blob name", name, "a path of parts that are not empty and do not end in a dot")


def checked_row(row: Row) -> dict[str, PlainCell]:
    """Copy a row as the store keeps it: None dropped, subclasses (enums, numpy floats) made plain.

    Raises
    ------
    ValueError
        If a name or a cell cannot be stored: NaN, an integer beyond 64 bit, text over 32 Ki characters, another type.
    """
    plain = {name: _checked_cell(name, cell) for name, cell in row.items() if cell is not None}
    require(len(plain) <= MAX_CELLS, "row", len(plain), f"at most {MAX_CELLS} cells")
    return plain


@lru_cache(maxsize=1024)
def _require_column(name: str) -> None:
    """A cell's name; those that passed are remembered, since a row's columns are always the same few."""
    require(_COLUMN.fullmatch(name) is not None and name not in _RESERVED, "cell name", name, "an identifier of ours")


def _checked_cell(name: str, cell: object) -> PlainCell:
    _require_column(name)
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, str):
        require(len(cell) <= MAX_TEXT_CHARACTERS, name, f"{len(cell)} characters", f"at most {MAX_TEXT_CHARACTERS}")
        return str(cell)
    if isinstance(cell, int):
        require(-(2**63) <= cell < 2**63, name, cell, "within 64 bit")
        return int(cell)
    if isinstance(cell, float):
        require(math.isfinite(cell), name, cell, "finite")
        return float(cell) + 0.0  # the store keeps no minus zero
    raise ValueError(f"{name} must be text, an integer, a float, a bool or None, got {type(cell).__name__} {cell!r}")


def approximate_bytes(key: str, row: Mapping[str, PlainCell]) -> int:
    """Bytes that one row takes of a transaction's 4 MiB, from above."""
    text = sum(len(name) * 2 + (len(cell) * 4 if isinstance(cell, str) else 24) for name, cell in row.items())
    return 1024 + len(key) * 12 + text
