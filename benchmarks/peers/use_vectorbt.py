"""The SMA cross in vectorbt: signals of one bar fill at the next bar's open."""

from __future__ import annotations

import numpy as np
import vectorbt as vbt

from work import FAST, SLOW, Sheet, Trade, measure


def run(sheet: Sheet) -> list[list[Trade]]:
    """Trades of every column."""
    closes = np.column_stack([bars["close"] for bars in sheet])
    opens = np.column_stack([bars["open"] for bars in sheet])
    is_above = vbt.MA.run(closes, FAST).ma.to_numpy() > vbt.MA.run(closes, SLOW).ma.to_numpy()
    before = np.vstack([np.zeros((1, len(sheet)), bool), is_above[:-1]])
    late = np.zeros((1, len(sheet)), bool)
    enter = np.vstack([late, (is_above & ~before)[:-1]])
    leave = np.vstack([late, (before & ~is_above)[:-1]])
    book = vbt.Portfolio.from_signals(closes, enter, leave, price=opens, init_cash=1e6, fees=0.0, freq="1min")
    found: list[list[Trade]] = [[] for _ in sheet]
    n = len(closes)
    for trade in book.trades.records_arr if hasattr(book.trades, "records_arr") else book.trades.values:
        is_open = int(trade["status"]) == 0
        leave_bar = n if is_open else int(trade["exit_idx"])
        found[int(trade["col"])].append((int(trade["entry_idx"]), leave_bar, float(trade["entry_price"])))
    return found


if __name__ == "__main__":
    measure(run)
