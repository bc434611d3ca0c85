"""In what quantities an asset may be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.core.values import ONE, ZERO, require_at_least, require_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What quantities of an asset may be ordered: whole steps, no fewer units and no less money than so much.

    `qty_step` and `qty_min` in units of the asset, `notional_min` in USD. By itself it is that of whole shares.
    """

    qty_step: Decimal = ONE
    qty_min: Decimal = ONE
    notional_min: Decimal = ZERO

    def __post_init__(self) -> None:
        require_positive("qty_step", self.qty_step)
        require_at_least("qty_min", self.qty_min, 0)
        require_at_least("notional_min", self.notional_min, 0)


WHOLE_SHARES = Lot()
"""How US equities are bought here: a bracket takes nothing else."""
