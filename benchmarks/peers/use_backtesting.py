"""The SMA cross in backtesting.py: orders of one bar fill at the next bar's open."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from work import FAST, SLOW, Sheet, Trade, measure


def mean(values: np.ndarray, window: int) -> np.ndarray:
    """Simple moving mean, as the library's own examples take it."""
    return pd.Series(values).rolling(window).mean().to_numpy()


class Cross(Strategy):
    """Long while the fast mean is above the slow one."""

    def init(self) -> None:
        """Prepare both means."""
        self.fast = self.I(mean, self.data.Close, FAST)
        self.slow = self.I(mean, self.data.Close, SLOW)

    def next(self) -> None:
        """Decide at a bar's close."""
        is_above = self.fast[-1] > self.slow[-1]
        if is_above and not self.position:
            if not self.fast[-2] > self.slow[-2]:
                self.buy()
        elif self.position and not is_above:
            self.position.close()


def run(sheet: Sheet) -> list[list[Trade]]:
    """Trades of every symbol."""
    found: list[list[Trade]] = []
    for bars in sheet:
        frame = pd.DataFrame({name.capitalize(): bars[name] for name in ("open", "high", "low", "close", "volume")})
        frame.index = pd.date_range("2020-01-01", periods=len(frame), freq="min")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trades = Backtest(frame, Cross, cash=1e9, finalize_trades=True).run()["_trades"]
        columns = zip(trades["EntryBar"], trades["ExitBar"], trades["EntryPrice"], strict=True)
        found.append([(int(a), int(b), float(price)) for a, b, price in columns])
    return found


if __name__ == "__main__":
    measure(run)
