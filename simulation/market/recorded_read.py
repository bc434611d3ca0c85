"""Recorded bars: read up to a date through training's checked loader, bad rows set aside and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from shared.core.errors import SettingsError
from shared.core.features.history import DAY_S
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.splits import NO_SPLITS, Splits
from simulation.market.bar_file import BarFile, read_columns, read_file, read_traded
from simulation.market.bar_rows import session_dates
from simulation.market.days import CALENDAR, DayEdges, midnight_s, trading_days

QUOTE_COLUMNS = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Intraday bars by symbol, the session dates they cover, their length, and what was found in their file."""

    bars: Mapping[str, Bars]
    edges: DayEdges
    base_s: int
    splits: Mapping[str, Splits]
    quarantined: Mapping[str, int]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDaily:
    """Daily bars and splits by symbol, and what was found in their file."""

    bars: Mapping[str, Bars]
    splits: Mapping[str, Splits]
    quarantined: Mapping[str, int]
    told: tuple[str, ...]


def read_intraday(path: Path, on: date | None, *, beside: Path | None = None) -> Recorded:
    """Bars of `path` up to the end of `on`, New York; None: all. `beside` may tell of their splits too.

    Raises
    ------
    SettingsError
        If the file is missing or holds nothing on that date.
    ContractError
        If the loader refuses it.
    """
    until = None if on is None else on + timedelta(days=1)
    file = read_traded(path, CALENDAR, before=until, beside=beside)
    dates = _dates(file)
    if on is not None and on not in dates:
        raise SettingsError(_not_covered(path, on))
    return Recorded(
        bars={str(symbol): found.bars for symbol, found in file.by_symbol().items()},
        edges=DayEdges.of(dates, [day for day in trading_days(dates[0], dates[-1]) if day.on in set(dates)]),
        base_s=file.timeframe.seconds,
        splits=_splits(file),
        quarantined=_counts(file),
        told=tuple(file.told()),
    )


def read_daily(path: Path, before: date, *, beside: Path | None = None) -> RecordedDaily:
    """Daily bars of dates before `before`. `beside` may tell of their splits too."""
    lengths = frozenset({Timeframe.DAY_1})
    file = read_file(path, Timeframe.DAY_1, lengths=lengths, adjusted=True, before=before, beside=beside)
    return RecordedDaily(
        bars={str(symbol): found.bars for symbol, found in file.by_symbol().items()},
        splits=_splits(file),
        quarantined=_counts(file),
        told=tuple(file.told()),
    )


def told_splits(intraday: Recorded, daily: RecordedDaily) -> Mapping[str, Splits]:
    """Splits by symbol: the daily bars' for the nights that they reach to, the intraday bars' for the others."""
    found = dict(intraday.splits)
    for symbol, theirs in daily.splits.items():
        mine, others = found.get(symbol, NO_SPLITS), slice(None)
        if (bars := daily.bars.get(symbol)) is not None:
            # A split after the last bar is told by it: it holds from the midnight after.
            others = (mine.from_s <= bars.start_s[0]) | (mine.from_s > bars.start_s[-1] + 1.5 * DAY_S)
        from_s = np.concatenate([theirs.from_s, mine.from_s[others]])
        factor = np.concatenate([theirs.factor, mine.factor[others]])
        from_s, first = np.unique(from_s, return_index=True)
        found[symbol] = Splits(from_s=from_s, factor=factor[first])
    return found


def read_quotes(path: Path, on: date) -> Mapping[str, tuple[IntArray, FloatArray]]:
    """By symbol the quote bars' start (m,) and their columns (8, m) in the order of `QUOTE_COLUMNS`, up to `on`."""
    code, symbols, start_s, values = read_columns(path, QUOTE_COLUMNS)
    order = np.lexsort((start_s, code))
    order = order[start_s[order] < midnight_s(on + timedelta(days=1))]
    names, first = np.unique(code[order], return_index=True)
    parts = zip(names.tolist(), np.split(order, first[1:]), strict=True) if names.size else ()
    return {symbols[name]: (start_s[rows], values[:, rows]) for name, rows in parts}


def _splits(file: BarFile) -> dict[str, Splits]:
    return {str(symbol): splits for symbol, splits in file.splits.items()}


def _counts(file: BarFile) -> dict[str, int]:
    return {reason.value: count for reason, count in file.checked.counts.items()}


def _dates(file: BarFile) -> list[date]:
    return session_dates(file.rows.start_s[file.checked.order])


def _not_covered(path: Path, on: date) -> str:
    """Say which covered dates are nearest."""
    dates = _dates(read_traded(path, CALENDAR))
    before = max((each for each in dates if each < on), default=None)
    after = min((each for each in dates if each > on), default=None)
    nearest = " and ".join(str(each) for each in (before, after) if each is not None) or "none"
    return f"{path} has no tradable bars on {on}; nearest covered dates are {nearest}"
