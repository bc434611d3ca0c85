"""Replays of real files, where they are to be had (GATEHOUSE_DATA, default ../shared/data)."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shared.core.market import Timeframe
from simulation.market.recorded import RecordedTape

DATA = Path(os.environ.get("GATEHOUSE_DATA", "../shared/data"))
ALWAYS = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
PREMARKET_DAY = date(2013, 10, 10)
"""SPY, BAC, IBM and AIG traded before the open, with quotes."""


def real(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"real data is absent: {path} (set GATEHOUSE_DATA)")
    return path


def test_us101_replays_a_real_day_as_the_file_has_it() -> None:
    path, on = real("intraday/us101_5min_2025.parquet"), date(2025, 10, 15)
    tape = RecordedTape.from_parquet(path, on)
    assert (tape.base_s, tape.on, len(tape.assets)) == (300, on, 101)
    assert len(tape.session_dates) > 100
    filters = [("ts", ">=", datetime(2025, 10, 15, 4, tzinfo=UTC)), ("ts", "<", datetime(2025, 10, 16, 4, tzinfo=UTC))]
    table = pq.read_table(path, filters=filters).to_pandas()
    for symbol, rows in table.groupby("symbol", observed=True):
        prices = tape.base(str(symbol), on)
        for name in ("open", "high", "low", "close"):
            assert np.array_equal(getattr(prices.bars, name), rows[name].to_numpy())
        assert np.array_equal(prices.bars.volume, rows["volume"].to_numpy())
        assert (prices.bid < prices.ask).all()
        assert ((prices.bid <= prices.path) & (prices.path <= prices.ask)).all()
        day = tape.bars(str(symbol), Timeframe.DAY_1, *ALWAYS)[-1:]
        assert (day.open[0], day.close[0]) == (rows["open"].iloc[0], rows["close"].iloc[-1])
        assert (day.high[0], day.low[0]) == (rows["high"].max(), rows["low"].min())
    assert len(table) == sum(len(tape.base(symbol, on).bars) for symbol in tape.assets) > 7000


def test_lean_replays_a_day_with_premarket_bars_and_recorded_quotes() -> None:
    tape = RecordedTape.from_parquet(
        real("lean/equity_minute_trades.parquet"),
        PREMARKET_DAY,
        daily=real("lean/equity_daily.parquet"),
        quotes=real("lean/equity_minute_quotes.parquet"),
    )
    assert tape.base_s == 60
    opens = int(datetime(2013, 10, 10, 13, 30, tzinfo=UTC).timestamp())
    before = {symbol: len(tape.base(symbol, tape.on).bars.between(0, opens)) for symbol in ("SPY", "BAC", "IBM", "AIG")}
    assert all(n >= 20 for n in before.values()), before
    spy = tape.base("SPY", tape.on)
    assert (spy.bid < spy.ask).all()
    inside = (spy.bid <= spy.path) & (spy.path <= spy.ask)
    assert inside.mean() > 0.9
    assert len(tape.bars("SPY", Timeframe.DAY_1, *ALWAYS)) > 3000
    assert tape.bars("SPY", Timeframe.DAY_1, *ALWAYS).close[-1] == pytest.approx(169.17, abs=0.1)
