"""What every strategy must hold to, tried: no row knows of a later bar, and the same bars give the same answer.

A test of one's own strategy is one line: `assert check_strategy(MyIdea(), made_bars()).is_clean`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta

import numpy as np

from shared.core.errors import StrategyError
from shared.core.features.history import BAR_S, midnight_s
from shared.core.market import Bars, FloatArray, IntArray
from shared.core.sessions import NEW_YORK
from shared.core.values import require_at_least
from shared.strategies.protocol import Rule, StateRule, Strategy, on_bars_alone, rows_of, sound
from training.engines import AskedDays, split_days, trades_of

MOST_DAYS, MOST_CUTS = 6, 80
"""Days that are asked about, spread over the series; and bars of each after which the future is changed."""
MOST_TOLD = 10

type Answer = Mapping[str, FloatArray]
"""What a strategy says of some bars: a row for each bar, by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyCheck:
    """What was found.

    Attributes
    ----------
    compared : int
        Rows that were held against the same row of other bars.
    faults : tuple of str
        What a strategy may not do, each with bar and field; empty is clean.
    rows, remembered : int
        Rows that were asked about with all bars before the day in sight too, and how many of them are others then, by
        more than a millionth. No fault: it is asked on its window alone. But it has a longer memory than its
        `needs.history_bars` gives it.
    """

    compared: int
    faults: tuple[str, ...]
    rows: int
    remembered: int

    @property
    def is_clean(self) -> bool:
        """Nothing was found, and there was something to look at."""
        return not self.faults and self.compared > 0


def made_bars(days: int = 8, *, seed: int = 7, price: float = 40.0, deviation: float = 0.004) -> Bars:
    """A random walk in bars of five minutes, 78 a day, over so many weekdays."""
    require_at_least("days", days, 1)
    first = date(2026, 3, 2)
    dates = [on for on in (first + timedelta(days=k) for k in range(2 * days + 2)) if on.weekday() < 5][:days]
    start_s = np.concatenate([midnight_s(on) + BAR_S * np.arange(114, 192) for on in dates])
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.normal(0, deviation, start_s.size)))
    opens = np.concatenate([[price], close[:-1]])
    spread = np.abs(rng.normal(0, deviation / 2, (2, start_s.size)))
    return Bars(
        start_s=start_s,
        open=opens,
        high=np.maximum(opens, close) * (1 + spread[0]),
        low=np.minimum(opens, close) * (1 - spread[1]),
        close=close,
        volume=np.floor(np.exp(rng.normal(8, 1, start_s.size))),
    )


def check_strategy(strategy: Strategy, bars: Bars, *, days: AskedDays | None = None, seed: int = 7) -> StrategyCheck:
    """Ask a strategy about the same bars again, and about bars whose end is another.

    After each of many bars what comes later is changed, removed and shuffled. No row up to that bar may change.

    Parameters
    ----------
    strategy : Rule or StateRule
    bars : Bars
        Of one symbol, with more before its last days than the strategy needs; `made_bars()` will do.
    days : AskedDays, optional
        Of `split_days`.
    seed : int
        Of the changes.

    Raises
    ------
    StrategyError
        If it is neither a rule nor a rule of state.
    """
    strategy = on_bars_alone(strategy)
    days = days or split_days(bars)
    windows = list(days.windows(strategy))
    if not windows:
        needed = strategy.needs.history_bars
        return StrategyCheck(
            compared=0, faults=(f"no day has the {needed} bars before it that are needed",), rows=0, remembered=0
        )
    rng = np.random.default_rng(seed)
    compared = rows = remembered = 0
    faults: dict[str, None] = {}
    for start, first, end in _spread(windows):
        part = bars[start:end]
        try:
            before = answer_of(strategy, _copied(part))
            faults |= dict.fromkeys(_impure(strategy, part, before))
            for cut, found in _cut_answers(strategy, part, first - start, rng):
                compared += cut
                faults |= dict.fromkeys(_differing(before, found, cut, part))
            if days.is_intraday and start:
                whole = answer_of(strategy, _copied(bars[:end]))
                remembered += _changed_rows(before, first - start, whole, first)
                rows += end - first
        except Exception as error:  # a strategy may raise anything
            faults[_raised(strategy, error, part)] = None
    if not faults:
        faults |= dict.fromkeys(_restless(strategy, bars, days))
    return StrategyCheck(compared=compared, faults=tuple(faults)[:MOST_TOLD], rows=rows, remembered=remembered)


def answer_of(strategy: Rule | StateRule, bars: Bars) -> Answer:
    """What a strategy says of bars. Raises StrategyError for an answer that cannot be used."""
    if isinstance(strategy, StateRule):
        table = rows_of(strategy, bars)
        return {f"feature {k}": table[:, k].astype(np.float64) for k in range(table.shape[1])}
    wishes = sound(strategy, strategy.wishes(bars), bars)
    n = len(bars)
    none = np.full(n, np.nan)
    return {
        "enter": wishes.enter.astype(np.float64),
        "leave": wishes.leave.astype(np.float64),
        "stop": none if wishes.stop is None else wishes.stop,
        "target": none if wishes.target is None else wishes.target,
        "hold_bars": np.full(n, float(wishes.hold_bars)),
    }


def _spread(windows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    at = np.unique(np.linspace(0, len(windows) - 1, min(MOST_DAYS, len(windows))).astype(int))
    return [windows[k] for k in at.tolist()]


def _copied(bars: Bars) -> Bars:
    """Bars of their own, which a strategy may spoil without harm to others."""
    return Bars(**{item.name: getattr(bars, item.name).copy() for item in fields(Bars)})


def _impure(strategy: Rule | StateRule, bars: Bars, before: Answer) -> Iterator[str]:
    """What shows that an answer rests on more than the bars, or that the bars are not left as they are."""
    given = _copied(bars)
    again = answer_of(strategy, given)
    yield from _differing(before, again, len(bars), bars, "asked twice about the same bars")
    for item in fields(Bars):
        if not np.array_equal(getattr(given, item.name), getattr(bars, item.name), equal_nan=True):
            yield f"{strategy.name} changes the bars that it is given: {item.name}"


def _cut_answers(
    strategy: Rule | StateRule, bars: Bars, first: int, rng: np.random.Generator
) -> Iterator[tuple[int, Answer]]:
    """Bars of the day that stay as they are, and what is said where what comes later is another."""
    n = len(bars)
    cuts = np.arange(first + 1, n)
    if cuts.size > MOST_CUTS:
        cuts = np.unique(np.append(rng.choice(cuts[:-1], MOST_CUTS - 1, replace=False), n - 1))
    changes: tuple[Callable[[Bars, int], Bars], ...] = (
        lambda of, cut: _scaled(of, cut, rng),
        lambda of, cut: _copied(of[:cut]),
        lambda of, cut: _shuffled(of, cut, rng),
    )
    for cut in cuts.tolist():
        for change in changes:
            yield cut, answer_of(strategy, change(bars, cut))


def _scaled(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Later bars far above or below where they were, so that whatever looks at them turns."""
    factor = np.ones(len(bars))
    factor[cut:] = np.exp(rng.choice([-1, 1]) * rng.uniform(0.05, 0.3)) * np.exp(rng.normal(0, 0.02, len(bars) - cut))
    values = {item.name: getattr(bars, item.name) * factor for item in fields(Bars) if item.name != "start_s"}
    return Bars(start_s=bars.start_s.copy(), **values)


def _shuffled(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    order = np.concatenate([np.arange(cut), cut + rng.permutation(len(bars) - cut)])
    values = {item.name: getattr(bars, item.name)[order] for item in fields(Bars) if item.name != "start_s"}
    return Bars(start_s=bars.start_s.copy(), **values)


def _differing(before: Answer, found: Answer, cut: int, bars: Bars, why: str = "") -> Iterator[str]:
    """The first row up to a cut that is another, by field."""
    if before.keys() != found.keys():
        yield f"the number of features depends on later bars: {len(before)} and {len(found)}"
        return
    for name, values in before.items():
        rows = np.flatnonzero(~_alike(values[:cut], found[name][:cut]))
        if rows.size:
            k = int(rows[0])
            reason = why or f"bars from {_at(bars, cut)} on are others"
            yield f"{name} of the bar at {_at(bars, k)} is {values[k]:g}, and {found[name][k]:g} where {reason}"


def _alike(a: FloatArray, b: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _changed_rows(before: Answer, at: int, whole: Answer, first: int) -> int:
    """Rows of a day that are another where all that lies before is seen."""
    if before.keys() != whole.keys():
        return len(next(iter(before.values()))) - at
    alike = [np.isclose(v[at:], whole[name][first:], rtol=1e-6, atol=0, equal_nan=True) for name, v in before.items()]
    return int(np.count_nonzero(~np.all(alike, axis=0)))


def _restless(strategy: Rule | StateRule, bars: Bars, days: AskedDays) -> Iterator[str]:
    """Trades that are others the second time: what decides on a position rests on more than row and position."""
    try:
        one, two = (trades_of(strategy, _copied(bars), days=days) for _ in range(2))
    except Exception as error:  # as above
        yield _raised(strategy, error, bars)
        return
    if any(not np.array_equal(getattr(one, item.name), getattr(two, item.name)) for item in dataclasses.fields(one)):
        yield f"{strategy.name} makes other trades of the same bars the second time"


def _raised(strategy: Strategy, error: Exception, bars: Bars) -> str:
    said = str(error) if isinstance(error, StrategyError) else f"{strategy.name} raised {type(error).__name__}: {error}"
    return f"{said} (bars from {_at(bars, 0)} on)"


def _at(bars: Bars, k: int) -> str:
    starts: IntArray = bars.start_s
    return f"{datetime.fromtimestamp(int(starts[k]), UTC).astimezone(NEW_YORK):%Y-%m-%d %H:%M}"
