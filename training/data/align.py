"""Bars of one timeframe made into those of others, true to the exchange's calendar, known when they close.

Sessions are kept apart: bars of PRE are anchored at 04:00, of the regular session at its open, of AFT at the close,
early or not, and the last bar of each ends with it. A daily bar is the regular session. Pairs trade around the clock
and are anchored at midnight New York time. Prices stay as they were traded: each row carries the product of all splits
up to its session, so that a reader can put what was known at a row in its terms without knowing a later split: times
the row's product, over their own. The app and training do it by `shared.core.splits`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.features.history import DAY_S, new_york_clock
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.splits import NO_SPLITS, Splits
from shared.core.values import Symbol, require
from shared.ports import Calendar
from simulation.market.bar_checks import splits_told
from simulation.market.bar_rows import Edges, SymbolBars, edges_of, is_crypto, midnights, sessions_of

_PRE, _REG, _AFT, _NONE = range(4)
_BUCKETS: Final = 10_000
"""More than the bars of any session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Rows of one symbol in one timeframe, arrays of shape (n,), oldest first.

    Attributes
    ----------
    start_s, end_s : int64
        UTC epoch seconds. A row is known from its end on; a daily row starts at midnight New York time.
    open, high, low, close, volume : float64
        As traded.
    session : int64
        Index into `SESSIONS`: that of the row's start (a daily row's is the one that its prices begin in).
    missing : int64
        Regular bars of the finer timeframe that the row lacks. Extended hours and pairs trade by chance: 0.
    after_gap : bool
        Whether the regular bar right before it does not exist (of the first row: False).
    split_factor : float64
        Product of the splits up to the row's session.
    """

    start_s: IntArray
    end_s: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    session: IntArray
    missing: IntArray
    after_gap: NDArray[np.bool_]
    split_factor: FloatArray

    def __len__(self) -> int:
        return int(self.start_s.size)

    def __getitem__(self, part: slice) -> Aligned:
        return Aligned(**{f.name: getattr(self, f.name)[part] for f in fields(self)})


def splits_of(told: SymbolBars) -> Splits:
    """Splits that bars tell of, daily or not: as `splits_told`."""
    return splits_told(told.bars.start_s, told.split_next)


def align(
    symbol: Symbol,
    bars: Bars,
    timeframe: Timeframe,
    *,
    base: Timeframe,
    calendar: Calendar,
    splits: Splits = NO_SPLITS,
) -> Aligned:
    """Make bars of a timeframe out of finer ones.

    Parameters
    ----------
    bars : Bars
        Of timeframe `base`, which must divide `timeframe`. Bars while the market is closed are left out.
    splits : Splits

    Raises
    ------
    ValueError
        If `timeframe` cannot be made of `base`.
    """
    require(timeframe.seconds % base.seconds == 0, "timeframe", timeframe, f"a multiple of {base}")
    edges = edges_of(bars.start_s, calendar)
    if timeframe is base is Timeframe.DAY_1:
        return _daily_as_it_is(symbol, bars, edges, splits)
    segment, anchor_s, until_s = _segments(symbol, bars.start_s, edges, timeframe)
    kept = np.flatnonzero(segment != _NONE)
    segment, anchor_s, until_s = segment[kept], anchor_s[kept], until_s[kept]
    start_s = bars.start_s[kept]
    length_s = DAY_S * 2 if timeframe is Timeframe.DAY_1 else timeframe.seconds
    bucket = (start_s - anchor_s) // length_s
    first = np.flatnonzero(np.diff(anchor_s * _BUCKETS + bucket, prepend=-1))
    if not first.size:
        none = np.empty(0, np.int64)
        return _of(Bars.empty(), splits, end_s=none, session=none, missing=none, after_gap=none.astype(bool))
    begins = anchor_s[first] + bucket[first] * length_s
    ends = np.minimum(begins + length_s, until_s[first])
    counts = np.diff(np.append(first, kept.size))
    is_regular = segment[first] == _REG
    expected = -(-(ends - begins) // base.seconds)
    own = Edges(**{f.name: getattr(edges, f.name)[kept[first]] for f in fields(edges)})
    made = Bars(
        start_s=midnights(new_york_clock(begins)[0]) if timeframe is Timeframe.DAY_1 else begins,
        open=bars.open[kept[first]],
        high=np.maximum.reduceat(bars.high[kept], first),
        low=np.minimum.reduceat(bars.low[kept], first),
        close=bars.close[kept[np.append(first[1:], kept.size) - 1]],
        volume=np.add.reduceat(bars.volume[kept], first),
    )
    return _of(
        made,
        splits,
        end_s=ends,
        session=sessions_of(begins, own, Timeframe.MIN_1),
        missing=np.where(is_regular, np.maximum(expected - counts, 0), 0),
        after_gap=_after_gap(own, bucket[first], is_regular, length_s),
    )


def last_known(ends_s: IntArray, at_s: IntArray) -> IntArray:
    """Index of the last row that has ended at each instant, -1 where none has."""
    return np.searchsorted(ends_s, at_s, side="right") - 1


def _of(
    bars: Bars, splits: Splits, *, end_s: IntArray, session: IntArray, missing: IntArray, after_gap: NDArray[np.bool_]
) -> Aligned:
    factors = np.concatenate([[1.0], np.cumprod(splits.factor)])
    place = np.searchsorted(splits.from_s, bars.start_s, side="right")
    columns = {f.name: getattr(bars, f.name) for f in fields(bars)}
    return Aligned(
        **columns, end_s=end_s, session=session, missing=missing, after_gap=after_gap, split_factor=factors[place]
    )


def _segments(
    symbol: Symbol, start_s: IntArray, edges: Edges, timeframe: Timeframe
) -> tuple[IntArray, IntArray, IntArray]:
    """Each bar's segment of its day, where that begins, and where it ends."""
    if is_crypto(symbol):
        ordinals, _ = new_york_clock(start_s)
        whole = np.full(start_s.size, _AFT)  # nothing is expected of it
        return whole, midnights(ordinals), midnights(ordinals + 1)
    trading = (edges.day >= 0) & (start_s >= edges.pre_s) & (start_s < edges.aft_ends_s)
    segment = np.select([~trading, start_s < edges.open_s, start_s < edges.close_s], [_NONE, _PRE, _REG], _AFT)
    if timeframe is Timeframe.DAY_1:
        segment = np.where(segment == _REG, _REG, _NONE)
    anchor = np.choose(segment, [edges.pre_s, edges.open_s, edges.close_s, edges.pre_s])
    until = np.choose(segment, [edges.open_s, edges.close_s, edges.aft_ends_s, edges.pre_s])
    return segment, anchor, until


def _after_gap(edges: Edges, bucket: IntArray, is_regular: NDArray[np.bool_], length_s: int) -> NDArray[np.bool_]:
    """Whether a regular row does not follow the regular bar right before it.

    `edges.day` counts the calendar's sessions, so one without a bar shows.
    """
    found = np.zeros(bucket.size, bool)
    rows = np.flatnonzero(is_regular)
    if rows.size < 2:
        return found
    day, place = edges.day[rows], bucket[rows]
    last = -(-(edges.close_s[rows] - edges.open_s[rows]) // length_s) - 1
    same = (day[1:] == day[:-1]) & (place[1:] == place[:-1] + 1)
    following = (day[1:] == day[:-1] + 1) & (place[1:] == 0) & (place[:-1] == last[:-1])
    found[rows[1:]] = ~(same | following)
    return found


def _daily_as_it_is(symbol: Symbol, bars: Bars, edges: Edges, splits: Splits) -> Aligned:
    """Daily bars of a source: known at the close (pairs: at the next midnight)."""
    session = sessions_of(bars.start_s, edges, Timeframe.DAY_1)
    if is_crypto(symbol):
        ordinals, _ = new_york_clock(bars.start_s)
        end_s, after = midnights(ordinals + 1), np.diff(ordinals, prepend=ordinals[:1] - 1) > 1
    else:
        end_s = np.where(edges.day >= 0, edges.close_s, bars.start_s + DAY_S)
        after = np.diff(edges.day, prepend=edges.day[:1] - 1) > 1
    missing = np.zeros(len(bars), np.int64)
    return _of(bars, splits, end_s=end_s, session=session, missing=missing, after_gap=after)
