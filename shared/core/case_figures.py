"""What a case file works out from what is stored: which features moved a score, and what the price did afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from shared.core.features.history import BAR_S
from shared.core.ids import digest
from shared.core.market import BASIS_POINTS, Bars, FloatArray
from shared.core.values import ZERO, Side, tidy

type PredictBoth = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Rows of features, shape (n, n_features) -> edge and expected move, each of shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What one feature moved: the scores less those with the feature (column `index`) at its reference value."""

    index: int
    edge: float
    expected_move: float


def occlusion(row: FloatArray, reference: FloatArray, predict: PredictBoth, *, most: int) -> list[Shift]:
    """Replace each feature in turn by its reference value and see what the scores lose.

    Zeiler and Fergus (2014) do so with patches of an image. It says what the model makes of this row against an
    ordinary one, feature by feature; what two features only do together is counted for both, or for neither.

    Parameters
    ----------
    row, reference : float64 of shape (n_features,)
        NaN for missing.
    predict : callable
        Asked once, for n_features + 1 rows.
    most : int
        Features to name.

    Returns
    -------
    list of Shift
        Those that move anything, the largest by |edge| first, then by |expected_move|, then by their order.
    """
    variants = np.tile(row, (row.size + 1, 1))
    np.fill_diagonal(variants[1:], reference)
    edge, move = predict(variants)
    shifts = [
        Shift(index=k, edge=float(edge[0] - edge[k + 1]), expected_move=float(move[0] - move[k + 1]))
        for k in range(row.size)
    ]
    moving = [shift for shift in shifts if shift.edge or shift.expected_move]
    return sorted(moving, key=lambda s: (-abs(s.edge), -abs(s.expected_move), s.index))[:most]


def move_bp(price: float, since: Decimal) -> float:
    """How far a price stands from an earlier one, in basis points of the earlier."""
    return round((price / float(since) - 1) * float(BASIS_POINTS), 3)


def move_after(bars: Bars, at: datetime, after: timedelta, since: Decimal, *, seen_until: datetime) -> float | None:
    """Move to the last close at or before `at + after`, in basis points.

    None where `bars`, complete up to `seen_until`, do not reach so far yet, or nothing has traded in between.
    """
    wanted = int((at + after).timestamp())
    ends_s = bars.start_s + BAR_S
    place = int(np.searchsorted(ends_s, wanted, side="right")) - 1
    if seen_until < at + after or place < 0 or int(ends_s[place]) <= int(at.timestamp()):
        return None
    return move_bp(float(bars.close[place]), since)


def extremes_bp(bars: Bars, since: datetime, until: datetime, paid: Decimal) -> tuple[float, float] | None:
    """Highest high and lowest low of the bars that touch [since, until], over what was paid, in basis points."""
    first, last = int(since.timestamp()), int(until.timestamp())
    touched = (bars.start_s + BAR_S > first) & (bars.start_s <= last)
    if not touched.any():
        return None
    return move_bp(float(bars.high[touched].max()), paid), move_bp(float(bars.low[touched].min()), paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """Quantity and money of one side of an order."""

    qty: Decimal
    average: Decimal | None


def traded(fills: Iterable[tuple[Side, Decimal, Decimal]], side: Side) -> Traded:
    """Sum (side, quantity, price) of one side."""
    own = [(qty, price) for of, qty, price in fills if of is side]
    total = sum((qty for qty, _ in own), ZERO)
    value = sum((qty * price for qty, price in own), ZERO)
    return Traded(qty=tidy(total), average=round(value / total, 6) if total else None)


def sample(ids: Sequence[str], most: int, salt: str) -> list[str]:
    """Pick at most `most` ids, as good as at random and the same for the same salt, in the order given."""
    chosen = set(sorted(ids, key=lambda item: digest(f"{salt} {item}".encode()))[:most])
    return [item for item in ids if item in chosen]
