"""App settings: local.settings.json, the environment, and `%NAME%` in bindings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shared.core.errors import SettingsError

_PLACEHOLDER = re.compile(r"%([^%]+)%")


def expand(text: str, settings: Mapping[str, str]) -> str:
    """Replace `%NAME%` by the setting of that name.

    Raises
    ------
    SettingsError
        If there is no such setting.

    Examples
    --------
    >>> expand("%PREFIX%-signals", {"PREFIX": "paper"})
    'paper-signals'
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in settings:
            raise SettingsError(f"binding uses %{name}%, but there is no setting {name!r}")
        return settings[name]

    return _PLACEHOLDER.sub(value, text)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Put settings into the process environment, and back as it was afterwards."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
