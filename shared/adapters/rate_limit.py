"""Our own ceiling on requests, kept below the broker's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from shared.core.errors import RateLimitedError

BURST_SHARE = 9
"""One ninth of a minute's requests may go at once: 180 a minute and 20 at once stay within the broker's 200."""


class TokenBucket:
    """A token bucket on monotonic time; one per process and API, safe to share between threads.

    Parameters
    ----------
    per_min : int
        Requests a minute in the long run.
    max_wait_s : float
        Longest wait for a token; a longer one is refused, since a waiting function is billed.
    monotonic, sleep : callable
        Time in seconds that only grows, and how to let it pass.
    """

    def __init__(
        self,
        per_min: int,
        *,
        max_wait_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_s = per_min / 60
        self._capacity = max(1.0, per_min / BURST_SHARE)
        self._max_wait_s = max_wait_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens = self._capacity
        self._filled_at_s = monotonic()

    def acquire(self) -> None:
        """Take a token, waiting for it if need be.

        Raises
        ------
        RateLimitedError
            If the wait would be too long; no token is taken.
        """
        with self._lock:
            self._refill()
            wait_s = max(0.0, 1 - self._tokens) / self._per_s
            if wait_s > self._max_wait_s:
                raise RateLimitedError(f"our own request limit is used up for {wait_s:.1f} s")
            self._tokens -= 1  # below zero: the token is on its way, and the next caller waits behind us
        if wait_s:
            self._sleep(wait_s)

    def pause(self, seconds: float) -> None:
        """Give no token for a while: the broker said so."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, 1 - seconds * self._per_s)

    def _refill(self) -> None:
        now_s = self._monotonic()
        self._tokens = min(self._capacity, self._tokens + (now_s - self._filled_at_s) * self._per_s)
        self._filled_at_s = now_s
