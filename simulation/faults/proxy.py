"""An object in front of another one, for rules that are broken on purpose."""

from __future__ import annotations

from typing import Any


class Proxy:
    """An object with some of its members replaced."""

    def __init__(self, real: object, **members: object) -> None:
        self._real = real
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
