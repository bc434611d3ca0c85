"""Screeners and news."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.core.market import Headline
from shared.core.values import iso
from simulation.venue.calendar import new_york_date
from simulation.venue.face.bar_json import SHARES_PER_TRADE
from simulation.venue.face.desk import Desk, answer, choice, desk_of, flag, instant, number, words
from simulation.venue.refusals import Refusal
from simulation.venue.views import Json

TOP = 10
ACTIVES_MAX = 100
MOVERS_MAX = 50
NEWS_PAGE = 10
NEWS_PAGE_MAX = 50
NEWS_DEFAULT_SPAN = timedelta(days=30)
INSTANT = timedelta(microseconds=1)


async def most_actives(request: Request) -> Response:
    """GET /v1beta1/screener/stocks/most-actives."""
    desk = desk_of(request)
    top = number(request, "top", TOP, maximum=ACTIVES_MAX)
    choice(request, "by", ("volume", "trades"))
    rows: list[Json] = [
        {"symbol": symbol, "volume": int(volume), "trade_count": max(int(volume) // SHARES_PER_TRADE, 1)}
        for symbol, _, volume in _today(desk, crypto=False)
    ]
    rows.sort(key=lambda row: (-row["volume"], row["symbol"]))
    return answer({"most_actives": rows[:top], "last_updated": iso(desk.exchange.now)})


async def movers(request: Request) -> Response:
    """GET /v1beta1/screener/{stocks or crypto}/movers."""
    desk = desk_of(request)
    market = request.path_params["market"]
    if market not in {"stocks", "crypto"}:
        raise Refusal(404, 40410000, f"no screener for {market}")
    top = number(request, "top", TOP, maximum=MOVERS_MAX)
    on = new_york_date(desk.exchange.now)
    rows: list[Json] = []
    for symbol, price, _ in _today(desk, crypto=market == "crypto"):
        close = desk.exchange.view.previous_close(symbol, on)
        if close:
            percent = round((price / close - 1) * 100, 2)
            rows.append(
                {"symbol": symbol, "percent_change": percent, "change": round(price - close, 4), "price": price}
            )
    rows.sort(key=lambda row: (-row["percent_change"], row["symbol"]))
    gainers = [row for row in rows if row["percent_change"] > 0][:top]
    losers = [row for row in reversed(rows) if row["percent_change"] < 0][:top]
    return answer({"gainers": gainers, "losers": losers, "market_type": market, "last_updated": iso(desk.exchange.now)})


def _today(desk: Desk, *, crypto: bool) -> list[tuple[str, float, float]]:
    """Symbol, last price in USD and volume so far of everything that traded today."""
    exchange = desk.exchange
    on, now_s = new_york_date(exchange.now), exchange.now.timestamp()
    found = []
    for symbol in exchange.tape.assets:
        if exchange.view.is_crypto(symbol) != crypto:
            continue
        strip = exchange.view.strip(symbol, on)
        index = strip.index_at(now_s)
        if index >= 0:
            found.append((symbol, float(strip.price[index]), float(strip.volume_so_far[index])))
    return found


async def news(request: Request) -> Response:
    """GET /v1beta1/news, newest first unless told otherwise."""
    desk = desk_of(request)
    now = desk.exchange.now
    end = min(instant(request, "end") or now, now)
    start = instant(request, "start") or end - NEWS_DEFAULT_SPAN
    limit = number(request, "limit", NEWS_PAGE, maximum=NEWS_PAGE_MAX)
    symbols = set(words(request, "symbols"))
    published = desk.exchange.tape.news(start, end + INSTANT)
    rows = [item for item in published if not symbols or symbols & set(item.symbols)]
    if choice(request, "sort", ("desc", "asc")) == "desc":
        rows.reverse()
    begin = _offset(request.query_params.get("page_token"), rows)
    page = rows[begin : begin + limit]
    has_more = begin + limit < len(rows)
    content = flag(request, "include_content")
    return answer(
        {
            "news": [_news_json(item, content=content) for item in page],
            "next_page_token": str(news_number(page[-1])) if has_more else None,
        }
    )


def news_number(item: Headline) -> int:
    """Alpaca's news ids are numbers: 48 bits of a hash of the headline's own id."""
    return int.from_bytes(hashlib.sha256(item.news_id.encode()).digest()[:6])


def _offset(token: str | None, rows: list[Headline]) -> int:
    if not token:
        return 0
    for index, item in enumerate(rows):
        if str(news_number(item)) == token:
            return index + 1
    raise Refusal(400, 40010000, "invalid page_token")


def _news_json(item: Headline, *, content: bool) -> Json:
    return {
        "id": news_number(item),
        "headline": item.headline,
        "author": item.source,
        "created_at": iso(item.published_at),
        "updated_at": iso(item.published_at),
        "summary": item.summary,
        "content": item.summary if content else "",
        "images": [],
        "symbols": list(item.symbols),
        "source": item.source,
        "url": item.url or f"https://newswire.example/{news_number(item)}",
    }


ROUTES: list[BaseRoute] = [
    Route("/v1beta1/screener/stocks/most-actives", most_actives),
    Route("/v1beta1/screener/{market}/movers", movers),
    Route("/v1beta1/news", news),
]
