"""What a store holds of one symbol in one timeframe: dates that are covered, parts with their hashes, gaps as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from shared.core.market import Bars, Timeframe
from shared.core.values import require
from shared.ports import Calendar
from simulation.market.bar_rows import edges_of, midnights, trading_days

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Dates:
    """New York dates from `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        require(self.first <= self.last, "last", self.last, f"at or after {self.first}")

    def each(self) -> list[date]:
        """Every date, ascending."""
        return [self.first + timedelta(days=k) for k in range((self.last - self.first).days + 1)]

    def pieces(self, *, yearly: bool = False) -> Iterator[Dates]:
        """Cut at the ends of months, or of years."""
        first = self.first
        while first <= self.last:
            month = date(first.year, 12 if yearly else first.month, 1)
            following = (month + timedelta(days=32)).replace(day=1)
            yield Dates(first=first, last=min(following - _DAY, self.last))
            first = following


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of bars."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Regular bars that a covered session lacks. A whole session lacks as many as it has."""

    on: date
    missing: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is there.

    Attributes
    ----------
    source : str
        Where every bar came from, such as `alpaca-iex` or `import`: volumes of different feeds are not to be mixed.
    covered : tuple of Dates
        Dates that were asked for and answered, ascending, apart.
    parts : mapping of str to Part
        By month, `YYYY-MM` (daily bars: by year, `YYYY`).
    gaps : tuple of Gap
        Ascending. Extended hours and crypto trade by chance: nothing is expected of them.
    quarantined : int
        Bad rows that were kept out, in all.
    """

    schema_id: str = "bars-manifest.v1"
    timeframe: Timeframe
    symbol: str
    source: str
    covered: tuple[Dates, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    quarantined: int = 0

    @property
    def rows(self) -> int:
        """Bars in all parts."""
        return sum(part.rows for part in self.parts.values())


def merged(ranges: Sequence[Dates]) -> tuple[Dates, ...]:
    """Ranges with those joined that overlap or touch, ascending."""
    found: list[Dates] = []
    for one in sorted(ranges):
        if found and one.first <= found[-1].last + _DAY:
            found[-1] = Dates(first=found[-1].first, last=max(found[-1].last, one.last))
        else:
            found.append(one)
    return tuple(found)


def missing(wanted: Dates, covered: Sequence[Dates]) -> tuple[Dates, ...]:
    """What of the wanted dates is not covered, ascending."""
    found: list[Dates] = []
    first = wanted.first
    for one in merged(covered):
        if one.last < first:
            continue
        if one.first > wanted.last:
            break
        if first < one.first:
            found.append(Dates(first=first, last=one.first - _DAY))
        first = one.last + _DAY
    if first <= wanted.last:
        found.append(Dates(first=first, last=wanted.last))
    return tuple(found)


def gaps_of(bars: Bars, timeframe: Timeframe, within: Dates, calendar: Calendar) -> tuple[Gap, ...]:
    """Sessions of some dates that lack regular bars.

    Dates outside the calendar's years expect nothing.
    """
    days = {on: day for on, day in trading_days(calendar, within.each()).items() if day is not None}
    if timeframe is Timeframe.DAY_1:
        starts = midnights(np.array([(on - date(1970, 1, 1)).days for on in days], np.int64))
        there = np.isin(starts, bars.start_s)
        return tuple(Gap(on=on, missing=1, expected=1) for on, found in zip(days, there, strict=True) if not found)
    edges = edges_of(bars.start_s, calendar)
    regular = (edges.day >= 0) & (bars.start_s >= edges.open_s) & (bars.start_s < edges.close_s)
    opens, counts = np.unique(edges.open_s[regular], return_counts=True)
    found = dict(zip(opens.tolist(), counts.tolist(), strict=True))
    gaps = []
    for on, day in days.items():
        length_s = int((day.close_at - day.open_at).total_seconds())
        expected = -(-length_s // timeframe.seconds)
        lacking = expected - found.get(int(day.open_at.timestamp()), 0)
        if lacking > 0:
            gaps.append(Gap(on=on, missing=lacking, expected=expected))
    return tuple(gaps)
