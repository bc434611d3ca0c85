"""What buying at each bar would have made: forward returns of every symbol, and those beyond all symbols' own.

Entries are at prices that stand when a decision is taken or later: the open of a bar that starts at or after it, or the
close of a session that ends after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from shared.core.errors import ContractError
from shared.core.features.history import new_york_clock
from shared.core.ids import digest, hash_id
from shared.core.market import Bars, FloatArray, IntArray, Timeframe
from shared.core.splits import NO_SPLITS, Splits, in_terms_of, whole_ratios
from shared.core.values import Symbol
from shared.ports import Calendar
from simulation.market.bar_file import read_file
from simulation.market.bar_rows import edges_of
from training.backtest.regimes import UNKNOWN, VOLATILE_FROM

HORIZONS_MIN: Final = (15, 60)
HORIZONS_SESSIONS: Final = (1, 5)
LEAST_PEERS: Final = 10
"""Symbols from which their mean return is the market's; with fewer, returns stand as they are."""
REGIME_SESSIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReturns:
    """Returns of one horizon, by symbol arrays of shape (n,) in the order of their entries.

    Attributes
    ----------
    name : str
    span_sessions : int
        Sessions that a return reaches over, rounded up.
    entry_s : mapping of Symbol to int64
        UTC epoch seconds.
    gross : mapping of Symbol to float64
        Fraction of the entry's price; NaN where it is not known.
    excess : mapping of Symbol to float64
        Less the mean of all symbols that were entered at the same instant.
    """

    name: str
    span_sessions: int
    entry_s: Mapping[Symbol, IntArray]
    gross: Mapping[Symbol, FloatArray]
    excess: Mapping[Symbol, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRegimes:
    """Volatility of the symbols' mean daily return over the sessions before a date.

    `ordinals` are dates as days since 1970, ascending; `volatility`, of the same shape, is known at each one's end.
    """

    ordinals: IntArray
    volatility: FloatArray

    def before(self, ordinal: int) -> str:
        """The regime as it was known before a date: calm, volatile or unknown."""
        place = int(np.searchsorted(self.ordinals, ordinal)) - 1
        if place < 0 or not np.isfinite(self.volatility[place]):
            return UNKNOWN
        return "volatile" if self.volatility[place] >= VOLATILE_FROM else "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBoard:
    """The bars of a study.

    Attributes
    ----------
    first_s, last_s : int
        Start of the first bar and end of the last one, UTC epoch seconds.
    broken : int
        Nights over which a price jumped as in a split that the file does not tell of: no return reaches over one.
    has_peers : bool
        Whether excess returns are beyond the symbols' mean, or the returns themselves.
    """

    name: str
    content_id: str
    timeframe: Timeframe
    symbols: tuple[Symbol, ...]
    first_s: int
    last_s: int
    horizons: tuple[ForwardReturns, ...]
    regimes: MarketRegimes
    broken: int
    has_peers: bool
    told: tuple[str, ...]


def read_board(
    path: Path, symbols: Sequence[Symbol] | None, calendar: Calendar, *, before: date | None = None
) -> PriceBoard:
    """Read a file of bars for the symbols of some stories.

    Parameters
    ----------
    path : Path
        Intraday or daily, as of `simulation.market.bar_file.read_file`.
    symbols : sequence of Symbol, or None
        Those that the file does not have are told; None: all that it has.
    before : date, optional
        Leave out what the file has of this New York date and later.

    Raises
    ------
    SettingsError, ContractError
        As `read_file`; and if it has none of the symbols.
    """
    file = read_file(path, hours=calendar, adjusted=True, before=before)
    wanted = set(file.by_symbol() if symbols is None else symbols)
    bars = {}
    for symbol, part in file.by_symbol().items():
        if symbol in wanted and len(part):
            bars[symbol] = _in_one_scale(part.bars, symbol, file.splits)
    if not bars:
        named = ", ".join(sorted(wanted)[:5])
        raise ContractError(f"{path.name} has bars of none of the stories' symbols, such as {named}")
    told = list(file.told())
    if symbols is not None and (missing := sorted(wanted - set(bars))):
        told.append(f"no bars of {', '.join(missing[:10])}{' and others' if len(missing) > 10 else ''}: not studied")
    is_daily = file.timeframe is Timeframe.DAY_1
    breaks = {symbol: _breaks(part) for symbol, part in bars.items()}
    made = _daily(bars, breaks, calendar) if is_daily else _intraday(bars, file.timeframe.seconds)
    has_peers = len(bars) >= LEAST_PEERS
    broken = sum(int(part[-1]) for part in breaks.values())
    if broken:
        told.append(
            f"{broken:,} nights over which a price jumped as in a split that the file does not tell of: left out"
        )
    return PriceBoard(
        name=path.name,
        content_id=_content_id(bars),
        timeframe=file.timeframe,
        symbols=tuple(sorted(bars)),
        first_s=min(int(part.start_s[0]) for part in bars.values()),
        last_s=max(int(part.start_s[-1]) for part in bars.values()) + file.timeframe.seconds,
        horizons=tuple(_with_excess(each, has_peers=has_peers) for each in made),
        regimes=_regimes(bars, breaks),
        broken=broken,
        has_peers=has_peers,
        told=tuple(told),
    )


def _in_one_scale(bars: Bars, symbol: Symbol, splits: Mapping[Symbol, Splits]) -> Bars:
    """Bars in the terms of the last one, from the last split of unknown ratio on."""
    told = splits.get(symbol, NO_SPLITS)
    bars = in_terms_of(bars, told, int(bars.start_s[-1]))
    unknown = np.flatnonzero(~np.isfinite(bars.close))
    return bars[int(unknown[-1]) + 1 :] if unknown.size else bars


def _breaks(bars: Bars) -> IntArray:
    """How many nights up to each bar a price jumped over as in a split, int64 of shape (n,)."""
    day = new_york_clock(bars.start_s)[0]
    jump = ~np.isnan(whole_ratios(bars.open[1:] / bars.close[:-1])) & (day[1:] != day[:-1])
    return np.concatenate([[0], np.cumsum(jump)]).astype(np.int64)


def _intraday(bars: Mapping[Symbol, Bars], step_s: int) -> list[ForwardReturns]:
    """From the open of a bar to the last price of so many minutes, within its own date."""
    found = []
    for minutes in HORIZONS_MIN:
        gross = {}
        for symbol, part in bars.items():
            start_s, day = part.start_s, new_york_clock(part.start_s)[0]
            last = np.searchsorted(day, day, side="right") - 1
            until = start_s + 60 * minutes
            leaves = np.searchsorted(start_s, until) - 1
            inside = until <= start_s[last] + step_s
            gross[symbol] = np.where(inside, part.close[leaves] / part.open - 1, np.nan)
        entry = {symbol: part.start_s for symbol, part in bars.items()}
        found.append(ForwardReturns(name=f"{minutes} min", span_sessions=1, entry_s=entry, gross=gross, excess=gross))
    return found


def _daily(bars: Mapping[Symbol, Bars], breaks: Mapping[Symbol, IntArray], calendar: Calendar) -> list[ForwardReturns]:
    """From a session's open to its close, and from its close to that of a later one."""
    edges = {symbol: edges_of(part.start_s, calendar) for symbol, part in bars.items()}
    traded = {symbol: np.flatnonzero(found.day >= 0) for symbol, found in edges.items()}
    opens = {symbol: edges[symbol].open_s[at] for symbol, at in traded.items()}
    closes = {symbol: edges[symbol].close_s[at] for symbol, at in traded.items()}
    gross = {symbol: bars[symbol].close[at] / bars[symbol].open[at] - 1 for symbol, at in traded.items()}
    found = [ForwardReturns(name="open to close", span_sessions=1, entry_s=opens, gross=gross, excess=gross)]
    for sessions in HORIZONS_SESSIONS:
        gross = {}
        for symbol, at in traded.items():
            close, day, broken = bars[symbol].close[at], edges[symbol].day[at], breaks[symbol][at]
            made = np.full(at.size, np.nan)
            if at.size > sessions:
                # A session without a bar in between makes it another horizon.
                whole = (day[sessions:] - day[:-sessions] == sessions) & (broken[sessions:] == broken[:-sessions])
                made[:-sessions] = np.where(whole, close[sessions:] / close[:-sessions] - 1, np.nan)
            gross[symbol] = made
        name = f"close to close, {sessions} session{'s' if sessions > 1 else ''}"
        found.append(ForwardReturns(name=name, span_sessions=sessions, entry_s=closes, gross=gross, excess=gross))
    return found


def _with_excess(made: ForwardReturns, *, has_peers: bool) -> ForwardReturns:
    if not has_peers:
        return made
    names = list(made.gross)
    every, gross = (np.concatenate([part[name] for name in names]) for part in (made.entry_s, made.gross))
    at, where = np.unique(every, return_inverse=True)
    known = np.isfinite(gross)
    count = np.bincount(where[known], minlength=at.size)
    total = np.bincount(where[known], gross[known], minlength=at.size)
    mean = np.where(count >= LEAST_PEERS, total / np.maximum(count, 1), np.nan)
    cuts = np.cumsum([made.gross[name].size for name in names])[:-1]
    excess = dict(zip(names, np.split(gross - mean[where], cuts), strict=True))
    return ForwardReturns(
        name=made.name, span_sessions=made.span_sessions, entry_s=made.entry_s, gross=made.gross, excess=excess
    )


def _regimes(bars: Mapping[Symbol, Bars], breaks: Mapping[Symbol, IntArray]) -> MarketRegimes:
    days, returns = [], []
    for symbol, part in bars.items():
        day = new_york_clock(part.start_s)[0]
        last = np.flatnonzero(np.diff(day, append=-1) != 0)
        close, broken = part.close[last], breaks[symbol][last]
        change = np.where(broken[1:] == broken[:-1], np.log(close[1:] / close[:-1]), np.nan)
        days.append(day[last][1:])
        returns.append(change)
    every, change = np.concatenate(days), np.concatenate(returns)
    known = np.isfinite(change)
    ordinals, where = np.unique(every[known], return_inverse=True)
    if not ordinals.size:
        return MarketRegimes(ordinals=ordinals, volatility=np.empty(0))
    market = np.bincount(where, change[known]) / np.bincount(where)
    volatility = np.full(ordinals.size, np.nan)
    if market.size >= REGIME_SESSIONS:
        windows = np.lib.stride_tricks.sliding_window_view(market, REGIME_SESSIONS)
        volatility[REGIME_SESSIONS - 1 :] = windows.std(axis=1, ddof=1)
    return MarketRegimes(ordinals=ordinals, volatility=volatility)


def _content_id(bars: Mapping[Symbol, Bars]) -> str:
    """Hash of the bars that are looked at."""
    parts = []
    for symbol, part in sorted(bars.items()):
        values = (part.start_s, part.open, part.close)
        parts += [symbol, *(digest(np.ascontiguousarray(column).tobytes()) for column in values)]
    return hash_id("bars", *parts)
