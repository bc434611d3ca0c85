"""Recorded bars for a replay: read up to a date through training's checked loader, bad rows set aside and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from sandbox.market.days import DayEdges, trading_days
from shared.adapters.calendar import XnysCalendar
from shared.core.errors import SettingsError
from shared.core.features.past import midnight_s
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from training.data.bar_file import BarFile, read_columns, read_file, read_traded
from training.data.rows import session_dates

QUOTE_COLUMNS = (
    "bid_open", "bid_high", "bid_low", "bid_close",
    "ask_open", "ask_high", "ask_low", "ask_close",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Intraday bars by symbol, the session dates they cover, their length, and what was found in their file."""

    bars: Mapping[str, Bars]
    edges: DayEdges
    base_s: int
    quarantined: Mapping[str, int]
    told: tuple[str, ...]


def read_intraday(path: Path, on: date | None) -> Recorded:
    """Bars of `path` up to the end of `on`, New York; None: all.

    Raises
    ------
    SettingsError
        If the file is missing or holds nothing on that date.
    ContractError
        If the loader refuses it.
    """
    file = read_traded(path, XnysCalendar(), before=None if on is None else on + timedelta(days=1))
    dates = _dates(file)
    if on is not None and on not in dates:
        raise SettingsError(_not_covered(path, on))
    return Recorded(
        bars={str(symbol): bars for symbol, bars in file.in_last_terms().items()},
        edges=DayEdges.of(dates, [day for day in trading_days(dates[0], dates[-1]) if day.on in set(dates)]),
        base_s=file.timeframe.seconds,
        quarantined=_counts(file),
        told=tuple(file.told()),
    )


def read_daily(path: Path, before: date) -> tuple[Mapping[str, Bars], Mapping[str, int], tuple[str, ...]]:
    """Daily bars of dates before `before`, in its terms, the rows set aside, and what was found in their file."""
    file = read_file(path, Timeframe.DAY_1, lengths=frozenset({Timeframe.DAY_1}), adjusted=True, before=before)
    bars = {str(symbol): found for symbol, found in file.in_last_terms().items()}
    return bars, _counts(file), tuple(file.told())


def read_quotes(path: Path, on: date) -> Mapping[str, tuple[IntArray, FloatArray]]:
    """By symbol the quote bars' start (m,) and their columns (8, m) in the order of `QUOTE_COLUMNS`, up to `on`."""
    code, symbols, start_s, values = read_columns(path, QUOTE_COLUMNS)
    order = np.lexsort((start_s, code))
    order = order[start_s[order] < midnight_s(on + timedelta(days=1))]
    names, first = np.unique(code[order], return_index=True)
    parts = zip(names.tolist(), np.split(order, first[1:]), strict=True) if names.size else ()
    return {symbols[name]: (start_s[rows], values[:, rows]) for name, rows in parts}


def _counts(file: BarFile) -> dict[str, int]:
    return {reason.value: count for reason, count in file.checked.counts.items()}


def _dates(file: BarFile) -> list[date]:
    return session_dates(file.rows.start_s[file.checked.order])


def _not_covered(path: Path, on: date) -> str:
    """Say which covered dates are nearest."""
    dates = _dates(read_traded(path, XnysCalendar()))
    before = max((each for each in dates if each < on), default=None)
    after = min((each for each in dates if each > on), default=None)
    nearest = " and ".join(str(each) for each in (before, after) if each is not None) or "none"
    return f"{path} has no tradable bars on {on}; nearest covered dates are {nearest}"
