"""What a case's page shows of the technical reports: a panel in plain words, and levels in the chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.case_chart import case_chart
from shared.bootstrap import JsonCodec
from shared.contracts.cases import Case, ChartBars, case_blob
from shared.contracts.records import Container, Table
from shared.core.technical import IndicatorReport, PatternReport, TechnicalReports, TrendReport
from tests.support.news_rows import AT
from tests.support.views import ON, MemorySource, current_ledger, shown, words
from tests.unit.dashboard.test_news import case_with
from tests.unit.stages.base.test_technical import HAMMER, KNOWN

WHOLE = replace(KNOWN, close=12.0, closed_at=datetime(2025, 10, 15, 14, 0, tzinfo=UTC))
BARE = TechnicalReports(indicator=IndicatorReport(), pattern=PatternReport(), trend=TrendReport(), bars=3)


def case_of(said: TechnicalReports | None) -> Case:
    start = int(AT.timestamp()) // 300 * 300 - 600
    prices: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close", "volume"), (11.0, 12.0, 12.5))
    bars = ChartBars(start_s=(start, start + 300, start + 600), **prices)
    return replace(case_with(None), technical=said, bars=bars)


def panel(said: TechnicalReports | None) -> str:
    source = MemorySource()
    current_ledger(source)
    row = {"decision_id": "d1", "symbol": "AAA", "slot": "1003", "verdict": "approved"}
    source.tables.put(Table.DECISIONS, str(ON), "AAA|1003|d1", row)
    source.blobs.put(Container.CASES, case_blob(ON, "d1"), JsonCodec().encode(case_of(said)).encode())
    with shown("case", source) as app:
        assert not app.exception
        return words(app)


def test_a_case_tells_the_reports_in_plain_words_with_units() -> None:
    found = panel(WHOLE)
    for said in (
        "What the bars said",
        "80 % of five votes",
        "overbought",
        "0.9877 USD",
        "-91.77 % from the close",
        "12.35 USD",
        "+2.88 % from the close",
        "Hammer, bullish; breakout within 12 bars after 40% of 10 cases, 25% after any bar",
        "50 %, for 10 cases",
        "900 bars of 5 minutes",
    ):
        assert said in found, said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "No technical reports"),
        (replace(BARE, bars=0), "No bar had closed"),
        (replace(BARE, closed_at=WHOLE.closed_at, close=12.0), "too few bars"),
        (replace(BARE, closed_at=WHOLE.closed_at), "no swing stands"),
    ],
)
def test_what_is_not_known_is_said(said: TechnicalReports | None, told: str) -> None:
    assert told in panel(said)


def test_other_patterns_of_the_bar_are_named() -> None:
    star = replace(HAMMER, name="CDLDOJISTAR", words="Doji Star")
    pattern = replace(WHOLE.pattern, patterns=(star, HAMMER))
    assert "Doji Star" in panel(replace(WHOLE, pattern=pattern))


def test_the_chart_draws_the_levels_up_to_the_decision_and_none_that_is_not_there() -> None:
    drawn = {trace.name: trace for trace in case_chart(case_of(WHOLE)).data}
    for name, level in (("support", 0.98765), ("resistance", 12.3456)):
        assert set(drawn[name].y) == {level}
        assert max(drawn[name].x).tz_localize("America/New_York") == AT
    bare = {trace.name for trace in case_chart(case_of(BARE)).data}
    assert not bare & {"support", "resistance"}
