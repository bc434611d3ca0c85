"""What the bars said when a case was decided: indicators, candlestick patterns, levels and trend, in plain words."""

from __future__ import annotations

import streamlit as st

from dashboard import theme, units
from shared.contracts.cases import Case
from shared.core.technical import (
    BREAKOUT_BARS,
    IndicatorReport,
    PatternReport,
    TechnicalReports,
    TrendDirection,
    TrendReport,
)
from shared.stages.base.decision_notices import pattern_words

_TONES: dict[TrendDirection | None, theme.Tone] = {TrendDirection.UP: "good", TrendDirection.DOWN: "bad"}


def technical_panel(case: Case) -> None:
    """Show the three reports; say so where there are none."""
    st.subheader("What the bars said")
    said = case.technical
    if said is None:
        st.caption("No technical reports: the file was written by an older revision of the app, or bars are not kept.")
        return
    if said.closed_at is None:
        st.caption("No bar had closed.")
        return
    theme.cards([*_indicators(said.indicator), *_trend(said.trend, said.close)])
    theme.facts([("Pattern", pattern_words(said.pattern)), *_pattern(said.pattern)])
    st.caption(_rests_on(said))


def _indicators(said: IndicatorReport) -> list[tuple[str, str, str, theme.Tone]]:
    votes = f"{units.percent(said.confidence, digits=0)} of five votes" if said.trend else "too few bars"
    rsi = f"{said.rsi:.1f}" if said.rsi is not None else units.NOTHING
    return [
        ("Indicators", said.trend or units.NOTHING, votes, _TONES.get(said.trend, "plain")),
        ("RSI(14), of 100", rsi, said.level or "", "plain"),
        ("MACD(12, 26)", _signed(said.macd), f"signal line {_signed(said.macd_signal)}", "plain"),
    ]


def _trend(said: TrendReport, close: float | None) -> list[tuple[str, str, str, theme.Tone]]:
    fit = f"R\u00b2 {units.ratio(said.strength)}" if said.strength is not None else "too few bars"
    return [
        ("Trend", said.direction or units.NOTHING, fit, _TONES.get(said.direction, "plain")),
        ("Support", units.price(said.support), _away(said.support, close), "plain"),
        ("Resistance", units.price(said.resistance), _away(said.resistance, close), "plain"),
    ]


def _away(level: float | None, close: float | None) -> str:
    """How far a level is from the last close."""
    if level is None:
        return "no swing stands"
    return f"{units.percent(level / close - 1, sign=True, digits=2)} from the close" if close else ""


def _pattern(said: PatternReport) -> list[tuple[str, str]]:
    if said.primary is None:
        return []
    others = ", ".join(each.words for each in said.patterns if each != said.primary)
    trust = units.percent(said.confidence, digits=0)
    return [
        *([("Also", others)] if others else []),
        ("Trust", f"{trust}, for {units.whole(said.breakout_cases)} cases of the symbol's own past"),
    ]


def _signed(value: float | None) -> str:
    return units.NOTHING if value is None else f"{value:+.4f} USD"


def _rests_on(said: TechnicalReports) -> str:
    return (
        f"Of {units.whole(said.bars)} bars of 5 minutes, the last closed at {units.et(said.closed_at, seconds=False)} "
        f"at {units.price(said.close)}. A breakout is a close above the highest price of {BREAKOUT_BARS} bars, within "
        f"the next {BREAKOUT_BARS}. Evidence for a reader and for the committee: no gate asks for it."
    )
