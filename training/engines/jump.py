"""The fast engine. Between a decision and the next order that can fill nothing happens, so it goes there directly."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from shared.core.market import Bars, FloatArray
from shared.core.values import require
from shared.strategies.wishes import Wishes
from training.engines.trades import Costs, ExitCause, RoundTrip, Trades

_WINDOW = 64
"""Bars of the first look for a price; each further look is twice as long."""


def run(bars: Bars, wishes: Wishes, costs: Costs | None = None) -> Trades:
    """Fill a strategy's wishes as stepping every bar would, event by event.

    Parameters
    ----------
    bars : Bars
        Of one symbol, n of them.
    wishes : Wishes
        n of them.
    costs : Costs, optional

    Returns
    -------
    Trades
        Equal to what `step` returns: tests/unit/training/test_engines.py.

    Raises
    ------
    ValueError
        If there are not as many wishes as bars.
    """
    n = len(bars)
    require(wishes.enter.shape == (n,), "wishes", wishes.enter.shape, f"one per bar, {n}")
    # What is decided at the last bar cannot fill any more.
    enters = np.flatnonzero(wishes.enter[: max(n - 1, 0)]).tolist()
    leaves = np.flatnonzero(wishes.leave[: max(n - 1, 0)]).tolist()
    opens = bars.open
    trips: list[RoundTrip] = []
    search = _Search(bars, wishes)
    at = 0
    k = 0
    while (k := bisect_left(enters, at, k)) < len(enters):
        decided = enters[k]
        entry = decided + 1
        j = bisect_left(leaves, entry)
        signal = leaves[j] + 1 if j < len(leaves) else n
        limit = entry + wishes.hold_bars if wishes.hold_bars else n
        last = min(signal, limit, n)
        price = opens.item(entry)
        exit_bar, exit_price, why = search.protective(decided, price, last) or (
            (n, bars.close.item(n - 1), ExitCause.OPEN)
            if last >= n
            else (last, opens.item(last), ExitCause.SIGNAL if signal == last else ExitCause.TIME_LIMIT)
        )
        trips.append((entry, price, exit_bar, exit_price, why))
        at = exit_bar
    return Trades.settled(trips, costs or Costs())


class _Search:
    """The bar, if any, in which a position's stop or target fills."""

    def __init__(self, bars: Bars, wishes: Wishes) -> None:
        self._bars = bars
        self._stop = wishes.stop
        self._target = wishes.target

    def protective(self, decided: int, price: float, before: int) -> tuple[int, float, ExitCause] | None:
        """Look from the bar of the entry up to, not including, bar `before`."""
        if self._stop is None and self._target is None:
            return None
        stop = self._stop.item(decided) if self._stop is not None else np.nan
        target = self._target.item(decided) if self._target is not None else np.nan
        lows, highs = self._bars.low, self._bars.high
        lo, size = decided + 1, _WINDOW
        while lo < before:
            hi = min(lo + size, before)
            low = _first(lows[lo:hi] <= stop)
            high = _first(highs[lo:hi] >= target)
            if low >= 0 and (high < 0 or low <= high):
                return lo + low, min(stop, self._bars.open.item(lo + low)), ExitCause.STOP
            if high >= 0:
                return lo + high, max(target, self._bars.open.item(lo + high)), ExitCause.TARGET
            lo, size = hi, size * 2
        return None


def _first(hits: FloatArray | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    at = int(hits.argmax())
    return at if hits[at] else -1
