"""How the technical reports are made: stated rules over closed bars, by TA-Lib where it knows the figure.

All lengths are in bars, whatever lies between them: a window or a case may run over a night.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.market import Bars, FloatArray, Timeframe
from shared.core.technical.reports import (
    CandlePattern,
    IndicatorReport,
    PatternReport,
    RsiLevel,
    TechnicalReports,
    TrendDirection,
    TrendReport,
)
from shared.core.values import from_epoch

RSI_BARS: Final = 14
OVERBOUGHT_FROM, OVERSOLD_TO = 70.0, 30.0
AVERAGE_BARS: Final = 20
SLOPE_BARS: Final = 5
"""Bars over which the moving average is held against itself."""
NO_VOTE: Final = 1e-9
"""Share of the price within which a figure is zero: constant prices leave so much of rounding, and no opinion."""

BREAKOUT_BARS: Final = 12
"""A breakout is a close above the highest high of so many bars, the pattern's included, in as many bars after it."""
CASES_OF_DOUBT: Final = 10
"""Cases with which an estimate is half trusted."""
SHAPES: Final = frozenset(
    {
        "CDLDOJI",
        "CDLGRAVESTONEDOJI",
        "CDLHIGHWAVE",
        "CDLLONGLEGGEDDOJI",
        "CDLLONGLINE",
        "CDLRICKSHAWMAN",
        "CDLSHORTLINE",
        "CDLSPINNINGTOP",
    }
)
"""Left out: they name the shape of one candle, and what TA-Lib gives as their sign is its colour, or always plus."""

SWING_BARS: Final = 5
"""A swing is beyond so many bars before it and not passed by as many after it; so the last of all hold none."""
TREND_BARS: Final = 36
"""Bars that the straight line is laid through: three hours of five minutes."""
FLAT_BELOW: Final = 0.25
"""R squared below which there is no direction."""


def technical_reports(bars: Bars, at: datetime, timeframe: Timeframe = Timeframe.MIN_5) -> TechnicalReports:
    """Report on the bars that were closed at an instant. What began later is not looked at.

    Parameters
    ----------
    bars : Bars
        Of one timeframe, in the terms of one day (`shared.core.splits`). Prices in USD.
    at : datetime
        The decision's instant.
    timeframe : Timeframe

    Returns
    -------
    TechnicalReports
        Equal bits for equal closed bars. Too few bars, or bars with holes in their figures, leave fields None.
    """
    closed = bars[: int(np.searchsorted(bars.start_s, at.timestamp() - timeframe.seconds, side="right"))]
    if not len(closed):
        return TechnicalReports(indicator=IndicatorReport(), pattern=PatternReport(), trend=TrendReport(), bars=0)
    with np.errstate(all="ignore"):
        return TechnicalReports(
            indicator=indicator_report(closed),
            pattern=pattern_report(closed),
            trend=trend_report(closed),
            bars=len(closed),
            closed_at=from_epoch(int(closed.start_s[-1]) + timeframe.seconds),
            close=_known(float(closed.close[-1])),
        )


def indicator_report(closed: Bars) -> IndicatorReport:
    """MACD and RSI of the last bar, and the trend by five votes.

    The votes: MACD against its signal line, MACD against zero, RSI against 50, close against its 20-bar mean, that mean
    against itself five bars before. A vote within `NO_VOTE` is flat. Up has it where more votes are up than down, down
    where fewer; else the trend is flat.
    """
    import talib  # noqa: PLC0415 (it imports pandas: only who computes reports pays)

    close = np.ascontiguousarray(closed.close)
    last = float(close[-1])
    macd, macd_signal, _ = (float(line[-1]) for line in talib.MACD(close, 12, 26, 9))
    rsi, mean = float(talib.RSI(close, RSI_BARS)[-1]), talib.SMA(close, AVERAGE_BARS)
    if rsi == 0 and not np.any(np.diff(close[-RSI_BARS - 1 :]) < 0):  # TA-Lib's 0 of prices that never moved
        rsi = np.nan
    before = float(mean[-1 - SLOPE_BARS]) if mean.size > SLOPE_BARS else np.nan
    found = np.array([macd - macd_signal, macd, (rsi - 50) * last, last - mean[-1], mean[-1] - before])
    trend = share = None
    if np.isfinite(found).all():
        votes = np.where(np.abs(found) > NO_VOTE * last, np.sign(found), 0.0)
        sign = np.sign(votes.sum())
        trend, share = TrendDirection.of(sign), float(np.mean(votes == sign))
    return IndicatorReport(
        macd=_known(macd),
        macd_signal=_known(macd_signal),
        rsi=_known(rsi),
        level=_level(rsi),
        trend=trend,
        confidence=share,
    )


def _level(rsi: float) -> RsiLevel | None:
    if not np.isfinite(rsi):
        return None
    return (
        RsiLevel.OVERBOUGHT if rsi >= OVERBOUGHT_FROM else RsiLevel.OVERSOLD if rsi <= OVERSOLD_TO else RsiLevel.NEUTRAL
    )


def pattern_report(closed: Bars) -> PatternReport:
    """Patterns of the last bar, and how often the price broke out after the primary one before.

    A case is a bar of the past that completed the primary pattern with its sign and has `BREAKOUT_BARS` bars up to it
    and as many after it. Upward whatever the pattern's direction: a buyer asks. Cases may overlap.
    """
    import talib  # noqa: PLC0415

    known = talib.get_function_groups()["Pattern Recognition"]  # type: ignore[no-untyped-call]
    prices = [np.ascontiguousarray(part) for part in (closed.open, closed.high, closed.low, closed.close)]
    signs = {name: np.sign(getattr(talib, name)(*prices)) for name in sorted(set(known) - SHAPES)}
    found = [name for name in signs if signs[name][-1]]
    broke = _breakouts(closed)
    usual = float(broke.mean()) if broke.size else None
    if not found:
        return PatternReport(usual_probability=usual)
    inside = slice(BREAKOUT_BARS - 1, BREAKOUT_BARS - 1 + broke.size)
    cases = {name: signs[name][inside] == signs[name][-1] for name in found}
    primary = max(found, key=lambda name: int(cases[name].sum()))  # of equals the first by name
    count = int(cases[primary].sum())
    patterns = {name: _pattern(name, float(signs[name][-1])) for name in found}
    return PatternReport(
        patterns=tuple(patterns.values()),
        primary=patterns[primary],
        confidence=count / (count + CASES_OF_DOUBT),
        breakout_probability=float(broke[cases[primary]].mean()) if count else None,
        breakout_cases=count,
        usual_probability=usual,
    )


def _pattern(name: str, sign: float) -> CandlePattern:
    from talib import abstract  # noqa: PLC0415

    words = str(abstract.Function(name).info["display_name"])  # type: ignore[attr-defined]
    return CandlePattern(name=name, words=words, direction=TrendDirection.of(sign))


def _breakouts(closed: Bars) -> NDArray[np.bool_]:
    """Whether the price broke out after each bar that has enough bars around it, the first of them first."""
    n = len(closed) - 2 * BREAKOUT_BARS + 1
    if n <= 0:
        return np.empty(0, np.bool_)
    before = np.lib.stride_tricks.sliding_window_view(closed.high, BREAKOUT_BARS)[:n].max(axis=1)
    after = np.lib.stride_tricks.sliding_window_view(closed.close, BREAKOUT_BARS)[BREAKOUT_BARS:].max(axis=1)
    return np.asarray(after > before, np.bool_)


def trend_report(closed: Bars) -> TrendReport:
    """Support, resistance, direction, strength.

    A swing high is a bar whose high is above those of the `SWING_BARS` before it and not below those of as many after
    it; it stands while no later close is above it. Resistance is the lowest standing one above the last close. Support
    likewise of lows. The direction is that of a line through the logarithms of the last `TREND_BARS` closes, flat where
    it explains less than `FLAT_BELOW` of how they vary.
    """
    last = closed.close[-1]
    highs = _standing_highs(closed.high, closed.close)
    lows = -_standing_highs(-closed.low, -closed.close)
    above, below = highs[highs > last], lows[lows < last]
    direction, strength = _line(closed.close[-TREND_BARS:])
    return TrendReport(
        support=float(below.max()) if below.size else None,
        resistance=float(above.min()) if above.size else None,
        direction=direction,
        strength=strength,
    )


def _standing_highs(high: FloatArray, close: FloatArray) -> FloatArray:
    """Highs of the swings that no later close has passed."""
    k = SWING_BARS
    if high.size < 2 * k + 1:
        return np.empty(0)
    around = np.lib.stride_tricks.sliding_window_view(high, 2 * k + 1)
    middle = high[k:-k]
    is_swing = (middle > around[:, :k].max(axis=1)) & (middle >= around[:, k + 1 :].max(axis=1))
    later = np.maximum.accumulate(close[::-1])[::-1][k + 1 :]
    return middle[is_swing & np.isfinite(middle) & (later[: middle.size] <= middle)]


def _line(close: FloatArray) -> tuple[TrendDirection | None, float | None]:
    """Direction and R squared of a straight line through logarithms of closes."""
    if close.size < TREND_BARS or not np.all(np.isfinite(close) & (close > 0)):
        return None, None
    x, y = np.arange(close.size) - (close.size - 1) / 2, np.log(close)
    y -= y.mean()
    varies, together = float(np.sum(y * y)), float(np.sum(x * y))
    if varies <= NO_VOTE**2:
        return TrendDirection.FLAT, 0.0
    strength = min(together**2 / (float(np.sum(x * x)) * varies), 1.0)
    return TrendDirection.of(together if strength >= FLAT_BELOW else 0.0), strength


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
