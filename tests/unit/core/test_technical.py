"""Technical reports say what closed bars say, by stated rules, and nothing of what came later."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from shared.core.market import Bars, FloatArray, Timeframe
from shared.core.technical import (
    CandlePattern,
    IndicatorReport,
    PatternReport,
    RsiLevel,
    TechnicalReports,
    TrendDirection,
    TrendReport,
    technical_reports,
)
from shared.core.technical.rules import BREAKOUT_BARS, SWING_BARS, TREND_BARS
from shared.core.values import Symbol, from_epoch
from tests.support.bars import CALENDAR, data_file, random_walk
from training.parquet import ParquetHistory

START_S = 1_760_000_100
UP, DOWN, FLAT = TrendDirection


def walk(n: int, seed: int = 0) -> Bars:
    """A walk in whole cents."""
    found = random_walk(np.random.default_rng(seed), START_S + 300 * np.arange(n), 50.0, 0.002)
    rounded = {name: np.round(getattr(found, name), 2) for name in ("open", "high", "low", "close")}
    return replace(found, **rounded)


def of_closes(closes: ArrayLike) -> Bars:
    """Bars that open where the one before closed."""
    close = np.asarray(closes, np.float64)
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    start_s = START_S + 300 * np.arange(close.size)
    return Bars(start_s=start_s, open=open_, high=high, low=low, close=close, volume=np.full(close.size, 1e3))


def end_of(bars: Bars, k: int = -1) -> datetime:
    return from_epoch(int(bars.start_s[k]) + 300)


def reports(bars: Bars) -> TechnicalReports:
    return technical_reports(bars, end_of(bars))


@settings(max_examples=60, deadline=None)
@given(k=st.integers(0, 399), seed=st.integers(0, 2**16), later=st.sampled_from([0.5, 1.0, 3.0]))
def test_reports_at_a_bar_are_those_of_the_bars_up_to_it_whatever_comes_later(k: int, seed: int, later: float) -> None:
    bars = walk(400, seed)
    prices = {
        name: np.concatenate([getattr(bars, name)[: k + 1], getattr(bars, name)[k + 1 :] * later])
        for name in ("open", "high", "low", "close")
    }
    there = technical_reports(replace(bars, **prices), end_of(bars, k))
    assert there == technical_reports(bars[: k + 1], end_of(bars))
    assert there.closed_at == end_of(bars, k)


def test_a_bar_counts_when_it_is_closed_and_not_a_second_before() -> None:
    bars = walk(60)
    assert technical_reports(bars, end_of(bars)).bars == 60
    assert technical_reports(bars, end_of(bars) - timedelta(seconds=1)).bars == 59
    daily = replace(bars, start_s=86_400 * np.arange(60))
    assert technical_reports(daily, from_epoch(86_400 * 60), Timeframe.DAY_1).bars == 60


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(0, 80),
    seed=st.integers(0, 2**16),
    spoilt=st.lists(st.tuples(st.integers(0, 79), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308]))),
    which=st.sampled_from(["open", "high", "low", "close"]),
)
def test_whatever_the_bars_are_a_report_holds_numbers_or_none(
    n: int, seed: int, spoilt: list[tuple[int, float]], which: str
) -> None:
    bars = walk(80, seed)
    for place, value in spoilt:
        getattr(bars, which)[place] = value
    found = technical_reports(bars[:n], end_of(bars))  # the values check themselves: NaN is refused
    assert found.bars == n


def test_no_bars_say_nothing_and_all_broken_bars_neither() -> None:
    nothing = technical_reports(Bars.empty(), from_epoch(START_S))
    assert nothing == TechnicalReports(
        indicator=IndicatorReport(), pattern=PatternReport(), trend=TrendReport(), bars=0
    )
    broken = walk(100)
    for name in ("open", "high", "low", "close"):
        getattr(broken, name)[:] = np.nan
    said = reports(broken)
    assert (said.indicator, said.trend, said.close) == (IndicatorReport(), TrendReport(), None)
    assert said.pattern.patterns == ()


def test_each_figure_appears_with_the_bars_that_it_needs() -> None:
    bars = walk(100)
    needs = {"rsi": 15, "macd": 34, "trend": 34}
    for name, least in needs.items():
        values = [getattr(technical_reports(bars[:n], end_of(bars)).indicator, name) for n in (least - 1, least)]
        assert (values[0] is None, values[1] is None) == (True, False)
    lines = [technical_reports(bars[:n], end_of(bars)).trend.direction for n in (TREND_BARS - 1, TREND_BARS)]
    assert (lines[0] is None, lines[1] is None) == (True, False)


def test_a_rise_is_up_in_every_vote_and_overbought_a_fall_is_down_and_oversold() -> None:
    steps = 0.002 * np.arange(100) ** 2
    up, down = reports(of_closes(100 + steps)), reports(of_closes(100 - steps))
    said = [(each.indicator.trend, each.indicator.confidence, each.indicator.level) for each in (up, down)]
    assert said == [(UP, 1.0, RsiLevel.OVERBOUGHT), (DOWN, 1.0, RsiLevel.OVERSOLD)]
    assert (up.trend.direction, down.trend.direction) == (UP, DOWN)
    assert min(up.trend.strength or 0, down.trend.strength or 0) > 0.99


def test_indicators_are_those_of_their_definitions() -> None:
    bars = walk(120, seed=4)
    found = reports(bars).indicator
    moves = np.diff(bars.close)
    gain, loss = np.clip(moves, 0, None), np.clip(-moves, 0, None)
    mean_gain, mean_loss = gain[:14].mean(), loss[:14].mean()
    for one, other in zip(gain[14:], loss[14:], strict=True):
        mean_gain, mean_loss = (13 * mean_gain + one) / 14, (13 * mean_loss + other) / 14
    assert found.rsi == pytest.approx(100 * mean_gain / (mean_gain + mean_loss))

    def ema(values: FloatArray, n: int) -> float:
        mean = values[:n].mean()
        for value in values[n:]:
            mean += (value - mean) * 2 / (n + 1)
        return float(mean)

    fast = ema(bars.close[14:], 12)  # TA-Lib begins both where the slower one can
    assert found.macd == pytest.approx(fast - ema(bars.close, 26), abs=1e-9)


def test_prices_that_never_moved_have_no_rsi_and_no_direction() -> None:
    said = reports(of_closes([100.1] * 120))
    assert (said.indicator.rsi, said.indicator.level, said.indicator.trend) == (None, None, None)
    assert (said.trend.direction, said.trend.strength) == (FLAT, 0.0)
    assert (said.trend.support, said.trend.resistance) == (None, None)


def test_confidence_of_the_indicators_is_the_share_of_votes_that_say_the_trend() -> None:
    shares = {reports(walk(120, seed)).indicator.confidence for seed in range(40)}
    assert shares == {0.6, 0.8, 1.0}


def test_a_pattern_that_never_occurred_before_has_no_breakout_probability() -> None:
    found = [reports(walk(60, seed)).pattern for seed in range(150)]
    first = [each for each in found if each.primary is not None and not each.breakout_cases]
    assert first
    assert {(each.breakout_probability, each.confidence) for each in first} == {(None, 0.0)}
    assert all(each.usual_probability is not None for each in first)


def test_an_estimate_is_trusted_as_its_cases_grow() -> None:
    found = [reports(walk(300, seed)).pattern for seed in range(40)]
    known = [(each.breakout_cases, each.confidence) for each in found if each.primary is not None]
    assert len(set(known)) > 10
    assert all(confidence == cases / (cases + 10) for cases, confidence in known)


def test_cases_are_those_that_a_slow_count_finds_and_complete_by_the_last_bar() -> None:
    counted = 0
    for seed in range(30):
        bars = walk(200, seed)
        found = reports(bars).pattern
        if found.primary is None:
            continue
        signs = getattr(talib, found.primary.name)(bars.open, bars.high, bars.low, bars.close)
        broke = [
            max(bars.close[i + 1 : i + 1 + BREAKOUT_BARS]) > max(bars.high[i + 1 - BREAKOUT_BARS : i + 1])
            for i in range(BREAKOUT_BARS - 1, 200 - BREAKOUT_BARS)
            if signs[i] * signs[-1] > 0
        ]
        counted += len(broke)
        assert found.breakout_cases == len(broke)
        assert found.breakout_probability == (pytest.approx(np.mean(broke)) if broke else None)
    assert counted > 100


def test_the_primary_pattern_is_the_one_with_the_most_cases_and_every_pattern_has_a_direction() -> None:
    seen = [reports(walk(500, seed)).pattern for seed in range(60)]
    several = [each for each in seen if len(each.patterns) > 1]
    assert several
    for each in several:
        assert each.primary in each.patterns
        assert [pattern.name for pattern in each.patterns] == sorted(pattern.name for pattern in each.patterns)
        assert {pattern.direction for pattern in each.patterns} <= {UP, DOWN}
        assert all(pattern.words and not pattern.words.startswith("CDL") for pattern in each.patterns)
        assert each.usual_probability is not None


def mountain(peak: float, bottom: float, base: float) -> list[float]:
    """Up to a peak, down to a bottom, back to the base; ten bars each."""
    return [*np.linspace(base, peak, 10), *np.linspace(peak, bottom, 10)[1:], *np.linspace(bottom, base, 10)[1:]]


def test_levels_are_the_nearest_swings_that_no_later_close_has_passed() -> None:
    closes = [*mountain(60, 40, 50), *mountain(55, 45, 50), *mountain(52, 48, 50)]
    said = reports(of_closes(closes)).trend
    assert (said.support, said.resistance) == (48, 52)
    broken = reports(of_closes([*closes, 53.0, 54.0])).trend
    assert (broken.support, broken.resistance) == (48, 55)
    fallen = reports(of_closes([*closes, 47.0, 46.0])).trend
    assert (fallen.support, fallen.resistance) == (45, 52)
    beyond = reports(of_closes([*closes, 61.0])).trend
    assert (beyond.support, beyond.resistance) == (48, None)


def test_a_swing_is_known_only_when_enough_bars_have_closed_after_it() -> None:
    closes = [*np.linspace(50, 60, 20), *np.linspace(60, 55, 15)[1:]]
    bars = of_closes(closes)
    peak = int(np.argmax(bars.high))
    for after in range(SWING_BARS + 3):
        said = technical_reports(bars, end_of(bars, peak + after)).trend.resistance
        assert said == (60 if after >= SWING_BARS else None)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(40, 300))
def test_levels_lie_on_their_side_of_the_price_and_are_prices_that_were_seen(seed: int, n: int) -> None:
    bars = walk(n, seed)
    said = reports(bars).trend
    close = bars.close[-1]
    assert said.support is None or (said.support < close and said.support in bars.low)
    assert said.resistance is None or (said.resistance > close and said.resistance in bars.high)


def test_a_zigzag_has_no_direction() -> None:
    said = reports(of_closes([50 + (k % 2) * 0.5 for k in range(100)])).trend
    assert said.direction is FLAT
    assert (said.strength or 0) < 0.25


@pytest.mark.parametrize(
    ("report", "values", "match"),
    [
        (IndicatorReport, {"rsi": 101.0}, "rsi"),
        (IndicatorReport, {"macd": float("nan")}, "macd"),
        (TrendReport, {"strength": 1.5}, "strength"),
        (TrendReport, {"support": 2.0, "resistance": 1.0}, "support"),
        (PatternReport, {"breakout_probability": 0.5}, "breakout_cases"),
        (PatternReport, {"primary": CandlePattern(name="CDLHAMMER", words="Hammer", direction=UP)}, "primary"),
    ],
)
def test_a_report_refuses_what_cannot_be(report: type, values: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        report(**values)


def test_real_bars_give_whole_reports_that_know_nothing_of_what_comes() -> None:
    path = data_file("intraday/us101_5min_2025.parquet")
    if path is None:
        pytest.skip("intraday/us101_5min_2025.parquet is not in the data folder (setting GATEHOUSE_DATA)")
    end = datetime.combine(date(2025, 10, 16), datetime.min.time(), tzinfo=from_epoch(0).tzinfo)
    for symbol in ("AAPL", "AFRM", "NVDA"):
        bars = ParquetHistory(path, CALENDAR).bars(Symbol(symbol), Timeframe.MIN_5, end - timedelta(days=21), end)
        assert len(bars) > 700
        for k in range(len(bars) - 78, len(bars), 7):
            said = technical_reports(bars, end_of(bars, k))
            assert said == technical_reports(bars[: k + 1], end)
            for part in (said.indicator, said.trend):
                known = {item.name: getattr(part, item.name) for item in fields(part)}
                assert not {name for name, value in known.items() if value is None} - {"support", "resistance"}
            assert 0 < (said.pattern.usual_probability or 0) < 1
            assert not said.pattern.patterns or said.pattern.breakout_cases >= 0
