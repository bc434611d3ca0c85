"""Batch against point in time on recorded bars, regular hours only and with premarket and after-hours trading."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.settings.watchlist import WatchlistSettings
from shared.core.features import FEATURE_NAMES, SymbolDay, context_symbols, day_features, latest_features, prepare
from shared.core.features.history import midnight_s
from shared.core.market import FloatArray, Timeframe, TradingDay
from shared.core.values import Symbol, from_epoch
from tests.support.bars import CALENDAR, data_file, trading_day, until, with_prices_times
from training.parquet import ParquetHistory

CORE = context_symbols(WatchlistSettings().market_symbols, WatchlistSettings().core_symbols)
CASES = {
    "regular": ("intraday/us101_5min_2025.parquet", date(2025, 10, 15), ("AAPL", "AFRM", "NVDA"), CORE),
    "half-day": ("intraday/us101_5min_2025.parquet", date(2025, 11, 28), ("AAPL", "SPY"), CORE),
    "low-price": (
        "intraday/us_lowprice_1min_2018.parquet",
        date(2018, 4, 10),
        ("AKS", "CHK", "SIRI"),
        ("F", "GE", "AMD", "CHK", "SIRI"),
    ),
    "extended": ("intraday/us_ext_5min_2022_2024_sampled.parquet", date(2022, 2, 3), ("AMD", "PLTR"), ("NVDA",)),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def real_day(request: pytest.FixtureRequest) -> tuple[list[SymbolDay], list[SymbolDay], TradingDay, list[FloatArray]]:
    name, on, symbols, market = CASES[request.param]
    path = data_file(name)
    if path is None:
        pytest.skip(f"{name} is not in the data folder (setting GATEHOUSE_DATA)")
    history = ParquetHistory(path, CALENDAR)
    day = trading_day(on)

    def symbol_day(symbol: str) -> SymbolDay:
        start, end = from_epoch(midnight_s(on)), from_epoch(midnight_s(on + timedelta(days=1)))
        past = prepare(
            Symbol(symbol),
            daily=history.bars(Symbol(symbol), Timeframe.DAY_1, start - timedelta(days=120), start),
            history=history.bars(Symbol(symbol), Timeframe.MIN_5, start - timedelta(days=21), start),
            day=day,
        )
        return SymbolDay(past=past, today=history.bars(Symbol(symbol), Timeframe.MIN_5, start, end))

    items, context = [symbol_day(s) for s in symbols], [symbol_day(s) for s in market]
    assert all(len(item.today) >= 40 for item in items)
    return items, context, day, day_features(items, context, day)


@settings(max_examples=40, deadline=None)
@given(slot=st.integers(48, 240), seed=st.integers(0, 2**16))
def test_batch_equals_point_in_time_and_ignores_the_future_on_real_bars(
    real_day: tuple[list[SymbolDay], list[SymbolDay], TradingDay, list[FloatArray]], slot: int, seed: int
) -> None:
    items, context, day, batch = real_day
    end_s = midnight_s(day.on) + 300 * slot

    def cut(item: SymbolDay) -> SymbolDay:
        return SymbolDay(past=item.past, today=until(item.today, end_s))

    live = latest_features([cut(item) for item in items], [cut(item) for item in context], day)
    for item, row, table in zip(items, live, batch, strict=True):
        n = len(until(item.today, end_s))
        assert row.tobytes() == (table[n - 1] if n else np.full(len(FEATURE_NAMES), np.nan)).tobytes()

    rng = np.random.default_rng(seed)

    def changed(item: SymbolDay) -> SymbolDay:
        later = item.today.start_s + 300 > end_s
        factors = np.where(later, np.exp(rng.normal(0, 0.2, len(item.today))), 1.0)
        return SymbolDay(past=item.past, today=with_prices_times(item.today, factors))

    other = day_features([changed(item) for item in items], [changed(item) for item in context], day)
    for item, table, found in zip(items, batch, other, strict=True):
        n = len(until(item.today, end_s))
        assert found[:n].tobytes() == table[:n].tobytes()


def test_real_premarket_shows_in_its_features_and_its_absence_is_nan(
    real_day: tuple[list[SymbolDay], list[SymbolDay], TradingDay, list[FloatArray]],
) -> None:
    items, _, day, batch = real_day
    for item, table in zip(items, batch, strict=True):
        has_premarket = bool(item.today.start_s[0] < day.open_at.timestamp())
        last = table[-1]
        for name in ("premarket_volume", "premarket_range", "close_over_premarket_high"):
            assert np.isnan(last[FEATURE_NAMES.index(name)]) != has_premarket
