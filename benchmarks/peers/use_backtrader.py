"""The SMA cross in backtrader: market orders of one bar fill at the next bar's open."""

from __future__ import annotations

import backtrader as bt
import pandas as pd

from work import FAST, SLOW, Sheet, Trade, measure


class Cross(bt.Strategy):
    """Long one share while the fast mean is above the slow one."""

    def __init__(self) -> None:
        self.fast = bt.ind.SMA(period=FAST)
        self.slow = bt.ind.SMA(period=SLOW)
        self.was_above = False
        self.trades: list[Trade] = []

    def next(self) -> None:
        """Decide at a bar's close."""
        is_above = self.fast[0] > self.slow[0]
        if is_above and not self.was_above and not self.position:
            self.buy(size=1)
        elif self.position and not is_above:
            self.sell(size=1)
        self.was_above = is_above

    def notify_order(self, order: bt.Order) -> None:
        """Take note of what filled, in the bar that is the newest now."""
        if order.status != order.Completed:
            return
        at = len(self.data) - 1
        if order.isbuy():
            self.trades.append((at, len(self.data.close.array), order.executed.price))
        else:
            entry, _, price = self.trades[-1]
            self.trades[-1] = (entry, at, price)


def run(sheet: Sheet) -> list[list[Trade]]:
    """Trades of every symbol."""
    found = []
    for bars in sheet:
        frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close", "volume")})
        frame.index = pd.date_range("2020-01-01", periods=len(frame), freq="min")
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker.setcash(1e9)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Cross)
        found.append(cerebro.run()[0].trades)
    return found


if __name__ == "__main__":
    measure(run)
