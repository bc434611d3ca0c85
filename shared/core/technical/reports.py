"""The three technical reports as values. A figure that too few bars, or broken ones, do not give is None, never NaN."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.core.values import require, require_utc


class TrendDirection(StrEnum):
    """Which way something points."""

    UP = "up"
    DOWN = "down"
    FLAT = "flat"

    @classmethod
    def of(cls, sign: float) -> Self:
        """The direction of a number's sign."""
        return cls("up" if sign > 0 else "down" if sign < 0 else "flat")


class RsiLevel(StrEnum):
    """Where the RSI stands."""

    OVERBOUGHT = "overbought"
    NEUTRAL = "neutral"
    OVERSOLD = "oversold"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorReport:
    """What momentum indicators say.

    Attributes
    ----------
    macd, macd_signal : float or None
        MACD(12, 26) and its signal line (9), in USD per share.
    rsi : float or None
        RSI(14), in [0, 100]. None too where no price has moved.
    level : RsiLevel or None
    trend : TrendDirection or None
        What most of five votes say (`shared.core.technical.rules`); None where one of them is not known.
    confidence : float or None
        Share of the five votes that say the trend, in [0, 1].
    """

    macd: float | None = None
    macd_signal: float | None = None
    rsi: float | None = None
    level: RsiLevel | None = None
    trend: TrendDirection | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_share("confidence", self.confidence)
        require(self.rsi is None or 0 <= self.rsi <= 100, "rsi", self.rsi, "in [0, 100]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandlePattern:
    """A candlestick pattern that the last closed bar completes: TA-Lib's function, its name in words, its sign."""

    name: str
    words: str
    direction: TrendDirection


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternReport:
    """Candlestick patterns of the last closed bar, and what came after the primary one in the symbol's own past.

    Attributes
    ----------
    patterns : tuple of CandlePattern
        In the order of their names; empty where the bar completes none.
    primary : CandlePattern or None
        The one with the most past cases.
    confidence : float or None
        How far the estimate is to be trusted: cases / (cases + 10), in [0, 1). None without a pattern.
    breakout_probability : float or None
        Share of the primary's past cases after which the price broke out; None where it never occurred.
    breakout_cases : int
        Past cases that are complete by now.
    usual_probability : float or None
        The same share of all bars of the past: what the pattern has to be held against.
    """

    patterns: tuple[CandlePattern, ...] = ()
    primary: CandlePattern | None = None
    confidence: float | None = None
    breakout_probability: float | None = None
    breakout_cases: int = 0
    usual_probability: float | None = None

    def __post_init__(self) -> None:
        _require_finite(self)
        for name in ("confidence", "breakout_probability", "usual_probability"):
            _require_share(name, getattr(self, name))
        is_known = self.breakout_probability is not None
        require(is_known == (self.breakout_cases > 0), "breakout_cases", self.breakout_cases, "above 0 iff measured")
        is_found = self.primary in self.patterns if self.patterns else self.primary is None
        require(is_found, "primary", self.primary, f"one of {self.patterns}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendReport:
    """Levels and trend.

    Attributes
    ----------
    support, resistance : float or None
        The nearest standing swing low below the last close and swing high above it, in USD; None where there is none.
    direction : TrendDirection or None
        None where the bars are too few.
    strength : float or None
        R squared of the closes' logarithms against a straight line, in [0, 1].
    """

    support: float | None = None
    resistance: float | None = None
    direction: TrendDirection | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_share("strength", self.strength)
        if self.support is not None and self.resistance is not None:
            require(self.support < self.resistance, "support", self.support, f"below resistance {self.resistance}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalReports:
    """The reports on a symbol's bars that were closed at an instant.

    Attributes
    ----------
    indicator : IndicatorReport
    pattern : PatternReport
    trend : TrendReport
    bars : int
        Closed bars that they rest on; 0 where there are none, and then nothing is known.
    closed_at : datetime or None
        End of the last of them.
    close : float or None
        Its close, in USD.
    """

    indicator: IndicatorReport
    pattern: PatternReport
    trend: TrendReport
    bars: int
    closed_at: datetime | None = None
    close: float | None = None

    def __post_init__(self) -> None:
        _require_finite(self)
        if self.closed_at is not None:
            require_utc("closed_at", self.closed_at)


def _require_share(name: str, value: float | None) -> None:
    require(value is None or 0 <= value <= 1, name, value, "in [0, 1]")


def _require_finite(report: IndicatorReport | PatternReport | TrendReport | TechnicalReports) -> None:
    for item in fields(report):
        value = getattr(report, item.name)
        require(not isinstance(value, float) or math.isfinite(value), item.name, value, "finite, or None")
