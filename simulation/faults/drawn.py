"""What a seed draws for a whole run: the last close before it, cash that is not settled, splits over its night."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from shared.core.values import CENT, ZERO, Symbol
from simulation.faults.options import Faults

MOVED = tuple(Decimal(each) for each in ("0.96", "0.99", "0.999", "1.0005", "1.001", "1.001", "1.001", "1.05"))
"""What the account was worth at the last close, to its cash at the first look."""
WITHHELD = (Decimal("0.8"), Decimal("0.9"), Decimal("0.95"))
"""Shares of its buying power that an account may be short of."""
RATIOS = (Fraction(2), Fraction(1, 4), Fraction(1, 10))
"""New shares for each old one."""


def last_close(seed: int, chance: float, cash: Decimal) -> Decimal | None:
    """Return the equity at the close before a run, in USD; None where it is the cash it begins with."""
    rng = random.Random(f"last close:{seed}")
    return (cash * rng.choice(MOVED)).quantize(CENT) if rng.random() < chance else None


def withheld(seed: int, faults: Faults, power: Decimal) -> Decimal:
    """USD of buying power that a run's broker does not grant."""
    rng = random.Random(f"funds:{seed}")
    return power * rng.choice(WITHHELD) if rng.random() < faults.short_funds else ZERO


def plan_splits(seed: int, chance: float, carried: Iterable[Symbol]) -> Mapping[Symbol, Fraction]:
    """Symbols of those held over night that are split before the next open, and the new shares for each old one."""
    rng = random.Random(f"splits:{seed}")
    drawn = {symbol: (rng.random(), rng.choice(RATIOS)) for symbol in sorted(carried)}
    return {symbol: ratio for symbol, (draw, ratio) in drawn.items() if draw < chance}
