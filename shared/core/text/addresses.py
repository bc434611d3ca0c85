"""Addresses that a story gives: shown as links only where they are ones of the web."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_ADDRESS = 1024
"""Characters of an address that is shown."""


def web_address(text: str) -> str:
    """Return an address as it is, empty where it is none of the web.

    It is http or https to a named host, without a user's name before it (`https://known.example@other.example` looks
    like another one), without blanks, control characters or anything but ASCII.
    """
    if not (0 < len(text) <= MAX_ADDRESS and text.isascii() and text.isprintable()) or set(text) & set(' "<>\\^`{|}'):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    is_web = parts.scheme in {"http", "https"} and bool(host) and "@" not in parts.netloc
    return text if is_web else ""
