"""Account activities and portfolio history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.core.sessions import aft_close_at, pre_open_at
from shared.core.values import ZERO, Side, to_float
from simulation.venue.account import Fill
from simulation.venue.calendar import ONE_DAY, midnight, new_york_date
from simulation.venue.engine import Exchange
from simulation.venue.face.desk import answer, choice, day, desk_of, flag, instant, number, words
from simulation.venue.refusals import invalid
from simulation.venue.views import Json, fee_json, fill_json

PERIOD_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
STEPS = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    "1D": ONE_DAY,
}
TRADE_KINDS = frozenset({"FILL"})
OTHER_KINDS = frozenset({"FEE", "CFEE"})


async def list_activities(request: Request) -> Response:
    """GET /v2/account/activities and /v2/account/activities/{type}."""
    exchange = desk_of(request).exchange
    kinds = _kinds(request)
    on, after, until = day(request, "date"), instant(request, "after"), instant(request, "until")
    rows: list[Json] = []
    for fill in exchange.account.fills:
        is_wanted = (
            (on is None or new_york_date(fill.at) == on)
            and (after is None or fill.at > after)
            and (until is None or fill.at <= until)
        )
        if is_wanted:
            rows.extend(row for row in _rows_of(exchange, fill) if not kinds or row["activity_type"] in kinds)
    if choice(request, "direction", ("desc", "asc")) == "desc":
        rows.reverse()
    start = 0
    if token := request.query_params.get("page_token"):
        ids = [row["id"] for row in rows]
        if token not in ids:
            raise invalid("page_token is not the id of an activity in this list")
        start = ids.index(token) + 1
    return answer(rows[start : start + number(request, "page_size", 100, maximum=100)])


def _kinds(request: Request) -> set[str]:
    named = request.path_params.get("activity_type")
    kinds = {named} if named else set(words(request, "activity_types"))
    category = request.query_params.get("category")
    if category == "trade_activity":
        return kinds | TRADE_KINDS
    return kinds | OTHER_KINDS if category == "non_trade_activity" else kinds


def _rows_of(exchange: Exchange, fill: Fill) -> Iterable[Json]:
    yield fill_json(exchange, fill)
    if fill.fee:
        yield fee_json(exchange, fill)


async def portfolio_history(request: Request) -> Response:
    """GET /v2/account/portfolio/history."""
    exchange = desk_of(request).exchange
    start, end = _span(request, exchange)
    timeframe = request.query_params.get("timeframe") or _default_step(end - start)
    if timeframe not in STEPS:
        raise invalid(f"timeframe must be one of {', '.join(STEPS)}")
    times = _grid(exchange, start, end, timeframe, extended=flag(request, "extended_hours"))
    equity = equity_at(exchange, times)
    base = exchange.config.cash if start <= exchange.started_at else equity_at(exchange, [start])[0]
    return answer(
        {
            "timestamp": [int(at.timestamp()) for at in times],
            "equity": [to_float(value) for value in equity],
            "profit_loss": [to_float(value - base) for value in equity],
            "profit_loss_pct": [to_float((value - base) / base) if base else None for value in equity],
            "base_value": to_float(base),
            "base_value_asof": new_york_date(start).isoformat(),
            "timeframe": timeframe,
            "cashflow": {},
        }
    )


def equity_at(exchange: Exchange, times: list[datetime]) -> list[Decimal]:
    """Equity in USD at ascending instants, replayed from the fills and the tape's prices."""
    cash, held, fills = exchange.config.cash, defaultdict[str, Decimal](lambda: ZERO), iter(exchange.account.fills)
    pending = next(fills, None)
    values = []
    for at in times:
        while pending is not None and pending.at <= at:
            cash += pending.cash_flow
            held[pending.symbol] += pending.qty if pending.side is Side.BUY else -pending.qty
            pending = next(fills, None)
        values.append(cash + sum((qty * exchange.mark(symbol, at) for symbol, qty in held.items() if qty), ZERO))
    return values


def _span(request: Request, exchange: Exchange) -> tuple[datetime, datetime]:
    end_on = day(request, "date_end")
    end = instant(request, "end") or (midnight(end_on + ONE_DAY) if end_on else exchange.now)
    end = min(end, exchange.now)
    if (start := instant(request, "start")) is not None:
        return start, end
    period = request.query_params.get("period") or "1M"
    count, unit = period[:-1], period[-1:]
    if not count.isdigit() or unit not in PERIOD_DAYS:
        raise invalid("period must be a number and a unit of D, W, M or A")
    days = int(count) * PERIOD_DAYS[unit]
    return midnight(new_york_date(end) - timedelta(days=days - 1)), end


def _default_step(span: timedelta) -> str:
    if span <= timedelta(days=7):
        return "1Min"
    return "15Min" if span <= timedelta(days=30) else "1D"


def _grid(exchange: Exchange, start: datetime, end: datetime, timeframe: str, *, extended: bool) -> list[datetime]:
    """Instants in market hours since the exchange began; daily ones at the close."""
    times: list[datetime] = []
    first = max(start, exchange.started_at)
    for each in exchange.calendar.between(new_york_date(first), new_york_date(end)):
        if timeframe == "1D":
            times.append(min(each.close_at, end))
            continue
        at, last = (pre_open_at(each), aft_close_at(each)) if extended else (each.open_at, each.close_at)
        while at <= min(last, end):
            times.append(at)
            at += STEPS[timeframe]
    return [at for at in times if first <= at <= end]


ROUTES: list[BaseRoute] = [
    Route("/v2/account/activities", list_activities),
    Route("/v2/account/activities/{activity_type}", list_activities),
    Route("/v2/account/portfolio/history", portfolio_history),
]
