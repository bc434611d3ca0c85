"""Which texts must never be shown: the values of secret settings, and the parts of them that are secrets alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from shared.contracts.settings.groups import GROUPS, Settings
from shared.contracts.settings.notices import NoticeChannel

_KEYED = re.compile(r"(?:AccountKey|SharedAccessSignature|SharedAccessKey|InstrumentationKey)=([^;]+)")


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return every secret text of some settings."""
    return frozenset(text for text in _all(settings) if text)


def _all(settings: Settings) -> Iterator[str]:
    for group_name, group in GROUPS.items():
        for item in dataclasses.fields(group):
            if item.metadata.get("secret"):
                yield from _texts(getattr(getattr(settings, group_name), item.name))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield from _KEYED.findall(value)
    elif isinstance(value, tuple):
        for each in value:
            if isinstance(each, NoticeChannel):
                yield from _of_address(each.url)
            elif isinstance(each, str):
                yield each


def _of_address(url: str) -> Iterator[str]:
    """An address and its parts: many services put the token where others have user, host or path."""
    yield url
    parts = urlsplit(url)
    places = parts.netloc.rpartition("@")[2].split(":")
    raw = [parts.username, parts.password, *parts.path.split("/"), *re.split(r"[&=]", parts.query)]
    raw += [place for place in places if "." not in place and place != "localhost"]
    for text in filter(None, raw):
        yield text
        yield unquote(text)
