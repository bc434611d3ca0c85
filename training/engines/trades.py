"""What comes of a strategy: wishes or moves per bar in, trades out. Long only, one position per symbol.

How both engines fill, in this order within a bar:

1. What was decided at the close of the bar before fills at this bar's open: a leave, an entry, or the time limit.
2. The stop, where the bar's low reaches it: at the stop, or at the open where the bar opens below it.
3. The target, where the high reaches it and the stop was not: at the target, or at the open where that is above.
4. At the close the strategy decides. Nothing decided at a bar fills on that bar.

A bar that holds both stop and target is taken as a stop: what came first is not known, so the worse is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from shared.core.market import FloatArray
from shared.core.values import require_at_least

type BarArray = NDArray[np.int64]


class ExitCause(IntEnum):
    """Why a trade ended."""

    OPEN = 0
    SIGNAL = 1
    STOP = 2
    TARGET = 3
    TIME_LIMIT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Fractions of the notional, each way: a fee, and slippage against the price at which an order fills."""

    fee: float = 0.0
    slippage: float = 0.0

    def __post_init__(self) -> None:
        require_at_least("fee", self.fee, 0)
        require_at_least("slippage", self.slippage, 0)


type RoundTrip = tuple[int, float, int, float, ExitCause]
"""Bar and price of the entry, bar and price of the exit, at market prices without costs; why it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """Round trips in order, each with all of the capital. An open one is valued at the last close.

    Attributes
    ----------
    entry_bar, exit_bar : array of int64, shape (k,)
        Index of the bar in which it was entered and left; an open one is left at index n.
    entry_price, exit_price : array of float64, shape (k,)
        Prices in USD, slippage inside, fees not.
    why : array of int8, shape (k,)
        `ExitCause`.
    growth : array of float64, shape (k,)
        Capital after over capital before the trade, fees inside.
    """

    entry_bar: BarArray
    exit_bar: BarArray
    entry_price: FloatArray
    exit_price: FloatArray
    why: NDArray[np.int8]
    growth: FloatArray

    def __len__(self) -> int:
        return int(self.entry_bar.size)

    @property
    def total_growth(self) -> float:
        """Capital at the end over capital at the start."""
        return float(np.prod(self.growth))

    @classmethod
    def settled(cls, trips: Sequence[RoundTrip], costs: Costs) -> Trades:
        """Apply the costs to what was traded, in order; an open trade has paid for its entry only."""
        entry_bar, entry_price, exit_bar, exit_price, causes = zip(*trips, strict=True) if trips else ((),) * 5
        why = np.asarray(causes, np.int8)
        is_closed = why != ExitCause.OPEN
        entry = np.asarray(entry_price, np.float64) * (1 + costs.slippage)
        leave = np.asarray(exit_price, np.float64) * (1 - costs.slippage * is_closed)
        # Shares bought with all the capital, the fee paid out of it: capital / (price * (1 + fee)).
        growth = leave * (1 - costs.fee * is_closed) / (entry * (1 + costs.fee))
        return cls(
            entry_bar=np.asarray(entry_bar, np.int64),
            exit_bar=np.asarray(exit_bar, np.int64),
            entry_price=entry,
            exit_price=leave,
            why=why,
            growth=growth,
        )
