"""Where an account's keys may be sent: hosts in every spelling, held against what an HTTP client makes of them."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from shared.contracts.settings import parse_settings
from shared.contracts.settings.address import Address, address_of
from shared.core.errors import SettingsError
from tests.support.ports import ENVIRONMENT

URLS = ("ALPACA_TRADING_URL", "ALPACA_DATA_URL")
ALPACA = ("api.alpaca.markets", "paper-api.alpaca.markets", "data.alpaca.markets", "broker-api.alpaca.markets")
ACCOUNTS = {
    "sandbox": {},
    "paper": {"ALPACA_ENVIRONMENT": "paper"},
    "live": {"ALPACA_ENVIRONMENT": "live", "GATEHOUSE_ALLOW_LIVE": "account"},
}


def is_taken(environment: str, url: str, name: str = "ALPACA_TRADING_URL") -> bool:
    own = {} if environment == "sandbox" else dict.fromkeys(URLS, "")
    try:
        parse_settings({**ENVIRONMENT, **own, **ACCOUNTS[environment], name: url})
    except SettingsError as error:
        return name not in str(error)
    return True


def reached(url: str) -> str:
    """The host that requests would ask for: its own parser, IDNA and all."""
    prepared = requests.Request("GET", url).prepare().url
    return (urlsplit(str(prepared)).hostname or "").rstrip(".")


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets.",
        "https://API.Alpaca.Markets.",
        "https://api.alpaca.markets..",
        "https://api.alpaca.market\u017f",  # a long s, which IDNA reads as s
        "https://api.alpaca.mar\u212aets",  # a Kelvin sign
        "https://\uff41pi.alpaca.markets",  # a full-width a
        "https://api\u3002alpaca\u3002markets",  # ideographic full stops
        "https://api.alpaca.market\u00ads",  # a soft hyphen, which IDNA drops
        "https://api%2ealpaca.markets",
        "https://api.alpaca.%6darkets",
        "https://127.0.0.1@api.alpaca.markets",
        "https://api.alpaca.markets\\@127.0.0.1",
        "https://api.alpaca.markets#@127.0.0.1",
        "https://api.alpaca.markets:443",
        "https:/\\api.alpaca.markets",
        "https://api.al\tpaca.markets",
        "https://broker-api.alpaca.markets",
        "https://alpaca.markets",
        "http://venue.example.com",
        "http://169.254.169.254",
        "http://[fe80::1]",
        "http://0.0.0.0:7080",
        "http://[::]:7080",
        "http://8.8.8.8",
        "http://[2001:db8::1]",
        "http://[::ffff:8.8.8.8]",
        "http://100.64.0.1",
        "http://172.32.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://localhost@example.com",
        "http://134744072",  # 8.8.8.8
        "http://0x08080808",
        "http://010.8.8.8",
        "http://8.2056",
        "http://2130706433",  # 127.0.0.1 to a resolver, a riddle to a reader
        "http://127.1",
        "http://0x7f.0.0.1",
        "http://0177.0.0.1",
        "http://127.0.0.\u0661",  # an Arabic-Indic one
        "http://[::1%25lo]",
        "http://[127.0.0.1]",
        "http://::1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:\u0667080",
        "http://127.0.0.1/v2?x=1",
        "http://-venue",
        "http://.internal",
        "http://",
        "ftp://127.0.0.1",
        "127.0.0.1:7080",
    ],
)
def test_the_sandbox_takes_no_host_but_ones_own(url: str, name: str) -> None:
    assert not is_taken("sandbox", url, name)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:7080", "127.0.0.1", 7080),
        ("http://127.99.0.1/", "127.99.0.1", 80),
        ("http://10.0.0.5", "10.0.0.5", 80),
        ("http://172.31.255.255", "172.31.255.255", 80),
        ("https://192.168.1.7:8443", "192.168.1.7", 8443),
        ("http://[::1]:7080", "::1", 7080),
        ("http://[0:0:0:0:0:0:0:1]", "::1", 80),
        ("http://[::FFFF:127.0.0.1]", "127.0.0.1", 80),
        ("http://[::ffff:7f00:1]", "127.0.0.1", 80),
        ("http://[fd12::7]:7080", "fd12::7", 7080),
        ("http://LocalHost.:7080", "localhost", 7080),
        ("http://venue:7080", "venue", 7080),
        ("http://gatehouse_venue:7080", "gatehouse_venue", 7080),
        ("http://host.docker.internal:7080", "host.docker.internal", 7080),
        ("http://venue.localhost", "venue.localhost", 80),
        ("http://desk.local", "desk.local", 80),
    ],
)
def test_the_sandbox_takes_loopback_private_and_container_hosts(url: str, host: str, port: int) -> None:
    assert is_taken("sandbox", url)
    assert address_of(url) == Address(scheme=url.partition(":")[0], host=host, port=port)


@pytest.mark.parametrize(
    ("environment", "name", "host"),
    [
        ("paper", "ALPACA_TRADING_URL", "paper-api.alpaca.markets"),
        ("live", "ALPACA_TRADING_URL", "api.alpaca.markets"),
        ("paper", "ALPACA_DATA_URL", "data.alpaca.markets"),
        ("live", "ALPACA_DATA_URL", "data.alpaca.markets"),
    ],
)
def test_a_real_account_is_reached_at_its_own_host_only(environment: str, name: str, host: str) -> None:
    for good in (f"https://{host}", f"https://{host}/", f"https://{host}:443", f"HTTPS://{host.upper()}."):
        assert is_taken(environment, good, name), good
    others = [f"https://{other}" for other in (*ALPACA, "example.com", f"{host}.example.com") if other != host]
    odd = [f"http://{host}", f"https://{host}:8443", f"https://{host}..", f"https://x@{host}", "http://127.0.0.1:7080"]
    for bad in (*others, *odd, "https://localhost", f"https://{host.replace('k', chr(0x212A))}"):
        assert not is_taken(environment, bad, name), bad


ODD = {
    ".": [".", "..", "\u3002", "\uff0e", "\uff61", "%2e"],
    "a": ["a", "A", "\uff41", "%61", "\u00aa", "a\u00ad"],
    "k": ["k", "K", "\u212a", "%6B"],
    "s": ["s", "S", "\u017f", "\uff53"],
    "1": ["1", "\uff11", "\u2460", "%31", "01", "0x1"],
    "0": ["0", "\uff10", "00", "0x0"],
    "7": ["7", "\u0667", "07"],
}
"""What a character of a host may look like."""

_hosts = st.sampled_from([*ALPACA, "127.0.0.1", "10.0.0.7", "8.8.8.8", "localhost", "venue", "host.docker.internal"])


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """A URL whose host is spelled oddly, with or without what may stand around one."""
    host = "".join(draw(st.sampled_from(ODD.get(letter, [letter]))) for letter in draw(_hosts))
    user = draw(st.sampled_from(["", "", "", "127.0.0.1@", "127.0.0.1:80@", "localhost\\@"]))
    scheme = draw(st.sampled_from(["http", "https", "HTTPS", "https:", " https"]))
    end = draw(
        st.sampled_from(["", "", "/", ".", "./", ":443", ":7080", "#x", "?x", "\\@127.0.0.1", "/@localhost", "\n"])
    )
    return f"{scheme}://{user}{host}{end}"


@given(spelled() | st.text(max_size=40).map("https://".__add__))
@example("https://api.alpaca.markets.")
@example("https://api.alpaca.market\u017f")
def test_a_url_that_is_taken_leads_an_http_client_where_the_environment_says(url: str) -> None:
    if is_taken("sandbox", url):
        host = reached(url.strip())
        assert not host.endswith("alpaca.markets")
        assert host in {"localhost", "host.docker.internal"} or "." not in host or ip_address(host).is_private
        if "." in host and ":" not in host and host != "host.docker.internal":
            assert socket.inet_ntoa(socket.inet_aton(host)) == host
    for environment, host in (("paper", "paper-api.alpaca.markets"), ("live", "api.alpaca.markets")):
        if is_taken(environment, url):
            assert reached(url.strip()) == host
            assert url.strip().lower().startswith("https://")


@given(st.ip_addresses())
def test_a_literal_address_is_taken_if_it_is_loopback_or_private(address: object) -> None:
    number = ip_address(str(address))
    url = f"http://[{number}]:7080" if number.version == 6 else f"http://{number}:7080"
    found = address_of(url)
    assert found is not None
    assert ip_address(found.host) in {number, getattr(number, "ipv4_mapped", None)}
    if found.is_private:
        assert ip_address(found.host).is_private
    assert not found.is_private or not (number.is_link_local or number.is_unspecified or number.is_multicast)
