"""Candidates beside the slots: symbols of which something has just been heard, scored at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.messages import MAX_SLICE, CandidateSlice
from shared.contracts.records import watchlist_blob
from shared.core.ids import hash_id
from shared.core.market import TradingDay
from shared.core.schedule import slot_of
from shared.core.sessions import session_at
from shared.core.values import Symbol
from shared.core.watchlist import is_liquid
from shared.ports import Ports, trading_day
from shared.stages.base.day_market import DayMarket
from shared.stages.base.history import write_history
from shared.stages.market.names import listed_names
from shared.stages.market.scan import Watchlist, current_watchlist, scan_limits

REGULAR_STEP_MIN = 5
"""Slots of the day's plan are so far apart."""


def takes_entries(ports: Ports, at: datetime) -> TradingDay | None:
    """The trading day of an instant, where its session is one in which entries are enabled."""
    day = trading_day(ports, at)
    return day if session_at(at, day) in ports.settings.policy.entry_sessions else None


def tradable(ports: Ports, symbols: Sequence[Symbol], at: datetime) -> frozenset[Symbol]:
    """Those of some symbols that are watched, or listed and liquid enough for the intraday scan."""
    day = trading_day(ports, at)
    if day is None:
        return frozenset()
    watchlist = current_watchlist(ports, day.on)
    watched = _watched(watchlist) | set(ports.settings.watchlist.core_symbols)
    others = [symbol for symbol in symbols if symbol not in watched]
    listed = listed_names(ports, day.on) if others else {}
    others = [symbol for symbol in others if symbol in listed]
    limits = scan_limits(ports)
    found = DayMarket(ports, day).snapshots(others) if others else ()
    return frozenset(symbols) & watched | {each.symbol for each in found if is_liquid(each, limits)}


def focused_slice(ports: Ports, symbols: Sequence[Symbol], *, cause: str) -> list[CandidateSlice]:
    """Candidates of a few symbols in a slot of their own, none where no entry could come of it.

    Parameters
    ----------
    symbols : sequence of Symbol
        At most `MAX_SLICE` are taken.
    cause : str
        Id of the message that asks for it: the slice's own id is made of it.
    """
    now = ports.clock.now()
    day = takes_entries(ports, now)
    watchlist = None if day is None else current_watchlist(ports, day.on)
    if day is None or watchlist is None or not symbols:
        return []
    wanted, slot = tuple(dict.fromkeys(symbols))[:MAX_SLICE], focused_slot(now)
    history = watchlist.history_blob
    if not _watched(watchlist).issuperset(wanted):
        history = write_history(ports, DayMarket(ports, day), wanted, slot, history)
    message_id = hash_id("focused", cause, slot, *wanted)
    return [
        CandidateSlice(
            message_id=message_id,
            correlation_id=message_id,
            causation_id=cause,
            decided_at=now,
            expires_at=now + timedelta(seconds=ports.settings.policy.signal_ttl_s),
            on=day.on,
            slot=slot,
            symbols=wanted,
            watchlist_blob=watchlist_blob(watchlist.on, watchlist.slot),
            history_blob=history,
        )
    ]


def focused_slot(at: datetime) -> str:
    """Slot of an instant's minute; the next one's where the day's plan has one there, whose decisions are its own."""
    is_planned = at.minute % REGULAR_STEP_MIN == 0
    return slot_of(at + timedelta(minutes=1) if is_planned else at)


def _watched(watchlist: Watchlist | None) -> set[Symbol]:
    return set() if watchlist is None else {each.symbol for each in watchlist.watched}
