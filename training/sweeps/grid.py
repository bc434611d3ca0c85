"""Parameter sets of a strategy: every combination of the values of a grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.core.errors import StrategyError
from shared.strategies.catalogue import Catalogue, installed, load
from shared.strategies.protocol import Strategy, on_bars_alone, parameters_of

MOST_SETS = 20_000
"""Their daily returns are kept in memory, all at once."""

type ParameterValue = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepGrid:
    """What is swept.

    Attributes
    ----------
    axes : mapping of str to tuple of numbers
        Values by parameter, in the order that they were given; the other parameters have their defaults.
    sets : tuple of Strategy
        Every combination that the strategy takes.
    refused : int
        Combinations that it does not, as a fast mean slower than the slow one.
    """

    axes: Mapping[str, tuple[ParameterValue, ...]]
    sets: tuple[Strategy, ...]
    refused: int

    def values(self, strategy: Strategy) -> dict[str, ParameterValue]:
        """A set's values of what varies."""
        return {name: getattr(strategy, name) for name in self.axes}


def read_grid(name: str, text: str, catalogue: Catalogue | None = None) -> SweepGrid:
    """Read `NAME=VALUE,VALUE NAME=VALUE` and build every combination.

    Parameters
    ----------
    name : str
        The strategy's.
    text : str
        Empty for the strategy's defaults alone.

    Raises
    ------
    StrategyError
        If there is no such strategy, it cannot be swept, the grid cannot be read, a parameter is unknown, a value is no
        number or out of bounds, no combination is left, or there are more than `MOST_SETS`.
    """
    catalogue = catalogue or installed()
    kind = type(on_bars_alone(load(name, {}, catalogue)))
    texts = _axes(text)
    known = {item.name for item in parameters_of(kind)}
    axes: dict[str, tuple[ParameterValue, ...]] = {}
    for axis, values in texts.items():
        if axis not in known:
            raise StrategyError(f"{name} has no parameter {axis!r}: it has {', '.join(sorted(known)) or 'none'}")
        axes[axis] = tuple(dict.fromkeys(_value(kind, axis, value) for value in values))
    if (count := math.prod(map(len, axes.values()))) > MOST_SETS:
        raise StrategyError(f"the grid has {count:,} combinations, at most {MOST_SETS:,} are swept at once")
    sets: list[Strategy] = []
    why = ""
    for combination in itertools.product(*axes.values()):
        try:
            sets.append(kind(**dict(zip(axes, combination, strict=True))))
        except ValueError as error:
            why = str(error)
        except Exception as error:  # what it checks of itself may raise anything
            raise StrategyError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
    if not sets:
        raise StrategyError(f"{name} refuses every combination of the grid; the last one: {why}")
    return SweepGrid(axes=axes, sets=tuple(sets), refused=count - len(sets))


def _axes(text: str) -> dict[str, Sequence[str]]:
    axes: dict[str, Sequence[str]] = {}
    for part in text.split():
        axis, equals, listed = part.partition("=")
        values = listed.split(",")
        if not (axis and equals and all(values)):
            raise StrategyError(f"--grid {part!r}: expected NAME=VALUE,VALUE, several with a space between")
        if axis in axes:
            raise StrategyError(f"--grid names {axis} more than once")
        axes[axis] = values
    return axes


def _value(kind: type[Strategy], axis: str, text: str) -> ParameterValue:
    """Read one value by its parameter's type and bounds; what it makes of the others is not asked yet."""
    (item,) = (item for item in parameters_of(kind) if item.name == axis)
    read: type[int] | type[float] = int if isinstance(item.default, int) else float
    what = "a whole number" if read is int else "a number"
    low, high = item.metadata["low"], item.metadata["high"]
    try:
        value: ParameterValue = read(text)
    except ValueError as error:
        raise StrategyError(f"{kind.name}.{axis} must be {what} from {low} to {high}, got {text!r}") from error
    if not low <= value <= high:
        raise StrategyError(f"{kind.name}.{axis} must be {what} from {low} to {high}, got {text}")
    return value
