"""A backtest's app hears of a file's stories when they were received, in order, and trades beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from shared.contracts.records import Table
from simulation.runtime.clock import SimClock
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from tests.support.backtest import rsi_plan
from tests.support.bars import trading_day
from tests.unit.training.backtest.conftest import SINCE
from training.backtest.engine import _Run, run
from training.backtest.market import TapeMarket
from training.backtest.spec import BacktestOutcome, Spec
from training.backtest.study import run_id
from training.backtest.tape import RollingTape
from training.backtest.told_stories import read_told

OPENED = trading_day(SINCE).open_at


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("told") / "stories.csv"
    rows = [
        ("BAKE", OPENED + timedelta(minutes=40), "Able and Bake to merge"),
        ("ABLE", OPENED + timedelta(minutes=40), "Able and Bake to merge"),
        ("ABLE", OPENED - timedelta(hours=2), "Able raises outlook"),
        ("NONE", OPENED - timedelta(hours=1), "A company without bars"),
    ]
    pd.DataFrame(rows, columns=["symbol", "ts", "text"]).to_csv(path, index=False)
    return path


def test_a_story_is_told_when_it_was_received_and_not_before(spec: Spec, stories: Path) -> None:
    exchange = Exchange(RollingTape.from_parquet(spec.bars, None), VenueConfig())
    clock = SimClock(OPENED - timedelta(hours=3))
    market = TapeMarket(exchange, clock, stories=read_told(stories))

    def told() -> list[str]:
        return [item.headline for item in market.news(OPENED - timedelta(days=1), OPENED + timedelta(days=1))]

    assert told() == []
    clock.at = OPENED - timedelta(hours=2, seconds=1)
    assert told() == []
    clock.at = OPENED - timedelta(hours=2)
    assert told() == ["Able raises outlook"]
    clock.at = OPENED + timedelta(minutes=40)
    assert told() == ["Able raises outlook", "A company without bars", "Able and Bake to merge"]
    (both,) = market.news(OPENED, clock.at + timedelta(seconds=1))
    assert both.symbols == ("ABLE", "BAKE")
    assert market.news(OPENED, OPENED + timedelta(minutes=40)) == []


def test_the_apps_own_news_scan_takes_the_stories_in(spec: Spec, stories: Path) -> None:
    beside = replace(spec, stories=stories, until=SINCE)
    plan = rsi_plan()
    tape = RollingTape.from_parquet(beside.bars, beside.until)
    one = _Run(beside, tape, plan)
    one.go(lambda what, done: None)
    rows = [row for _, row in one.app.tables.query(Table.STORIES, str(SINCE))]
    assert {str(row["headline"]) for row in rows} >= {"Able raises outlook", "Able and Bake to merge"}


def test_a_run_beside_stories_has_a_name_of_its_own(spec: Spec, outcome: BacktestOutcome, stories: Path) -> None:
    beside = run(replace(spec, stories=stories), rsi_plan())
    assert [day.on for day in beside.days] == [day.on for day in outcome.days]
    assert run_id(beside) != run_id(outcome)
    again = run(replace(spec, stories=stories), rsi_plan())
    assert [trade.decision_id for trade in again.trades] == [trade.decision_id for trade in beside.trades]
    assert run_id(again) == run_id(beside)
