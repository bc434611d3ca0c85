"""Any service that speaks OpenAI's chat completions: OpenAI, Azure OpenAI (v1), Ollama, llama.cpp.

An address outside answers here, so nothing of it is trusted: its time, its size and its form are bounded, no redirect
is followed, no cookie is kept, and every failure is a `LanguageError`. No key is in any message.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from shared.adapters.redaction import Redactor
from shared.contracts.settings import LanguageSettings
from shared.core.text.language import (
    SEED,
    TEMPERATURE,
    LanguageError,
    LanguageFault,
    LanguageReply,
    LanguageRequest,
    is_invented,
)

logger = logging.getLogger("gatehouse.language")

MAX_BODY_BYTES = 256 * 1024
REST_S = 30.0
"""How long a key rests that was refused with 429, unless the answer says."""
FAILED_REST_S = 2.0
"""The same after 5xx."""
REFUSED_REST_S = 600.0
"""The same after 401 or 403, whatever the answer says."""
MAX_REST_S = 600.0
MAX_HANGING = 8
"""Questions at most that were given up and whose connection still hangs: only a server that means harm gets there."""
CHARACTERS_PER_TOKEN = 4
"""English, roughly: for services that do not count."""

_SHOWN_CHARACTERS = 200
_NAME_CHARACTERS = 120
_MAX_TOKENS_TOLD = 10_000_000
_READ_BYTES = 16 * 1024
_AZURE = re.compile(r".+\.azure\.(com|us|cn)")
_OF_FORMAT = re.compile(r"response.?format|json.?(schema|object|mode)|grammar|invalid schema", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_FORMATS = ("json_schema", "json_object", "")
"""How an answer is held to JSON, the strictest way first; the last does not hold it at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came over the wire, at most `MAX_BODY_BYTES` of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool


class ChatCompletions:
    """A `LanguageModel` behind `{url}/chat/completions`. Safe to share between threads.

    A service that takes no JSON schema is asked for plain JSON, then for nothing of the kind, with the schema in words;
    what it takes is remembered. A key that is refused or fails rests, and the next one is used; when all of them rest,
    nothing is asked.

    Parameters
    ----------
    settings : LanguageSettings
    is_sandbox : bool
        Whether the sandbox's commentator may answer.
    """

    def __init__(self, settings: LanguageSettings, *, is_sandbox: bool) -> None:
        self._settings = settings
        self._is_sandbox = is_sandbox
        self._url = settings.url.rstrip("/") + "/chat/completions"
        self._is_azure = _AZURE.fullmatch(urlsplit(settings.url).hostname or "") is not None
        self._without_keys = Redactor(settings.keys)
        self._rests_until: dict[str, float] = {}
        self._last_failure: dict[str, LanguageError] = {}
        self._format = 0
        self._hanging: list[Thread] = []

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        """Ask once, with another key where one is refused.

        Tokens are the service's count; where it gives none, or none that can be, a token is taken to be four
        characters.

        Raises
        ------
        LanguageError
            Within `timeout_s`, however slowly the service answers.
        """
        began = perf_counter()
        ends_at = began + timeout_s
        failure: LanguageError | None = None
        for key in self._awake(began):
            answer = self._answer(request, key, ends_at)
            if answer.status == 200:
                return self._reply(answer, request, round((perf_counter() - began) * 1000))
            failure = self._failure(answer, key)
            if not _is_of_key(answer.status):
                raise failure
        raise failure or self._all_rest(began)

    def _awake(self, now: float) -> Iterator[str]:
        """Keys that do not rest, in their order; one empty key where the service wants none."""
        for key in self._settings.keys or ("",):
            if self._rests_until.get(key, 0.0) <= now:
                self._rests_until.pop(key, None)
                yield key

    def _all_rest(self, now: float) -> LanguageError:
        keys = self._settings.keys or ("",)
        first = min(keys, key=lambda key: self._rests_until.get(key, 0.0))
        rest_s = max(0.0, self._rests_until.get(first, now) - now)
        last = self._last_failure.get(first, "it failed")
        return LanguageError(LanguageFault.RESTING, f"nothing is asked for {rest_s:.0f} s more, since {last}")

    def _answer(self, request: LanguageRequest, key: str, ends_at: float) -> HttpAnswer:
        """Post a question, in a simpler form as long as the service refuses its form."""
        while True:
            used = self._format
            answer = self._within(self._body(request, _FORMATS[used]), key, ends_at)
            is_of_form = answer.status in {400, 404, 422} and _OF_FORMAT.search(answer.body.decode(errors="replace"))
            if not is_of_form or not request.schema or used + 1 == len(_FORMATS):
                return answer
            logger.warning("the language service takes no %s: %s is asked for", _FORMATS[used], _FORMATS[used + 1])
            self._format = max(self._format, used + 1)

    def _body(self, request: LanguageRequest, held_by: str) -> bytes:
        schema = json.loads(request.schema) if request.schema else None
        system = request.system
        body: dict[str, Any] = {}
        if schema is not None and held_by == "json_schema":
            body["response_format"] = {
                "type": held_by,
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            }
        elif schema is not None:
            system = f"{system}\n\nAnswer with one JSON object of this JSON schema, and nothing else:\n{request.schema}"
            body |= {"response_format": {"type": held_by}} if held_by else {}
        body |= {
            "model": self._settings.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": request.user}],
            "temperature": TEMPERATURE,
            "seed": SEED,
            "max_tokens": request.max_tokens,
            "stream": False,
        }
        return json.dumps(body).encode()

    def _within(self, body: bytes, key: str, ends_at: float) -> HttpAnswer:
        """Post within a deadline.

        requests bounds each wait for bytes and not all of them together, so that a server which drips its head holds a
        thread as long as it likes. It is a thread of its own, which is given up.
        """
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= MAX_HANGING:
            raise LanguageError(LanguageFault.DOWN, f"{MAX_HANGING} earlier questions still hang")
        done: Future[HttpAnswer] = Future()

        def post() -> None:
            try:
                done.set_result(self._post(body, key, ends_at))
            except BaseException as error:  # whoever waits is told
                done.set_exception(error)

        thread = Thread(target=post, name="language", daemon=True)
        thread.start()
        try:
            return done.result(timeout=max(0.0, ends_at - perf_counter()))
        except TimeoutError:
            if thread.is_alive():
                self._hanging.append(thread)
            raise _timed_out() from None

    def _post(self, body: bytes, key: str, ends_at: float) -> HttpAnswer:
        """Post over a connection of its own. Raises LanguageError, which says nothing that the library said."""
        left_s = max(0.001, ends_at - perf_counter())
        try:
            with requests.Session() as session:
                session.trust_env = False  # a .netrc would put its own password in place of the key
                session.proxies = dict(get_environ_proxies(self._url))
                session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
                with session.post(
                    self._url,
                    data=body,
                    headers=self._headers(key),
                    timeout=left_s,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    read, is_cut = _read(response, ends_at)
                    return HttpAnswer(status=response.status_code, headers=response.headers, body=read, is_cut=is_cut)
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            raise _timed_out() from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            fault = LanguageFault.REFUSED if isinstance(error, ValueError) else LanguageFault.DOWN
            raise LanguageError(fault, f"no answer ({type(error).__name__})") from None

    def _headers(self, key: str) -> dict[str, str]:
        """Say what is sent and who asks. Nothing packed is taken: it would be unpacked without a bound."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if key:
            headers |= {"api-key": key} if self._is_azure else {"Authorization": f"Bearer {key}"}
        return headers

    def _failure(self, answer: HttpAnswer, key: str) -> LanguageError:
        """Our error for an answer that is no success; its key rests where another one may have more luck."""
        status = answer.status
        if status in {401, 403}:
            # What it says is not shown: services quote parts of the key.
            failure, rest_s = LanguageError(LanguageFault.REFUSED, f"HTTP {status}, a key is refused"), REFUSED_REST_S
        elif status == 429:
            failure = LanguageError(LanguageFault.RATE_LIMITED, "HTTP 429, too many requests")
            rest_s = _retry_after_s(answer.headers, REST_S)
        elif status >= 500:
            failure = LanguageError(LanguageFault.DOWN, f"HTTP {status}{self._words(answer)}")
            rest_s = _retry_after_s(answer.headers, FAILED_REST_S)
        elif status >= 400:
            return LanguageError(LanguageFault.REFUSED, f"HTTP {status}{self._words(answer)}")
        else:
            return LanguageError(LanguageFault.NONSENSE, f"HTTP {status}, expected 200")
        self._rests_until[key] = perf_counter() + rest_s
        self._last_failure[key] = failure
        return failure

    def _words(self, answer: HttpAnswer) -> str:
        """What a service says of its refusal, as one short printable line."""
        text = _UNPRINTABLE.sub(" ", answer.body.decode(errors="replace"))
        return f": {self._without_keys(text)[:_SHOWN_CHARACTERS].strip()}" if text.strip() else ""

    def _reply(self, answer: HttpAnswer, request: LanguageRequest, latency_ms: int) -> LanguageReply:
        """Read a chat completion. Raises LanguageError where it is none, or none that may be used."""
        if answer.is_cut:
            raise LanguageError(LanguageFault.NONSENSE, f"more than {MAX_BODY_BYTES} bytes")
        try:
            completion = json.loads(answer.body)
            choice = completion["choices"][0]
            text = choice["message"]["content"]
            model = completion.get("model") or self._settings.model
            finish = choice.get("finish_reason") or ""
            usage = completion.get("usage") or {}
            told = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise LanguageError(LanguageFault.NONSENSE, f"no chat completion ({type(error).__name__})") from None
        if not (isinstance(text, str) and isinstance(model, str) and isinstance(finish, str)):
            found = type(text).__name__
            raise LanguageError(LanguageFault.NONSENSE, f"expected text of a model, found {found}")
        if is_invented(model) and not self._is_sandbox:
            raise LanguageError(LanguageFault.INVENTED, "the sandbox's commentator has answered outside the sandbox")
        if not _is_unicode(text):
            raise LanguageError(LanguageFault.NONSENSE, "half a surrogate pair, which is no text")
        said = (request.system + request.user + request.schema, text)
        tokens_in, tokens_out = (_tokens(count, words) for count, words in zip(told, said, strict=True))
        return LanguageReply(
            text=text,
            model=_named(model),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            latency_ms=latency_ms,
            finish=_named(finish),
        )


def _read(response: requests.Response, ends_at: float) -> tuple[bytes, bool]:
    """Read a body as it comes, up to a bound in bytes and in time; the second is whether there was more."""
    found = bytearray()
    while chunk := response.raw.read1(_READ_BYTES, decode_content=False):
        found += chunk
        if len(found) > MAX_BODY_BYTES:
            return bytes(found[:MAX_BODY_BYTES]), True
        if perf_counter() > ends_at:
            raise _timed_out()
    return bytes(found), False


def _is_of_key(status: int) -> bool:
    """Whether another key may have more luck."""
    return status in {401, 403, 429} or status >= 500


def _timed_out() -> LanguageError:
    return LanguageError(LanguageFault.TIMEOUT, "no whole answer in time")


def _retry_after_s(headers: Mapping[str, str], otherwise_s: float) -> float:
    """Seconds that an answer asks us to wait, within bounds; a date or nonsense counts as not said."""
    try:
        asked_s = float(headers.get("Retry-After", ""))
    except ValueError:
        return otherwise_s
    return min(max(asked_s, 0.0), MAX_REST_S) if math.isfinite(asked_s) else otherwise_s


def _tokens(told: object, words: str) -> int:
    if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= _MAX_TOKENS_TOLD:
        return told
    return math.ceil(len(words) / CHARACTERS_PER_TOKEN)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(word: str) -> str:
    """A service's word, printable and short: it is shown and kept."""
    return _UNPRINTABLE.sub("?", word)[:_NAME_CHARACTERS]
