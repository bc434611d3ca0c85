"""Features: causal, independent of their company, and what the catalogue says they are."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.features import (
    FEATURE_NAMES,
    FEATURES,
    WARMUP_BARS,
    SymbolDay,
    atr_path,
    context_symbols,
    day_features,
    feature_faults,
    latest_features,
    prepare,
)
from shared.core.features.history import midnight_s
from shared.core.market import Bars, FloatArray
from shared.core.values import Symbol
from tests.support.bars import (
    RawDay,
    day_starts,
    pick,
    random_walk,
    raw_day,
    trading_day,
    until,
    with_prices_times,
)

ON = date(2025, 10, 15)
DAY = trading_day(ON)


@cache
def market() -> tuple[RawDay, ...]:
    """The market's own symbols, and four of breadth, one of them with holes."""
    own = (raw_day("SPY", ON, seed=1), raw_day("QQQ", ON, seed=1))
    return own + tuple(raw_day(f"C{k}", ON, seed=1, holes=0.4 * (k == 3)) for k in range(4))


@cache
def company(holes: float) -> tuple[RawDay, ...]:
    return tuple(raw_day(f"S{k}", ON, seed=2, holes=holes, extended=k != 2) for k in range(4))


@cache
def whole_day(holes: float) -> tuple[FloatArray, ...]:
    items = [raw.symbol_day(DAY) for raw in company(holes)]
    return tuple(day_features(items, [raw.symbol_day(DAY) for raw in market()], DAY))


def column(name: str) -> int:
    return FEATURE_NAMES.index(name)


@settings(max_examples=60, deadline=None)
@given(slot=st.integers(48, 240), holes=st.sampled_from([0.0, 0.3, 0.9]), seed=st.integers(0, 2**16))
def test_bars_after_an_instant_never_change_a_feature_at_or_before_it(slot: int, holes: float, seed: int) -> None:
    end_s = midnight_s(ON) + 300 * slot
    rng = np.random.default_rng(seed)

    def future_changed(raw: RawDay) -> SymbolDay:
        later = raw.today.start_s + 300 > end_s
        factors = np.where(later, np.exp(rng.normal(0, 0.3, len(raw.today))), 1.0)
        kept = ~later | (rng.random(len(raw.today)) < 0.7)
        return raw.symbol_day(DAY, pick(with_prices_times(raw.today, factors), kept))

    changed = day_features([future_changed(raw) for raw in company(holes)], [future_changed(r) for r in market()], DAY)
    for raw, expected, found in zip(company(holes), whole_day(holes), changed, strict=True):
        n = len(until(raw.today, end_s))
        assert found[:n].tobytes() == expected[:n].tobytes()


@settings(max_examples=60, deadline=None)
@given(slot=st.integers(48, 240), holes=st.sampled_from([0.0, 0.3, 0.9]))
def test_live_row_equals_the_batch_row_bit_for_bit(slot: int, holes: float) -> None:
    end_s = midnight_s(ON) + 300 * slot
    items = [raw.symbol_day(DAY, until(raw.today, end_s)) for raw in company(holes)]
    context = [raw.symbol_day(DAY, until(raw.today, end_s)) for raw in market()]
    live = latest_features(items, context, DAY)
    for item, row, batch in zip(items, live, whole_day(holes), strict=True):
        n = len(item.today)
        assert row.tobytes() == (batch[n - 1] if n else np.full(len(FEATURE_NAMES), np.nan)).tobytes()


@settings(max_examples=20, deadline=None)
@given(chosen=st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_a_symbol_has_the_same_features_in_whatever_company_it_travels(chosen: list[int]) -> None:
    items = [company(0.3)[k].symbol_day(DAY) for k in chosen]
    found = day_features(items, [raw.symbol_day(DAY) for raw in market()], DAY)
    for k, table in zip(chosen, found, strict=True):
        assert table.tobytes() == whole_day(0.3)[k].tobytes()


def test_bars_outside_the_history_window_and_of_the_day_itself_do_not_reach_the_past() -> None:
    raw = company(0.0)[0]
    expected = prepare(raw.symbol, daily=raw.daily, history=raw.history, day=DAY)
    rng = np.random.default_rng(3)
    older = random_walk(rng, day_starts(date(2025, 9, 2)), 90.0, 0.01)
    older_days = random_walk(rng, np.array([midnight_s(date(2025, 1, k)) for k in (2, 3, 6)]), 90.0, 0.1)
    today_daily = random_walk(rng, np.array([midnight_s(ON)]), 1.0, 0.1)
    found = prepare(
        raw.symbol,
        daily=older_days.then(raw.daily).then(today_daily),
        history=older.then(raw.history).then(raw.today),
        day=DAY,
    )
    assert found.facts.tobytes() == expected.facts.tobytes()
    assert found.volume_profile.tobytes() == expected.volume_profile.tobytes()
    assert found.tail.close.tobytes() == expected.tail.close.tobytes()
    assert (found.daily_count, found.session_count) == (expected.daily_count, expected.session_count) == (60, 10)


def test_a_healthy_row_is_complete_and_within_the_catalogue_ranges() -> None:
    row = whole_day(0.0)[0][100]
    assert not np.isnan(row).any()
    assert feature_faults(row) == ()


def test_catalogue_names_are_unique_and_every_range_is_open() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURES) == whole_day(0.0)[0].shape[1]
    assert all(feature.low < feature.high and feature.formula and feature.group for feature in FEATURES)
    assert all(feature.window and feature.source for feature in FEATURES)


def test_features_are_what_their_formulas_say() -> None:
    """Against plain arithmetic on the same bars, at 11:00 New York time."""
    raw, table = company(0.0)[0], whole_day(0.0)[0]
    row = (11 * 60 - 4 * 60) // 5 - 1
    today, all_bars = raw.today, raw.history[-WARMUP_BARS:].then(raw.today)
    seen = WARMUP_BARS + row + 1
    close = all_bars.close[:seen]
    c, daily = close[-1], raw.daily
    typical = (today.high + today.low + today.close)[: row + 1] / 3
    volume = today.volume[: row + 1]
    past_sessions = raw.history.volume.reshape(10, 192)
    logs = np.log1p(all_bars.volume[seen - 37 : seen - 1])
    moves = np.diff(np.log(close))
    expected = {
        "return_60m": np.log(c / close[-13]),
        "return_since_open": np.log(c / today.open[66]),
        "return_since_close": np.log(c / daily.close[-1]),
        "return_20d": np.log(daily.close[-1] / daily.close[-21]),
        "gap": np.log(today.open[66] / daily.close[-1]),
        "close_over_vwap": np.log(c / ((typical * volume).sum() / volume.sum())),
        "sma_12_slope": np.log(close[-12:].mean() / close[-18:-6].mean()),
        "close_over_sma_36": np.log(c / close[-36:].mean()),
        "rsi_14": talib.RSI(close, 14)[-1],
        "atr_14": talib.ATR(all_bars.high[:seen], all_bars.low[:seen], close, 14)[-1] / c,
        "volatility_12": np.sqrt((moves[-12:] ** 2).mean()),
        "volatility_20d": np.diff(np.log(daily.close))[-20:].std(ddof=1),
        "rvol_day": np.log(volume.sum() / past_sessions[:, : row + 1].sum(axis=1).mean()),
        "rvol_15m": np.log1p(volume[-3:].sum() / past_sessions[:, row - 2 : row + 1].sum(axis=1).mean()),
        "volume_z": (np.log1p(volume[-1]) - logs.mean()) / logs.std(),
        "premarket_volume": today.volume[:66].sum() / daily.volume[-20:].mean(),
        "premarket_range": np.log(today.high[:66].max() / today.low[:66].min()),
        "day_range_position": (c - today.low[: row + 1].min())
        / (today.high[: row + 1].max() - today.low[: row + 1].min()),
        "close_under_high_20d": np.log(c / daily.high[-20:].max()),
        "minutes_since_open": 90.0,
        "minutes_to_close": 300.0,
        "session": 1.0,
        "day_of_week": 2.0,
    }
    found = {name: table[row, column(name)] for name in expected}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_higher_timeframes_use_completed_bars_of_the_regular_session_alone() -> None:
    """At 11:20: fifteen-minute bars until 11:15, hours until 10:30, no four-hour bar of today."""
    raw, table = company(0.0)[0], whole_day(0.0)[0]
    row = (11 * 60 + 20 - 4 * 60) // 5 - 1
    past = [raw.history[192 * k + 66 : 192 * k + 144] for k in range(10)]  # 09:30 to 16:00
    today, c = raw.today[66:144], raw.today.close[row]
    ends = {
        "15m": (range(2, 78, 3), (2, 5, 8, 11, 14, 17, 20)),
        "1h": ((11, 23, 35, 47, 59, 71, 77), (11,)),
        "4h": ((47, 77), ()),
    }
    for name, (edges, done) in ends.items():
        closes = [session.close[k] for session in past for k in edges][-60:] + [today.close[k] for k in done]
        sma = np.convolve(closes, np.full(10, 0.1), "valid")
        expected = {
            f"close_over_sma_10_{name}": np.log(c / sma[-1]),
            f"sma_10_slope_{name}": np.log(sma[-1] / sma[-6]),
            f"rsi_14_{name}": talib.RSI(np.array(closes), 14)[-1],
        }
        assert {k: table[row, column(k)] for k in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    signs = [np.sign(table[row, column(name)]) for name in FEATURE_NAMES if name.startswith("sma_10_slope")]
    signs += [np.sign(table[row, column(name)]) for name in ("sma_36_slope", "sma_20d_slope")]
    assert table[row, column("trend_agreement")] == pytest.approx(np.mean(signs))


def test_a_bar_after_an_early_close_belongs_to_no_higher_bar() -> None:
    monday = trading_day(date(2025, 12, 1))  # the Friday before closed at 13:00
    raw = raw_day("S0", monday.on, seed=8)
    late = midnight_s(date(2025, 11, 28)) + 13 * 3600
    after = (raw.history.start_s >= late) & (raw.history.start_s < late + 3 * 3600)
    other = with_prices_times(raw.history, np.where(after, 1.5, 1.0))
    past, changed = (prepare(raw.symbol, daily=raw.daily, history=bars, day=monday) for bars in (raw.history, other))
    assert [closes.tobytes() for closes in past.higher] == [closes.tobytes() for closes in changed.higher]
    assert past.higher[1][-4:].tolist() == [
        raw.history.close[int(np.searchsorted(raw.history.start_s, late - s)) - 1] for s in (9000, 5400, 1800, 0)
    ]


def test_breadth_is_counted_over_the_core_symbols_that_have_traded() -> None:
    """At 11:00; the member with holes counts at its last bar."""
    table = whole_day(0.0)[0]
    row = (11 * 60 - 4 * 60) // 5 - 1
    end_s = midnight_s(ON) + 11 * 3600
    returns, above = [], []
    for raw in market()[2:]:
        seen = until(raw.today, end_s)
        returns.append(np.log(seen.close[-1] / raw.daily.close[-1]))
        typical = (seen.high + seen.low + seen.close) / 3
        above.append(seen.close[-1] > (typical * seen.volume).sum() / seen.volume.sum())
    expected = {
        "breadth_up": np.mean(np.array(returns) > 0),
        "breadth_above_vwap": np.mean(above),
        "breadth_return": np.mean(returns),
        "breadth_dispersion": np.std(returns),
    }
    assert {name: table[row, column(name)] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_two_core_symbols_are_no_breadth() -> None:
    context = [raw.symbol_day(DAY) for raw in market()[:4]]
    row = day_features([company(0.0)[0].symbol_day(DAY)], context, DAY)[0][100]
    assert np.isnan(row[[k for k, name in enumerate(FEATURE_NAMES) if name.startswith("breadth")]]).all()
    assert feature_faults(row) == ()


def test_context_keeps_places_and_ends_at_a_missing_market_symbol() -> None:
    spy, qqq, aaa, bbb = map(Symbol, ("SPY", "QQQ", "AAA", "BBB"))
    core = [aaa, bbb, spy, aaa]
    assert context_symbols((spy, qqq), core) == (spy, qqq, aaa, bbb)
    assert context_symbols((spy, qqq), core, {spy, qqq, bbb}) == (spy, qqq, bbb)
    assert context_symbols((spy, qqq), core, {spy, aaa}) == (spy,)
    assert context_symbols((spy, qqq), core, {qqq, aaa}) == ()
    assert context_symbols((spy,), core) == (spy,)
    assert len(context_symbols((spy, qqq), [Symbol(f"X{k}") for k in range(99)])) == 22


def test_market_context_is_the_market_symbols_own_feature() -> None:
    spy = day_features([market()[0].symbol_day(DAY)], [raw.symbol_day(DAY) for raw in market()], DAY)[0]
    own = whole_day(0.0)[0]
    for name in ("return_30m", "return_since_close", "close_over_sma_36", "volatility_36"):
        assert own[:, column(f"spy_{name}")].tobytes() == spy[:, column(name)].tobytes()
    assert np.array_equal(
        own[:, column("strength_30m")], own[:, column("return_30m")] - spy[:, column("return_30m")], equal_nan=True
    )


def test_a_symbol_without_history_or_market_gets_nan_and_never_an_infinity() -> None:
    raw = company(0.0)[0]
    past = prepare(Symbol("NEW"), daily=Bars.empty(), history=Bars.empty(), day=DAY)
    table = day_features([SymbolDay(past=past, today=raw.today)], [], DAY)[0]
    assert not np.isinf(table).any()
    missing = np.isnan(table[100])
    assert missing[[column("return_20d"), column("rvol_day"), column("spy_return_30m"), column("gap")]].all()
    assert not missing[[column("return_60m"), column("close_over_vwap"), column("session")]].any()


def test_a_symbol_without_a_bar_today_gets_a_row_of_nan_and_no_batch_rows() -> None:
    item = company(0.0)[0].symbol_day(DAY, Bars.empty())
    assert np.isnan(latest_features([item], [], DAY)).all()
    assert day_features([item], [], DAY)[0].shape == (0, len(FEATURE_NAMES))
    assert day_features([], [], DAY) == []


def test_worthless_bars_become_nan_not_an_exception() -> None:
    today = company(0.0)[0].today
    zero = np.zeros(len(today))
    flat = Bars(start_s=today.start_s, open=zero, high=zero, low=zero, close=zero, volume=zero)
    table = day_features([company(0.0)[0].symbol_day(DAY, flat)], [], DAY)[0]
    assert not np.isinf(table).any()


def test_relative_volume_compares_the_same_wall_time_across_a_clock_change() -> None:
    monday = trading_day(date(2025, 11, 3))  # clocks went back the day before
    raw = raw_day("S0", monday.on, seed=5)
    shape = np.linspace(1000.0, 9000.0, 192)  # a volume that an hour's shift would change
    history = _with_volume(raw.history, np.tile(shape, 10))
    today = _with_volume(raw.today, shape)
    past = prepare(raw.symbol, daily=raw.daily, history=history, day=monday)
    table = day_features([SymbolDay(past=past, today=today)], [], monday)[0]
    assert np.allclose(table[:, column("rvol_day")], 0.0, atol=1e-12)


def _with_volume(bars: Bars, volume: FloatArray) -> Bars:
    return Bars(start_s=bars.start_s, open=bars.open, high=bars.high, low=bars.low, close=bars.close, volume=volume)


def test_on_a_half_day_after_hours_begin_at_the_early_close() -> None:
    half = trading_day(date(2025, 11, 28))
    raw = raw_day("S0", half.on, seed=6)
    table = day_features([raw.symbol_day(half)], [], half)[0]
    minutes, session = table[:, column("minutes_since_open")], table[:, column("session")]
    assert half.close_at.hour == 18  # 13:00 New York time
    assert set(session[minutes < 0]) == {0.0}
    assert set(session[(minutes >= 0) & (minutes < 120)]) == {1.0}
    assert set(session[(minutes >= 120) & (minutes < 210)]) == {2.0}
    assert set(session[(minutes >= 210) & (minutes < 450)]) == {4.0}
    assert set(session[minutes >= 450]) == {5.0}


def test_a_past_of_another_day_and_bars_of_another_day_are_refused() -> None:
    raw = company(0.0)[0]
    other = trading_day(date(2025, 10, 14))
    with pytest.raises(ValueError, match="prepared for 2025-10-15"):
        day_features([raw.symbol_day(other, Bars.empty())], [], DAY)
    with pytest.raises(ValueError, match="today's bars of S0"):
        day_features([raw.symbol_day(DAY, raw.history)], [], DAY)


def test_atr_path_is_the_feature_in_dollars() -> None:
    item = company(0.3)[1].symbol_day(DAY)
    ratio = atr_path(item) / item.today.close
    assert np.array_equal(ratio, whole_day(0.3)[1][:, column("atr_14")], equal_nan=True)
