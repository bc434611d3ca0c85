"""Checks of a finished day, from the venue's own log against our tables. Each returns what it found wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def check_day(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
    log: Sequence[Mapping[str, Any]],
    report: Mapping[str, Any],
    *,
    open_orders: Sequence[Any],
    open_positions: Sequence[Any],
    now: str,
) -> list[str]:
    """Run every check."""
    found = []
    if open_orders:
        found.append(f"{len(open_orders)} orders open at {now}")
    if open_positions:
        found.append(f"{len(open_positions)} positions open at {now}")
    return found
