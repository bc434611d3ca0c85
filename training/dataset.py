"""From bars to rows: features at sampled instants with their labels, session by session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.core.features import SymbolDay, atr_path, context_symbols, day_features, prepare
from shared.core.features.breadth import MARKET_SYMBOLS
from shared.core.features.catalogue import FEATURE_HIGH, FEATURE_LOW, FEATURE_NAMES, MAY_BE_NAN
from shared.core.features.history import BAR_S, midnight_s
from shared.core.ids import hash_id
from shared.core.market import Bars, FloatArray, IntArray, Timeframe, TradingDay
from shared.core.sessions import session_at
from shared.core.splits import Splits
from shared.core.values import Symbol, from_epoch, require, require_at_least
from training.labels import BarrierRule, Labels, average_uniqueness, triple_barrier
from training.source import HistorySource

type Progress = Callable[[str, float], None]
"""Told (what is being done, how much of it is done in [0, 1])."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """Which rows are learned from.

    `max_symbols` are drawn by the seed. The first `warmup_sessions` only feed the features (the slowest looks back 25
    days). A row that the app would not trade on, for a feature that is missing or out of range, is left out. Rows lie
    `every_min` minutes apart from the open on, and at least `before_close_min` before the close.
    """

    max_symbols: int = 160
    warmup_sessions: int = 25
    every_min: int = 15
    before_close_min: int = 15

    def __post_init__(self) -> None:
        require_at_least("max_symbols", self.max_symbols, 1)
        require_at_least("warmup_sessions", self.warmup_sessions, 1)
        require(self.every_min > 0 and self.every_min * 60 % BAR_S == 0, "every_min", self.every_min, "5, 10, 15, ...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """n rows with their outcomes, oldest session first.

    `features` float32 of shape (n, n_features), NaN for missing; the other arrays have shape (n,). `day` counts into
    `dates`, `symbol` into `symbols`; `start_s` is the start of the row's bar, `end_s` when its label was known, in UTC
    epoch seconds. `weight` is the label's average uniqueness: rows of a symbol that share bars tell little new.
    """

    features: NDArray[np.float32]
    outcome: NDArray[np.int8]
    exit_return: FloatArray
    move: FloatArray
    day: IntArray
    symbol: IntArray
    start_s: IntArray
    end_s: IntArray
    weight: FloatArray
    dates: tuple[date, ...]
    symbols: tuple[Symbol, ...]

    def __len__(self) -> int:
        return int(self.day.size)

    def on(self, dates: Sequence[date]) -> Dataset:
        """Return the rows of some session dates."""
        wanted = np.array([k for k, on in enumerate(self.dates) if on in set(dates)], np.int64)
        return self.only(np.isin(self.day, wanted))

    def only(self, keep: NDArray[np.bool_]) -> Dataset:
        """Return the rows of a mask of shape (n,)."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"dates", "symbols"}}
        return replace(self, **{name: values[keep] for name, values in arrays.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Rows of one symbol on one day."""

    features: NDArray[np.float32]
    labels: Labels
    symbol: IntArray
    start_s: IntArray
    weight: FloatArray


def draw_symbols(symbols: Sequence[Symbol], count: int, seed: int) -> tuple[Symbol, ...]:
    """`count` symbols in an order that only the seed and their names decide, then sorted."""
    return tuple(sorted(sorted(symbols, key=lambda symbol: hash_id("training-symbol", str(seed), symbol))[:count]))


def build_dataset(
    source: HistorySource,
    *,
    on: date,
    seed: int,
    market_symbols: Sequence[Symbol],
    sampling: SamplingRule,
    barrier: BarrierRule,
    progress: Progress,
) -> Dataset:
    """Compute features and labels of every sampled row before a date.

    Parameters
    ----------
    source : HistorySource
    on : date
        Nothing of this date or later is read.
    seed : int
        Draws the symbols.
    market_symbols : sequence of Symbol
        Context of every row: the market's own two symbols, then those of breadth (`context_symbols`).
    sampling, barrier : rules
    progress : callable

    Raises
    ------
    ValueError
        If the source has too few sessions before `on`.
    """
    days = [day for day in source.days if day.on < on]
    least = sampling.warmup_sessions + 1
    require(len(days) >= least, f"sessions before {on}", len(days), f"at least {least}")
    symbols = draw_symbols(source.symbols, sampling.max_symbols, seed)
    market = context_symbols(market_symbols[:MARKET_SYMBOLS], market_symbols[MARKET_SYMBOLS:], source.symbols)
    bars = _Store(source, sorted({*symbols, *market}), days, progress)
    blocks: list[list[_Block]] = []
    sampled = days[sampling.warmup_sessions :]
    for k, day in enumerate(sampled):
        items = [bars.symbol_day(symbol, day) for symbol in symbols]
        tables = day_features(items, [bars.symbol_day(symbol, day) for symbol in market], day)
        blocks.append(list(_symbol_rows(items, tables, day, sampling, barrier)))
        progress("features and labels", (k + 1) / len(sampled))
    return _join(blocks, tuple(day.on for day in sampled), symbols)


def _join(sessions: Sequence[Sequence[_Block]], dates: tuple[date, ...], symbols: tuple[Symbol, ...]) -> Dataset:
    blocks = [block for session in sessions for block in session]
    day = [k for k, session in enumerate(sessions) for _ in session]
    own = {name: np.concatenate([getattr(b, name) for b in blocks]) for name in _OWN}
    labelled = {name: np.concatenate([getattr(b.labels, name) for b in blocks]) for name in _LABELLED}
    days = np.repeat(day, [len(block.start_s) for block in blocks])
    return Dataset(**own, **labelled, day=days, dates=dates, symbols=symbols)


_OWN, _LABELLED = ("features", "symbol", "start_s", "weight"), ("outcome", "exit_return", "move", "end_s")


class _Store:
    """Every bar that is needed, read once."""

    def __init__(
        self, source: HistorySource, symbols: Sequence[Symbol], days: Sequence[TradingDay], progress: Progress
    ) -> None:
        start, end = (from_epoch(midnight_s(on)) for on in (days[0].on, days[-1].on + timedelta(days=1)))
        # A source may know daily bars from before its first intraday session.
        daily_start = start - timedelta(days=120)
        self._daily: dict[Symbol, Bars] = {}
        self._intraday: dict[Symbol, Bars] = {}
        self._splits: dict[Symbol, Splits] = {}
        for k, symbol in enumerate(symbols):
            self._daily[symbol] = source.bars(symbol, Timeframe.DAY_1, daily_start, end)
            self._intraday[symbol] = source.bars(symbol, Timeframe.MIN_5, start, end)
            self._splits[symbol] = source.splits(symbol)
            progress("bars", (k + 1) / len(symbols))

    def symbol_day(self, symbol: Symbol, day: TradingDay) -> SymbolDay:
        """The day with its past, as the app would see it once the day is over."""
        intraday = self._intraday[symbol]
        start, end = midnight_s(day.on), midnight_s(day.on + timedelta(days=1))
        history = intraday.between(start - 21 * 86_400, start)
        past = prepare(symbol, daily=self._daily[symbol], history=history, day=day, splits=self._splits[symbol])
        return SymbolDay(past=past, today=intraday.between(start, end))


def _symbol_rows(
    items: Sequence[SymbolDay],
    tables: Sequence[FloatArray],
    day: TradingDay,
    sampling: SamplingRule,
    barrier: BarrierRule,
) -> Iterator[_Block]:
    """Sampled rows of each symbol whose outcome is known."""
    open_s, close_s = int(day.open_at.timestamp()), int(day.close_at.timestamp())
    for k, (item, table) in enumerate(zip(items, tables, strict=True)):
        since_open = item.today.start_s + BAR_S - open_s
        before_close = close_s - (item.today.start_s + BAR_S)
        rows = np.flatnonzero(
            (since_open > 0)
            & (since_open % (sampling.every_min * 60) == 0)
            & (before_close >= sampling.before_close_min * 60)
        )
        labels = triple_barrier(
            item.today,
            atr_path(item),
            rows,
            close_s=close_s - barrier.flatten_min * 60,
            rule=barrier,
            horizon_s=_horizons(item.today.start_s[rows] + BAR_S, day, barrier),
        )
        rows, labels = rows[labels.known], labels.only(labels.known)
        sound = _sound(table[rows])
        rows, labels = rows[sound], labels.only(sound)
        yield _Block(
            features=table[rows].astype(np.float32),
            labels=labels,
            symbol=np.full(rows.size, k),
            start_s=item.today.start_s[rows],
            weight=average_uniqueness(item.today.start_s[rows] + BAR_S, labels.end_s),
        )


_NEEDED = np.array([name not in MAY_BE_NAN for name in FEATURE_NAMES])


def _sound(features: FloatArray) -> NDArray[np.bool_]:
    """Which rows of shape (n, n_features) the app would trade on."""
    with np.errstate(invalid="ignore"):
        outside = ((features < FEATURE_LOW) | (features > FEATURE_HIGH)).any(axis=1)
    return np.asarray(~outside & ~np.isnan(features[:, _NEEDED]).any(axis=1), np.bool_)


def _horizons(decided_s: IntArray, day: TradingDay, barrier: BarrierRule) -> IntArray:
    """Seconds that decisions at given instants have."""
    if not barrier.session_horizons:
        return np.full(decided_s.size, barrier.horizon_min * 60)
    sessions = (session_at(datetime.fromtimestamp(int(at), UTC), day) for at in decided_s)
    return np.array([barrier.horizon_of(session) * 60 for session in sessions], np.int64)
