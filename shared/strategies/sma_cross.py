"""The example that every backtester is measured with: long while the fast mean of closes is above the slow one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.strategies import Bars, Needs, Rule, Wishes, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class SmaCross(Rule):
    """Enter where the fast simple mean of closes comes to be above the slow one, leave where it ceases to be.

    Examples
    --------
    >>> import numpy as np
    >>> from shared.strategies import Bars
    >>> from shared.strategies.sma_cross import SmaCross
    >>> close = np.r_[np.linspace(10, 8, 20), np.linspace(8, 12, 20), np.linspace(12, 9, 20)]
    >>> bars = Bars(start_s=60 * np.arange(60), open=close, high=close, low=close, close=close, volume=close)
    >>> wishes = SmaCross(fast=3, slow=9).wishes(bars)
    >>> np.flatnonzero(wishes.enter).tolist(), np.flatnonzero(wishes.leave).tolist()
    ([23], [44])
    """

    name = "sma-cross.v1"
    needs = Needs(history_bars=150)

    fast: int = parameter(10, "bars in the fast mean", low=2, high=149)
    slow: int = parameter(50, "bars in the slow mean", low=3, high=150)

    def __post_init__(self) -> None:
        """Check that the means are in order."""
        Rule.__post_init__(self)
        if self.slow <= self.fast:
            raise ValueError(f"slow must be more than fast, {self.fast}, got {self.slow}")

    def wishes(self, bars: Bars) -> Wishes:
        """Return the wishes: none before the slow mean is known."""
        import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

        n = len(bars)
        if n < self.slow:
            return Wishes(enter=np.zeros(n, np.bool_), leave=np.zeros(n, np.bool_))
        is_above = np.zeros(n + 1, np.bool_)
        # NaN compares false: before the slow mean is known the fast one is not above it.
        np.greater(talib.SMA(bars.close, self.fast), talib.SMA(bars.close, self.slow), out=is_above[1:])
        now, before = is_above[1:], is_above[:-1]
        return Wishes(enter=now & ~before, leave=before & ~now)
