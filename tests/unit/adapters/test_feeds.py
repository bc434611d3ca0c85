"""Feeds over a real socket: what they say, and that a hostile or broken one costs itself alone."""

from __future__ import annotations

import codecs
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.adapters.feeds import MAX_BYTES, MAX_ITEMS, HttpFeeds, is_public
from shared.contracts.settings import NewsFeed
from shared.ports import FeedReading, FeedState
from tests.support.clock import HandClock
from tests.support.ports import settings_with

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


class FeedServer(ThreadingHTTPServer):
    """Serves what a test puts at a path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.is_over = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def put(self, path: str, body: bytes | str, status: int = 200, **headers: str) -> None:
        """Serve a body; headers with underscores for dashes."""
        data = body.encode() if isinstance(body, str) else body

        def send(page: BaseHTTPRequestHandler) -> None:
            page.send_response(status)
            for name, value in headers.items():
                page.send_header(name.replace("_", "-"), value)
            page.send_header("Content-Length", str(len(data)))
            page.end_headers()
            page.wfile.write(data)

        self.pages[path] = send


class _Page(BaseHTTPRequestHandler):
    server: FeedServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        try:
            self.server.pages[self.path](self)
        except OSError:
            return  # the reader has hung up

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield serving
        serving.is_over.set()
        serving.shutdown()
        thread.join()


def rss(*items: str) -> str:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{"".join(items)}</channel></rss>'


def item(title: str = "Apple beats", at: datetime | None = EARLIER, *, link: str = "https://x.example/1") -> str:
    dated = f"<pubDate>{format_datetime(at)}</pubDate>" if at else ""
    return f"<item><title>{title}</title><link>{link}</link>{dated}</item>"


def reader(timeout_s: float = 5, settings: Mapping[str, str] = MappingProxyType({})) -> HttpFeeds:
    return HttpFeeds(settings_with(**{"GATEHOUSE_FEED_TIMEOUT_S": str(timeout_s), **settings}), HandClock(NOW))


def read(server: FeedServer, path: str = "/", state: FeedState | None = None, timeout_s: float = 5) -> FeedReading:
    feed = NewsFeed(name="wire", url=server.url(path), weight=1.0)
    (reading,) = reader(timeout_s).read([feed], {"wire": state} if state else {})
    return reading


def titles(reading: FeedReading) -> list[str]:
    return [each.headline for each in reading.items]


def test_items_of_rss_have_words_address_and_time(server: FeedServer) -> None:
    server.put("/", rss(item("Apple &lt;b&gt;beats&lt;/b&gt;"), item("Second", link="javascript:alert(1)")))
    reading = read(server)
    assert (reading.fault, reading.is_unchanged) == ("", False)
    first, second = reading.items
    assert (first.headline, first.url, first.published_at) == ("Apple <b>beats</b>", "https://x.example/1", EARLIER)
    assert (first.source, first.symbols, second.url) == ("wire", (), "")


def test_items_of_atom_are_read(server: FeedServer) -> None:
    entry = (
        "<entry><id>urn:1</id><title>Tesla recalls</title><link href='https://x.example/a'/>"
        "<updated>2026-11-30T14:00:00Z</updated><summary>Why</summary></entry>"
    )
    server.put("/", f"<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title>{entry}</feed>")
    (found,) = read(server).items
    assert (found.headline, found.summary, found.url) == ("Tesla recalls", "Why", "https://x.example/a")
    assert found.published_at == EARLIER


def test_what_has_not_changed_is_not_sent_again(server: FeedServer) -> None:
    server.put("/", rss(item()), ETag='"abc"', Last_Modified="Mon, 30 Nov 2026 14:00:00 GMT")
    state = read(server).state
    assert state == FeedState(etag='"abc"', modified="Mon, 30 Nov 2026 14:00:00 GMT")
    server.put("/", "", status=304)
    reading = read(server, state=state)
    assert (reading.is_unchanged, reading.state, reading.items, reading.fault) == (True, state, (), "")
    _, headers = server.asked[-1]
    assert (headers["If-None-Match"], headers["If-Modified-Since"]) == (state.etag, state.modified)


def test_a_packed_feed_is_unpacked(server: FeedServer) -> None:
    server.put("/", gzip.compress(rss(item()).encode()), Content_Encoding="gzip")
    assert titles(read(server)) == ["Apple beats"]


@pytest.mark.parametrize(
    ("body", "headers", "fault"),
    [
        (b"x" * (MAX_BYTES + 1), {}, "more than 1,000,000 bytes"),
        (gzip.compress(b" " * 50_000_000), {"Content_Encoding": "gzip"}, "more than 1,000,000 bytes"),
        (gzip.compress(rss(item()).encode())[:-9], {"Content_Encoding": "gzip"}, "cut off"),
        (b"no gzip", {"Content_Encoding": "gzip"}, "no sound gzip"),
        (b"x", {"Content_Encoding": "br"}, "packed as 'br', expected gzip or plain"),
        (b"<html><body>Please log in</body></html>", {}, "neither RSS nor Atom"),
        (b"", {}, "neither RSS nor Atom"),
        (b"\x00\xff\xfe", {}, "neither RSS nor Atom"),
    ],
)
def test_what_is_no_feed_of_its_size_is_told_of(
    server: FeedServer, body: bytes, headers: dict[str, str], fault: str
) -> None:
    server.put("/", body, 200, **headers)
    assert read(server).fault == fault


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
def test_an_error_is_told_of_and_the_state_is_kept(server: FeedServer, status: int) -> None:
    server.put("/", rss(item()), status=status)
    state = FeedState(etag='"abc"')
    reading = read(server, state=state)
    assert (reading.fault, reading.state, reading.items) == (f"HTTP {status}", state, ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "latin-1", "utf-8-sig"])
def test_entities_are_refused_in_any_encoding(server: FeedServer, encoding: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + rss(item("&b;"))
    server.put("/", bomb.encode(encoding))
    assert "it declares entities" in read(server).fault


@pytest.mark.parametrize("encoding", ["utf-7", "utf-16-le", "utf-16-be", "cp037"])
def test_entities_in_an_encoding_that_hides_them_come_to_nothing(server: FeedServer, encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE rss [<!ENTITY a "boom">]>'
    server.put("/", (head + rss(item("&a;"))).encode(encoding))
    reading = read(server)
    assert reading.fault
    assert reading.items == ()


def test_a_file_of_this_machine_is_not_read(server: FeedServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    server.put("/", f'<!DOCTYPE rss SYSTEM "file://{secret}">{rss(item("x"))}')
    assert "secret" not in str(read(server))
    server.put("/", str(secret))
    assert read(server).fault == "neither RSS nor Atom"


def test_broken_xml_is_read_as_far_as_it_can_be(server: FeedServer) -> None:
    server.put("/", rss(item("First & foremost"), item("Second <b"), item("Third"))[:-40])
    reading = read(server)
    assert reading.fault == ""
    assert titles(reading)[0] == "First & foremost"


def test_words_come_in_the_encoding_that_is_said(server: FeedServer) -> None:
    text = rss(item("Nestl\u00e9"))
    server.put("/", text.encode("latin-1"), Content_Type="text/xml; charset=ISO-8859-1")
    assert titles(read(server)) == ["Nestl\u00e9"]
    server.put("/", text.replace('"1.0"', '"1.0" encoding="windows-1252"').encode("cp1252"))
    assert titles(read(server)) == ["Nestl\u00e9"]
    server.put("/", codecs.BOM_UTF16_LE + text.encode("utf-16-le"))
    assert titles(read(server)) == ["Nestl\u00e9"]


@pytest.mark.parametrize(
    ("dated", "published_at"),
    [
        ("", NOW),
        ("<pubDate>yesterday</pubDate>", NOW),
        ("<pubDate>Mon, 99 Foo 20xx 25:61:61 GMT</pubDate>", NOW),
        (f"<pubDate>{format_datetime(NOW + timedelta(days=400))}</pubDate>", NOW),
        ("<pubDate>Mon, 30 Nov 2026 09:00:00 EST</pubDate>", EARLIER),
        ("<pubDate>Fri, 31 Dec 9999 23:59:59 GMT</pubDate>", NOW),
    ],
)
def test_an_item_without_a_sound_date_is_of_now(server: FeedServer, dated: str, published_at: datetime) -> None:
    server.put("/", rss(f"<item><title>x</title>{dated}</item>"))
    assert [each.published_at for each in read(server).items] == [published_at]


def test_an_item_that_stands_twice_is_one(server: FeedServer) -> None:
    server.put("/", rss(item("x"), item("x"), item("y", link="https://x.example/2")))
    assert titles(read(server)) == ["x", "y"]


def test_a_long_feed_is_read_from_its_top(server: FeedServer) -> None:
    server.put("/", rss(*(item(f"n{i}", link=f"https://x.example/{i}") for i in range(MAX_ITEMS + 50))))
    assert titles(read(server)) == [f"n{i}" for i in range(MAX_ITEMS)]


def drip(piece: bytes, head: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    """A server that says a little, and a little more, for ever."""

    def send(page: BaseHTTPRequestHandler) -> None:
        assert isinstance(page.server, FeedServer)
        page.wfile.write(head)
        while not page.server.is_over.wait(0.05):
            page.wfile.write(piece)

    return send


@pytest.mark.parametrize(
    "page",
    [
        drip(b""),
        drip(b"H"),
        drip(b"X-A: b\r\n", b"HTTP/1.1 200 OK\r\n"),
        drip(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        drip(b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["silent", "status", "headers", "body", "chunks"],
)
def test_a_server_that_drips_is_left_in_time_and_holds_up_no_other(
    server: FeedServer, page: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    server.pages["/slow"] = page
    server.put("/", rss(item()))
    feeds = [NewsFeed(name=name, url=server.url(path), weight=1.0) for name, path in (("slow", "/slow"), ("wire", "/"))]
    slow, wire = reader(0.6).read(feeds, {})
    assert slow.fault in {"took longer than 0.6 s", "no answer (ReadTimeout)"}
    assert titles(wire) == ["Apple beats"]
    for thread in threading.enumerate():
        if thread.name.endswith("(run)"):
            thread.join(2)
            assert not thread.is_alive(), "what is cut ends"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(server: FeedServer, status: int) -> None:
    server.put("/", "", status=status, Location="/there")
    server.put("/there", rss(item()))
    assert titles(read(server)) == ["Apple beats"]


def test_redirects_end(server: FeedServer) -> None:
    for i in range(5):
        server.put(f"/{i}", "", status=302, Location=f"/{i + 1}")
    server.put("/4", rss(item()))
    assert read(server, "/1").fault == ""
    assert read(server, "/0").fault == "more than 3 redirects"


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("http://10.0.0.1/", "its host is no public one"),
        ("http://169.254.169.254/metadata/instance", "its host is no public one"),
        ("http://[::ffff:192.168.0.1]/", "its host is no public one"),
        ("http://168.63.129.16/", "its host is no public one"),
        ("http://0x7f.1.1.1.1.1/", "its host has no address"),
        ("file:///etc/passwd", "its address is neither http nor https"),
        ("ftp://x.example/", "its address is neither http nor https"),
        ("//[", "no answer (ValueError)"),
    ],
)
def test_a_redirect_to_where_nobody_has_any_business_is_refused(server: FeedServer, target: str, fault: str) -> None:
    server.put("/", "", status=302, Location=target)
    assert read(server).fault == fault


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]"])
def test_this_machine_is_read_in_the_sandbox_alone(server: FeedServer, host: str) -> None:
    server.put("/", rss(item()))
    url = server.url("/").replace("127.0.0.1", host)
    changes = {"ALPACA_ENVIRONMENT": "paper", "ALPACA_TRADING_URL": "", "ALPACA_DATA_URL": ""}
    (reading,) = reader(settings=changes).read([NewsFeed(name="wire", url=url, weight=1.0)], {})
    assert reading.fault == "its host is no public one"
    assert server.asked == []


def test_a_name_of_two_minds_is_refused_and_looked_up_once(server: FeedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(server.server_address[1])
    asked: list[str] = []

    def look_up(host: str, *args: object, **kwargs: object) -> list[tuple[object, ...]]:
        asked.append(host)
        hosts = ["93.184.215.14", "10.0.0.7"] if host == "two.example" else ["127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    server.put("/", rss(item()))
    feeds = [NewsFeed(name=name, url=f"http://{name}:{port}/", weight=1.0) for name in ("two.example", "one.example")]
    two, one = reader().read(feeds, {})
    assert two.fault == "its host is no public one"
    assert titles(one) == ["Apple beats"]
    assert sorted(asked) == ["one.example", "two.example"]
    ((_, headers),) = server.asked
    assert headers["Host"] == f"one.example:{port}"


@pytest.fixture
def secure_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    """Serves over TLS as `localhost`, with a certificate that is trusted here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    since = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), since, since.replace(year=2120)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "both.pem").write_bytes(private + pem)
    (tmp_path / "trusted.pem").write_bytes(pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "trusted.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with FeedServer() as serving:
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield serving
        serving.is_over.set()
        serving.shutdown()
        thread.join()


def test_a_feed_is_read_over_tls_as_its_host_and_cut_there_too(secure_server: FeedServer) -> None:
    secure_server.put("/", rss(item()))
    secure_server.pages["/slow"] = drip(b"x", b"HTTP/1.1 200 OK\r\n\r\n")
    port = secure_server.server_address[1]
    feeds = [
        NewsFeed(name="sound", url=f"https://localhost:{port}/", weight=1.0),
        NewsFeed(name="other", url=f"https://127.0.0.1:{port}/", weight=1.0),
        NewsFeed(name="slow", url=f"https://localhost:{port}/slow", weight=1.0),
    ]
    sound, other, slow = reader(1.0).read(feeds, {})
    assert titles(sound) == ["Apple beats"]
    assert other.fault == "no answer (SSLError)"
    assert slow.fault == "took longer than 1 s"


def test_a_feed_that_nobody_serves_is_told_of() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/?key=secret"
        (reading,) = reader().read([NewsFeed(name="wire", url=url, weight=1.0)], {})
    assert reading.fault == "its host takes no connection"


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
    ],
)
def test_only_the_open_internet_is_public(address: str, *, is_open: bool) -> None:
    assert is_public(address) is is_open
