"""Which settings the app trades under, as its own records tell: each slice that it scores keeps them whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from dashboard.store import Source
from shared.contracts.records import Container
from shared.contracts.settings import PolicySettings, RiskSettings
from shared.core.packing import unpack
from shared.core.settings import StrategySettings

KEPT: Mapping[str, type] = {"policy": PolicySettings, "risk": RiskSettings, "strategies": StrategySettings}
"""Groups of settings that a decision depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSettings:
    """Settings as the latest slice of a day was scored under.

    Attributes
    ----------
    slot : str
        Of that slice; empty where none tells, and then these are the defaults.
    values : mapping
        By group and attribute.
    """

    slot: str
    settings_id: str
    values: Mapping[str, Mapping[str, Any]]

    def risk(self, name: str) -> float:
        """Return a number of the risk settings."""
        return float(self.values["risk"][name])

    @property
    def shares(self) -> Mapping[str, float]:
        """Return the share of each strategy that trades, in order of priority."""
        pairs = (str(text).split("=") for text in self.values["strategies"]["traded"])
        return {name: float(share) for name, share in pairs}


def active_settings(source: Source, on: date) -> ShownSettings:
    """Read the settings that the latest slice of a day was scored under; the defaults where none keeps any."""
    for name in reversed(source.names(Container.FEATURES, f"{on}/")):
        stored = source.blob(Container.FEATURES, name)
        kept = json.loads(unpack(stored)) if stored else {}
        if "settings" not in kept:
            break
        found = kept["settings"]  # slices of older code keep no strategies: there was the first one alone
        values = {
            name: _readable(_numbers(group, found[name])) if name in found else defaults(group)
            for name, group in KEPT.items()
        }
        return ShownSettings(slot=name.split("/")[1], settings_id=str(kept["settings_id"]), values=values)
    return ShownSettings(slot="", settings_id="", values={name: defaults(group) for name, group in KEPT.items()})


def _numbers(group: type, found: Mapping[str, Any]) -> dict[str, Any]:
    """Values with decimals as numbers: slices keep them as text, those of earlier versions as numbers."""
    decimals = {item.name for item in dataclasses.fields(group) if isinstance(item.default, Decimal)}
    return {name: float(value) if name in decimals else value for name, value in found.items()}


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    """Strategies and their parameters as the settings spell them: NAME=SHARE, NAME.PARAMETER=VALUE."""
    if "traded" in found:
        found["traded"] = [f"{each['name']}={float(each['share']):g}" for each in found["traded"]]
        found["parameters"] = [f"{each['strategy']}.{each['name']}={each['value']}" for each in found["parameters"]]
    return found


def defaults(group: type) -> dict[str, Any]:
    """Return a group's defaults, structures as JSON has them."""
    made = group()
    return _readable(
        {
            item.name: json.loads(json.dumps(getattr(made, item.name), default=_plain))
            for item in dataclasses.fields(group)
            if "name" in item.metadata
        }
    )


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)
