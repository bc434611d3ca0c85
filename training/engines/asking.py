"""A strategy asked about recorded bars as the app asks it about a day, so that what is swept is what is traded.

The app shows a strategy `needs.history_bars` bars before the day's first bar, and the day so far: `window` of
shared/strategies/protocol.py. So bars within a day are asked here day by day, and of each answer the day's rows count.
Bars of days have no day to begin with: they are asked once, over the whole series.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from shared.core.errors import StrategyError
from shared.core.features.history import BAR_S, DAY_S, HISTORY_SESSIONS, new_york_clock
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.sessions import NEW_YORK
from shared.strategies.protocol import Rule, StateRule, Strategy, on_bars_alone, rows_of, sound
from shared.strategies.wishes import BoolArray, Wishes
from training.engines.jump import run
from training.engines.step import ShownRows, step_state
from training.engines.trades import Costs, Trades

_SHORTEST_DAY_S = DAY_S - 3600
"""Daily bars are so far apart where a clock goes forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDays:
    """How the bars of a series fall into New York days.

    Attributes
    ----------
    first, end : array of int64, shape (m,)
        Index of each day's first bar, and of the one after its last. Bars of days are one stretch.
    reach : array of int64, shape (m,)
        Index of the earliest bar that the app reads for the day.
    is_intraday : bool
    from_bar : int
        Index before which nothing is asked: the bars there are memory alone.
    """

    first: IntArray
    end: IntArray
    reach: IntArray
    is_intraday: bool
    from_bar: int = 0

    def since(self, bars: Bars, start_s: int) -> AskedDays:
        """The same days, asked of bars that start at an instant or later only: a New York midnight."""
        return dataclasses.replace(self, from_bar=int(np.searchsorted(bars.start_s, start_s)))

    def windows(self, strategy: Strategy) -> Iterator[tuple[int, int, int]]:
        """What a strategy is shown of each day that has enough before it: first bar shown, day's first, day's end."""
        needed = strategy.needs.history_bars if self.is_intraday else 0
        for first, end, reach in zip(self.first.tolist(), self.end.tolist(), self.reach.tolist(), strict=True):
            if first - needed >= reach and end > self.from_bar:
                yield first - needed, first, end

    def closing(self, n: int) -> BoolArray:
        """Bars at whose close a position is left and none is entered, so that none is held at the day's end.

        They are the last two of each day: what is left at the last but one fills at the open of the last.
        """
        found = np.zeros(n, np.bool_)
        if self.is_intraday:
            found[self.end - 1] = True
            found[np.maximum(self.end - 2, self.first)] = True
        return found


def split_days(bars: Bars, timeframe: Timeframe | None = None, sessions: IntArray | None = None) -> AskedDays:
    """Find the days of a series.

    Parameters
    ----------
    bars : Bars
        Of one symbol.
    timeframe : Timeframe, optional
        Their length; by default the shortest step between two of them.
    sessions : array of int64, optional
        Days since 1970 on which the market traded, sorted; by default those of the bars. The app reads 5-minute bars of
        the last `HISTORY_SESSIONS` of them.
    """
    n = len(bars)
    step_s = timeframe.seconds if timeframe else int(np.diff(bars.start_s).min(initial=DAY_S))
    if step_s >= _SHORTEST_DAY_S or not n:
        whole = np.zeros(1, np.int64)
        return AskedDays(first=whole, end=whole + n, reach=whole, is_intraday=False)
    dates, _ = new_york_clock(bars.start_s)
    first = np.flatnonzero(np.diff(dates, prepend=dates[0] - 1))
    reach = np.zeros_like(first)
    if step_s == BAR_S:
        own = dates[first]
        traded = own if sessions is None else sessions
        earliest = np.maximum(np.searchsorted(traded, own) - HISTORY_SESSIONS, 0)
        reach = np.searchsorted(dates, traded[earliest])
    return AskedDays(first=first, end=np.append(first[1:], n), reach=reach, is_intraday=True)


def asked_wishes(strategy: Rule, bars: Bars, days: AskedDays | None = None) -> Wishes:
    """Ask a rule about a series as the app would have asked it.

    Parameters
    ----------
    strategy : Rule
    bars : Bars
        Of one symbol, n of them.
    days : AskedDays, optional
        Of `split_days`, where it is kept for several questions.

    Returns
    -------
    Wishes
        n of them; none on a day with fewer bars before it than the strategy needs.

    Raises
    ------
    StrategyError
        If the strategy raises, or answers what `sound` refuses. It names the day.
    """
    days = days or split_days(bars)
    n = len(bars)
    if not (days.is_intraday or days.from_bar):
        return _heard(strategy, bars, 0, 0, n)
    enter, leave = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    prices: dict[str, FloatArray] = {}
    holds: set[int] = set()
    for start, first, end in days.windows(strategy):
        found = _heard(strategy, bars, start, first, end)
        enter[first:end], leave[first:end] = found.enter[first - start :], found.leave[first - start :]
        for name in ("stop", "target"):
            if (values := getattr(found, name)) is not None:
                prices.setdefault(name, np.full(n, np.nan))[first:end] = values[first - start :]
        holds.add(found.hold_bars)
    if len(holds) > 1:
        raise StrategyError(
            f"{strategy.name}: hold_bars must be the same on every day to be swept, got {sorted(holds)}"
        )
    enter[: days.from_bar] = False
    hold_bars = holds.pop() if holds else 0
    return Wishes(enter=enter, leave=leave, stop=prices.get("stop"), target=prices.get("target"), hold_bars=hold_bars)


def _heard(strategy: Rule, bars: Bars, start: int, first: int, end: int) -> Wishes:
    """What a rule says where it is shown bars from `start` on about a day that goes from `first` to `end`."""
    part = bars[start:end]
    try:
        return sound(strategy, strategy.wishes(part), part)
    except Exception as error:  # a strategy may raise anything
        raise _on_day(strategy, bars, first, end, error) from error


def asked_rows(strategy: StateRule, bars: Bars, days: AskedDays | None = None) -> ShownRows:
    """Ask a rule of state for its features as the app would have. Parameters and errors as of `asked_wishes`."""
    days = days or split_days(bars)
    n = len(bars)
    shown_from = np.full(n, -1, np.int64)
    parts: list[tuple[int, int, FloatArray]] = []
    for start, first, end in days.windows(strategy):
        part = bars[start:end]
        try:
            parts.append((first, end, rows_of(strategy, part)[first - start :]))
        except Exception as error:  # as above
            raise _on_day(strategy, bars, first, end, error) from error
        shown_from[first:end] = start
    widths = {rows.shape[1] for _, _, rows in parts}
    if len(widths) > 1:
        raise StrategyError(f"{strategy.name}: features must have as many columns every day, got {sorted(widths)}")
    table = np.full((n, widths.pop() if widths else 0), np.nan)
    for first, end, rows in parts:
        table[first:end] = rows
    shown_from[: days.from_bar] = -1
    return ShownRows(rows=table, shown_from=shown_from, is_closing=np.zeros(n, np.bool_))


def trades_of(
    strategy: Strategy,
    bars: Bars,
    costs: Costs | None = None,
    *,
    days: AskedDays | None = None,
    flat_at_close: bool = True,
) -> Trades:
    """Ask a strategy about a series as the app would have, and fill what it says.

    Parameters
    ----------
    strategy : Rule or StateRule
    bars : Bars
        Of one symbol.
    costs : Costs, optional
    days : AskedDays, optional
        As of `asked_wishes`.
    flat_at_close : bool
        Whether bars within a day leave nothing over night, as the app does: a position is left at the open of the day's
        last bar, and nothing is entered that would fill there or later.

    Raises
    ------
    StrategyError
        As `asked_wishes`; and for a strategy that must be shown more than bars.
    """
    strategy = on_bars_alone(strategy)
    days = days or split_days(bars)
    is_flat = flat_at_close and days.is_intraday
    closing = days.closing(len(bars)) if is_flat else np.zeros(len(bars), np.bool_)
    if isinstance(strategy, Rule):
        wishes = asked_wishes(strategy, bars, days)
        if is_flat:
            wishes = dataclasses.replace(wishes, enter=wishes.enter & ~closing, leave=wishes.leave | closing)
        return run(bars, wishes, costs)
    shown = dataclasses.replace(asked_rows(strategy, bars, days), is_closing=closing)
    return step_state(bars, strategy, costs, shown)


def _on_day(strategy: Strategy, bars: Bars, first: int, end: int, error: Exception) -> StrategyError:
    if isinstance(error, StrategyError):
        said = str(error)
    else:
        said = f"{strategy.name} raised {type(error).__name__}: {error}"
    on, until = (
        datetime.fromtimestamp(int(bars.start_s[k]), UTC).astimezone(NEW_YORK).date() for k in (first, end - 1)
    )
    return StrategyError(f"{said} ({on if on == until else f'{on} to {until}'})")
