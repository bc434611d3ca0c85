"""Numbers with their units and instants with their zone, as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import wraps
from typing import Concatenate

import pandas as pd

from shared.core.sessions import NEW_YORK

NOTHING = "n/a"
"""Stands where there is no figure."""


def _if_known[**P](spell: Callable[Concatenate[float, P], str]) -> Callable[Concatenate[float | None, P], str]:
    """Let a function spell a figure that there may not be."""

    @wraps(spell)
    def told(value: float | None, /, *args: P.args, **kwargs: P.kwargs) -> str:
        return NOTHING if value is None or math.isnan(value) else spell(value, *args, **kwargs)

    return told


@_if_known
def usd(value: float, *, sign: bool = False, digits: int = 2) -> str:
    """`1,234.50 USD`; with `sign`, a plus before gains."""
    shown = round(value, digits) + 0.0
    return f"{shown:+,.{digits}f} USD" if sign and shown else f"{shown:,.{digits}f} USD"


@_if_known
def price(value: float) -> str:
    """A price: two decimals from one dollar, four below."""
    return f"{value:,.2f} USD" if value >= 1 else f"{value:,.4f} USD"


@_if_known
def percent(value: float, *, sign: bool = False, digits: int = 1) -> str:
    """A fraction as `12.3 %`."""
    shown = round(value * 100, digits) + 0.0
    return f"{shown:+.{digits}f} %" if sign and shown else f"{shown:.{digits}f} %"


@_if_known
def bp(value: float, *, sign: bool = False) -> str:
    """Basis points."""
    return f"{value + 0.0:+.1f} bp" if sign else f"{value + 0.0:.1f} bp"


@_if_known
def ratio(value: float, unit: str = "") -> str:
    """A number of two decimals, with a unit if it has one."""
    return f"{value + 0.0:.2f} {unit}".rstrip()


@_if_known
def whole(value: float, unit: str = "") -> str:
    """A count."""
    return f"{value:,.0f} {unit}".rstrip()


def quantity(value: float | Decimal) -> str:
    """A quantity with what digits it has: `1,200`, `0.25`; of a float those of a coin's least step."""
    if math.isnan(value):
        return NOTHING
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,.9f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@_if_known
def minutes(value: float) -> str:
    """A duration given in minutes."""
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"


def et(at: datetime | pd.Timestamp | None, *, seconds: bool = True) -> str:
    """Wall time in New York: `15:35:02 ET`."""
    if at is None or pd.isna(at):
        return NOTHING
    return at.astimezone(NEW_YORK).strftime("%H:%M:%S ET" if seconds else "%H:%M ET")


def both(at: datetime | pd.Timestamp | None, zone: tzinfo) -> str:
    """Wall time in New York and where the reader is; once, where that is the same."""
    if at is None or pd.isna(at):
        return NOTHING
    here = local(at, zone)
    return f"{et(at)} ({here})" if here else et(at)


def local(at: datetime | pd.Timestamp, zone: tzinfo) -> str:
    """Wall time where the reader is, empty where that is New York's."""
    here = at.astimezone(zone)
    is_same = here.utcoffset() == at.astimezone(NEW_YORK).utcoffset()
    return "" if is_same else f"{here:%H:%M:%S} {zone_name(zone, at)}"


def figure(value: float) -> str:
    """A number whose size nobody knows beforehand, to four digits or to the whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def zone_name(zone: tzinfo, at: datetime | pd.Timestamp) -> str:
    """A zone's short name at an instant."""
    return at.astimezone(zone).tzname() or "local"


def day(on: date) -> str:
    """A session date: `Wed 2026-10-14`."""
    return f"{on:%a %Y-%m-%d}"


def sessions(count: int) -> str:
    """`1 session`, `5 sessions`."""
    return f"{count} session" if count == 1 else f"{count} sessions"


def slot(text: str) -> str:
    """`0935` as `09:35`."""
    return f"{text[:2]}:{text[2:]}" if len(text) == 4 else text
