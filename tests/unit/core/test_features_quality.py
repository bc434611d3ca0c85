"""What is said of data that must not be traded on."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from shared.core.features import (
    FEATURE_NAMES,
    SymbolDay,
    adv_shares,
    atr_5m,
    atr_path,
    daily_volatility,
    data_faults,
    feature_faults,
    prepare,
    relative_volume,
)
from shared.core.market import Bars
from tests.support.bars import pick, raw_day, trading_day, until, with_prices_times

ON = date(2025, 10, 15)
DAY = trading_day(ON)
RAW = raw_day("ABC", ON, seed=4)
NOON = DAY.open_at + timedelta(hours=2, minutes=30)


def at_noon(today: Bars | None = None) -> SymbolDay:
    return RAW.symbol_day(DAY, until(RAW.today if today is None else today, int(NOON.timestamp())))


def faults(item: SymbolDay, at: datetime = NOON) -> tuple[str, ...]:
    return tuple(fault.split(":")[0] for fault in data_faults(item, DAY, at=at, bar_age_max_s=900))


def test_healthy_data_have_no_fault() -> None:
    assert faults(at_noon()) == ()


def test_no_history_and_no_bars_are_named() -> None:
    nothing = SymbolDay(past=prepare(RAW.symbol, daily=Bars.empty(), history=Bars.empty(), day=DAY), today=Bars.empty())
    assert faults(nothing) == ("daily-history", "intraday-history", "no-bars")


@pytest.mark.parametrize("minutes", [16, -1])
def test_a_last_bar_that_is_old_or_not_closed_yet_is_stale(minutes: int) -> None:
    assert faults(at_noon(), NOON + timedelta(minutes=minutes)) == ("stale-bar",)


def test_a_missing_regular_bar_is_a_gap_for_an_hour_and_a_premarket_one_is_not() -> None:
    def without(start: datetime) -> Bars:
        return pick(RAW.today, RAW.today.start_s != int(start.timestamp()))

    assert faults(at_noon(without(NOON - timedelta(minutes=30)))) == ("gap",)
    assert faults(at_noon(without(NOON - timedelta(minutes=65)))) == ()
    assert faults(at_noon(without(DAY.open_at - timedelta(minutes=10)))) == ()


def test_prices_below_zero_or_outside_high_and_low_are_bad_bars() -> None:
    flipped = with_prices_times(RAW.today, np.where(np.arange(len(RAW.today)) == 70, -1.0, 1.0))
    assert faults(at_noon(flipped)) == ("bad-bar",)
    today = RAW.today
    crossed = Bars(
        start_s=today.start_s, open=today.open, high=today.low, low=today.high, close=today.close, volume=today.volume
    )
    assert faults(at_noon(crossed)) == ("bad-bar",)


def test_a_feature_out_of_range_or_missing_is_named() -> None:
    row = np.zeros(len(FEATURE_NAMES))
    row[FEATURE_NAMES.index("rsi_14")] = 101.0
    row[FEATURE_NAMES.index("atr_14")] = np.nan
    row[FEATURE_NAMES.index("premarket_range")] = np.nan
    assert feature_faults(row) == ("nan: atr_14", "range: rsi_14 = 101, limits 0 to 100")


def test_figures_for_the_stages_agree_with_the_bars() -> None:
    item = at_noon()
    assert atr_5m(item) == atr_path(item)[-1] > 0
    assert adv_shares(item) == pytest.approx(RAW.daily.volume[-20:].mean())
    assert daily_volatility(item) == pytest.approx(np.diff(np.log(RAW.daily.close))[-20:].std(ddof=1))
    n = len(item.today)
    expected = item.today.volume.sum() / RAW.history.volume.reshape(10, 192)[:, :n].sum(axis=1).mean()
    assert relative_volume(item) == pytest.approx(expected)


def test_figures_without_data_are_nan() -> None:
    nothing = SymbolDay(past=prepare(RAW.symbol, daily=Bars.empty(), history=Bars.empty(), day=DAY), today=Bars.empty())
    assert all(np.isnan(value) for value in (atr_5m(nothing), adv_shares(nothing), relative_volume(nothing)))
