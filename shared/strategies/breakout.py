"""Buy a new high and trail it: a strategy whose exit depends on the position itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.strategies import Bars, FloatArray, HeldPosition, Move, Needs, StateRule, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakout(StateRule):
    """Enter at the highest close of some bars; leave where the close falls so far under the highest high since."""

    name = "breakout.v1"
    needs = Needs(history_bars=78)

    span: int = parameter(40, "bars of which the close is the highest", low=5, high=78)
    trail: float = parameter(0.01, "fraction under the highest high at which it is left", low=0.001, high=0.2)

    def features(self, bars: Bars) -> FloatArray:
        """Return close, and whether it is the highest, of every bar."""
        import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

        close = bars.close
        highest = talib.MAX(close, self.span) if len(close) >= self.span else np.full(len(close), np.nan)
        return np.column_stack([close, close >= highest])

    def decide(self, row: FloatArray, held: HeldPosition | None) -> Move:
        """Trail what is held; enter at a new high."""
        close, is_high = row
        if held is None:
            return Move.ENTER if is_high else Move.STAY
        return Move.LEAVE if close < (1 - self.trail) * held.highest else Move.STAY
