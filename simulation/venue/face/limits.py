"""Keys and the rate limit, reckoned in venue time."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from starlette.datastructures import Headers

WINDOW_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a minute's requests."""

    limit: int
    remaining: int
    reset_s: int
    is_exceeded: bool

    def headers(self) -> dict[str, str]:
        """Alpaca's rate headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class RateLimiter:
    """Counts requests per API in fixed minutes of venue time; trading and market data count apart, as at Alpaca.

    Parameters
    ----------
    limit : int
        Requests in a minute.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, api: str, now: datetime) -> Allowance:
        """Count one request of an API."""
        window = int(now.timestamp()) // WINDOW_S
        last, count = self._windows.get(api, (window, 0))
        count = count + 1 if last == window else 1
        self._windows[api] = (window, count)
        return Allowance(
            limit=self.limit,
            remaining=max(self.limit - count, 0),
            reset_s=(window + 1) * WINDOW_S,
            is_exceeded=count > self.limit,
        )


def has_keys(headers: Headers, key_id: str, secret: str) -> bool:
    """Whether a request carries the account's key pair."""
    given = (headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", ""))
    wanted = (key_id, secret)
    return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, wanted, strict=True))
