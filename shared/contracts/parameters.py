"""Named parameter sets: values that evidence proposes and a person accepts, laid over the app's own settings.

A set is immutable: `{name}.json` in container parameters. What it may change is said here, and it can only tighten what
guards the account: a capped limit (`Tuning`) is never above the app's own setting, nor above the setting's own ceiling.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.contracts.settings import GROUPS, NewsSettings, RiskSettings, Settings, SourceWeight, with_values
from shared.core.credibility import SOURCE_MOST, span_of
from shared.core.errors import SettingsError
from shared.core.sessions import Session
from shared.core.settings import Automation, StrategySettings, Tuning
from shared.core.values import require, require_utc

OWN_SETTINGS = "default"
"""Name under which no set is stored: the app's settings as they are deployed."""

MAX_VALUES = 100
MAX_FIGURES = 200

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")


def names_of(group: type) -> Mapping[str, str]:
    """Environment names of a group's settings, each with the attribute that holds it."""
    return {item.metadata["name"]: item.name for item in dataclasses.fields(group) if "name" in item.metadata}


def _tuned(*allowed: Tuning) -> frozenset[str]:
    """Settings that a set may change so."""
    items = (item for group in GROUPS.values() for item in dataclasses.fields(group))
    return frozenset(item.metadata["name"] for item in items if item.metadata.get("tuning") in allowed)


CAPPED = _tuned(Tuning.CAPPED)
"""What a set may lower and never raise."""

TUNABLE = _tuned(Tuning.FREE, Tuning.CAPPED)
"""Everything that a set may hold."""


def require_set_name(name: str) -> None:
    """1 to 63 of a-z, 0-9, dots and dashes, no dot or dash at either end, never `default`: a blob is named by it."""
    ok = _NAME.fullmatch(name) is not None and ".." not in name and name != OWN_SETTINGS
    require(ok, "name", name[:80], "1 to 63 of a-z 0-9 . -, other than default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for a set: the blob that tells it all (`container/name`), and the figures to judge it by."""

    blob: str
    figures: Mapping[str, float]

    def __post_init__(self) -> None:
        require(0 < len(self.blob) <= 1024, "blob", self.blob[:80], "1 to 1024 characters")
        require(len(self.figures) <= MAX_FIGURES, "figures", len(self.figures), f"at most {MAX_FIGURES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """A named set. `values` are texts by environment name, as app settings would give them.

    `replaces` holds what was in force for them when it was proposed, as far as that is known: what a person compares.
    """

    schema_id: Literal["parameter-set.v1"] = "parameter-set.v1"
    name: str
    created_at: datetime
    proposed_by: str
    values: Mapping[str, str]
    evidence: Evidence
    replaces: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_set_name(self.name)
        require_utc("created_at", self.created_at)
        require(0 < len(self.proposed_by) <= 200, "proposed_by", self.proposed_by[:80], "1 to 200 characters")
        require(0 < len(self.values) <= MAX_VALUES, "values", len(self.values), f"1 to {MAX_VALUES} settings")
        for name, text in self.values.items():
            require(name in TUNABLE, "values", name[:80], "a setting that a parameter set may hold")
            require(0 < len(text) <= 500, name, text[:80], "1 to 500 characters")
        strange = sorted(self.replaces.keys() - self.values.keys())
        require(not strange, "replaces", strange, "settings that are among the values")


def parameter_blob(name: str) -> str:
    """`{name}.json` in container parameters."""
    require_set_name(name)
    return f"{name}.json"


def texts_of_settings(settings: Settings, names: Iterable[str]) -> Mapping[str, str]:
    """Return the values of settings as the environment would give them, in the order of their names."""
    groups = [getattr(settings, name) for name in GROUPS]
    held = {name: getattr(group, attribute) for group in groups for name, attribute in names_of(type(group)).items()}
    return {name: _text(held[name]) for name in sorted(names) if name in TUNABLE}


def _text(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    is_of_sources = any(isinstance(each, SourceWeight) for each in value)
    return ("; " if is_of_sources else " ").join(map(str, value))


def overlaid(own: Settings, given: ParameterSet) -> Settings:
    """Lay a set over the app's own settings.

    Raises
    ------
    SettingsError
        If a value is out of bounds, contradicts another, would lift a limit above the app's own, lets a strategy go
        further by itself, or makes a source worth more or less than `span_of` what the app's own settings say.
    """
    changed = with_values(own, given.values)
    lifted = [
        f"{name} = {given.values[name]!r}: expected at most the app's own {getattr(own.risk, attribute)}"
        for name, attribute in names_of(RiskSettings).items()
        if name in CAPPED and name in given.values and getattr(changed.risk, attribute) > getattr(own.risk, attribute)
    ]
    shares = {each.name: own.strategies.share_of(each.name) or 0 for each in changed.strategies.traded}
    if more := [str(each) for each in changed.strategies.traded if each.share > shares[each.name]]:
        found = ", ".join(more)
        lifted.append(
            f"GATEHOUSE_STRATEGIES: expected the app's own shares at most, of strategies it trades, got {found}"
        )
    if opened := [
        session.value for session in changed.policy.entry_sessions if session not in own.policy.entry_sessions
    ]:
        found = " ".join(opened)
        lifted.append(f"GATEHOUSE_ENTRY_SESSIONS: expected sessions that the app's own settings enable, got {found}")
    lifted += [*_beyond_span(own.news, changed.news), *_further(own.strategies, changed.strategies)]
    if lifted:
        raise SettingsError("limits cannot be lifted:\n" + "\n".join(f"- {problem}" for problem in lifted))
    return dataclasses.replace(changed, policy=dataclasses.replace(changed.policy, parameter_set=given.name))


def _further(own: StrategySettings, changed: StrategySettings) -> list[str]:
    """Strategies that a set lets go further by themselves than the app's own settings do, in any session."""
    ranks = list(Automation)
    return [
        f"GATEHOUSE_AUTOMATION: expected {before} or less by itself for {each.name}/{session}, got {after}"
        for each in changed.traded
        for session in Session
        for before, after in [(own.automation_of(each.name, session), changed.automation_of(each.name, session))]
        if ranks.index(after) < ranks.index(before)
    ]


def _beyond_span(own: NewsSettings, changed: NewsSettings) -> list[str]:
    """Sources that a set takes too far, also by leaving one out that the app's own settings name."""
    problems = []
    for source in sorted({*own.weight_of, *changed.weight_of}):
        weight, (low, high) = changed.weight_of.get(source, 1.0), span_of(own.weight_of.get(source, 1.0), SOURCE_MOST)
        if not low - 1e-9 <= weight <= high + 1e-9:
            problems.append(
                f"GATEHOUSE_SOURCE_WEIGHTS: expected {low:g} to {high:g} for {source[:64]!r}, got {weight:g}"
            )
    return problems
