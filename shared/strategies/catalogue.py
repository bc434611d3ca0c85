"""Strategies by name: those of this folder, one file each, and those that an installed package offers.

A package offers one by an entry point of the group `gatehouse.strategies`, so a strategy of one's own needs no fork.
"""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from shared.core.errors import StrategyError
from shared.core.market import Timeframe
from shared.core.settings import StrategySettings
from shared.core.settings.strategies import is_strategy_name
from shared.strategies.protocol import Strategy, parameters_of

GROUP = "gatehouse.strategies"
COOLDOWN = "cooldown_min"
"""A parameter that every strategy has: minutes for which a symbol rests after an order of its own has ended."""

_FOLDER = Path(__file__).parent
_MACHINERY = frozenset({"__init__", "asking", "catalogue", "protocol", "wishes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Strategies by name, and what is wrong with those that cannot be used: by name, else by where they come from."""

    strategies: Mapping[str, type[Strategy]]
    faults: Mapping[str, str]

    def why_not(self, name: str) -> str:
        """Why a name leads to no strategy."""
        if name in self.faults:
            return self.faults[name]
        broken = "".join(f"; {fault}" for fault in self.faults.values())
        return f"no strategy is named {name!r}: there are {', '.join(sorted(self.strategies))}{broken}"


@cache
def installed() -> Catalogue:
    """All that this process can find; looked for once."""
    return collect([*_of_folder(), *_of_packages()])


def collect(found: list[tuple[str, object]]) -> Catalogue:
    """Sort what was found: (where from, a strategy's class or the error that it raised)."""
    by_name: dict[str, list[tuple[str, type[Strategy]]]] = defaultdict(list)
    faults: dict[str, str] = {}
    for source, what in found:
        if not (inspect.isclass(what) and issubclass(what, Strategy)):
            faults[source] = f"{source} holds no strategy: {what}"
            continue
        if not hasattr(what, "__dataclass_fields__"):
            faults[source] = f"{source}: {what.__name__} must be a dataclass (@dataclass above it), frozen"
            continue
        name = getattr(what, "name", None)
        if not isinstance(name, str) or not is_strategy_name(name):
            faults[source] = f"{source}: name must be one with a version, as dip-buyer.v1, got {name!r}"
        else:
            by_name[name].append((source, what))
    for name, those in by_name.items():
        if len(those) > 1:
            faults[name] = f"{len(those)} strategies are named {name}: {' and '.join(source for source, _ in those)}"
    return Catalogue(strategies={n: those[0][1] for n, those in by_name.items() if len(those) == 1}, faults=faults)


def _of_folder() -> Iterator[tuple[str, object]]:
    for path in sorted(_FOLDER.glob("*.py")):
        if path.stem not in _MACHINERY:
            yield f"shared/strategies/{path.name}", _of_module(f"{__package__}.{path.stem}")


def _of_module(name: str) -> object:
    """The one strategy that a module defines, or what is wrong with it."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever a file raises, the others are found
        return f"{type(error).__name__}: {error}"
    own = [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Strategy) and each.__module__ == module.__name__
    ]
    return own[0] if len(own) == 1 else f"expected one class that is a strategy, got {len(own)}"


def _of_packages() -> Iterator[tuple[str, object]]:
    for point in entry_points(group=GROUP):
        try:
            found: object = point.load()
        except Exception as error:  # as above
            found = f"{type(error).__name__}: {error}"
        yield f"entry point {point.name} ({point.value})", found


def load(name: str, parameters: Mapping[str, str], catalogue: Catalogue | None = None) -> Strategy:
    """Build a strategy with parameters given as text; those that are not given have their defaults.

    Raises
    ------
    StrategyError
        If there is none of that name, or a parameter is unknown, no number or out of bounds.
    """
    catalogue = catalogue or installed()
    strategy = catalogue.strategies.get(name)
    if strategy is None:
        raise StrategyError(catalogue.why_not(name))
    known: dict[str, type] = {item.name: type(item.default) for item in parameters_of(strategy)}
    values: dict[str, Any] = {}
    for key, text in parameters.items():
        if key == COOLDOWN:
            continue
        if key not in known:
            raise StrategyError(f"{name} has no parameter {key!r}: it has {', '.join(known) or 'none'}")
        try:
            values[key] = known[key](text)
        except ValueError as error:
            raise StrategyError(f"{name}.{key} must be of type {known[key].__name__}, got {text!r}") from error
    try:
        return strategy(**values)
    except ValueError as error:
        raise StrategyError(f"{name}: {error}") from error
    except Exception as error:  # what it checks of itself may raise anything
        raise StrategyError(f"{name} cannot be built: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveStrategy:
    """A strategy that trades with its share; None, and why, where it cannot be used."""

    name: str
    share: Decimal
    strategy: Strategy | None
    fault: str = ""


def traded(settings: StrategySettings, catalogue: Catalogue | None = None) -> tuple[ActiveStrategy, ...]:
    """The strategies that settings name, in order of priority. One that cannot be used keeps none from trading."""
    return tuple(_traded(each.name, each.share, settings, catalogue) for each in settings.traded)


def _traded(name: str, share: Decimal, settings: StrategySettings, catalogue: Catalogue | None) -> ActiveStrategy:
    try:
        given = settings.parameters_of(name)
        strategy = load(name, given, catalogue)
        cooldown_min(given, 0)
        if strategy.needs.timeframe is not Timeframe.MIN_5 or strategy.needs.asset_class != "us_equity":
            found = f"{strategy.needs.asset_class} in bars of {strategy.needs.timeframe}"
            raise StrategyError(f"{name} needs {found}: the app trades us_equity in bars of {Timeframe.MIN_5}")
    except StrategyError as error:
        return ActiveStrategy(name=name, share=share, strategy=None, fault=str(error))
    return ActiveStrategy(name=name, share=share, strategy=strategy)


def cooldown_min(parameters: Mapping[str, str], otherwise: int) -> int:
    """Minutes for which a symbol rests after an order of a strategy. Raises StrategyError where they are none."""
    text = parameters.get(COOLDOWN)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and int(text) <= 1440):
        raise StrategyError(f"{COOLDOWN} must be whole minutes from 0 to 1440, got {text!r}")
    return int(text)
