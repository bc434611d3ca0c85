"""Rows to pandas frames: money and quantities become float64 here and nowhere else, instants UTC timestamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.store import KEY
from shared.ports import Row

NUMBERS = frozenset(
    {
        *("rank", "score", "gap", "rvol", "qty", "attempt", "seq", "positions", "reservations"),
        *("edge", "p_up", "p_none", "p_down", "expected_move", "tokens_in", "tokens_out", "usd", "items"),
    }
)
"""Columns of numbers, beside those whose name ends in a unit."""
_UNITS = ("_usd", "_bp", "_s", "_ms", "_qty", "_fraction")
_INSTANT = "_at"


def frame(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame of exactly these columns, in this order, and `key` as the first.

    A column that ends in a unit (`_usd`, `_bp`) or is known as a number is float64 with NaN where the cell is absent,
    one named `at` or ending in `_at` is UTC, any other is text with "" where it is absent.
    """
    made = pd.DataFrame(list(rows), columns=[KEY, *columns])
    for name in made.columns:
        made[name] = _typed(made[name])
    return made


def _typed(column: pd.Series) -> pd.Series:
    name = str(column.name)
    if name in NUMBERS or name.endswith(_UNITS):
        return pd.to_numeric(column, errors="coerce").astype("float64")
    if name == "at" or name.endswith(_INSTANT):
        return pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    return column.astype("object").where(column.notna(), "").astype(str)


def records(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame row by row."""
    return [{str(name): cell for name, cell in row.items()} for row in found.to_dict("records")]


def counts(values: pd.Series) -> Mapping[str, int]:
    """How often each text occurs, the most frequent first."""
    return {str(name): int(number) for name, number in values.value_counts().items()}
