"""How a setting is declared: name, default, meaning and bounds in one line, for parser and documents alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.core.values import Symbol

REQUIRED = object()
"""Stands for a default where there is none."""


def setting(
    name: str,
    default: Any,
    what: str,
    *,
    low: Any = None,
    high: Any = None,
    unit: str = "",
    why: str = "",
    secret: bool = False,
) -> Any:
    """Declare one setting.

    Parameters
    ----------
    name : str
        Its name in the environment.
    default
        `REQUIRED`, or what holds where the text is empty.
    what, why : str
        Meaning, and the reason of the default: docs/CONFIG.md is made of them. What an error says is `what`.
    low, high
        Bounds, both inclusive.
    unit : str
        Unit of a number.
    secret : bool
        Whether its value must never be shown.
    """
    meta = {"name": name, "what": what, "why": why, "unit": unit, "low": low, "high": high, "secret": secret}
    if default is REQUIRED:
        return field(metadata=meta)
    return field(default=default, metadata=meta)


class Environment(StrEnum):
    """Which Alpaca the app talks to."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class Feed(StrEnum):
    """Market data feed."""

    IEX = "iex"
    SIP = "sip"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolGroup:
    """Symbols that are expected to fall together."""

    name: str
    symbols: tuple[Symbol, ...]
