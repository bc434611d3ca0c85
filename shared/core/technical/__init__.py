"""Technical reports: what indicators, candlestick patterns and levels say of closed bars. Evidence, no gate."""

from shared.core.technical.reports import (
    CandlePattern,
    IndicatorReport,
    PatternReport,
    RsiLevel,
    TechnicalReports,
    TrendDirection,
    TrendReport,
)
from shared.core.technical.rules import BREAKOUT_BARS, technical_reports

__all__ = [
    "BREAKOUT_BARS",
    "CandlePattern",
    "IndicatorReport",
    "PatternReport",
    "RsiLevel",
    "TechnicalReports",
    "TrendDirection",
    "TrendReport",
    "technical_reports",
]
