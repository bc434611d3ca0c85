"""Figures as metrics take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One figure of one series; the name carries the unit."""

    name: str
    what: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
