"""How a setting is declared: name, default, meaning and bounds in one line, for parser and documents alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from shared.core.values import Symbol

REQUIRED = object()
"""Stands for a default where there is none."""


class Tuning(StrEnum):
    """What a parameter set may do with a setting."""

    FIXED = "fixed"
    """Nothing: it is about the machinery, or which way is stricter cannot be said of it."""
    FREE = "free"
    """Choose any value within its bounds: gates cap what it leads to."""
    CAPPED = "capped"
    """Lower it, never raise it above the app's own: the smaller, the stricter."""


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
    tuning: Tuning = Tuning.FIXED,
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
    tuning : Tuning
        What a parameter set may do with it.
    """
    if isinstance(default, Decimal):
        low, high = (None if bound is None else Decimal(str(bound)) for bound in (low, high))
    meta = {
        "name": name,
        "what": what,
        "why": why,
        "unit": unit,
        "low": low,
        "high": high,
        "secret": secret,
        "tuning": tuning,
    }
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
