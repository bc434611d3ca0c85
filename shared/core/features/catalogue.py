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
        "log", "fraction", "ratio", "index", "minutes", "ordinal" or "count".
    low, high : float
        Widest values a healthy market can show; beyond them the input is wrong and is not traded on.
    window : str
        What the value looks back on.
    source : str
        Where the formula comes from; "own" where it is plain arithmetic.
    nan_when : str
        What healthy data can leave it undefined by; empty where a NaN is a fault. Too short a history makes every
        feature NaN that looks back on it.
    """

    name: str
    group: str
    formula: str
    unit: str
    low: float
    high: float
    window: str
    source: str = "own"
    nan_when: str = ""


type _Line = tuple[str, str, str, float, float, str] | tuple[str, str, str, float, float, str, str]

_RSI = "Wilder 1978, by TA-Lib RSI"
_ATR = "Wilder 1978, by TA-Lib ATR"
_SMA = "TA-Lib SMA"
_NAN_WHEN: dict[str, str] = {
    "close_over_vwap": "no volume since 04:00",
    "return_since_open": "before the first regular bar",
    "day_range_position": "one price since 04:00",
    "volatility_ratio": "no movement in 12 bars",
    "range_expansion": "no movement in the bars before",
    "rvol_day": "no volume at this time in past sessions",
    "rvol_15m": "no volume at this time in past sessions",
    "volume_z": "one volume in all 36 bars before",
    "premarket_volume": "no premarket trade",
    "premarket_range": "no premarket trade",
    "close_over_premarket_high": "no premarket trade",
    "close_over_sma_10_4h": "under five full sessions of history",
    "sma_10_slope_4h": "under eight full sessions of history",
    "rsi_14_4h": "under eight full sessions of history",
    "trend_agreement": "a trend of its five is NaN",
    "qqq_return_30m": "no bar of the second market symbol today",
    "qqq_return_since_close": "no bar of the second market symbol today",
    "qqq_volatility_36": "no bar of the second market symbol today",
    "breadth_up": "under three core symbols with a bar today",
    "breadth_above_vwap": "under three core symbols with a bar today",
    "breadth_return": "under three core symbols with a bar today",
    "breadth_dispersion": "under three core symbols with a bar today",
    "narrative_score": "no narrative told in 24 hours",
    "story_novelty": "no story in 24 hours, or no text model",
    "story_count": "no news is read",
    "source_weight": "no story in 24 hours",
}


def _group(group: str, *lines: _Line) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            name=name,
            group=group,
            formula=formula,
            unit=unit,
            low=low,
            high=high,
            window=window,
            source=source[0] if source else "own",
            nan_when=_NAN_WHEN.get(name, ""),
        )
        for name, formula, unit, low, high, window, *source in lines
    )


_TREND = _group(
    "trend",
    ("sma_12_slope", "log(SMA 12 / SMA 12 six bars before)", "log", -2, 2, "18 bars", _SMA),
    ("sma_36_slope", "log(SMA 36 / SMA 36 twelve bars before)", "log", -2, 2, "48 bars", _SMA),
    ("close_over_sma_36", "log(c / SMA 36)", "log", -2, 2, "36 bars", _SMA),
    ("macd_histogram", "MACD(12, 26, 9) histogram / c", "fraction", -1, 1, "warm-up", "Appel, by TA-Lib MACD"),
    ("close_over_vwap", "log(c / volume-weighted average of (h + l + c) / 3)", "log", -2, 2, "since 04:00"),
    ("sma_20d_slope", "log(daily SMA 20 / daily SMA 20 five days before)", "log", -2, 2, "25 days", _SMA),
    ("close_over_sma_20d", "log(c / daily SMA 20)", "log", -3, 3, "20 days", _SMA),
)


def _higher(name: str, words: str) -> tuple[_Line, ...]:
    return (
        (f"close_over_sma_10_{name}", f"log(c / SMA 10 of {words} closes)", "log", -3, 3, f"10 {words} bars", _SMA),
        (
            f"sma_10_slope_{name}",
            f"log(SMA 10 / SMA 10 five bars before) of {words} closes",
            "log",
            -3,
            3,
            f"15 {words} bars",
            _SMA,
        ),
        (f"rsi_14_{name}", f"RSI(14) of {words} closes", "index", 0, 100, f"{words} bars of 10 sessions", _RSI),
    )


_HIGHER = _group(
    "higher timeframes",
    *_higher("15m", "15-minute"),
    *_higher("1h", "1-hour"),
    *_higher("4h", "4-hour"),
    (
        "trend_agreement",
        "mean sign of sma_36_slope, the three sma_10_slope and sma_20d_slope",
        "fraction",
        -1,
        1,
        "theirs",
    ),
)

_MOMENTUM = _group(
    "momentum",
    ("rsi_14", "RSI(14) of bars", "index", 0, 100, "warm-up", _RSI),
    ("rsi_14d", "RSI(14) of daily closes", "index", 0, 100, "60 days", _RSI),
    ("return_5m", "log(c / c one bar before)", "log", -2, 2, "1 bar"),
    ("return_15m", "log(c / c 3 bars before)", "log", -2, 2, "3 bars"),
    ("return_30m", "log(c / c 6 bars before)", "log", -2, 2, "6 bars"),
    ("return_60m", "log(c / c 12 bars before)", "log", -2, 2, "12 bars"),
    ("return_180m", "log(c / c 36 bars before)", "log", -2, 2, "36 bars"),
    ("return_since_open", "log(c / first open at or after the regular open)", "log", -2, 2, "since the open"),
    ("return_since_close", "log(c / previous daily close)", "log", -2, 2, "since the close before"),
    ("return_1d", "previous daily return, log", "log", -2, 2, "2 days"),
    ("return_5d", "return of the 5 daily bars before today, log", "log", -3, 3, "6 days"),
    ("return_20d", "return of the 20 daily bars before today, log", "log", -4, 4, "21 days"),
    ("day_range_position", "(c - low) / (high - low) of the day", "fraction", 0, 1, "since 04:00"),
    ("close_under_day_high", "log(c / high of the day)", "log", -3, 0, "since 04:00"),
    ("close_under_high_20d", "log(c / high of the 20 daily bars before today)", "log", -4, 3, "20 days"),
)

_VOLATILITY = _group(
    "volatility",
    ("atr_14", "ATR(14) of bars / c", "fraction", 0, 1, "warm-up", _ATR),
    ("atr_14d", "ATR(14) of daily bars / previous close", "fraction", 0, 2, "60 days", _ATR),
    ("volatility_12", "root mean square of the last 12 log returns", "log", 0, 1, "12 bars"),
    ("volatility_36", "root mean square of the last 36 log returns", "log", 0, 1, "36 bars"),
    ("volatility_20d", "standard deviation of 20 daily log returns", "log", 0, 2, "21 days"),
    ("volatility_ratio", "log(volatility_12 / volatility_36)", "log", -20, 2, "36 bars"),
    ("range_expansion", "(h - l) / ATR(14) of the bar before", "ratio", 0, 100, "warm-up", _ATR),
    ("day_range_atr", "(high - low of the day) / daily ATR(14)", "ratio", 0, 100, "since 04:00, 60 days", _ATR),
)

_VOLUME = _group(
    "volume",
    (
        "rvol_day",
        "log(volume of the day / mean of past sessions until the same time)",
        "log",
        -12,
        12,
        "since 04:00, 10 sessions",
    ),
    (
        "rvol_15m",
        "log1p(volume of the last 15 min / mean of past sessions in the same 15 min)",
        "log",
        0,
        16,
        "3 slots, 10 sessions",
    ),
    ("volume_z", "(log1p(v) - mean) / standard deviation of the bars before", "ratio", -100, 100, "36 bars"),
    ("dollar_volume", "log1p(mean of c v)", "log", 0, 30, "12 bars"),
    ("dollar_volume_20d", "log1p(mean of c v) of daily bars", "log", 0, 35, "20 days"),
)

_GAP = _group(
    "gap and premarket",
    (
        "gap",
        "log(first open at or after the regular open / previous close); before it log(c / previous close)",
        "log",
        -2,
        2,
        "since the close before",
    ),
    (
        "premarket_volume",
        "volume before the open so far / mean daily volume of 20 days",
        "ratio",
        0,
        1000,
        "04:00 to the open, 20 days",
    ),
    ("premarket_range", "log(high / low) before the open so far", "log", 0, 3, "04:00 to the open"),
    ("close_over_premarket_high", "log(c / high before the open so far)", "log", -3, 3, "04:00 to the open"),
)

_MARKET = _group(
    "market context",
    ("spy_return_30m", "return_30m of the first market symbol", "log", -0.5, 0.5, "6 bars"),
    (
        "spy_return_since_close",
        "return_since_close of the first market symbol",
        "log",
        -0.5,
        0.5,
        "since the close before",
    ),
    ("spy_close_over_sma_36", "close_over_sma_36 of the first market symbol", "log", -0.5, 0.5, "36 bars", _SMA),
    ("spy_volatility_36", "volatility_36 of the first market symbol", "log", 0, 0.5, "36 bars"),
    ("spy_volatility_20d", "volatility_20d of the first market symbol", "log", 0, 0.5, "21 days"),
    ("spy_return_20d", "return_20d of the first market symbol", "log", -1, 1, "21 days"),
    ("qqq_return_30m", "return_30m of the second market symbol", "log", -0.5, 0.5, "6 bars"),
    (
        "qqq_return_since_close",
        "return_since_close of the second market symbol",
        "log",
        -0.5,
        0.5,
        "since the close before",
    ),
    ("qqq_volatility_36", "volatility_36 of the second market symbol", "log", 0, 0.5, "36 bars"),
    ("strength_30m", "return_30m - spy_return_30m", "log", -2, 2, "6 bars"),
    (
        "strength_since_close",
        "return_since_close - spy_return_since_close",
        "log",
        -2,
        2,
        "since the close before",
    ),
)

_BREADTH = _group(
    "breadth",
    ("breadth_up", "share of the core symbols above their previous close", "fraction", 0, 1, "since the close before"),
    ("breadth_above_vwap", "share of the core symbols above their VWAP of the day", "fraction", 0, 1, "since 04:00"),
    ("breadth_return", "mean return_since_close of the core symbols", "log", -1, 1, "since the close before"),
    (
        "breadth_dispersion",
        "standard deviation of return_since_close over the core symbols",
        "log",
        0,
        1,
        "since the close before",
    ),
)

_CALENDAR = _group(
    "calendar",
    (
        "minutes_since_open",
        "minutes from the regular open to the bar's end; negative before",
        "minutes",
        -840,
        1440,
        "the bar",
    ),
    (
        "minutes_to_close",
        "minutes from the bar's end to the regular close; negative after",
        "minutes",
        -1440,
        1440,
        "the bar",
    ),
    (
        "session",
        "session at the bar's end: 0 PRE, 1 REG-AM, 2 REG-MID, 3 REG-PM, 4 AFT, 5 CLOSED",
        "ordinal",
        0,
        5,
        "the bar",
    ),
    ("day_of_week", "0 Monday to 6 Sunday", "ordinal", 0, 6, "the bar"),
)

_TEXT = _group(
    "text",
    (
        "narrative_score",
        "score of the narrative told last, halved every 90 minutes since",
        "fraction",
        -1,
        1,
        "24 hours",
    ),
    ("story_novelty", "1 - largest cosine of the newest story to those before it", "fraction", 0, 2, "5 days"),
    ("story_count", "stories received, echoes not counted", "count", 0, 10_000, "24 hours"),
    ("source_weight", "weight of the newest story's source", "fraction", 0, 1, "24 hours"),
)

FEATURES: tuple[Feature, ...] = (
    *_TREND,
    *_HIGHER,
    *_MOMENTUM,
    *_VOLATILITY,
    *_VOLUME,
    *_GAP,
    *_MARKET,
    *_BREADTH,
    *_CALENDAR,
)
"""Those of bars alone: what every table of features begins with, and all that a history of bars can teach."""
TEXT_FEATURES: tuple[Feature, ...] = _TEXT
"""Those of the news, behind them in a table where it is read."""
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
TEXT_FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in TEXT_FEATURES)
ALL_FEATURE_NAMES: tuple[str, ...] = FEATURE_NAMES + TEXT_FEATURE_NAMES
FEATURE_LOW: FloatArray = np.array([feature.low for feature in FEATURES])
FEATURE_HIGH: FloatArray = np.array([feature.high for feature in FEATURES])
MAY_BE_NAN: frozenset[str] = frozenset(feature.name for feature in (*FEATURES, *TEXT_FEATURES) if feature.nan_when)
"""Features that healthy data can leave undefined; a NaN in any other is a fault."""
