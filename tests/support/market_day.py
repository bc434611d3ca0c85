"""A seeded market day in memory for the stages that look at bars: core symbols, two gappers, one sleeper."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from shared.core.market import Bars, Snapshot, Timeframe
from shared.core.sessions import NEW_YORK
from shared.core.values import Symbol, from_epoch
from shared.stages.base.day_market import DayMarket
from shared.stages.base.history import write_history
from tests.support.bars import raw_day
from tests.support.ports import FakePorts, fake_ports

ON = date(2025, 10, 15)
CORE = ("SPY", "QQQ")
OTHERS = ("AAA", "BBB", "CCC")


class Shape(NamedTuple):
    """What a scanner is to see of a symbol, over what its bars say."""

    last: float
    previous: float
    volume: float = 5e6
    spread: float = 0.02
    day_close: float = 0.0


def snapshot(symbol: str, shape: Shape, at: datetime) -> Snapshot:
    return Snapshot(
        symbol=Symbol(symbol),
        last_price=shape.last,
        last_at=at,
        bid=shape.last - shape.spread / 2,
        ask=shape.last + shape.spread / 2,
        day_open=shape.last,
        day_high=shape.last,
        day_low=shape.last,
        day_close=shape.day_close,
        day_volume=shape.volume,
        previous_close=shape.previous,
        previous_volume=1e6,
        previous_at=datetime.combine(ON, time(), NEW_YORK).astimezone(UTC) - timedelta(days=1),
    )


def busy(bars: Bars, times: float) -> Bars:
    """The same bars with more volume."""
    return Bars(
        start_s=bars.start_s,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume * times,
    )


def market_ports(at: datetime, **settings: str) -> FakePorts:
    """Ports over sixty days and one of seeded bars, quotes around the last close and dull snapshots."""
    ports = fake_ports(at, tables=None, **settings)
    market = ports.market
    market.prices.clear()
    for symbol in (*CORE, *OTHERS):
        raw = raw_day(symbol, ON, seed=3)
        market.history[symbol, Timeframe.DAY_1] = busy(raw.daily, 100)  # some ten million dollars a day
        market.history[symbol, Timeframe.MIN_5] = raw.history.then(raw.today)
        closed = raw.today.between(0, int(at.timestamp()) - 299)
        last = float(closed.close[-1]) if len(closed) else float(raw.daily.close[-1])
        market.prices[symbol] = (f"{last - 0.01:.2f}", f"{last + 0.01:.2f}")
        market.seen[symbol] = snapshot(symbol, Shape(last, last), at)
    return ports


def history_of(ports: FakePorts, *symbols: str) -> str:
    """Name of a history blob of these symbols, as a scan before the open leaves it."""
    day = ports.calendar.day(ON)
    assert day is not None
    return write_history(ports, DayMarket(ports, day), [Symbol(s) for s in symbols], "0915", None)


def wake_up(ports: FakePorts, symbol: str, times: float) -> None:
    """Multiply a symbol's volume of the day."""
    midnight = int(datetime.fromisoformat(f"{ON}T00:00:00-04:00").timestamp())
    bars = ports.market.history[symbol, Timeframe.MIN_5]
    past, today = bars.between(0, midnight), bars.between(midnight, 2**40)
    ports.market.history[symbol, Timeframe.MIN_5] = past.then(busy(today, times))


def fresh(ports: FakePorts, symbol: str, shape: Shape) -> None:
    """What the scanner sees of a symbol now."""
    ports.market.seen[symbol] = snapshot(symbol, shape, from_epoch(ports.clock.now().timestamp()))
