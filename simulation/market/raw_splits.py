"""Splits that a file does not tell of: a price that moves over night by a whole ratio, and stays there.

A file of bars without a column `split_next` or `split_factor` should be adjusted. Where it is not, a split of four for
one looks like a loss of 75 %. A real move of that size comes with many times the usual turnover in dollars; a split
leaves it as it was. What looks like a split is the live app's rule, `shared.core.splits.whole_ratios`. The app has only
the morning and refuses all that does; a file has both sides of the night, so here a jump is taken for a split only if
turnover and what comes after say so too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from shared.core.features.history import new_york_clock
from shared.core.market import IntArray
from shared.core.splits import whole_ratios
from simulation.market.bar_checks import RawRows
from simulation.market.bar_rows import EPOCH

_NIGHT_DAYS: Final = 5
_USUAL_SESSIONS: Final = 20
_TURNOVER_MAX: Final = 3.0
"""Most turnover of the day, in usual ones."""
_NO_MOVE: Final = 3.5
"""A price that opens higher by more than this factor has no such reason in the news: turnover is not asked."""
_STAYS_SESSIONS: Final = 5
_STAYS: Final = 0.3
"""How far the closes after may lie from the ratio to those before, as a logarithm; a wrong print goes back."""
_PRICE_MIN: Final = 0.1
"""USD. Under it one tick is a jump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSplit:
    """A jump that only a split explains.

    `rows` are the symbol's rows before it (places in the rows that were given), `row` is the first one after it, of
    date `on`, and `ratio` what the price was multiplied by.
    """

    rows: IntArray
    row: int
    on: date
    ratio: float

    def said(self, symbol: str) -> str:
        """What to say of it."""
        return (
            f"{symbol} opens at {self.ratio:.4g} times its price on {self.on}, as after a split that nothing tells of: "
            "adjust the prices, or add a column split_next (1 where the price did move)"
        )


def raw_splits(rows: RawRows, order: IntArray) -> list[RawSplit]:
    """Find the last such jump of every symbol.

    Parameters
    ----------
    rows : RawRows
    order : int64 of shape (m,)
        Sound rows by symbol, then time.
    """
    code, start_s = rows.symbol[order], rows.start_s[order]
    distinct, where = np.unique(start_s, return_inverse=True)
    day = new_york_clock(distinct)[0][where]
    first = np.flatnonzero((np.diff(code, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0))
    if first.size < 2:
        return []
    last = np.append(first[1:], order.size) - 1
    opened, closed = rows.open[order[first]], rows.close[order[last]]
    turnover = np.add.reduceat(rows.close[order] * rows.volume[order], first)
    jump = opened[1:] / closed[:-1]
    ratio = whole_ratios(jump)
    fits = (np.diff(code[first]) == 0) & (np.diff(day[first]) <= _NIGHT_DAYS) & ~np.isnan(ratio)
    fits &= np.minimum(closed[:-1], opened[1:]) >= _PRICE_MIN
    found: dict[int, RawSplit] = {}
    for k in np.flatnonzero(fits).tolist():
        own = np.flatnonzero(code[first] == code[first[k]])
        before, after = own[own <= k], own[own > k]
        usual = float(np.median(turnover[before[-_USUAL_SESSIONS:]]))
        is_quiet = usual > 0 and turnover[k + 1] <= _TURNOVER_MAX * usual
        level = np.median(closed[after[:_STAYS_SESSIONS]]) / np.median(closed[before[-_STAYS_SESSIONS:]])
        if (is_quiet or ratio[k] > _NO_MOVE) and abs(np.log(level / ratio[k])) <= _STAYS:
            since, until = int(first[own[0]]), int(first[k + 1])
            on = EPOCH + timedelta(days=int(day[until]))
            found[int(code[first[k]])] = RawSplit(
                rows=order[since:until], row=int(order[until]), on=on, ratio=float(ratio[k])
            )
    return list(found.values())
