"""What every feature is: one line each, in the order of the model's input.

The catalogue is data, so that documentation, range checks and the model card cannot drift from the code. Features
carry no raw prices: a return is a difference of natural logarithms, a width is a fraction of price or of another width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.core.market import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the model's input.

    Attributes
    ----------
    name, group : str
        Unique name; group of the catalogue.
    formula : str
        In words. `c` is the bar's close, "bars" are 5-minute bars (those that traded; missing bars are not filled).
    unit : str
        "log", "fraction", "ratio", "index", "minutes" or "ordinal".
    low, high : float
        Widest values a healthy market can show; beyond them the input is wrong and is not traded on.
    """

    name: str
    group: str
    formula: str
    unit: str
    low: float
    high: float


def _group(group: str, *rows: tuple[str, str, str, float, float]) -> tuple[Feature, ...]:
    return tuple(
        Feature(name=name, group=group, formula=formula, unit=unit, low=low, high=high)
        for name, formula, unit, low, high in rows
    )


_TREND = _group(
    "trend",
    ("sma_12_slope", "log(SMA 12 / SMA 12 six bars before)", "log", -2, 2),
    ("sma_36_slope", "log(SMA 36 / SMA 36 twelve bars before)", "log", -2, 2),
    ("close_over_sma_36", "log(c / SMA 36)", "log", -2, 2),
    ("macd_histogram", "MACD(12, 26, 9) histogram / c", "fraction", -1, 1),
    ("close_over_vwap", "log(c / volume-weighted average of (h + l + c) / 3 since 04:00)", "log", -2, 2),
    ("sma_20d_slope", "log(daily SMA 20 / daily SMA 20 five days before)", "log", -2, 2),
    ("close_over_sma_20d", "log(c / daily SMA 20)", "log", -3, 3),
)

_MOMENTUM = _group(
    "momentum",
    ("rsi_14", "RSI(14) of bars", "index", 0, 100),
    ("rsi_14d", "RSI(14) of daily closes", "index", 0, 100),
    ("return_5m", "log(c / c one bar before)", "log", -2, 2),
    ("return_15m", "log(c / c 3 bars before)", "log", -2, 2),
    ("return_30m", "log(c / c 6 bars before)", "log", -2, 2),
    ("return_60m", "log(c / c 12 bars before)", "log", -2, 2),
    ("return_180m", "log(c / c 36 bars before)", "log", -2, 2),
    ("return_since_open", "log(c / first open at or after the regular open)", "log", -2, 2),
    ("return_since_close", "log(c / previous daily close)", "log", -2, 2),
    ("return_1d", "previous daily return, log", "log", -2, 2),
    ("return_5d", "return of the 5 daily bars before today, log", "log", -3, 3),
    ("return_20d", "return of the 20 daily bars before today, log", "log", -4, 4),
    ("day_range_position", "(c - low) / (high - low) of the day since 04:00", "fraction", 0, 1),
    ("close_under_day_high", "log(c / high since 04:00)", "log", -3, 0),
    ("close_under_high_20d", "log(c / high of the 20 daily bars before today)", "log", -4, 3),
)

_VOLATILITY = _group(
    "volatility",
    ("atr_14", "ATR(14) of bars / c", "fraction", 0, 1),
    ("atr_14d", "ATR(14) of daily bars / previous close", "fraction", 0, 2),
    ("volatility_12", "root mean square of the last 12 log returns", "log", 0, 1),
    ("volatility_36", "root mean square of the last 36 log returns", "log", 0, 1),
    ("volatility_20d", "standard deviation of 20 daily log returns", "log", 0, 2),
    ("volatility_ratio", "log(volatility_12 / volatility_36)", "log", -20, 2),
    ("range_expansion", "(h - l) / ATR(14) of the bar before", "ratio", 0, 100),
    ("day_range_atr", "(high - low since 04:00) / daily ATR(14)", "ratio", 0, 100),
)

_VOLUME = _group(
    "volume",
    ("rvol_day", "log(volume since 04:00 / mean of 10 sessions until the same time)", "log", -12, 12),
    ("rvol_15m", "log1p(volume of the last 15 min / mean of 10 sessions in the same 15 min)", "log", 0, 16),
    ("volume_z", "(log1p(v) - mean) / standard deviation over the 36 bars before", "ratio", -100, 100),
    ("dollar_volume", "log1p(mean of c v over the last 12 bars)", "log", 0, 30),
    ("dollar_volume_20d", "log1p(mean of c v over 20 daily bars)", "log", 0, 35),
)

_GAP = _group(
    "gap and premarket",
    (
        "gap",
        "log(first open at or after the regular open / previous close); before it log(c / previous close)",
        "log",
        -2,
        2,
    ),
    (
        "premarket_volume",
        "volume before the open so far / mean daily volume of 20 days; NaN without premarket",
        "ratio",
        0,
        1000,
    ),
    ("premarket_range", "log(high / low) before the open so far; NaN without premarket", "log", 0, 3),
    ("close_over_premarket_high", "log(c / high before the open so far); NaN without premarket", "log", -3, 3),
)

_MARKET = _group(
    "market context",
    ("spy_return_30m", "return_30m of the first market symbol", "log", -0.5, 0.5),
    ("spy_return_since_close", "return_since_close of the first market symbol", "log", -0.5, 0.5),
    ("spy_close_over_sma_36", "close_over_sma_36 of the first market symbol", "log", -0.5, 0.5),
    ("spy_volatility_36", "volatility_36 of the first market symbol", "log", 0, 0.5),
    ("spy_volatility_20d", "volatility_20d of the first market symbol", "log", 0, 0.5),
    ("spy_return_20d", "return_20d of the first market symbol", "log", -1, 1),
    ("qqq_return_30m", "return_30m of the second market symbol", "log", -0.5, 0.5),
    ("qqq_return_since_close", "return_since_close of the second market symbol", "log", -0.5, 0.5),
    ("strength_30m", "return_30m - spy_return_30m", "log", -2, 2),
    ("strength_since_close", "return_since_close - spy_return_since_close", "log", -2, 2),
)

_CALENDAR = _group(
    "calendar",
    ("minutes_since_open", "minutes from the regular open to the bar's end; negative before", "minutes", -840, 1440),
    ("minutes_to_close", "minutes from the bar's end to the regular close; negative after", "minutes", -1440, 1440),
    ("session", "session at the bar's end: 0 PRE, 1 REG-AM, 2 REG-MID, 3 REG-PM, 4 AFT, 5 CLOSED", "ordinal", 0, 5),
    ("day_of_week", "0 Monday to 6 Sunday", "ordinal", 0, 6),
)

FEATURES: tuple[Feature, ...] = _TREND + _MOMENTUM + _VOLATILITY + _VOLUME + _GAP + _MARKET + _CALENDAR
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
FEATURE_LOW: FloatArray = np.array([feature.low for feature in FEATURES])
FEATURE_HIGH: FloatArray = np.array([feature.high for feature in FEATURES])
