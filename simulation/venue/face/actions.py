"""Corporate actions: the splits that a tape has."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.core.ids import hash_id
from shared.core.splits import Splits
from shared.core.values import from_epoch
from simulation.venue.calendar import new_york_date
from simulation.venue.face.desk import answer, day, desk_of, number, words
from simulation.venue.refusals import Refusal

PAGE_MAX = 1000
RATIO_MAX = 10_000
"""Largest number of a ratio that a factor is written as."""


async def corporate_actions(request: Request) -> Response:
    """GET /v1/corporate-actions: splits whose date of processing lies in [start, end], by kind, in pages."""
    exchange = desk_of(request).exchange
    today = new_york_date(exchange.now)
    first, last = day(request, "start") or today, day(request, "end") or today
    symbols, types = set(words(request, "symbols")), set(words(request, "types"))
    rows = [
        (kind, row)
        for symbol, splits in sorted(exchange.tape.splits.items())
        if not symbols or symbol in symbols
        for kind, row in _rows(symbol, splits)
        if first.isoformat() <= row["process_date"] <= last.isoformat() and (not types or kind in types)
    ]
    rows.sort(key=lambda each: each[1]["ex_date"])
    limit = number(request, "limit", PAGE_MAX, maximum=PAGE_MAX)
    start = _start(request)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for kind, row in rows[start : start + limit]:
        found.setdefault(f"{kind}s", []).append(row)
    token = str(start + limit) if start + limit < len(rows) else None
    return answer({"corporate_actions": found, "next_page_token": token})


def _start(request: Request) -> int:
    token = request.query_params.get("page_token") or "0"
    if not token.isdigit():
        raise Refusal(400, 40010000, "invalid page_token")
    return int(token)


def _rows(symbol: str, splits: Splits) -> list[tuple[str, Mapping[str, Any]]]:
    """Each split with its kind, as Alpaca writes it."""
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for from_s, factor in zip(splits.from_s.tolist(), splits.factor.tolist(), strict=True):
        on = new_york_date(from_epoch(from_s)).isoformat()
        ratio = Fraction(factor).limit_denominator(RATIO_MAX)  # old shares for each new one
        row = {
            "id": hash_id("split", symbol, on),
            "symbol": symbol,
            "old_rate": ratio.numerator,
            "new_rate": ratio.denominator,
            "process_date": on,
            "ex_date": on,
            "record_date": on,
            "payable_date": on,
        }
        rows.append(("reverse_split" if factor > 1 else "forward_split", row))
    return rows


ROUTES: list[BaseRoute] = [Route("/v1/corporate-actions", corporate_actions)]
