"""RSS and Atom feeds over HTTP. A feed's server is a stranger: its size, time, addresses and redirects are bounded."""

from __future__ import annotations

import codecs
import io
import ipaddress
import os
import re
import socket
import threading
import time
import zlib
from calendar import timegm
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser  # type: ignore[import-untyped]
import requests
import urllib3
from requests.adapters import HTTPAdapter

from shared.contracts.settings import Environment, NewsFeed, Settings
from shared.core.errors import GatehouseError
from shared.core.ids import hash_id
from shared.core.market import Headline
from shared.core.text.addresses import web_address
from shared.ports import Clock, FeedReading, FeedState

MAX_BYTES = 1_000_000
"""Of a feed, as it travels and as it is read."""
MAX_ITEMS = 200
"""Items of a feed, from its top."""
MAX_REDIRECTS = 3
MAX_STATE = 512
"""Characters of an ETag or a date that are kept: longer ones are no use to anybody."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "User-Agent": "gatehouse",
    "Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip",
    "Connection": "close",
}
_GZIP = 31
"""zlib's `wbits` of a gzip stream."""

_DECLARATION = re.compile(r"^\s*<\?xml\b[^>]*>", re.IGNORECASE)
_DECLARED = re.compile(r"\s*<\?xml\b[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_ENCODINGS = re.compile(
    r"utf-?8|us-ascii|ascii|iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|shift_jis|euc-(?:jp|kr)|gbk|gb2312|gb18030"
    r"|big5|koi8-[ru]",
    re.IGNORECASE,
)
"""Encodings of feeds, and none in which an entity could be spelled unseen; with a byte order mark UTF-16 and 32 too."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NO_ONES = tuple(
    ipaddress.ip_network(each)
    for each in (
        "168.63.129.16/32",  # Azure's own services, as every machine of it sees them: public by its number alone
        "64:ff9b::/96",  # an IPv4 address in IPv6's clothes, whichever it is
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)


class FeedError(GatehouseError):
    """A feed cannot be read; what it says names no address, which may carry a key."""


def is_public(address: str, *, with_loopback: bool = False) -> bool:
    """Whether an IP address is one of the open internet; loopback only `with_loopback`."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return with_loopback
    inside = any(found in network for network in _NO_ONES if network.version == found.version)
    return found.is_global and not found.is_multicast and not inside


class HttpFeeds:
    """Feeds side by side, each by a conditional GET of its own thread.

    There is no proxy in between: it would resolve names itself, and the address that is connected to is the one that
    is judged.

    Parameters
    ----------
    settings : Settings
    clock : Clock
        Says when an item without a date was received.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._timeout_s = settings.news.feed_timeout_s
        self._with_loopback = settings.broker.environment is Environment.SANDBOX
        self._clock = clock

    def read(self, feeds: Sequence[NewsFeed], states: Mapping[str, FeedState]) -> Sequence[FeedReading]:
        """Read feeds within the time of one; one that fails says so and keeps no other from being read."""
        until = time.monotonic() + self._timeout_s
        readers = [
            _Reader(
                feed=feed,
                state=states.get(feed.name, FeedState()),
                line=_Line(timeout_s=self._timeout_s, with_loopback=self._with_loopback),
                now=self._clock.now(),
            )
            for feed in feeds
        ]
        # Not a pool's: nothing can end a look-up of a name, and the process must not wait for it when it ends.
        threads = [threading.Thread(target=reader.run, daemon=True) for reader in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        late = f"took longer than {self._timeout_s:g} s"
        # Before the lines are cut: what was cut looks like an answer that has ended.
        found = [each.reading or FeedReading(feed=each.feed, state=each.state, fault=late) for each in readers]
        for reader in readers:
            reader.line.cut()
        return found


@dataclass(slots=True, kw_only=True)
class _Line:
    """Connects to addresses of the open internet alone, and can be cut whatever the other side does."""

    timeout_s: float
    with_loopback: bool
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _held: list[socket.socket] = field(default_factory=list)
    _is_cut: bool = False

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of a name that answers, after each of them was judged."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FeedError("its host has no address") from error
        if not all(is_public(str(address[0]), with_loopback=self.with_loopback) for *_, address in found):
            raise FeedError("its host is no public one")
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(self.timeout_s)
            try:
                sock.connect(address)
                self._hold(sock)
            except OSError:
                sock.close()
            else:
                return sock
        raise FeedError("its host takes no connection")

    def cut(self) -> None:
        """End what is being read; who waits for it gets an error at once."""
        with self._lock:
            self._is_cut = True
            while self._held:
                with self._held.pop() as sock, suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _hold(self, sock: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                raise TimeoutError
            self._held.append(sock.dup())  # TLS takes the first one over


class _LineAdapter(HTTPAdapter):
    """Requests over a line's connections. TLS goes on top of them, with the host's own name."""

    def __init__(self, line: _Line) -> None:
        super().__init__(max_retries=0)
        self._line = line

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of a request, whose connections are the line's."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        line = self._line

        def new(connection: Any) -> socket.socket:
            return line.connect(connection._dns_host, connection.port)

        plain = type(pool).ConnectionCls
        pool.ConnectionCls = type(plain.__name__, (plain,), {"_new_conn": new})
        return pool


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One reading of one feed."""

    feed: NewsFeed
    state: FeedState
    line: _Line
    now: datetime
    reading: FeedReading | None = None

    def run(self) -> None:
        """Read, and keep what came of it."""
        try:
            self.reading = self._read()
        except FeedError as error:
            self._fail(str(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._fail(f"no answer ({type(error).__name__})")
        except Exception as error:  # whatever a stranger's text does to a parser, it does it to one feed
            self._fail(f"cannot be read ({type(error).__name__})")

    def _fail(self, fault: str) -> None:
        self.reading = FeedReading(feed=self.feed, state=self.state, fault=fault)

    def _read(self) -> FeedReading:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            for scheme in ("http://", "https://"):
                session.mount(scheme, _LineAdapter(self.line))
            with self._answer(session) as response:
                if response.status_code == 304:
                    return FeedReading(feed=self.feed, state=self.state, is_unchanged=True)
                text = _text_of(_body_of(response), response.headers.get("Content-Type", ""))
                state = FeedState(
                    etag=_short(response.headers.get("ETag", "")),
                    modified=_short(response.headers.get("Last-Modified", "")),
                )
        return FeedReading(feed=self.feed, items=_items_of(text, self.feed, self.now), state=state)

    def _answer(self, session: requests.Session) -> requests.Response:
        """The first answer that is no redirect."""
        headers = dict(_HEADERS)
        if self.state.etag:
            headers["If-None-Match"] = self.state.etag
        if self.state.modified:
            headers["If-Modified-Since"] = self.state.modified
        url = self.feed.url
        for _ in range(MAX_REDIRECTS + 1):
            if urlsplit(url).scheme.lower() not in {"http", "https"}:
                raise FeedError("its address is neither http nor https")
            response = session.get(
                url, headers=headers, timeout=self.line.timeout_s, stream=True, allow_redirects=False
            )
            if response.status_code not in _REDIRECTS:
                if response.status_code not in {200, 304}:
                    response.close()
                    raise FeedError(f"HTTP {response.status_code}")
                return response
            response.close()
            url = urljoin(url, response.headers.get("Location", ""))
        raise FeedError(f"more than {MAX_REDIRECTS} redirects")


def _short(text: str) -> str:
    return text if len(text) <= MAX_STATE and text.isascii() and text.isprintable() else ""


def _body_of(response: requests.Response) -> bytes:
    """The body, unpacked, within its bound at every step."""
    body: bytes = response.raw.read(MAX_BYTES + 1, decode_content=False)
    too_big = f"more than {MAX_BYTES:,} bytes"
    if len(body) > MAX_BYTES:
        raise FeedError(too_big)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise FeedError(f"packed as {_short(encoding)[:20]!r}, expected gzip or plain")
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise FeedError("no sound gzip") from error
    if len(unpacked) > MAX_BYTES:
        raise FeedError(too_big)
    if not unpacking.eof:
        raise FeedError("cut off")
    return unpacked


def _text_of(body: bytes, content_type: str) -> str:
    """The document without its declaration, by byte order mark, else by the server's word, else by its own."""
    said = _CHARSET.search(content_type) or _DECLARED.match(body[:200].decode("latin-1"))
    named = said[1] if said and _ENCODINGS.fullmatch(said[1]) else "utf-8"
    encoding = next((encoding for mark, encoding in _MARKS if body.startswith(mark)), named)
    text = body.decode(encoding, "replace").replace("\0", "")
    return _DECLARATION.sub("", text, count=1)


def _items_of(text: str, feed: NewsFeed, now: datetime) -> tuple[Headline, ...]:
    """Items of a feed's document, each once, in its order. One without a date, or from the future, is of now."""
    if "<!entity" in text.casefold():
        raise FeedError("it declares entities, which a feed does not need and which can be a bomb")
    # With a declaration of ours feedparser guesses no encoding: in another one entities could stand after all.
    document = io.BytesIO(f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode())
    found = feedparser.parse(document, sanitize_html=False, resolve_relative_uris=False)
    if not found.version and not found.entries:
        raise FeedError("neither RSS nor Atom")
    items: dict[str, Headline] = {}
    for entry in found.entries[:MAX_ITEMS]:
        title, link = _word(entry, "title"), _word(entry, "link")
        summary = _word(entry, "summary")
        news_id = hash_id("item", feed.name, _word(entry, "id") or link or f"{title}\n{summary}")
        published_at = _instant(entry)
        item = Headline(
            news_id=news_id,
            published_at=now if published_at is None else min(published_at, now),
            source=feed.name,
            headline=title,
            summary=summary,
            symbols=(),
            url=web_address(link),
        )
        items.setdefault(news_id, item)
    return tuple(items.values())


def _word(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _instant(entry: Mapping[str, Any]) -> datetime | None:
    """When an item was published, else when it was changed; None where it does not say so, or says nonsense."""
    for name in ("published_parsed", "updated_parsed"):
        parts = entry.get(name)
        try:
            if parts:
                return datetime.fromtimestamp(timegm(parts), UTC)
        except (ValueError, TypeError, OverflowError, OSError):
            continue
    return None
