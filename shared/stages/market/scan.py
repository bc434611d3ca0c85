"""Scan: the universe -> the day's watchlist -> slices of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched

from shared.contracts.messages import MAX_SLICE, CandidateSlice, Message, Severity
from shared.contracts.records import Container, Table, symbol_key, watchlist_blob
from shared.core.features import SymbolDay, prepare, relative_volume
from shared.core.ids import hash_id
from shared.core.market import Bars, Snapshot, Timeframe, TradingDay
from shared.core.schedule import DueJob, Job
from shared.core.sessions import pre_open_at
from shared.core.settings import FIRST_STRATEGY
from shared.core.values import Symbol, iso, parse_utc
from shared.core.watchlist import (
    RVOL_WINDOW_BARS,
    ScanLimits,
    Watched,
    Why,
    gappers,
    intraday_pick,
    merge,
    movers,
    premarket_pick,
)
from shared.ports import Ports, Row
from shared.stages.base.day_market import DayMarket
from shared.stages.base.history import write_history
from shared.stages.base.ledger import load_ledger
from shared.stages.base.notices import notice
from shared.stages.base.runs import run_due

JOBS = frozenset({Job.PREMARKET_ROUGH, Job.PREMARKET_FINAL, Job.INTRADAY_REFRESH, Job.CANDIDATES, Job.AFTER_HOURS})
CLOSE_LOOK = 40
"""Most symbols whose bars a scan fetches: what the cheap snapshot filter leaves."""

RVOL_SESSIONS = 10
STORY_HOURS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """The list in force from `slot` on, with the history blob its features stand on."""

    schema_id: str = "watchlist.v1"
    on: date
    slot: str
    made_at: datetime
    watched: tuple[Watched, ...]
    history_blob: str
    code_revision: str
    parameter_set: str


def scan(ports: Ports) -> list[Message]:
    """Run the scan jobs that are due; the candidates job sends slices, the others make watchlists."""
    return run_due(ports, JOBS, lambda slot: run_slot(ports, slot))


def run_slot(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Run one of these jobs in its slot."""
    return _RUNS[slot.job](ports, slot)


def _universe(market: DayMarket) -> Sequence[Snapshot]:
    return market.snapshots([asset.symbol for asset in market.assets()])


def scan_limits(ports: Ports) -> ScanLimits:
    """Thresholds of the scanners, as they are set."""
    w = ports.settings.watchlist
    return ScanLimits(
        price_min_usd=w.price_min_usd,
        price_max_usd=w.price_max_usd,
        gap_min_fraction=w.gap_min_fraction,
        rvol_min=w.rvol_min,
        dollar_volume_min_usd=w.dollar_volume_min_usd,
        spread_max_bp=w.spread_max_bp,
        float_proxy_max_shares=w.float_proxy_max_shares,
        range_min_atr=w.range_min_atr,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Close:
    """Bars of the few symbols that a scan looks at closely."""

    days: Mapping[Symbol, SymbolDay]
    daily: Mapping[Symbol, Bars]
    history: Mapping[Symbol, Bars]


def _look_closely(ports: Ports, market: DayMarket, symbols: Sequence[Symbol]) -> _Close:
    if not symbols:
        return _Close(days={}, daily={}, history={})
    day = market.day
    start = ports.calendar.previous_days(day.on, 20)[0]
    midnight = pre_open_at(day) - timedelta(hours=4)
    daily = market.bars(symbols, Timeframe.DAY_1, pre_open_at(start) - timedelta(hours=4), midnight)
    since = pre_open_at(ports.calendar.previous_days(day.on, RVOL_SESSIONS)[0])
    minutes = market.bars(symbols, Timeframe.MIN_5, since, ports.clock.now())
    edge = int(midnight.timestamp())
    days, history = {}, {}
    for symbol in (each for each in symbols if each in daily and each in minutes):
        past, today = minutes[symbol].between(0, edge), minutes[symbol].between(edge, edge + 86_400)
        history[symbol] = past
        days[symbol] = SymbolDay(past=prepare(symbol, daily=daily[symbol], history=past, day=day), today=today)
    return _Close(days=days, daily=daily, history=history)


def _premarket_picks(ports: Ports, market: DayMarket) -> list[Watched]:
    limits = scan_limits(ports)
    found = gappers(_universe(market), limits)[:CLOSE_LOOK]
    close = _look_closely(ports, market, [s.symbol for s in found])
    picks = (
        premarket_pick(s, close.daily[s.symbol], relative_volume(close.days[s.symbol]), limits)
        for s in found
        if s.symbol in close.days
    )
    return [pick for pick in picks if pick is not None]


def _premarket(ports: Ports, slot: DueJob) -> Sequence[Message]:
    day = _day(ports, slot)
    market = DayMarket(ports, day)
    current = current_watchlist(ports, slot.on)
    picks = [*_premarket_picks(ports, market), *_story_picks(ports, day)]
    return _publish(ports, market, slot, picks, _Kept(current=current, watched=_picked(current)))


def _refresh(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Add what woke up, drop what died: a kept symbol must have traded in the last half hour."""
    day, limits = _day(ports, slot), scan_limits(ports)
    market = DayMarket(ports, day)
    universe = _universe(market)
    close = _look_closely(ports, market, [s.symbol for s in movers(universe, limits, CLOSE_LOOK)])
    picks = [
        pick
        for symbol, item in close.days.items()
        if (pick := intraday_pick(symbol, close.history[symbol], item.today, recent_volume_ratio(item), limits))
    ]
    fresh = ports.clock.now() - timedelta(minutes=30)
    alive = {s.symbol for s in universe if s.last_at >= fresh}
    current = current_watchlist(ports, slot.on)
    kept = tuple(watched for watched in _picked(current) if watched.symbol in alive)
    return _publish(ports, market, slot, [*picks, *_story_picks(ports, day)], _Kept(current=current, watched=kept))


def _held(ports: Ports) -> list[Watched]:
    """Symbols in which a strategy beside the models' own has an order: it must be asked every slot when to leave."""
    if all(each.name == FIRST_STRATEGY for each in ports.settings.strategies.traded):
        return []
    stored = load_ledger(ports)
    reservations = stored.value.reservations if stored else ()
    symbols = dict.fromkeys(r.symbol for r in reservations if r.strategy != FIRST_STRATEGY)
    return [Watched(symbol=symbol, why=Why.HELD, score=0.0) for symbol in symbols]


def _after_hours(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """What moved after the close at any price: tomorrow's and tonight's candidates, kept as a watchlist of its own."""
    day = _day(ports, slot)
    market = DayMarket(ports, day)
    close_at = day.close_at
    moved = [
        Watched(symbol=s.symbol, why=Why.EARNINGS_MOVE, score=abs(s.last_price / s.day_close - 1))
        for s in _universe(market)
        if s.last_at > close_at and s.day_close > 0
    ]
    least = ports.settings.watchlist.gap_min_fraction
    current = current_watchlist(ports, slot.on)
    kept = _Kept(current=current, watched=())
    return _publish(ports, market, slot, [w for w in moved if w.score >= least], kept)


def recent_volume_ratio(item: SymbolDay) -> float:
    """Volume of the last 15 minutes over its mean at this time in past sessions; 0 where unknown."""
    if len(item.today) < RVOL_WINDOW_BARS:
        return 0.0
    recent = item.today[-RVOL_WINDOW_BARS:]
    last = (int(recent.start_s[-1]) - item.past.midnight_s) // 300 + 1
    usual = float(item.past.volume_profile[last] - item.past.volume_profile[last - RVOL_WINDOW_BARS])
    return float(recent.volume.sum()) / usual if usual > 0 else 0.0


def _story_picks(ports: Ports, day: TradingDay) -> list[Watched]:
    """Symbols with a story in the last hours: the focused scan that news asks for."""
    since = ports.clock.now() - timedelta(hours=STORY_HOURS)
    symbols: dict[Symbol, int] = {}
    for _, row in ports.tables.query(Table.STORIES, str(day.on)):
        if parse_utc(str(row["published_at"])) >= since and not row.get("echo_of"):
            for name in str(row["symbols"]).split():
                symbols[Symbol(name)] = symbols.get(Symbol(name), 0) + 1
    return [Watched(symbol=symbol, why=Why.STORY, score=float(count)) for symbol, count in symbols.items()]


def _day(ports: Ports, slot: DueJob) -> TradingDay:
    day = ports.calendar.day(slot.on)
    assert day is not None, "a slot is due on a trading day only"
    return day


def current_watchlist(ports: Ports, on: date) -> Watchlist | None:
    """Return the newest watchlist of a session date."""
    names = [name for name in ports.blobs.names(Container.WATCHLISTS, f"{on}/") if name.endswith(".json")]
    if not names:
        return None
    stored = ports.blobs.get(Container.WATCHLISTS, names[-1])
    return None if stored is None else ports.codec.decode(Watchlist, stored.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The watchlist so far, and what of it stays."""

    current: Watchlist | None
    watched: tuple[Watched, ...]


def _picked(current: Watchlist | None) -> tuple[Watched, ...]:
    """What a watchlist holds beside the core."""
    return () if current is None else tuple(w for w in current.watched if w.why not in {Why.CORE, Why.HELD})


def _publish(ports: Ports, market: DayMarket, slot: DueJob, picks: Sequence[Watched], kept: _Kept) -> Sequence[Message]:
    settings = ports.settings
    tradable = {asset.symbol for asset in market.assets()}
    core = [s for s in settings.watchlist.core_symbols if s in tradable]
    entering = [pick for pick in picks if pick.symbol in tradable]
    most = settings.watchlist.max_watchlist
    watched = merge(core, entering, kept.watched, most)
    listed_already = {each.symbol for each in watched}
    dropped = [each for each in _held(ports) if each.symbol not in listed_already and each.symbol in tradable]
    watched = (*dropped, *watched)[:most]
    now = ports.clock.now()
    watchlist = Watchlist(
        on=slot.on,
        slot=slot.slot,
        made_at=now,
        watched=watched,
        history_blob=write_history(
            ports,
            market,
            [w.symbol for w in watched],
            slot.slot,
            kept.current.history_blob if kept.current else None,
        ),
        code_revision=ports.code_revision,
        parameter_set=settings.policy.parameter_set,
    )
    text = ports.codec.encode(watchlist)
    ports.blobs.put(Container.WATCHLISTS, watchlist_blob(slot.on, slot.slot), text.encode())
    made: Row = {"slot": slot.slot, "job": slot.job.value, "made_at": iso(now)}
    rows: dict[str, Row] = {}
    for rank, w in enumerate(watched, start=1):
        place: Row = {"symbol": w.symbol, "rank": rank, "why": w.why.value}
        cells = {**made, **place, "score": w.score, "gap": w.gap, "rvol": w.rvol}
        rows[symbol_key(w.symbol, slot.slot)] = cells
    ports.tables.put_many(Table.WATCHLIST, str(slot.on), rows)
    found = ", ".join(f"{w.symbol} ({w.why})" for w in watched if w.why is not Why.CORE) or "none"
    title = f"Watchlist {slot.slot}: {len(watched)} symbols"
    body = f"Beside the core: {found}"
    listed = notice(now, kind="watchlist", severity=Severity.INFO, title=title, body=body, cause=slot.key)
    return [listed, *market.tell()]


def _candidates(ports: Ports, slot: DueJob) -> Sequence[Message]:
    """Cut the watchlist in force into slices: one message, one execution, one batch of scores each."""
    watchlist = current_watchlist(ports, slot.on)
    now = ports.clock.now()
    if watchlist is None:
        title = f"No watchlist on {slot.on}"
        body = "Candidates could not be sent: no scan of the day has finished."
        return [
            notice(now, kind="no-watchlist", severity=Severity.CRITICAL, title=title, body=body, cause=str(slot.on))
        ]
    slices = []
    for index, part in enumerate(batched((w.symbol for w in watchlist.watched), MAX_SLICE, strict=False)):
        message_id = hash_id("slice", str(slot.on), slot.slot, str(index))
        slices.append(
            CandidateSlice(
                message_id=message_id,
                correlation_id=message_id,
                causation_id=hash_id("run", str(slot.on), slot.key),
                decided_at=now,
                expires_at=now + timedelta(seconds=ports.settings.policy.signal_ttl_s),
                on=slot.on,
                slot=slot.slot,
                symbols=part,
                watchlist_blob=watchlist_blob(watchlist.on, watchlist.slot),
                history_blob=watchlist.history_blob,
            )
        )
    return slices


_RUNS = {
    Job.PREMARKET_ROUGH: _premarket,
    Job.PREMARKET_FINAL: _premarket,
    Job.INTRADAY_REFRESH: _refresh,
    Job.CANDIDATES: _candidates,
    Job.AFTER_HOURS: _after_hours,
}
