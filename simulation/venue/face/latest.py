"""The latest quote, trade, bar and snapshot of a symbol, as JSON text."""

from __future__ import annotations

from shared.core.market import Timeframe
from shared.core.values import from_epoch, iso
from simulation.venue.calendar import midnight, new_york_date
from simulation.venue.face.bar_json import bar_row, quote_row, trade_row
from simulation.venue.face.desk import Desk
from simulation.venue.tape_view import POINTS_PER_BAR, Strip


def quote_time_s(desk: Desk, strip: Strip, index: int) -> int:
    """When the standing quote was last sent: it is refreshed until its quarter of the bar is over."""
    config, tape = desk.exchange.config, desk.exchange.tape
    first = int(strip.at_s[index])
    until = min(desk.exchange.now.timestamp(), first + tape.base_s // POINTS_PER_BAR)
    for start, _ in strip.halts:
        if start > first:
            until = min(until, start)
    return max(first, int(until) // config.quote_refresh_s * config.quote_refresh_s)


def _point(desk: Desk, symbol: str) -> tuple[Strip, int] | None:
    now = desk.exchange.now
    return desk.sheets.latest_strip(symbol, new_york_date(now), now.timestamp())


def latest_quote(desk: Desk, symbol: str) -> str | None:
    """Quote that stands now; None where the symbol never had one."""
    point = _point(desk, symbol)
    return None if point is None else _quote(desk, *point)


def _quote(desk: Desk, strip: Strip, index: int) -> str:
    at = iso(from_epoch(quote_time_s(desk, strip, index)))
    return quote_row(at, float(strip.bid[index]), float(strip.ask[index]), float(strip.volume[index]))


def latest_trade(desk: Desk, symbol: str) -> str | None:
    """Last trade by now; None where the symbol never traded."""
    point = _point(desk, symbol)
    return None if point is None else _trade(*point)


def _trade(strip: Strip, index: int) -> str:
    at = iso(from_epoch(int(strip.at_s[index])))
    return trade_row(at, float(strip.price[index]), float(strip.volume[index]), index)


def latest_bar(desk: Desk, symbol: str) -> str | None:
    """Last closed bar of the tape's finest timeframe."""
    now = desk.exchange.now
    return desk.sheets.latest_bar(symbol, new_york_date(now), now.timestamp())


def order_book(desk: Desk, symbol: str) -> str | None:
    """Order book of one level a side, out of the standing quote."""
    point = _point(desk, symbol)
    if point is None:
        return None
    strip, index = point
    at = iso(from_epoch(quote_time_s(desk, strip, index)))
    size = float(strip.volume[index])
    bid, ask = float(strip.bid[index]), float(strip.ask[index])
    return f'{{"t":"{at}","b":[{{"p":{bid},"s":{size}}}],"a":[{{"p":{ask},"s":{size}}}]}}'


def snapshot(desk: Desk, symbol: str) -> str | None:
    """Latest trade, quote and minute bar, the day's bar so far and the day before's; None where there is nothing.

    As at Alpaca, `dailyBar` is the last date that traded: before a symbol's first trade of a date it is still the
    day before's, and `prevDailyBar` the one before that. The bar so far covers premarket too.
    """
    now = desk.exchange.now
    on, now_s = new_york_date(now), now.timestamp()
    point = desk.sheets.latest_strip(symbol, on, now_s)
    if point is None:
        return None
    strip, index = point
    rows = desk.sheets.bars(symbol, Timeframe.DAY_1, on).rows
    before = desk.exchange.view.daily_before(symbol, on)
    members = [f'"latestTrade":{_trade(strip, index)}', f'"latestQuote":{_quote(desk, strip, index)}']
    if (minute := desk.sheets.latest_bar(symbol, on, now_s)) is not None:
        members.append(f'"minuteBar":{minute}')
    if int(strip.at_s[index]) >= int(midnight(on).timestamp()):
        members.append(f'"dailyBar":{_day_so_far(strip, index, iso(midnight(on)))}')
    elif before >= 0:
        members.append(f'"dailyBar":{rows[before]}')
        before -= 1
    if before >= 0:
        members.append(f'"prevDailyBar":{rows[before]}')
    return "{" + ",".join(members) + "}"


def _day_so_far(strip: Strip, index: int, at: str) -> str:
    first = strip.opening if 0 <= strip.opening <= index else 0
    return bar_row(
        at,
        float(strip.price[first]),
        float(strip.high_so_far[index]),
        float(strip.low_so_far[index]),
        float(strip.price[index]),
        float(strip.volume_so_far[index]),
    )
