"""Which machine a URL leads to, spelled one way only, so that hosts can be compared.

A spelling that two parsers could read differently is no address at all: user parts, backslashes, percent signs, letters
or digits beyond ASCII, and the number forms of an IPv4 address that a resolver takes and a reader does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

_PLAIN_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.ASCII,  # without ASCII, a Kelvin sign and a long s count as letters, and lead to k and s
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a resolver read the whole name as an IPv4 address."""
_MAX_CHARACTERS, _MAX_PORT = 253, 65_535

_OWN = tuple(map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_OWN_SIX = tuple(map(IPv6Network, ("::1/128", "fc00::/7")))
"""Loopback and private networks (RFC 1918, RFC 4193). Link-local is not among them: a cloud's metadata answer there."""
PRIVATE_ENDINGS = (".localhost", ".internal", ".local")
"""Ends of names that no public name server knows: RFC 6761, ICANN's private-use domain, RFC 6762."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Scheme, host and port of a plain URL.

    `host` is in lower case, without a dot at its end; an IPv6 address is in its short form without brackets, one that
    stands for an IPv4 address is that one. `port` is the scheme's own where the URL names none.
    """

    scheme: str
    host: str
    port: int

    @property
    def is_https(self) -> bool:
        """Whether it is encrypted, on the usual port."""
        return (self.scheme, self.port) == ("https", 443)

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to this machine."""
        number = _number_of(self.host)
        return self.host == "localhost" if number is None else number.is_loopback

    @property
    def is_private(self) -> bool:
        """Whether it leads to this machine or a private network.

        A name does so if it is a single word, as the hosts of a container network are, or ends as a private one does.
        """
        match _number_of(self.host):
            case IPv4Address() as four:
                return any(four in network for network in _OWN)
            case IPv6Address() as six:
                return any(six in network for network in _OWN_SIX)
            case _:
                return "." not in self.host or self.host.endswith(PRIVATE_ENDINGS)


def address_of(url: str) -> Address | None:
    """Read a URL of scheme, host, port and nothing else; None where it is not one."""
    plain = _PLAIN_URL.fullmatch(url)
    if plain is None:
        return None
    host = _six(plain["six"]) if plain["six"] else _name(plain["name"])
    scheme = plain["scheme"].lower()
    port = int(plain["port"] or (443 if scheme == "https" else 80))
    return Address(scheme=scheme, host=host, port=port) if host and 0 < port <= _MAX_PORT else None


def _six(text: str) -> str:
    address = _read(IPv6Address, text)
    return str(address.ipv4_mapped or address) if address else ""


def _name(text: str) -> str:
    """A name or an IPv4 address as it is compared; empty where it is neither."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(_read(IPv4Address, name) or "")
    return name if len(name) <= _MAX_CHARACTERS and all(map(_LABEL.fullmatch, labels)) else ""


def _number_of(host: str) -> IPv4Address | IPv6Address | None:
    return _read(IPv6Address, host) if ":" in host else _read(IPv4Address, host)


def _read[T](kind: Callable[[str], T], text: str) -> T | None:
    try:
        return kind(text)
    except AddressValueError:
        return None
