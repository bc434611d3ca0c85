"""The shadow book: what an entry that was not made would have made, by the day's bars. Pure.

The entry is a limit, filled only where the market traded at or through it within the order's life. It is left as the
real order is: at its stop, its target, its time limit, when its strategy tells to leave, or when everything is
flattened. It pays what policy reckons: half the spread of the decision's quote where it leaves at the market (the other
half is in the limit, which is the ask), and the cost beside the spread. No bar that had closed before the decision is
looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

from shared.core.barriers import first_touch
from shared.core.features.history import BAR_S
from shared.core.market import BASIS_POINTS, Bars
from shared.core.order_states import ExitReason
from shared.core.schedule import LEAVE_BEFORE_CLOSE
from shared.core.sessions import Hours
from shared.core.values import from_epoch, require, require_at_least, require_utc, to_float

WHOLE_BAR_S = 60
"""A decision so soon after a bar has begun has the bar's range before it; of an older bar only the close is its own."""


class ShadowEnd(StrEnum):
    """How a paper entry ended, or why nothing is known of it."""

    TARGET = ExitReason.TARGET
    STOP = ExitReason.STOP
    TIME_LIMIT = ExitReason.TIME_LIMIT
    FLATTEN = ExitReason.FLATTEN
    REVERSAL = ExitReason.REVERSAL
    SIGNAL = ExitReason.SIGNAL
    NOT_FILLED = "NOT_FILLED"
    OPEN = "OPEN"
    UNPRICED = "UNPRICED"
    UNREAD = "UNREAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowEntry:
    """An entry as it was decided, to be followed on paper. Prices and `half_spread` in USD per unit of the asset.

    Attributes
    ----------
    fill_by : datetime
        Until when the limit would have worked.
    exit_by : datetime
        Time limit of the position.
    hours : Hours
        Edges of the trading day.
    half_spread : Decimal
        Half of what lay between bid and ask at the decision.
    cost_beside_bp : float
        Slippage and fees of a round trip beside the spread, in basis points of the entry.
    told_at, told : datetime or None, ShadowEnd
        When its strategy first told to leave such a position after the decision, and why.
    """

    decided_at: datetime
    fill_by: datetime
    exit_by: datetime
    hours: Hours
    limit: Decimal
    stop: Decimal
    target: Decimal
    half_spread: Decimal
    cost_beside_bp: float
    told_at: datetime | None = None
    told: ShadowEnd = ShadowEnd.SIGNAL

    def __post_init__(self) -> None:
        for name in ("decided_at", "fill_by", "exit_by"):
            require_utc(name, getattr(self, name))
        prices = (self.stop, self.limit, self.target)
        require(self.stop < self.limit < self.target, "prices", prices, "stop < limit < target")
        require_at_least("half_spread", self.half_spread, 0)

    @property
    def leave_by(self) -> tuple[datetime, ShadowEnd]:
        """When it is left at the latest, and why: time limit, its strategy's word, or the end of the session."""
        flat_at = self.hours.closes_at - LEAVE_BEFORE_CLOSE
        if self.decided_at >= flat_at:
            flat_at = self.hours.ends_at - LEAVE_BEFORE_CLOSE
        ends = [(self.exit_by, ShadowEnd.TIME_LIMIT), (flat_at, ShadowEnd.FLATTEN)]
        if self.told_at is not None:
            ends.append((self.told_at, self.told))
        return min(ends, key=lambda each: each[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTrip:
    """What a paper entry came to. Figures are None where it was not filled, or is not known to have ended.

    `net_bp` is the result after costs in basis points of what the entry paid, `r_multiple` the same in units of the
    distance from limit to stop.
    """

    end: ShadowEnd
    entered_at: datetime | None = None
    left_at: datetime | None = None
    net_bp: float | None = None
    r_multiple: float | None = None


def follow(entry: ShadowEntry, bars: Bars, *, until: datetime) -> ShadowTrip:
    """Follow an entry on paper.

    A bar that touches stop and target counts as a stop, one that opens under the stop is left at its open. A target
    rests in the book and gets its own price. In the bar of the entry nothing gaps, and unless the decision came within
    its first minute, only its close counts: the rest of its range may be older than the decision. Outside the regular
    session the bid is what stop and target are judged by, as the lifecycle does.

    Parameters
    ----------
    entry : ShadowEntry
    bars : Bars
        5-minute bars of the symbol on that day.
    until : datetime
        The bars are complete up to here.
    """
    if not len(bars):
        return ShadowTrip(end=ShadowEnd.UNREAD)
    leave_by, why = entry.leave_by
    decided_s, fill_s, leave_s = (at.timestamp() for at in (entry.decided_at, entry.fill_by, leave_by))
    bars = bars[int(np.searchsorted(bars.start_s + BAR_S, decided_s, side="right")) :]
    limit, stop, target, half = map(to_float, (entry.limit, entry.stop, entry.target, entry.half_spread))
    fills = np.flatnonzero((bars.start_s < fill_s) & (bars.low <= limit))
    if not fills.size:
        is_over = until >= max(entry.fill_by, entry.decided_at + timedelta(seconds=BAR_S))
        return ShadowTrip(end=ShadowEnd.NOT_FILLED if is_over else ShadowEnd.OPEN)
    held = bars[int(fills[0]) :]
    entered_at = max(entry.decided_at, from_epoch(int(held.start_s[0])))
    inside = held.start_s + BAR_S <= leave_s
    inside[0] = True
    opens_s, closes_s = entry.hours.opens_at.timestamp(), entry.hours.closes_at.timestamp()
    is_native = (held.start_s >= opens_s) & (held.start_s < closes_s)
    shift = np.where(is_native, 0.0, half)
    low, high, opened = held.low - shift, held.high - shift, held.open - shift
    opened[0] = limit
    if decided_s - held.start_s[0] > WHOLE_BAR_S:
        low[0] = high[0] = held.close[0] - shift[0]
    touched = first_touch(low[None], high[None], inside[None], lower=np.array([stop]), upper=np.array([target]))
    at = int(touched.at[0])
    if touched.down[0]:
        end, price = ShadowEnd.STOP, min(stop, float(opened[at])) - (half - float(shift[at]))
    elif touched.up[0]:
        end, price = ShadowEnd.TARGET, target
    elif until < leave_by:
        return ShadowTrip(end=ShadowEnd.OPEN, entered_at=entered_at)
    else:
        end, price = why, float(held.close[inside][-1]) - half
    net = price - limit * (1 + entry.cost_beside_bp / float(BASIS_POINTS))
    return ShadowTrip(
        end=end,
        entered_at=entered_at,
        left_at=leave_by if end is why else from_epoch(int(held.start_s[at]) + BAR_S),
        net_bp=round(net / limit * float(BASIS_POINTS), 3),
        r_multiple=round(net / (limit - stop), 4),
    )
