"""Leak checks are clean on the real pipeline, and find a leak that is planted in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from shared.core.features import HISTORY_SESSIONS
from shared.core.market import Bars, FloatArray, Timeframe, TradingDay
from shared.core.values import Symbol
from simulation.market.tape import Tape
from tests.support.backtest import SYMBOLS, driven_dataset, rsi_models
from training.backtest.leakcheck import (
    Decisions,
    Pipeline,
    decisions_of,
    feature_rows,
    future_shift,
    label_shuffle,
    learner,
    recursive,
    sampled_days,
    stage_pipeline,
    staged,
)
from training.backtest.market import TapeMarket
from training.backtest.spec import Spec, app_environment
from training.backtest.tape import RollingTape
from training.dataset import Dataset
from training.fit import FitRule, fit_signal, predict
from training.folds import Fold, walk_forward

CUT = 120
RULE = FitRule(trees=15, depth=2)


@pytest.fixture(scope="module")
def tape(spec: Spec) -> RollingTape:
    return RollingTape.from_parquet(spec.bars, None)


@pytest.fixture(scope="module")
def days(tape: RollingTape) -> list[TradingDay]:
    return sampled_days(tape, 1)


class SeesTheNextBar(TapeMarket):
    """Hands out the bar that has only begun: the leak that is planted."""

    def bars(
        self, symbols: Sequence[Symbol], timeframe: Timeframe, start: datetime, end: datetime
    ) -> Mapping[Symbol, Bars]:
        found = super().bars(symbols, timeframe, start, end)
        if timeframe is not Timeframe.MIN_5 or end < self._clock.now():
            return found
        return {s: self._tape.bars(s, timeframe, start, end + timedelta(minutes=1)) for s in symbols}


def leaky_pipeline() -> Pipeline:
    def run(tape: Tape, day: TradingDay, until: datetime) -> Decisions:
        app, runner = staged(tape, day, rsi_models(), app_environment({}, SYMBOLS, SYMBOLS[:2]))
        app.market = SeesTheNextBar(app.tape_broker.exchange, app.clock)
        runner.run(until)
        return decisions_of(app, day.on)

    return run


def test_a_changed_future_changes_nothing_that_was_decided(tape: RollingTape, days: list[TradingDay]) -> None:
    check = future_shift(stage_pipeline(rsi_models(), {}, SYMBOLS, SYMBOLS[:2]), tape, days, minutes=[CUT])
    assert check.is_clean
    assert check.compared > 100


def test_future_shift_finds_a_market_that_shows_an_open_bar(tape: RollingTape, days: list[TradingDay]) -> None:
    check = future_shift(leaky_pipeline(), tape, days, minutes=[CUT])
    assert any("signals" in line and "p_up" in line for line in check.found)


def test_a_longer_past_changes_no_feature(tape: RollingTape, days: list[TradingDay]) -> None:
    check = recursive(feature_rows(SYMBOLS[:2]), tape, days)
    assert check.is_clean


def test_recursive_finds_a_mean_over_all_that_there_is(tape: RollingTape, days: list[TradingDay]) -> None:
    def make(tape: Tape, day: TradingDay, history: tuple[int, int]) -> FloatArray:
        start = day.open_at - timedelta(days=history[0])
        mean = tape.bars("SPY", Timeframe.MIN_5, start, day.open_at).close.mean()
        return np.full((3, 1), mean)

    assert HISTORY_SESSIONS < 21
    assert recursive(make, tape, days).found


@pytest.fixture(scope="module")
def labelled() -> tuple[Dataset, Fold]:
    data = driven_dataset()
    return data, walk_forward(data.dates, folds=1, test_sessions=2, purge_sessions=1, embargo_sessions=0)[0]


def test_shuffled_labels_teach_nothing(labelled: tuple[Dataset, Fold]) -> None:
    assert label_shuffle(learner(RULE, 1), *labelled).is_clean


def test_label_shuffle_finds_an_outcome_among_the_features(labelled: tuple[Dataset, Fold]) -> None:
    def learn(data: Dataset, fold: Fold) -> FloatArray:
        features = data.features.copy()
        features[:, 3] = data.outcome + np.random.default_rng(1).normal(0, 0.3, len(data))
        leaky = dataclasses.replace(data, features=features)
        return predict(fit_signal(leaky.on(fold.train), RULE, 1), leaky.on(fold.test).features)

    assert label_shuffle(learn, *labelled).found


def test_label_shuffle_finds_a_learner_that_has_seen_the_test_rows(labelled: tuple[Dataset, Fold]) -> None:
    def learn(data: Dataset, fold: Fold) -> FloatArray:
        seen, rule = data.on([*fold.train, *fold.test]), FitRule(trees=60, depth=6, leaf_weight_min=1)
        return predict(fit_signal(seen, rule, 1), data.on(fold.test).features)

    assert label_shuffle(learn, *labelled).found
