"""Who was listed, at what price, how liquid, by rows before a date alone.

Names that were delisted later are in a universe of their time: nothing of a later date is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from shared.core.features.history import midnight_s
from shared.core.market import Bars
from shared.core.splits import in_terms_of
from shared.core.values import Symbol, require_at_least
from shared.core.watchlist import liquidity
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


class DailyHistory:
    """Daily bars of many symbols, as traded, with split factors.

    Parameters
    ----------
    by_symbol : mapping of Symbol to SymbolBars
    """

    def __init__(self, by_symbol: Mapping[Symbol, SymbolBars]) -> None:
        self._by_symbol = {symbol: rows for symbol, rows in sorted(by_symbol.items()) if len(rows)}
        starts = [rows.bars.start_s for rows in self._by_symbol.values()]
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


def _in_terms_of_end(rows: SymbolBars) -> Bars:
    """Bars in the terms of the session after the last: every split that is known by then is in."""
    splits = splits_of(rows)
    return in_terms_of(rows.bars, splits, int(splits.from_s[-1])) if len(splits) else rows.bars
