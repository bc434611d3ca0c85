"""Only what is missing, from Alpaca into the store: what a manifest covers is not asked for again.

The work is cut into jobs of one timeframe, one month (daily bars: one year) and some symbols. A job writes its bars
and then its manifests, so a fetch that is killed goes on where it stood; at most one job is asked for twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Any, Final, Protocol

import numpy as np

from shared.core.ids import hash_id
from shared.core.market import Bars, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol, from_epoch
from shared.ports import Calendar
from simulation.market.bar_checks import Checked, RawRows, by_symbol, check
from simulation.market.bar_rows import SymbolBars, edges_of, is_crypto, span_s
from training.data.manifest import Dates, missing
from training.data.store import BarStore, instants, parquet_bytes

INTRADAY_SYMBOLS: Final = 50
DAILY_SYMBOLS: Final = 200
"""Symbols of one job: some twenty pages of bars at most, so that a kill costs little."""
_LETTERS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}

type Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class BarSource(Protocol):
    """Where raw bars come from."""

    feed: str

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime, *, crypto: bool
    ) -> Iterator[Rows]:
        """Pages of raw bars that start in [start, end), unadjusted."""

    def splits(self, symbols: Sequence[Symbol], first: date, last: date) -> dict[Symbol, dict[date, float]]:
        """By symbol and date from which it holds, what a price before it is multiplied by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What should be there when a fetch is done. Without `extended`, intraday bars of stocks are the regular ones."""

    symbols: tuple[Symbol, ...]
    timeframes: tuple[Timeframe, ...]
    dates: Dates
    extended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """Symbols of one kind that lack the same dates of one month."""

    timeframe: Timeframe
    dates: Dates
    symbols: tuple[Symbol, ...]
    crypto: bool


def last_complete(now: datetime) -> date:
    """The last New York date that is over: of a day that runs, what is missing now may be there in the evening."""
    return now.astimezone(NEW_YORK).date() - timedelta(days=1)


def plan(wanted: Wanted, store: BarStore) -> list[FetchJob]:
    """Jobs for what is missing, oldest first within a timeframe."""
    lacking: dict[tuple[Timeframe, Dates, bool], list[Symbol]] = {}
    for timeframe in wanted.timeframes:
        for symbol in wanted.symbols:
            manifest = store.manifest(timeframe, symbol)
            covered = () if manifest is None else manifest.covered
            for dates in missing(wanted.dates, covered):
                for chunk in dates.pieces(yearly=timeframe is Timeframe.DAY_1):
                    lacking.setdefault((timeframe, chunk, is_crypto(symbol)), []).append(symbol)
    jobs = [
        FetchJob(timeframe=timeframe, dates=dates, symbols=part, crypto=crypto)
        for (timeframe, dates, crypto), symbols in lacking.items()
        for part in batched(symbols, DAILY_SYMBOLS if timeframe is Timeframe.DAY_1 else INTRADAY_SYMBOLS, strict=False)
    ]
    order = {timeframe: k for k, timeframe in enumerate(wanted.timeframes)}
    return sorted(jobs, key=lambda job: (order[job.timeframe], job.dates, job.crypto, job.symbols))


def run(job: FetchJob, source: BarSource, store: BarStore, calendar: Calendar, *, extended: bool) -> int:
    """Do one job, and say how many good bars came of it.

    Raises
    ------
    TransientError
        If Alpaca does not answer, in the end.
    ContractError
        If the store holds bars of another source.
    """
    start_s, end_s = span_s(job.dates.first, job.dates.last)
    found: dict[str, list[Mapping[str, Any]]] = {symbol: [] for symbol in job.symbols}
    for page in source.bars(job.symbols, job.timeframe, from_epoch(start_s), from_epoch(end_s), crypto=job.crypto):
        for symbol, rows in page.items():
            if symbol in found:
                found[symbol] += rows
    raw = _raw(found)
    checked = check(raw, job.timeframe)
    good = by_symbol(raw, checked)
    bad_of = np.bincount(raw.symbol[checked.bad], minlength=len(job.symbols))
    has_splits = job.timeframe is Timeframe.DAY_1 and not job.crypto
    after = calendar.next_day(job.dates.last).on
    splits = source.splits(job.symbols, job.dates.first, after) if has_splits else {}
    if checked.bad.size:
        _quarantine(job, raw, checked, store)
    for k, symbol in enumerate(job.symbols):
        bars = good.get(k, SymbolBars.of(Bars.empty()))
        lo, hi = np.searchsorted(bars.bars.start_s, (start_s, end_s))
        bars = bars[int(lo) : int(hi)]
        if not (extended or job.crypto or job.timeframe is Timeframe.DAY_1):
            bars = _regular(bars, calendar)
        store.write(
            job.timeframe,
            symbol,
            with_splits(bars, splits.get(symbol, {}), until=after),
            covered=job.dates,
            source=source_name(source.feed, job, extended=extended),
            quarantined=int(bad_of[k]) if bad_of.size else 0,
        )
    return int(checked.order.size)


def source_name(feed: str, job: FetchJob, *, extended: bool) -> str:
    """What the manifest says of a job's bars."""
    if job.crypto:
        return "alpaca-crypto"
    return f"alpaca-{feed}" + ("-extended" if extended and job.timeframe is not Timeframe.DAY_1 else "")


def with_splits(rows: SymbolBars, splits: Mapping[date, float], *, until: date) -> SymbolBars:
    """Daily bars with each split's factor on the last bar before the date it holds from.

    A split after `until`, the session after the last date that was asked for, is left to a later fetch: bars before it
    may still come.
    """
    factors = rows.split_next.copy()
    for on, factor in splits.items():
        place = int(np.searchsorted(rows.bars.start_s, span_s(on, on)[0])) - 1
        if place >= 0 and on <= until:
            factors[place] *= factor
    return SymbolBars(bars=rows.bars, split_next=factors)


def _raw(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> RawRows:
    rows = [(code, row) for code, symbol in enumerate(found) for row in found[symbol]]
    columns = {
        name: np.array([_number(row.get(letter)) for _, row in rows], np.float64) for name, letter in _LETTERS.items()
    }
    return RawRows(
        symbol=np.array([code for code, _ in rows], np.int64),
        start_s=np.array([_epoch_s(row.get("t")) for _, row in rows], np.int64),
        split_next=np.ones(len(rows)),
        **columns,
    )


def _number(value: Any) -> float:
    """A number, NaN for anything else: the row is then quarantined."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def _epoch_s(value: Any) -> int:
    """Whole epoch seconds, -1 (on no grid) for what is no instant."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return -1
    return int(at.timestamp()) if at.tzinfo is not None and not at.microsecond else -1


def _regular(rows: SymbolBars, calendar: Calendar) -> SymbolBars:
    edges = edges_of(rows.bars.start_s, calendar)
    kept = (edges.day >= 0) & (rows.bars.start_s >= edges.open_s) & (rows.bars.start_s < edges.close_s)
    bars = Bars(**{name: getattr(rows.bars, name)[kept] for name in ("start_s", *_LETTERS)})
    return SymbolBars(bars=bars, split_next=rows.split_next[kept])


def _quarantine(job: FetchJob, raw: RawRows, checked: Checked, store: BarStore) -> None:
    bad = checked.bad
    columns: dict[str, Any] = {
        "symbol": [job.symbols[code] for code in raw.symbol[bad]],
        "ts": instants(raw.start_s[bad]),
        **{name: getattr(raw, name)[bad] for name in _LETTERS},
        "reason": [reason.value for reason in checked.reasons],
    }
    name = hash_id("fetch", *job.symbols)[:12]
    path = f"{job.timeframe}/fetch-{job.dates.first}-{job.dates.last}-{name}.parquet"
    store.quarantine(path, parquet_bytes(columns))
