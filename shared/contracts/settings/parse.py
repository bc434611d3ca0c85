"""From environment-like text to settings, with all problems told at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from shared.contracts.settings.committee import RoleWeight, parse_role_weights
from shared.contracts.settings.contradictions import contradictions
from shared.contracts.settings.groups import GROUPS, Settings
from shared.contracts.settings.news import NewsFeed, SourceWeight, parse_feeds, parse_weights
from shared.contracts.settings.notices import NoticeChannel, parse_channels, parse_zone
from shared.core.errors import SettingsError
from shared.core.notices import QuietHours
from shared.core.sessions import Session
from shared.core.settings import (
    Automation,
    Environment,
    Feed,
    StrategyAutomation,
    StrategyParameter,
    StrategyShare,
    SymbolGroup,
)
from shared.core.values import Symbol, require_symbol

MAX_DIGITS = 30
"""Digits on either side of the point that a decimal setting may have."""


def _parse_tuple(text: str, of: Callable[[str], Any]) -> tuple[Any, ...]:
    return tuple(of(part) for part in text.replace(",", " ").split())


def _parse_groups(text: str) -> tuple[SymbolGroup, ...]:
    groups = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, symbols = part.partition(":")
        if not (colon and name.strip() and symbols.split()):
            raise ValueError(f"{part!r} is not NAME: SYMBOLS")
        groups.append(SymbolGroup(name=name.strip(), symbols=_parse_tuple(symbols, _parse_symbol)))
    return tuple(groups)


def _parse_symbol(text: str) -> Symbol:
    require_symbol("symbol", text)
    return Symbol(text)


def _parse_share(text: str) -> StrategyShare:
    name, equals, share = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not NAME=SHARE")
    return StrategyShare(name=name, share=_parse_decimal(share))


def _parse_parameter(text: str) -> StrategyParameter:
    names, equals, value = text.partition("=")
    strategy, _, name = names.rpartition(".")
    if not (equals and strategy and name and value):
        raise ValueError(f"{text!r} is not NAME.PARAMETER=VALUE")
    return StrategyParameter(strategy=strategy, name=name, value=value)


def _parse_automation(text: str) -> StrategyAutomation:
    names, equals, how = text.partition("=")
    strategy, slash, session = names.partition("/")
    if not (equals and strategy):
        raise ValueError(f"{text!r} is not NAME=HOW")
    return StrategyAutomation(
        strategy=strategy, session=Session(session) if slash else None, automation=Automation(how)
    )


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _parse_decimal(text: str) -> Decimal:
    """One spelling for one number, as rows and cases keep it: 0.1 for 0.10, 100 for 1e2."""
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > MAX_DIGITS:
        raise ValueError("not finite, or of no use")
    return Decimal(f"{value.normalize():f}")


_PARSERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (_parse_float, "a finite number"),
    Decimal: (_parse_decimal, "a finite number"),
    Environment: (Environment, f"one of {', '.join(Environment)}"),
    Feed: (Feed, f"one of {', '.join(Feed)}"),
    tuple[Symbol, ...]: (lambda text: _parse_tuple(text, _parse_symbol), "symbols, split by blanks or commas"),
    tuple[SymbolGroup, ...]: (_parse_groups, "groups as NAME: SYMBOLS, split by semicolons"),
    tuple[StrategyShare, ...]: (
        lambda text: _parse_tuple(text, _parse_share),
        "strategies as NAME=SHARE, split by blanks or commas",
    ),
    tuple[StrategyParameter, ...]: (
        lambda text: _parse_tuple(text, _parse_parameter),
        "parameters as NAME.PARAMETER=VALUE, split by blanks or commas",
    ),
    tuple[StrategyAutomation, ...]: (
        lambda text: _parse_tuple(text, _parse_automation),
        f"NAME=HOW or NAME/SESSION=HOW, split by blanks or commas; HOW is one of {', '.join(Automation)}",
    ),
    tuple[RoleWeight, ...]: (parse_role_weights, "ROLE=WEIGHT from 0.5 to 1.5, split by blanks or commas"),
    tuple[str, ...]: (lambda text: _parse_tuple(text, str), "words, split by blanks or commas"),
    tuple[NewsFeed, ...]: (parse_feeds, "NAME: URL | WEIGHT, one to a line or split by semicolons"),
    tuple[SourceWeight, ...]: (parse_weights, "SOURCE: WEIGHT from 0 to 1, split by semicolons"),
    date | None: (date.fromisoformat, "a date as 2026-01-31"),
    tuple[NoticeChannel, ...]: (parse_channels, "NAME: URL | SEVERITY, one to a line or split by semicolons"),
    QuietHours: (QuietHours.parse, "HH:MM-HH:MM, or none"),
    ZoneInfo: (parse_zone, "a time zone's IANA name"),
    tuple[Session, ...]: (lambda text: _parse_tuple(text, Session), f"sessions out of {', '.join(Session)}"),
}


_VAULT_REFERENCE = "@Microsoft.KeyVault("
"""What an app setting holds where Azure found no such secret, or could not read it: no key, for anybody knows it."""


def _parse_one(item: dataclasses.Field[Any], hint: Any, source: Mapping[str, str], problems: list[str]) -> Any:
    meta = item.metadata
    text = source.get(meta["name"], "").strip()
    if not text:
        if item.default is dataclasses.MISSING:
            problems.append(f"{meta['name']} is missing: expected {meta['what']}")
            return None
        return item.default
    if text.startswith(_VAULT_REFERENCE):
        problems.append(f"{meta['name']} is a Key Vault reference that was not resolved: expected {meta['what']}")
        return None
    parse, expected = _PARSERS[hint]
    shown = "***" if meta["secret"] else repr(text)
    try:
        value = parse(text)
    except (ValueError, InvalidOperation):
        problems.append(f"{meta['name']} = {shown}: expected {expected} ({meta['what']})")
        return None
    low, high = meta["low"], meta["high"]
    if (low is not None and value < low) or (high is not None and value > high):
        problems.append(f"{meta['name']} = {shown}: expected {expected} from {low} to {high} ({meta['what']})")
    return value


def _parse_group(group: type, source: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    hints = get_type_hints(group)
    return {
        item.name: _parse_one(item, hints[item.name], source, problems)
        for item in dataclasses.fields(group)
        if "name" in item.metadata
    }


def with_values(settings: Settings, values: Mapping[str, str]) -> Settings:
    """Return settings some of which are replaced, checked as if the environment had given them so.

    Parameters
    ----------
    settings : Settings
        Sound settings.
    values : mapping of str to str
        New values as text, by name in the environment. Settings of a group only; an empty text is refused.

    Raises
    ------
    SettingsError
        Listing every problem, as `parse_settings` does.
    """
    problems = [f"{name} is empty: expected a value" for name, text in values.items() if not text.strip()]
    groups, known = {}, set()
    for group_name, group in GROUPS.items():
        hints = get_type_hints(group)
        items = [item for item in dataclasses.fields(group) if item.metadata.get("name") in values]
        known |= {item.metadata["name"] for item in items}
        found = {item.name: _parse_one(item, hints[item.name], values, problems) for item in items}
        groups[group_name] = (found, getattr(settings, group_name))
    problems += [f"{name} is no setting of a group" for name in values if name not in known]
    if not problems:
        changed = {name: dataclasses.replace(group, **found) for name, (found, group) in groups.items()}
        replaced = dataclasses.replace(settings, **changed)
        problems += contradictions(replaced)
        if not problems:
            return replaced
    raise SettingsError("settings cannot be used:\n" + "\n".join(f"- {problem}" for problem in problems))


def parse_settings(source: Mapping[str, str]) -> Settings:
    """Parse environment-like text.

    Raises
    ------
    SettingsError
        Listing every problem, one a line: name, value (never a secret's), what was expected.
    """
    problems: list[str] = []
    parsed = {name: _parse_group(group, source, problems) for name, group in GROUPS.items()}
    own = _parse_group(Settings, source, problems)
    if not problems:
        settings = Settings(**{name: GROUPS[name](**values) for name, values in parsed.items()}, **own)
        problems += contradictions(settings)
        if not problems:
            return settings
    raise SettingsError("settings cannot be used:\n" + "\n".join(f"- {problem}" for problem in problems))
