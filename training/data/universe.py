"""Who was listed, at what price, how liquid, by rows before a date alone; and what the gap scanner would have seen.

Names that were delisted later are in a universe of their time: nothing of a later date is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from shared.core.features.history import midnight_s
from shared.core.market import Bars, FloatArray, IntArray
from shared.core.splits import in_terms_of
from shared.core.values import Symbol, require_at_least
from shared.core.watchlist import ScanLimits, gap_of, liquidity
from simulation.market.bar_rows import SymbolBars
from training.data.align import splits_of

LIQUIDITY_BARS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One name of a universe. USD per share in the terms of the date, shares, USD."""

    symbol: Symbol
    previous_close: float
    median_volume: float
    median_dollar_volume: float
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Names that gapped, arrays of shape (n,), by date, then symbol.

    `code` counts into `symbols`. `start_s` is the session's midnight. `previous_close` is in the terms of the session.
    `median_dollar_volume` is that of the 20 sessions before; NaN is never in it.
    """

    symbols: tuple[Symbol, ...]
    code: IntArray
    start_s: IntArray
    previous_close: FloatArray
    gap: FloatArray
    open: FloatArray
    close: FloatArray
    volume: FloatArray
    median_dollar_volume: FloatArray
    sessions: int

    def __len__(self) -> int:
        return int(self.code.size)

    @property
    def open_to_close(self) -> FloatArray:
        """Return of who bought at the open and sold at the close, before costs."""
        return self.close / self.open - 1


class DailyHistory:
    """Daily bars of many symbols, as traded, with split factors.

    Parameters
    ----------
    by_symbol : mapping of Symbol to SymbolBars
    """

    def __init__(self, by_symbol: Mapping[Symbol, SymbolBars]) -> None:
        self._by_symbol = {symbol: rows for symbol, rows in sorted(by_symbol.items()) if len(rows)}
        parts = list(self._by_symbol.values())
        starts = [rows.bars.start_s for rows in parts]
        self._sessions = np.unique(np.concatenate(starts)) if starts else np.empty(0, np.int64)

    def universe(self, on: date, *, stale_sessions: int = 5) -> tuple[Member, ...]:
        """Names that were listed on the eve of a date, by symbol.

        Parameters
        ----------
        on : date
            Rows of this date and later are not looked at.
        stale_sessions : int
            A name is listed if it traded within so many sessions before.
        """
        require_at_least("stale_sessions", stale_sessions, 1)
        start = midnight_s(on)
        before = self._sessions[: int(np.searchsorted(self._sessions, start))]
        if not before.size:
            return ()
        oldest = int(before[-stale_sessions:][0])
        members = []
        for symbol, rows in self._by_symbol.items():
            count = int(np.searchsorted(rows.bars.start_s, start))
            if not count or rows.bars.start_s[count - 1] < oldest:
                continue
            recent = _in_terms_of_end(rows[max(0, count - LIQUIDITY_BARS) : count])
            usual = liquidity(recent)
            members.append(
                Member(
                    symbol=symbol,
                    previous_close=float(recent.close[-1]),
                    median_volume=usual.median_volume,
                    median_dollar_volume=usual.median_dollar_volume,
                    sessions=count,
                )
            )
        return tuple(members)

    def openings(self, on: date) -> dict[Symbol, tuple[float, float]]:
        """Previous close, in the terms of the date, and open of every name that opened on it."""
        start = midnight_s(on)
        found = {}
        for symbol, rows in self._by_symbol.items():
            k = int(np.searchsorted(rows.bars.start_s, start))
            if 0 < k < len(rows) and rows.bars.start_s[k] == start:
                found[symbol] = (float(rows.bars.close[k - 1] * rows.split_next[k - 1]), float(rows.bars.open[k]))
        return found

    def gaps_up(self, limits: ScanLimits) -> Gaps:
        """Every opening that the premarket scanner's price range and least gap would have let through, upward.

        The price range is asked of the previous close, which is known before the open. Spread and relative volume are
        not to be had from daily bars.
        """
        codes, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        names = ("previous_close", "gap", "open", "close", "volume", "median_dollar_volume")
        columns: dict[str, list[FloatArray]] = {name: [np.empty(0)] for name in names}
        for code, rows in enumerate(self._by_symbol.values()):
            previous = rows.bars.close[:-1] * rows.split_next[:-1]
            gap = gap_of(rows.bars.open[1:], previous)
            in_range = (previous >= limits.price_min_usd) & (previous <= limits.price_max_usd)
            at = np.flatnonzero(in_range & (gap >= limits.gap_min_fraction)) + 1
            codes.append(np.full(at.size, code))
            starts.append(rows.bars.start_s[at])
            columns["previous_close"].append(previous[at - 1])
            columns["gap"].append(gap[at - 1])
            for name in ("open", "close", "volume"):
                columns[name].append(getattr(rows.bars, name)[at])
            medians = [_median_dollar_volume(rows, int(k)) for k in at]
            columns["median_dollar_volume"].append(np.array(medians, np.float64))
        start_s, symbol_code = np.concatenate(starts), np.concatenate(codes)
        order = np.lexsort((symbol_code, start_s))
        return Gaps(
            symbols=tuple(self._by_symbol),
            code=symbol_code[order],
            start_s=start_s[order],
            sessions=int(self._sessions.size),
            **{name: np.concatenate(parts)[order] for name, parts in columns.items()},
        )


def _in_terms_of_end(rows: SymbolBars) -> Bars:
    """Bars in the terms of the session after the last: every split that is known by then is in."""
    splits = splits_of(rows)
    return in_terms_of(rows.bars, splits, int(splits.from_s[-1])) if len(splits) else rows.bars


def _median_dollar_volume(rows: SymbolBars, at: int) -> float:
    """Of the sessions before row `at`; splits leave dollars as they are."""
    return liquidity(rows.bars[max(0, at - LIQUIDITY_BARS) : at]).median_dollar_volume
