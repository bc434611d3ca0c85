"""The data that features are made of, as a stage sees them: prepared pasts and today's closed bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.core.features import HISTORY_SESSIONS, SymbolDay, context_symbols
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.sessions import pre_open_at
from shared.core.unread import Unread, unread_in
from shared.core.values import Symbol
from shared.ports import Ports
from shared.stages.base.day_market import PAST_SESSIONS, DayMarket


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceBars:
    """Symbols with history, in the order asked for, and those of market context and breadth.

    `unknown` are those without history, each with the reason; `unread` is what of today's bars could not be read.
    """

    items: tuple[SymbolDay, ...]
    market: tuple[SymbolDay, ...]
    unknown: Mapping[Symbol, str]
    unread: tuple[Unread, ...]


def write_history(ports: Ports, market: DayMarket, symbols: Sequence[Symbol], slot: str, previous: str | None) -> str:
    """Keep the past that a day's features need, for these symbols and those of market context and breadth.

    What an earlier history blob of the same day has is taken from there; only the rest is fetched. A symbol whose past
    cannot be read, or not be brought into the day's terms, is left out, with the reason in the blob.

    Returns
    -------
    str
        Name of the history blob.
    """
    day, watchlist = market.day, ports.settings.watchlist
    context = context_symbols(watchlist.market_symbols, watchlist.core_symbols)
    wanted = tuple(dict.fromkeys((*symbols, *context)))
    end = pre_open_at(day)
    sessions = ports.calendar.previous_days(day.on, PAST_SESSIONS)
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
        fetched = market.bars(missing, timeframe, first, last) if missing else {}
        bars[timeframe] = {**{s: there[s] for s in wanted if s in there}, **fetched}
    left_out = {symbol: market.left_out[symbol] for symbol in wanted if symbol in market.left_out}
    whole = {
        timeframe: {symbol: found[symbol] for symbol in wanted if symbol in found and symbol not in left_out}
        for timeframe, found in bars.items()
    }
    return ports.history.write(day.on, slot, whole, left_out=left_out)


def load_panel(ports: Ports, symbols: Sequence[Symbol], history_blob: str, day: TradingDay) -> SliceBars:
    """Put today's closed 5-minute bars beside the prepared pasts."""
    pasts = ports.history.pasts(history_blob, day)
    watchlist = ports.settings.watchlist
    market = context_symbols(watchlist.market_symbols, watchlist.core_symbols, pasts)
    wanted = tuple(dict.fromkeys((*symbols, *market)))
    today = ports.market.bars(wanted, Timeframe.MIN_5, pre_open_at(day), ports.clock.now())
    known = {s: SymbolDay(past=pasts[s], today=today.get(s, Bars.empty())) for s in wanted if s in pasts}
    unknown = [s for s in symbols if s not in known]
    left_out = ports.history.left_out(history_blob) if unknown else {}
    return SliceBars(
        items=tuple(known[s] for s in symbols if s in known),
        market=tuple(known[s] for s in market),
        unknown={s: left_out.get(s, f"history: {s} is not in {history_blob}") for s in unknown},
        unread=unread_in(today),
    )
