"""A file of bars becomes the same history that the app would have seen."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.core.errors import ContractError
from shared.core.features.history import midnight_s
from shared.core.market import Bars, IntArray, Timeframe
from shared.core.values import Symbol, from_epoch
from tests.support.bars import CALENDAR, random_walk, trading_day
from training.parquet import ParquetHistory, daily_bars, five_minute_bars

FRIDAY, MONDAY = date(2025, 10, 31), date(2025, 11, 3)
ABC = Symbol("ABC")


def minutes(on: date) -> IntArray:
    return midnight_s(on) + 60 * np.arange(4 * 60, 20 * 60)


def write(path: Path, parts: dict[str, Bars]) -> Path:
    columns: dict[str, list[object]] = {name: [] for name in ("symbol", "ts", "open", "high", "low", "close", "volume")}
    for symbol, bars in parts.items():
        columns["symbol"] += [symbol] * len(bars)
        columns["ts"] += [from_epoch(int(s)) for s in bars.start_s]
        for name in ("open", "high", "low", "close", "volume"):
            columns[name] += getattr(bars, name).tolist()
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def bars() -> Bars:
    starts = np.concatenate([minutes(FRIDAY), minutes(MONDAY)])
    return random_walk(np.random.default_rng(1), starts, 20.0, 0.001)


def test_minutes_become_five_minute_and_daily_bars_across_a_clock_change(tmp_path: Path, bars: Bars) -> None:
    history = ParquetHistory(write(tmp_path / "bars.parquet", {"ABC": bars}), CALENDAR)
    assert history.symbols == (ABC,)
    assert [day.on for day in history.days] == [FRIDAY, MONDAY]
    start, end = from_epoch(midnight_s(FRIDAY)), from_epoch(midnight_s(MONDAY + timedelta(days=1)))
    five = history.bars(ABC, Timeframe.MIN_5, start, end)
    assert len(five) == 2 * 192
    assert five.open[0] == bars.open[0]
    assert five.close[1] == bars.close[9]
    assert five.high[3] == bars.high[15:20].max()
    assert five.volume.sum() == bars.volume.sum()
    daily = history.bars(ABC, Timeframe.DAY_1, start, end)
    assert daily.start_s.tolist() == [midnight_s(FRIDAY), midnight_s(MONDAY)]
    regular = bars.between(int(trading_day(MONDAY).open_at.timestamp()), int(trading_day(MONDAY).close_at.timestamp()))
    assert (daily.open[1], daily.close[1]) == (regular.open[0], regular.close[-1])
    assert daily.volume[1] == bars.volume[960:].sum()


def test_missing_minutes_leave_no_empty_bar() -> None:
    sparse = random_walk(np.random.default_rng(1), midnight_s(FRIDAY) + 60 * np.array([600, 603, 611]), 5.0, 0.01)
    five = five_minute_bars(sparse)
    assert (five.start_s - midnight_s(FRIDAY)).tolist() == [36_000, 36_600]


def test_a_day_without_regular_trading_has_no_daily_bar() -> None:
    premarket = random_walk(np.random.default_rng(1), midnight_s(FRIDAY) + 60 * np.arange(300, 400), 5.0, 0.01)
    assert len(daily_bars(premarket, [trading_day(FRIDAY)])) == 0


def test_an_unknown_symbol_has_no_bars(tmp_path: Path, bars: Bars) -> None:
    history = ParquetHistory(write(tmp_path / "bars.parquet", {"ABC": bars}), CALENDAR)
    start = from_epoch(midnight_s(FRIDAY))
    assert len(history.bars(Symbol("XYZ"), Timeframe.MIN_5, start, start + timedelta(days=9))) == 0


def test_missing_columns_are_refused_and_repeated_bars_are_quarantined(tmp_path: Path, bars: Bars) -> None:
    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table({"symbol": ["ABC"], "ts": [1]}), path)
    with pytest.raises(ContractError, match="columns"):
        ParquetHistory(path, CALENDAR)
    once = ParquetHistory(write(path, {"ABC": bars}), CALENDAR)
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    twice = ParquetHistory(path, CALENDAR)
    assert twice.told[1].startswith(f"quarantined: {len(bars):,} duplicate (first: row {len(bars) + 1}, symbol 'ABC'")
    assert twice.content_id != once.content_id
    start, end = from_epoch(midnight_s(FRIDAY)), from_epoch(midnight_s(MONDAY + timedelta(days=1)))
    one, other = (history.bars(ABC, Timeframe.MIN_5, start, end) for history in (once, twice))
    assert np.array_equal(one.close, other.close)
