"""The data that features are made of, as a stage sees them: prepared pasts and today's closed bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.features import DAILY_BARS, HISTORY_SESSIONS, SymbolDay, context_symbols
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.sessions import NEW_YORK, pre_open_at
from shared.core.values import Symbol
from shared.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Symbols with history, in the order asked for, those of market context and breadth, and those without history."""

    items: tuple[SymbolDay, ...]
    market: tuple[SymbolDay, ...]
    unknown: tuple[Symbol, ...]


def write_history(
    ports: Ports, symbols: Sequence[Symbol], day: TradingDay, slot: str, previous: str | None
) -> str:  # fmt: skip
    """Keep the past that a day's features need, for these symbols and those of market context and breadth.

    What an earlier history blob of the same day has is taken from there; only the rest is fetched.

    Returns
    -------
    str
        Name of the history blob.
    """
    watchlist = ports.settings.watchlist
    context = context_symbols(watchlist.market_symbols, watchlist.core_symbols)
    wanted = tuple(dict.fromkeys((*symbols, *context)))
    end = pre_open_at(day)
    sessions = ports.calendar.previous_days(day.on, max(DAILY_BARS, HISTORY_SESSIONS))
    daily_from = pre_open_at(sessions[0]) - timedelta(hours=4)
    intraday_from = pre_open_at(sessions[-HISTORY_SESSIONS])
    ranges = {
        Timeframe.DAY_1: (daily_from, end - timedelta(hours=4)),
        Timeframe.MIN_5: (intraday_from, end),
    }
    known = ports.history.bars(previous) if previous else {}
    bars: dict[Timeframe, dict[Symbol, Bars]] = {}
    for timeframe, (first, last) in ranges.items():
        there = known.get(timeframe, {})
        missing = [symbol for symbol in wanted if symbol not in there]
        fetched = ports.market.bars(missing, timeframe, first, last) if missing else {}
        bars[timeframe] = {symbol: there[symbol] if symbol in there else fetched[symbol] for symbol in wanted}
    return ports.history.write(day.on, slot, bars)


def load_panel(ports: Ports, symbols: Sequence[Symbol], history_blob: str, day: TradingDay) -> Panel:
    """Put today's closed 5-minute bars beside the prepared pasts."""
    pasts = ports.history.pasts(history_blob, day)
    watchlist = ports.settings.watchlist
    market = context_symbols(watchlist.market_symbols, watchlist.core_symbols, pasts)
    wanted = tuple(dict.fromkeys((*symbols, *market)))
    today = ports.market.bars(wanted, Timeframe.MIN_5, pre_open_at(day), ports.clock.now())
    known = {s: SymbolDay(past=pasts[s], today=today[s]) for s in wanted if s in pasts}
    return Panel(
        items=tuple(known[s] for s in symbols if s in known),
        market=tuple(known[s] for s in market),
        unknown=tuple(s for s in symbols if s not in known),
    )


def trading_day(ports: Ports, at: datetime) -> TradingDay | None:
    """Return the exchange's day of an instant's New York date."""
    return ports.calendar.day(at.astimezone(NEW_YORK).date())
