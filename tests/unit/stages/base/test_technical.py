"""A decision's technical reports are those of the bars that its slice saw, wherever they are wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.history import BlobHistory
from shared.contracts.cases import SliceInputs
from shared.contracts.messages import Signal
from shared.contracts.records import Container
from shared.core.errors import ContractError
from shared.core.features import HISTORY_SESSIONS
from shared.core.market import Timeframe
from shared.core.packing import unpack
from shared.core.sessions import pre_open_at
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
from shared.core.values import Symbol
from shared.stages.base.decision_notices import technical_lines
from shared.stages.base.technical import reports_of
from shared.stages.entry.announce import announced
from shared.stages.entry.gate import gate
from shared.stages.entry.score import score
from tests.support.books import NOON, NightFakes, night_ports, slice_of
from tests.support.market_day import ON

NOBODY = "phone: json://phone.invalid/a"
HAMMER = CandlePattern(name="CDLHAMMER", words="Hammer", direction=TrendDirection.UP)
KNOWN = TechnicalReports(
    indicator=IndicatorReport(rsi=71.5, level=RsiLevel.OVERBOUGHT, trend=TrendDirection.UP, confidence=0.8),
    pattern=PatternReport(
        patterns=(HAMMER,),
        primary=HAMMER,
        confidence=0.5,
        breakout_probability=0.4,
        breakout_cases=10,
        usual_probability=0.25,
    ),
    trend=TrendReport(support=0.98765, resistance=12.3456, direction=TrendDirection.FLAT, strength=0.123),
    bars=900,
)


def scored(ports: NightFakes) -> Signal:
    (signal,) = score(slice_of(ports, "AAA"), ports)
    return signal


def test_reports_are_those_of_the_symbols_bars_closed_when_the_slice_was_scored() -> None:
    ports = night_ports()
    found = reports_of(ports, scored(ports))
    since = pre_open_at(ports.calendar.previous_days(ON, HISTORY_SESSIONS)[0])
    market = ports.market.history["AAA", Timeframe.MIN_5].between(int(since.timestamp()), 2**40)
    assert found == technical_reports(market, NOON)
    assert found is not None
    assert found.closed_at is not None
    assert timedelta(0) <= NOON - found.closed_at < timedelta(minutes=5)
    assert found.bars > 1_500


def test_what_comes_later_changes_no_report() -> None:
    ports = night_ports()
    signal = scored(ports)
    before = reports_of(ports, signal)
    ports.clock.pass_by(timedelta(hours=2))
    ports.history = BlobHistory(ports.blobs)
    assert reports_of(ports, signal) == before


def test_inputs_that_are_gone_or_of_other_symbols_give_no_reports_and_bars_that_are_gone_are_an_error() -> None:
    ports = night_ports()
    signal = scored(ports)
    assert reports_of(ports, replace(signal, symbol=Symbol("ZZZ"))) is None
    assert reports_of(ports, replace(signal, features_blob=f"{ON}/1200/none.json.gz")) is None
    ports.history = BlobHistory(type(ports.blobs)())
    with pytest.raises(ContractError, match="does not exist"):
        reports_of(ports, signal)


def test_the_past_is_read_once_for_the_slices_of_a_day() -> None:
    ports = night_ports()
    slices = [slice_of(ports, "AAA", slot=slot) for slot in ("1200", "1205", "1210", "1215")]
    signals = []
    for message in slices:
        signals += score(message, ports)
        ports.clock.pass_by(timedelta(minutes=1))
    asked: list[str] = []
    get = ports.blobs.get

    def counted(container: str, name: str) -> object:
        asked.extend([name] if container == Container.BARS else [])
        return get(container, name)

    ports.blobs.get = counted  # type: ignore[method-assign, assignment]
    ports.history = BlobHistory(ports.blobs)
    for signal in signals:
        reports_of(ports, signal)
    stored = get(Container.FEATURES, signals[0].features_blob)
    assert stored is not None
    past = ports.codec.decode(SliceInputs, unpack(stored.value)).history_blob
    assert asked.count(past) == 1


def test_a_notice_of_a_decision_tells_the_reports_in_two_lines() -> None:
    ports = night_ports(GATEHOUSE_NOTICE_CHANNELS=NOBODY)
    signal = scored(ports)
    (intent,) = gate(signal, ports)
    said = reports_of(ports, signal)
    assert said is not None
    lines = announced(signal, intent, ports).body.splitlines()
    assert [line for line in lines if line.startswith(("Technical", "Pattern"))] == technical_lines(said)


def test_a_notice_without_the_bars_tells_the_rest() -> None:
    ports = night_ports(GATEHOUSE_NOTICE_CHANNELS=NOBODY)
    signal = scored(ports)
    (intent,) = gate(signal, ports)
    ports.history = BlobHistory(type(ports.blobs)())
    body = announced(signal, intent, ports).body
    assert "Indicators: " in body
    assert "Technical" not in body


def test_the_lines_say_each_figure_with_its_unit_or_measure() -> None:
    assert technical_lines(KNOWN) == [
        "Technical: indicators up (80% of votes), RSI(14) 71.5 overbought, trend flat (R2 0.12), "
        "support 0.9877, resistance 12.35",
        "Pattern: Hammer, bullish; breakout within 12 bars after 40% of 10 cases, 25% after any bar",
    ]


def test_the_lines_leave_out_what_is_not_known() -> None:
    bare = TechnicalReports(indicator=IndicatorReport(), pattern=PatternReport(), trend=TrendReport(), bars=3)
    assert technical_lines(bare) == ["Technical: no support, no resistance", "Pattern: none on the last closed bar"]
    assert technical_lines(replace(bare, bars=0)) == ["Technical: no closed bars"]
    falling = replace(HAMMER, words="Shooting Star", direction=TrendDirection.DOWN)
    never = PatternReport(patterns=(falling, HAMMER), primary=falling, confidence=0.0, usual_probability=0.3)
    assert technical_lines(replace(bare, pattern=never))[1] == (
        "Pattern: Shooting Star, bearish, and 1 more; no case of it in the bars before"
    )
