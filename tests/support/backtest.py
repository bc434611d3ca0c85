"""A small recorded market and models that trade it, for whoever tests the backtest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shared.contracts.model_card import MOVE_MODEL, SIGNAL_CLASSES, SIGNAL_MODEL, ModelCard, RecordedPair
from shared.core.features import FEATURE_NAMES
from shared.core.ids import digest
from shared.core.values import from_epoch
from tests.support.bars import CALENDAR, day_starts, random_walk
from tests.support.models import CREATED_AT, random_dataset
from training import export, fit
from training.backtest.batch import TrainedSet
from training.backtest.spec import ModelPlan
from training.dataset import Dataset

LAST = date(2025, 10, 17)
SESSIONS = 31
SYMBOLS = ("SPY", "QQQ", "ABLE", "BAKE")
OPEN_SLOT, CLOSE_SLOT = 114, 192


def write_market(path: Path, *, seed: int = 3, sessions: int = SESSIONS) -> Path:
    """Regular sessions of four symbols, 5-minute bars, as parquet."""
    days = [*CALENDAR.previous_days(LAST, sessions - 1), CALENDAR.day(LAST)]
    starts = np.concatenate([day_starts(day.on, OPEN_SLOT, CLOSE_SLOT) for day in days if day is not None])
    columns: dict[str, list[object]] = {name: [] for name in ("symbol", "ts", "open", "high", "low", "close", "volume")}
    for k, symbol in enumerate(SYMBOLS):
        bars = random_walk(np.random.default_rng([seed, k]), starts, 60.0 + 5 * k, 0.006)
        columns["symbol"] += [symbol] * len(bars)
        columns["ts"] += [from_epoch(int(s)) for s in bars.start_s]
        for name in ("open", "high", "low", "close"):
            columns[name] += np.round(getattr(bars, name), 2).tolist()
        columns["volume"] += (bars.volume * 20).tolist()
    pq.write_table(pa.table(columns), path)
    return path


def driven_dataset() -> Dataset:
    """Rows whose RSI decides what comes."""
    data = random_dataset(5)
    rng = np.random.default_rng(5)
    features = np.zeros_like(data.features)
    rsi = rng.uniform(10, 90, len(data)).astype(np.float32)
    features[:, FEATURE_NAMES.index("rsi_14")] = rsi
    move = 0.02 * (rsi.astype(float) - 50) / 40 + rng.normal(0, 0.004, len(data))
    return replace(data, features=features, outcome=np.digitize(move, (-0.003, 0.003)).astype(np.int8), move=move)


@cache
def rsi_models() -> TrainedSet:
    """Signal and move models that believe in the RSI, and in nothing else. They have learned from early October."""
    data, rule = driven_dataset(), fit.FitRule(trees=60, depth=2, learning_rate=0.1)
    found = []
    for name, outputs, model in (
        (SIGNAL_MODEL, SIGNAL_CLASSES, fit.fit_signal(data, rule, 1)),
        (MOVE_MODEL, ("expected_move",), fit.fit_move(data, rule, 1)),
    ):
        onnx, rows = export.to_onnx(model, len(FEATURE_NAMES)), data.features[:8]
        pairs = tuple(
            RecordedPair(features=tuple(map(float, row)), output=tuple(map(float, output)))
            for row, output in zip(rows, fit.predict(model, rows), strict=True)
        )
        card = ModelCard(
            name=name,
            version="rsi",
            sha256=digest(onnx),
            feature_names=FEATURE_NAMES,
            output_names=outputs,
            label="made up",
            trained_from=date(2025, 10, 1),
            trained_to=date(2025, 10, 6),
            created_at=CREATED_AT,
            expires_on=date(2025, 12, 1),
            code_revision="",
            metrics={},
            pairs=pairs,
        )
        found.append((onnx, card))
    return TrainedSet(models=tuple(found))


def rsi_plan() -> ModelPlan:
    """The same models for every day."""
    return ModelPlan(steps=((date.min, rsi_models()),))
