"""Numbers with their units and instants with their zone, as text."""

from __future__ import annotations

import math
from datetime import date, datetime, tzinfo

import pandas as pd

from shared.core.sessions import NEW_YORK

NOTHING = "n/a"
"""Stands where there is no figure."""


def usd(value: float | None, *, sign: bool = False, digits: int = 2) -> str:
    """`1,234.50 USD`; with `sign`, a plus before gains."""
    if value is None or math.isnan(value):
        return NOTHING
    shown = round(value, digits) + 0.0
    return f"{shown:+,.{digits}f} USD" if sign and shown else f"{shown:,.{digits}f} USD"


def price(value: float | None) -> str:
    """A price: two decimals from one dollar, four below."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.2f} USD" if value >= 1 else f"{value:,.4f} USD"


def percent(value: float | None, *, sign: bool = False, digits: int = 1) -> str:
    """A fraction as `12.3 %`."""
    if value is None or math.isnan(value):
        return NOTHING
    shown = round(value * 100, digits) + 0.0
    return f"{shown:+.{digits}f} %" if sign and shown else f"{shown:.{digits}f} %"


def bp(value: float | None, *, sign: bool = False) -> str:
    """Basis points."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value + 0.0:+.1f} bp" if sign else f"{value + 0.0:.1f} bp"


def ratio(value: float | None, unit: str = "") -> str:
    """A number of two decimals, with a unit if it has one."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value + 0.0:.2f} {unit}".rstrip()


def whole(value: float | None, unit: str = "") -> str:
    """A count."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.0f} {unit}".rstrip()


def minutes(value: float | None) -> str:
    """A duration given in minutes."""
    if value is None or math.isnan(value):
        return NOTHING
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
