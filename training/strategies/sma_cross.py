"""The example that every backtester is measured with: long while the fast mean of closes is above the slow one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.core.market import Bars
from shared.core.values import require, require_at_least
from training.strategies.rules import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class SmaCross:
    """Enter where the fast simple mean of closes comes to be above the slow one, leave where it ceases to be.

    Parameters
    ----------
    fast, slow : int
        Bars in each mean.

    Examples
    --------
    >>> import numpy as np
    >>> from shared.core.market import Bars
    >>> from training.strategies import SmaCross, run
    >>> close = np.r_[np.linspace(10, 8, 20), np.linspace(8, 12, 20), np.linspace(12, 9, 20)]
    >>> bars = Bars(start_s=60 * np.arange(60), open=close, high=close, low=close, close=close, volume=close)
    >>> trades = run(bars, SmaCross(fast=3, slow=9)(bars))
    >>> trades.entry_bar.tolist(), trades.exit_bar.tolist(), trades.total_growth > 1
    ([24], [45], True)
    """

    fast: int = 10
    slow: int = 50

    def __post_init__(self) -> None:
        require_at_least("fast", self.fast, 2)
        require(self.slow > self.fast, "slow", self.slow, f"more than fast, {self.fast}")

    def __call__(self, bars: Bars) -> Wishes:
        """Return the wishes: none before the slow mean is known."""
        import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

        n = len(bars)
        if n <= self.slow:
            return Wishes(enter=np.zeros(n, np.bool_), leave=np.zeros(n, np.bool_))
        is_above = np.zeros(n + 1, np.bool_)
        # NaN compares false: before the slow mean is known the fast one is not above it.
        np.greater(talib.SMA(bars.close, self.fast), talib.SMA(bars.close, self.slow), out=is_above[1:])
        now, before = is_above[1:], is_above[:-1]
        return Wishes(enter=now & ~before, leave=before & ~now)
