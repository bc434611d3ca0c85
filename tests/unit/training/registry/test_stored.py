"""History out of a store: splits taken in, the same content named the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.calendar import XnysCalendar
from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe
from shared.core.splits import in_terms_of
from shared.core.values import Symbol
from simulation.market.bar_rows import SymbolBars
from tests.support.nights import CALENDAR, ON
from training.data.align import splits_of
from training.data.manifest import Dates
from training.data.store import BarStore
from training.registry.stored import StoreHistory


def bars(start_s: list[int], price: list[float]) -> Bars:
    values = np.array(price)
    return Bars(start_s=np.array(start_s), open=values, high=values, low=values, close=values, volume=1000 / values)


DAYS = CALENDAR.previous_days(ON, 3)
DAILY = SymbolBars(
    bars=bars([midnight_s(day.on) for day in DAYS], [100.0, 50.0, 10.0]), split_next=np.array([0.5, 0.2, 1.0])
)


def test_a_price_before_two_splits_is_put_in_the_terms_after_both() -> None:
    splits, end = splits_of(DAILY), midnight_s(ON)
    found = in_terms_of(DAILY.bars, splits, end)
    assert found.close.tolist() == [10.0, 10.0, 10.0]
    assert found.volume == pytest.approx([100.0, 100.0, 100.0])
    intraday = bars([int(day.open_at.timestamp()) for day in DAYS], [100.0, 50.0, 10.0])
    assert in_terms_of(intraday, splits, end).close.tolist() == [10.0, 10.0, 10.0]


def test_the_store_is_a_history_named_by_its_content(tmp_path: Path) -> None:
    calendar = XnysCalendar()
    store = BarStore(tmp_path, calendar)
    symbol, covered = Symbol("AAA"), Dates(first=DAYS[0].on, last=DAYS[-1].on)
    starts = [int(day.open_at.timestamp()) + 300 * k for day in DAYS for k in range(78)]
    prices = [price for price in (100.0, 50.0, 10.0) for _ in range(78)]
    intraday = SymbolBars.of(bars(starts, prices))
    store.write(Timeframe.MIN_5, symbol, intraday, covered=covered, source="import")
    alone = StoreHistory(store, calendar)
    end = DAYS[-1].close_at + timedelta(days=1)
    made = alone.bars(symbol, Timeframe.DAY_1, DAYS[0].open_at - timedelta(days=1), end)
    assert made.close.tolist() == [100.0, 50.0, 10.0]  # without daily bars nobody knows of a split
    store.write(Timeframe.DAY_1, symbol, DAILY, covered=covered, source="import")
    found = StoreHistory(store, calendar)
    assert found.content_id != alone.content_id
    assert found.content_id == StoreHistory(store, calendar).content_id
    assert list(found.symbols) == [symbol]
    assert [day.on for day in found.days] == [day.on for day in DAYS]
    traded = found.bars(symbol, Timeframe.MIN_5, DAYS[0].open_at, end)
    assert set(traded.close) == {100.0, 50.0, 10.0}
    assert set(in_terms_of(traded, found.splits(symbol), midnight_s(ON)).close) == {10.0}
    assert len(alone.splits(symbol)) == len(found.splits(Symbol("BBB"))) == 0
    assert len(found.bars(Symbol("BBB"), Timeframe.MIN_5, DAYS[0].open_at, end)) == 0
