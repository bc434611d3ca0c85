"""Files of bars with cells broken at random, each in a way that must send its row to quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation.market.bar_checks import Reason

PRICES = ("open", "high", "low", "close")

type Break = Callable[[Mapping[str, Any]], object]
"""Given the row as it was, what its cell becomes."""


def _moved(**by: float) -> Break:
    return lambda row: row["ts"] + timedelta(**by)


def _at_night(row: Mapping[str, Any]) -> datetime:
    at: datetime = row["ts"]
    return at.replace(hour=6, minute=0)


_SYMBOL: tuple[tuple[Reason, Break], ...] = tuple(
    (Reason.NO_SYMBOL, lambda row, value=value: value)  # type: ignore[misc]
    for value in (None, "..", "", "a b", "../etc", "abc")
)
_TIME: tuple[tuple[Reason, Break], ...] = (
    (Reason.NO_TIME, lambda row: None),
    (Reason.NO_TIME, lambda row: row["ts"].replace(year=1850)),
    (Reason.OFF_GRID, _moved(seconds=19)),
    (Reason.OFF_GRID, _moved(milliseconds=250)),
    (Reason.CLOSED, _at_night),
    (Reason.DUPLICATE, _moved(minutes=-5)),
)
_PRICE: tuple[tuple[Reason, Break], ...] = (
    (Reason.NOT_FINITE, lambda row: None),
    (Reason.NOT_FINITE, lambda row: float("nan")),
    (Reason.NOT_FINITE, lambda row: float("-inf")),
    (Reason.NOT_POSITIVE, lambda row: 0.0),
    (Reason.NOT_POSITIVE, lambda row: -5.0),
)
_VOLUME: tuple[tuple[Reason, Break], ...] = (
    (Reason.NOT_FINITE, lambda row: None),
    (Reason.NOT_FINITE, lambda row: float("inf")),
    (Reason.NEGATIVE_VOLUME, lambda row: -1.0),
)
KINDS: Mapping[str, tuple[tuple[Reason, Break], ...]] = {
    "symbol": _SYMBOL,
    "ts": _TIME,
    **dict.fromkeys(PRICES, _PRICE),
    "high": (*_PRICE, (Reason.INCONSISTENT, lambda row: row["low"] / 2)),
    "low": (*_PRICE, (Reason.INCONSISTENT, lambda row: row["high"] * 2)),
    "volume": _VOLUME,
}
WORDS: Mapping[str, tuple[tuple[Reason, Break], ...]] = {
    "symbol": ((Reason.NO_SYMBOL, lambda row: ""), (Reason.NO_SYMBOL, lambda row: "..")),
    "ts": tuple(
        (Reason.NO_TIME, lambda row, value=value: value)  # type: ignore[misc]
        for value in ("", "yesterday", "2025-10-15 10:00:00", "1760535000", "10/15/2025")
    ),
    **{
        name: (
            (Reason.NOT_A_NUMBER, lambda row: "abc"),
            (Reason.NOT_A_NUMBER, lambda row: "1,234"),
            (Reason.NOT_FINITE, lambda row: ""),
            (Reason.NOT_FINITE, lambda row: "NaN"),
        )
        for name in (*PRICES, "volume")
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """A table with broken cells, one a row at most; which rows they are in; and how many must be told of what."""

    table: pa.Table
    rows: NDArray[np.int64]
    reasons: Counter[Reason]


def spoil(
    table: pa.Table, rng: np.random.Generator, *, share: float = 1e-3, of: NDArray[np.bool_] | None = None
) -> Spoiled:
    """Break a share of the cells of columns symbol to volume, in rows of a mask.

    A table whose columns are all text is broken with words.
    """
    kinds = WORDS if pa.types.is_string(table["close"].type) else KINDS
    names = [*kinds]
    allowed = np.flatnonzero(np.ones(table.num_rows, bool) if of is None else of)
    rows = np.sort(rng.choice(allowed, max(1, int(share * allowed.size * len(names))), replace=False))
    values = {name: table[name].to_pylist() for name in names}
    broken, reasons = set(rows.tolist()), Counter[Reason]()
    for row in rows.tolist():
        name = names[int(rng.integers(len(names)))]
        reason, change = kinds[name][int(rng.integers(len(kinds[name])))]
        if reason is Reason.DUPLICATE and not _follows(table, values, row, broken):
            reason, change = Reason.OFF_GRID, _moved(seconds=19)
        values[name][row] = change({each: table[each][row].as_py() for each in names})
        reasons[reason] += 1
    for name in names:
        kind = table[name].type
        kind = kind.value_type if pa.types.is_dictionary(kind) else pa.float64() if pa.types.is_integer(kind) else kind
        table = table.set_column(table.column_names.index(name), name, pa.array(values[name], kind))
    return Spoiled(table=table, rows=rows, reasons=reasons)


def _follows(table: pa.Table, values: Mapping[str, list[Any]], row: int, broken: set[int]) -> bool:
    """Whether the row before is the symbol's bar five minutes before, and a sound one."""
    if not row or row - 1 in broken or values["symbol"][row - 1] != table["symbol"][row].as_py():
        return False
    return bool(table["ts"][row].as_py() - values["ts"][row - 1] == timedelta(minutes=5))
