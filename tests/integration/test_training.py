"""From the seeded market to a model that the app accepts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from shared.adapters.calendar import XnysCalendar
from shared.adapters.codec import decode_json
from shared.adapters.memory import MemoryBlobs
from shared.adapters.scorer import OnnxModels, verified
from shared.contracts.model_card import MOVE_MODEL, SIGNAL_MODEL, ModelCard
from shared.core.features import FEATURE_NAMES
from shared.core.market import Bars, Timeframe, TradingDay
from shared.core.splits import Splits
from shared.core.values import Symbol
from simulation.market.synthetic import SyntheticTape
from tests.support.bars import random_walk
from tests.support.clock import HandClock
from tests.unit.training.test_parquet import minutes, write
from training import evaluate, fit
from training.__main__ import main
from training.dataset import Dataset, SamplingRule, build_dataset
from training.fit import FitRule
from training.labels import BarrierRule
from training.pipeline import TrainedModels, TrainingRule, train
from training.publish import publish
from training.source import TapeHistory

ON = date(2025, 10, 15)
CREATED_AT = datetime(2025, 10, 14, 22, 0, tzinfo=UTC)
CALENDAR = XnysCalendar()
MARKET = (Symbol("SPY"), Symbol("QQQ"))
SAMPLING = SamplingRule(max_symbols=40)
RULE = TrainingRule(sampling=SAMPLING, fitting=FitRule(trees=40), test_sessions=5)


@cache
def tape(edge: float = 1.0) -> SyntheticTape:
    return SyntheticTape(7, ON, n_symbols=60, history_days=45, edge=edge)


@cache
def models() -> TrainedModels:
    return train(TapeHistory(tape(), CALENDAR), seed=3, on=ON, created_at=CREATED_AT, rule=RULE)


@cache
def whole_dataset(edge: float = 1.0, cost_bp: float = 10.0) -> Dataset:
    return dataset(TapeHistory(tape(edge), CALENDAR), cost_bp=cost_bp)


def dataset(source: TapeHistory | ShortHistory, on: date = ON, cost_bp: float = 10.0) -> Dataset:
    return build_dataset(
        source,
        on=on,
        seed=3,
        market_symbols=MARKET,
        sampling=SAMPLING,
        barrier=BarrierRule(cost_bp=cost_bp),
        progress=lambda what, done: None,
    )


class ShortHistory:
    """A history that ends before a date: what training would have seen at that time."""

    def __init__(self, whole: TapeHistory, before: date) -> None:
        self._whole = whole
        self.content_id = whole.content_id
        self.symbols = whole.symbols
        self.days: list[TradingDay] = [day for day in whole.days if day.on < before]

    def bars(self, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> Bars:
        last = self.days[-1]
        bars = self._whole.bars(symbol, timeframe, start, end)
        return bars.between(0, int((last.close_at + timedelta(hours=5)).timestamp()))

    def splits(self, symbol: Symbol) -> Splits:
        return self._whole.splits(symbol)


def test_trained_models_are_accepted_and_score_in_the_app() -> None:
    blobs, clock = MemoryBlobs(), HandClock()
    for model in (models().signal, models().move):
        publish(blobs, model.onnx, model.card, promoted_at=CREATED_AT)
    app = OnnxModels(blobs, clock)
    for name, outputs in ((SIGNAL_MODEL, 3), (MOVE_MODEL, 1)):
        state = app.current(name)
        assert state.fault == ""
        assert state.predictor is not None
        scores = state.predictor.predict(whole_dataset().features[:100].astype(float))
        assert scores.shape == (100, outputs)
        assert np.isfinite(scores).all()


def test_cards_say_what_was_learned_from_what_and_how_well() -> None:
    dates = [day.on for day in TapeHistory(tape(), CALENDAR).days]
    for model in (models().signal, models().move):
        card = model.card
        assert card.feature_names == FEATURE_NAMES
        assert card.trained_from == dates[SAMPLING.warmup_sessions]
        assert card.trained_to == dates[-RULE.test_sessions - RULE.purge_sessions - 1]
        assert card.expires_on == dates[-1] + timedelta(days=45)
        assert len(card.pairs) >= 16
        assert any(None in pair.features for pair in card.pairs)
        assert card.metrics["parity_rows"] >= 2_000
        assert card.metrics["parity_max_difference"] <= 1e-5
        assert card.metrics["test_sessions"] == 5
    assert models().signal.card.metrics["log_loss"] < models().signal.card.metrics["log_loss_base"]


def test_the_same_input_gives_the_same_bytes_and_version_whenever_it_runs() -> None:
    later = CREATED_AT + timedelta(days=3)
    again = train(TapeHistory(tape(), CALENDAR), seed=3, on=ON, created_at=later, rule=RULE)
    for one, other in ((models().signal, again.signal), (models().move, again.move)):
        assert one.onnx == other.onnx
        assert one.card == replace(other.card, created_at=CREATED_AT)


def test_another_seed_or_rule_gives_another_version() -> None:
    source = TapeHistory(tape(), CALENDAR)
    versions = {models().signal.card.version}
    for seed, rule in ((4, RULE), (3, replace(RULE, fitting=FitRule(trees=41)))):
        versions.add(train(source, seed=seed, on=ON, created_at=CREATED_AT, rule=rule).signal.card.version)
    assert len(versions) == 3


def test_the_traded_day_cannot_be_read() -> None:
    source = TapeHistory(tape(), CALENDAR)
    assert source.days[-1].on < ON
    with pytest.raises(ValueError, match="the start of the traded day"):
        source.bars(
            Symbol("SPY"), Timeframe.MIN_5, source.days[-1].open_at, source.days[-1].close_at + timedelta(days=1)
        )


def test_rows_of_a_date_are_the_same_when_later_sessions_have_not_happened_yet() -> None:
    whole = TapeHistory(tape(), CALENDAR)
    cut = whole.days[-5].on
    early, late = dataset(ShortHistory(whole, cut), cut), whole_dataset()
    n = len(early)
    assert n > 5_000
    assert early.features.tobytes() == late.features[:n].tobytes()
    assert np.array_equal(early.outcome, late.outcome[:n])


def test_a_market_without_an_edge_and_shuffled_labels_score_as_chance() -> None:
    """The pipeline finds direction where there is some, and none where there is none."""
    found = {}
    for name, edge in (("edge", 2.0), ("none", 0.0), ("shuffled", 2.0)):
        data = whole_dataset(edge, 0.0)  # with costs inside, whoever knows where they weigh most foresees a little
        learn, judge = data.on(data.dates[:-6]), data.on(data.dates[-5:])
        if name == "shuffled":
            learn = replace(learn, outcome=np.random.default_rng(0).permutation(learn.outcome))
        model = fit.fit_signal(learn, FitRule(trees=60), 1)
        scores = fit.predict(model, judge.features)
        found[name] = evaluate.signal_metrics(scores, judge, learn, cost_bp=10)["auc_direction"]
    assert found["edge"] > 0.55
    assert found["none"] == pytest.approx(0.5, abs=0.04)
    assert found["shuffled"] == pytest.approx(0.5, abs=0.04)


def test_too_little_history_is_refused() -> None:
    whole = TapeHistory(tape(), CALENDAR)
    with pytest.raises(ValueError, match="sessions before"):
        train(ShortHistory(whole, whole.days[20].on), seed=3, on=ON, created_at=CREATED_AT, rule=RULE)


def test_the_command_turns_a_file_of_bars_into_verified_models(tmp_path: Path) -> None:
    days = CALENDAR.previous_days(ON, 36)
    starts = np.concatenate([minutes(day.on)[::5] for day in days])
    parts = {
        symbol: random_walk(np.random.default_rng(k), starts, 30.0, 0.002)
        for k, symbol in enumerate(("SPY", "QQQ", "AAA", "BBB", "CCC"))
    }
    data = write(tmp_path / "bars.parquet", parts)
    assert main(["fit", "--data", str(data), "--out", str(tmp_path / "models")]) == 0
    cards = sorted((tmp_path / "models").glob("*/*/card.json"))
    assert [path.parent.parent.name for path in cards] == [MOVE_MODEL, SIGNAL_MODEL]
    for path in cards:
        card = decode_json(ModelCard, path.read_bytes())
        assert verified(card, (path.parent / "model.onnx").read_bytes()).card.version == card.version
    assert main(["fit", "--data", str(tmp_path / "absent.parquet"), "--out", str(tmp_path)]) == 1
