"""A file of bars as a sweep reads it: judged as for a backtest, in one scale, cut into days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import SettingsError
from shared.core.features.history import midnight_s, new_york_clock
from shared.core.market import Bars, IntArray, Timeframe
from shared.core.splits import NO_SPLITS, in_terms_of
from shared.core.values import Symbol
from simulation.market.bar_file import read_file
from simulation.market.bar_rows import EPOCH
from training.engines import AskedDays, split_days
from training.parquet import five_minute_bars


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptSymbol:
    """One symbol's bars, their days, and `at`, int64 of shape (m,): its last bar by each date that is traded, or -1."""

    bars: Bars
    days: AskedDays
    at: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptMarket:
    """What is swept on.

    Attributes
    ----------
    file : str
        Its name.
    timeframe : Timeframe
        Of the bars as they are swept.
    symbols : mapping of Symbol to SweptSymbol
    dates : array of int64, shape (m,)
        Days since 1970, those that are traded.
    told : tuple of str
        What the file holds, and what of it is quarantined.
    """

    file: str
    timeframe: Timeframe
    symbols: Mapping[Symbol, SweptSymbol]
    dates: IntArray
    told: tuple[str, ...]

    @property
    def first(self) -> date:
        """The first date that is traded."""
        return EPOCH + timedelta(days=int(self.dates[0]))

    @property
    def last(self) -> date:
        """The last."""
        return EPOCH + timedelta(days=int(self.dates[-1]))


def read_market(
    path: Path,
    wanted: Timeframe,
    *,
    symbols: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
) -> SweptMarket:
    """Read a file for a sweep.

    Parameters
    ----------
    path : Path
        Parquet or CSV, as of `simulation.market.bar_file.read_file`. Prices are taken in the terms of each symbol's
        last bar where the file tells of splits.
    wanted : Timeframe
        The strategy's. Bars of a minute are put together to bars of five, as in a backtest; else they stay as they are.
    symbols : sequence of str, optional
        By default all.
    since, until : date, optional
        First and last day that is traded; what is before is memory.

    Raises
    ------
    SettingsError
        If there is no such file, a symbol is not in it, or no bar is left.
    ContractError
        If it is no file of bars.
    """
    if since and until and since > until:
        raise SettingsError(f"--from must not be after --to, got {since} and {until}")
    before = until + timedelta(days=1) if until else None
    file = read_file(path, hours=XnysCalendar(), adjusted=True, before=before)
    found = {symbol: part.bars for symbol, part in file.by_symbol().items() if len(part)}
    if missing := [name for name in symbols if name not in found]:
        some = ", ".join(list(found)[:5])
        raise SettingsError(
            f"{path.name} has no bars of {', '.join(missing)}: it has {len(found):,} symbols, {some}..."
        )
    frame = file.timeframe
    if frame is Timeframe.MIN_1 and wanted is Timeframe.MIN_5:
        frame, found = wanted, {symbol: five_minute_bars(bars) for symbol, bars in found.items()}
    dates = {symbol: new_york_clock(bars.start_s)[0] for symbol, bars in found.items()}
    sessions = np.unique(np.concatenate([[], *map(np.unique, dates.values())]).astype(np.int64))
    taken = [Symbol(name) for name in dict.fromkeys(symbols)] or sorted(found)
    traded = np.unique(np.concatenate([[], *(dates[symbol] for symbol in taken)]).astype(np.int64))
    if since:
        traded = traded[traded >= (since - EPOCH).days]
    if not traded.size:
        raise SettingsError(
            f"{path.name} has no bar of these symbols from {since or 'its start'} to {until or 'its end'}"
        )
    start_s = midnight_s(EPOCH + timedelta(days=int(traded[0])))
    parts = {}
    for symbol in taken:
        bars = in_terms_of(found[symbol], file.splits.get(symbol, NO_SPLITS), int(found[symbol].start_s[-1]))
        unknown = np.flatnonzero(~np.isfinite(bars.close))  # before a split of unknown ratio
        kept = int(unknown[-1]) + 1 if unknown.size else 0
        bars, own = bars[kept:], dates[symbol][kept:]
        parts[symbol] = SweptSymbol(
            bars=bars,
            days=split_days(bars, frame, sessions).since(bars, start_s),
            at=np.searchsorted(own, traded, side="right") - 1,
        )
    return SweptMarket(file=path.name, timeframe=frame, symbols=parts, dates=traded, told=tuple(file.told()))
