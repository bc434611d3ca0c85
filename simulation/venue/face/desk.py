"""What every endpoint needs: the exchange brought up to now, request bodies, parameters, and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared.core.values import parse_utc
from simulation.venue.engine import Exchange
from simulation.venue.face.bar_json import Sheets
from simulation.venue.refusals import Refusal, invalid

TRUE = frozenset({"true", "True", "1"})


class Desk:
    """The exchange behind the HTTP face, with the state that only the face has.

    Parameters
    ----------
    exchange : Exchange
        Advanced to `now()` before each request.
    now : callable
        Gives the present UTC instant.
    """

    def __init__(self, exchange: Exchange, now: Callable[[], datetime]) -> None:
        self.exchange = exchange
        self.now = now
        self.sheets = Sheets(exchange.view)
        self.configuration: dict[str, Any] = {
            "fractional_trading": False,
            "max_margin_multiplier": str(exchange.config.margin_multiplier),
            "no_shorting": not exchange.config.allow_shorting,
            "suspend_trade": False,
            "trade_confirm_email": "none",
            "ptp_no_exception_entry": False,
            "max_options_trading_level": 0,
            "disable_overnight_trading": True,
        }


def desk_of(request: Request) -> Desk:
    """Desk of the app that serves a request."""
    desk: Desk = request.app.state.desk
    return desk


def answer(body: Any, status: int = 200) -> Response:
    """JSON answer."""
    return raw_answer(json.dumps(body, separators=(",", ":")), status)


def raw_answer(text: str, status: int = 200) -> Response:
    """Answer of JSON that is text already."""
    return Response(text, status, media_type="application/json")


async def body_of(request: Request) -> dict[str, Any]:
    """JSON object of a request.

    Raises
    ------
    Refusal
        400 where it is none.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Refusal(400, 40010000, "request body format is invalid") from None
    if not isinstance(body, dict):
        raise Refusal(400, 40010000, "request body format is invalid")
    return body


def flag(request: Request, name: str) -> bool:
    """Boolean query parameter."""
    return request.query_params.get(name) in TRUE


def number(request: Request, name: str, default: int, *, maximum: int) -> int:
    """Whole query parameter from 1 to a maximum.

    Raises
    ------
    Refusal
        422.
    """
    text = request.query_params.get(name)
    if not text:
        return default
    if not text.isdigit() or not 1 <= int(text) <= maximum:
        raise invalid(f"{name} must be a number from 1 to {maximum}")
    return int(text)


def choice(request: Request, name: str, options: tuple[str, ...]) -> str:
    """Query parameter out of a few words; the first is the default.

    Raises
    ------
    Refusal
        422.
    """
    text = request.query_params.get(name) or options[0]
    if text not in options:
        raise invalid(f"{name} must be one of {', '.join(options)}")
    return text


def words(request: Request, name: str) -> list[str]:
    """Comma-separated query parameter, also given several times."""
    return [word for text in request.query_params.getlist(name) for word in text.split(",") if word]


def instant(request: Request, name: str) -> datetime | None:
    """Instant of a query parameter; a plain date is its midnight UTC, a naive time is UTC.

    Raises
    ------
    Refusal
        422.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        if len(text) == len("2025-01-31"):
            return datetime.combine(date.fromisoformat(text), time(0), UTC)
        text = text.replace(" ", "+")
        return parse_utc(text if text.endswith("Z") or "+" in text or text[-6] == "-" else f"{text}Z")
    except ValueError:
        raise invalid(f"{name} must be an RFC 3339 time or a date, got {text}") from None


def day(request: Request, name: str) -> date | None:
    """Date of a query parameter.

    Raises
    ------
    Refusal
        422.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise invalid(f"{name} must be a date, got {text}") from None
