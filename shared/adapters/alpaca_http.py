"""alpaca-py's clients with their hazards taken out, and the one table in which Alpaca's answers become our errors.

alpaca-py 0.44 has no time-out, repeats every method (POST too) on 429 and 504 and raises ValidationError on a status it
does not know. Here its clients run with `raw_data`, on a session of ours that bounds, counts and judges every
request; only GET is repeated, by tenacity.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from alpaca.common.rest import RESTClient
from requests.utils import get_environ_proxies
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from shared.adapters.rate_limit import TokenBucket
from shared.core.errors import BrokerError, ContractError, RateLimitedError, TransientError

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
THROTTLE_MAX_S = 60.0
"""Alpaca counts by the minute: no longer wait than that makes sense."""
PATIENCE_S = 10.0
"""A longer wait is left to the queue's redelivery: a waiting function is billed."""

_SHOWN_CHARACTERS = 200


class ThrottledError(RateLimitedError):
    """Alpaca answered 429; `wait_s` is what its headers ask for, 0 where they say nothing."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class BoundedSession(requests.Session):
    """A pooled session that bounds every request in time and number and raises our errors.

    Parameters
    ----------
    timeout_s : float
        For connecting and between bytes.
    bucket : TokenBucket or None
        Our own rate limit.
    base_url : str
        Where it goes; the environment's proxy for it is looked up once and not at every request.
    """

    def __init__(self, timeout_s: float, bucket: TokenBucket | None, base_url: str) -> None:
        super().__init__()
        self._timeout_s = timeout_s
        self._bucket = bucket
        self.proxies = dict(get_environ_proxies(base_url))
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self.trust_env = False

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request and judge its answer."""
        if self._bucket is not None:
            self._bucket.acquire()
        tried = f"{method!s} {urlsplit(str(url)).path}"
        kwargs["timeout"] = self._timeout_s
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.RequestException as error:
            raise TransientError(f"{tried}: no answer ({type(error).__name__}: {error})") from error
        if not response.ok or response.is_redirect:
            failure = failure_of(tried, response.status_code, response.headers, response.text)
            if self._bucket is not None and isinstance(failure, ThrottledError):
                self._bucket.pause(failure.wait_s)
            raise failure
        return response


def failure_of(
    tried: str, status: int, headers: Mapping[str, str], body: str
) -> TransientError | BrokerError | ContractError:
    """Our error for an answer that is no success."""
    if status == 429:
        return ThrottledError(f"{tried}: HTTP 429, too many requests", throttle_s(headers))
    if status >= 500 or status == 408:
        return TransientError(f"{tried}: HTTP {status}: {body[:_SHOWN_CHARACTERS]}")
    if status >= 400:
        code, message = _code_and_message(body)
        return BrokerError(status, code, f"{tried}: {message}")
    return ContractError(f"{tried}: HTTP {status}, expected a plain answer")


def throttle_s(headers: Mapping[str, str]) -> float:
    """Seconds that a 429 asks us to wait: Retry-After, else the reset time against the server's own clock."""
    try:
        if "Retry-After" in headers:
            seconds = float(headers["Retry-After"])
        else:
            seconds = float(headers["X-RateLimit-Reset"]) - parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), THROTTLE_MAX_S)


def _code_and_message(body: str) -> tuple[int, str]:
    """Alpaca's own code and words: `{"code": 40310000, "message": "..."}`."""
    try:
        parsed = json.loads(body)
        return int(parsed.get("code") or 0), str(parsed.get("message") or body[:_SHOWN_CHARACTERS])
    except (ValueError, TypeError, AttributeError):
        return 0, body[:_SHOWN_CHARACTERS]


class Api:
    """One of alpaca-py's clients, made safe. Answers are parsed JSON; None is an empty answer.

    Parameters
    ----------
    client : RESTClient
        Built with `raw_data=True`; its session and retries are replaced.
    session : BoundedSession
        May serve several clients.
    max_tries : int
        Tries of a GET that meets a TransientError, unless Alpaca asks for more patience than ours.
    sleep : callable
        How to wait between tries.
    """

    def __init__(
        self, client: RESTClient, session: BoundedSession, max_tries: int, sleep: Callable[[float], None]
    ) -> None:
        client._session = session  # alpaca-py has no other way in
        client._retry = 0  # its constructor takes no zero
        self._client = client
        self._retrying = Retrying(
            stop=stop_after_attempt(max_tries),
            retry=retry_if_exception(_is_worth_a_wait),
            wait=_wait_s,
            sleep=sleep,
            reraise=True,
        )

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """GET, repeated with backoff while the world does not answer."""
        query = urlencode(params or {}, safe=",:/")  # commas stay commas: a thousand symbols fit one URL
        return self._retrying(self._send, "GET", path, query)

    def send_once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST, PATCH or DELETE, never repeated."""
        return self._send(method, path, body)

    def _send(self, method: str, path: str, data: Any) -> Any:
        try:
            return self._client._request(method, path, data)
        except ValueError as error:
            raise ContractError(f"{method} {path}: the answer is not JSON: {error}") from error


_BACKOFF = wait_random_exponential(multiplier=BACKOFF_FIRST_S, max=BACKOFF_MAX_S)


def _is_worth_a_wait(error: BaseException) -> bool:
    """Whether the same GET may succeed soon."""
    if isinstance(error, ThrottledError):
        return error.wait_s <= PATIENCE_S
    return isinstance(error, TransientError)


def _wait_s(state: RetryCallState) -> float:
    """What a 429 asks for, else exponential backoff with jitter."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked_s = error.wait_s if isinstance(error, ThrottledError) else 0.0
    return asked_s or _BACKOFF(state)
