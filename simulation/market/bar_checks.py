"""What a bar must be, to be kept: judged for whole columns at once, each bad row with its first reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shared.core.features.history import new_york_clock
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.splits import Splits
from simulation.market.bar_rows import PRICES, SymbolBars, midnights


class Reason(StrEnum):
    """Why a row is quarantined; the first that applies counts."""

    NO_SYMBOL = "no-symbol"
    NO_TIME = "no-time"
    NOT_A_NUMBER = "not-a-number"
    NOT_FINITE = "not-finite"
    NOT_POSITIVE = "not-positive"
    NEGATIVE_VOLUME = "negative-volume"
    INCONSISTENT = "inconsistent"
    OFF_GRID = "off-grid"
    CLOSED = "closed"
    DUPLICATE = "duplicate"
    UNKNOWN_SPLIT = "unknown-split"


_REASONS = tuple(Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Rows of one timeframe as they came, arrays of shape (n,): `symbol` are codes, `start_s` UTC epoch seconds."""

    symbol: IntArray
    start_s: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    split_next: FloatArray


def raw_rows(bars: Bars) -> RawRows:
    """Bars of one symbol, of code 0, without a split."""
    none = np.zeros(len(bars), np.int64)
    values = {name: getattr(bars, name) for name in PRICES}
    return RawRows(symbol=none, start_s=bars.start_s, **values, split_next=np.ones(len(bars)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of a check.

    Attributes
    ----------
    order : int64 of shape (n_good,)
        Good rows by symbol, then time.
    bad : int64 of shape (n_bad,)
        Rows to be quarantined, in the order they came.
    reasons : tuple of Reason
        Of each bad row.
    out_of_order : int
        Good rows that stood before an earlier one of their symbol: put in order, and told.
    """

    order: IntArray
    bad: IntArray
    reasons: tuple[Reason, ...]
    out_of_order: int

    @property
    def counts(self) -> dict[Reason, int]:
        """Bad rows by reason, most frequent first."""
        return dict(Counter(self.reasons).most_common())


def check(rows: RawRows, timeframe: Timeframe, found: Mapping[Reason, NDArray[np.bool_]] | None = None) -> Checked:
    """Judge every row.

    A price must be finite and positive, a volume finite and not negative, high and low around open and close, the start
    on the timeframe's grid (daily: midnight New York time), and a start may come once; of equal starts the first stays.

    Parameters
    ----------
    rows : RawRows
    timeframe : Timeframe
    found : mapping of Reason to bool of shape (n,), optional
        What reading has found already, or what else is asked of a row.
    """
    prices = np.stack([rows.open, rows.high, rows.low, rows.close])
    with np.errstate(invalid="ignore"):
        masks: dict[Reason, NDArray[np.bool_]] = {
            Reason.NOT_FINITE: ~(np.isfinite(prices).all(axis=0) & np.isfinite(rows.volume)),
            Reason.NOT_POSITIVE: (prices <= 0).any(axis=0) | ~(rows.split_next > 0),
            Reason.NEGATIVE_VOLUME: rows.volume < 0,
            Reason.INCONSISTENT: (rows.low > np.minimum(rows.open, rows.close))
            | (rows.high < np.maximum(rows.open, rows.close)),
            Reason.OFF_GRID: _off_grid(rows.start_s, timeframe),
        }
    for reason, mask in (found or {}).items():
        masks[reason] = masks[reason] | mask if reason in masks else mask
    verdict = np.full(rows.start_s.size, -1, np.int64)
    for reason in sorted(masks, key=_REASONS.index, reverse=True):
        verdict[masks[reason]] = _REASONS.index(reason)
    good = np.flatnonzero(verdict < 0)
    order = good[np.lexsort((good, rows.start_s[good], rows.symbol[good]))]
    again = np.zeros(order.size, bool)
    again[1:] = (np.diff(rows.symbol[order]) == 0) & (np.diff(rows.start_s[order]) == 0)
    verdict[order[again]] = _REASONS.index(Reason.DUPLICATE)
    order = order[~again]
    backwards = (np.diff(rows.symbol[order]) == 0) & (np.diff(order) < 0)
    bad = np.flatnonzero(verdict >= 0)
    return Checked(
        order=order,
        bad=bad,
        reasons=tuple(_REASONS[k] for k in verdict[bad]),
        out_of_order=int(np.count_nonzero(backwards)),
    )


def set_aside(checked: Checked, rows: IntArray, reason: Reason) -> Checked:
    """The same, with some of the good rows quarantined too."""
    bad = np.concatenate([checked.bad, rows])
    reasons = np.array([*checked.reasons, *[reason] * rows.size], object)
    order = np.argsort(bad, kind="stable")
    return replace(
        checked, order=checked.order[~np.isin(checked.order, rows)], bad=bad[order], reasons=tuple(reasons[order])
    )


def _off_grid(start_s: IntArray, timeframe: Timeframe) -> NDArray[np.bool_]:
    if timeframe is Timeframe.DAY_1:
        distinct, where = np.unique(start_s, return_inverse=True)  # the New York clock wants ascending instants
        off: NDArray[np.bool_] = distinct != midnights(new_york_clock(distinct)[0])
        return off[where]
    # Longer bars are anchored at New York's wall clock or at the open: both lie on whole five minutes.
    return np.asarray(start_s % min(timeframe.seconds, 300) != 0)


def by_symbol(rows: RawRows, checked: Checked) -> Mapping[int, SymbolBars]:
    """The good rows, by symbol code."""
    codes, first = np.unique(rows.symbol[checked.order], return_index=True)
    parts = np.split(checked.order, first[1:])
    return {
        int(code): SymbolBars(
            bars=Bars(start_s=rows.start_s[part], **{name: getattr(rows, name)[part] for name in PRICES}),
            split_next=rows.split_next[part],
        )
        for code, part in zip(codes, parts, strict=True)
    }


def splits_told(start_s: IntArray, split_next: FloatArray) -> Splits:
    """Splits that rows of one symbol tell of, arrays of shape (n,), ascending.

    The last row of a date counts: its factor takes effect at the midnight after.
    """
    ordinals, _ = new_york_clock(start_s)
    last = np.flatnonzero(np.diff(ordinals, append=ordinals[-1:] + 1))
    at = last[split_next[last] != 1]
    return Splits(from_s=midnights(ordinals[at] + 1), factor=split_next[at])
