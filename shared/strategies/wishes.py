"""What a rule says: wishes per bar, or moves by the state of its position. Long only, one position per symbol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shared.core.market import Bars, FloatArray
from shared.core.values import require, require_at_least

type BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a strategy wants at each bar's close, knowing the bars up to it.

    Attributes
    ----------
    enter, leave : array of bool, shape (n,)
        Enter if flat, leave if long; where both are set and the position is long, it is left.
    stop, target : array of float64, shape (n,), or None
        Price of the protective orders that an entry decided at this bar carries; NaN for none.
    hold_bars : int
        Bars after which a position is left at the open, counted from the bar of its entry; 0 for no limit.
    """

    enter: BoolArray
    leave: BoolArray
    stop: FloatArray | None = None
    target: FloatArray | None = None
    hold_bars: int = 0

    def __post_init__(self) -> None:
        require_at_least("hold_bars", self.hold_bars, 0)
        for name in ("enter", "leave", "stop", "target"):
            values = getattr(self, name)
            if values is not None:
                require(values.shape == self.enter.shape, name, values.shape, f"shape {self.enter.shape}")


class Move(Enum):
    """What a strategy of state decides at a bar's close."""

    STAY = "stay"
    ENTER = "enter"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    """An open position as a strategy of state sees it: bar and price of its entry, bars held, highest high since."""

    entry_bar: int
    entry_price: float
    bars_held: int
    highest: float

    @classmethod
    def since(cls, bars: Bars, at_s: float, price: float) -> HeldPosition:
        """The position that was entered at an instant, UTC epoch seconds, as the last bar leaves it.

        The bar of the entry is the one that holds the instant; before the first bar it is the first, and where the last
        bar had ended by then, the position has been held for none.
        """
        entry_bar = max(0, int(np.searchsorted(bars.start_s, at_s, side="right")) - 1)
        since = bars.high[entry_bar:]
        highest = float(since.max()) if since.size else price
        return cls(entry_bar=entry_bar, entry_price=price, bars_held=len(bars) - entry_bar, highest=highest)
